"""Chapter 7: generating text, and sequence to sequence."""
