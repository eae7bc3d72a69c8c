"""Chapter 5: recurrent networks and a first language model."""
