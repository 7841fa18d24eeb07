"""Vector indexes, one module per backend, and how they keep up with the catalog.

Imports `catalog`. Begin with the `VectorIndex` protocol in `types`, then `base` and `exact`; `rows`
and `files` are what the backends share, `sync` heals an index from the catalog.
"""
