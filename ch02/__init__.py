"""Chapter 2: word vectors from counts of the words that appear together."""
