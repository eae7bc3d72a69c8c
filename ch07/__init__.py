"""Chapter 7: generating text, and sequence to sequence."""

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable
