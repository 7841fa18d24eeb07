"""What the API needs of the indexer; it joins through the entry points of `lexpix.web`."""
