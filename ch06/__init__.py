"""Chapter 6: LSTM language models."""
