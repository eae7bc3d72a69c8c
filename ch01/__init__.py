"""Chapter 1: neural networks, shown by a two-layer network that classifies the points of a spiral."""

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable
