"""What the API needs of the indexer; it joins through the entry points of `lexpix.web`.

Imports `library`, `maps` and `searchengine.web`. Begin with `jobs`.
"""
