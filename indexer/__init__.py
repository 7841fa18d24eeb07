"""Everything that produces what is searched: scans, embeddings, models."""
