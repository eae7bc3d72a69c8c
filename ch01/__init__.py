"""Chapter 1: neural networks, shown by a two-layer network that classifies the points of a spiral."""
