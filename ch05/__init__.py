"""Chapter 5: recurrent networks and a first language model."""

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable
