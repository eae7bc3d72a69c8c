"""Chapter 3: word2vec in its plainest form."""

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable
