"""Data sets: spiral points, the Penn Treebank, character sequences, and a built-in grammar of known entropy."""
