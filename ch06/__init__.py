"""Chapter 6: LSTM language models."""

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable
