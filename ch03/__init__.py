"""Chapter 3: word2vec in its plainest form."""
