"""Chapter 4: word2vec made fast, by looking up rows and by negative sampling."""

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable
