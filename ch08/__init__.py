"""Chapter 8: attention."""

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable
