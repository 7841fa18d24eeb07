"""Vector indexes, one module per backend; `rows` and `files` are what they share."""
