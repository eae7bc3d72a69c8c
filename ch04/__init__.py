"""Chapter 4: word2vec made fast, by looking up rows and by negative sampling."""
