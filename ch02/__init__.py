"""Chapter 2: word vectors from counts of the words that appear together."""

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable
