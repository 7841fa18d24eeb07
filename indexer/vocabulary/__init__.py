"""Make the vocabulary of tags."""
