"""Word lists that are made ahead of time: tags, foods, other languages; and WordNet.

Imports `searchengine` alone. Begin with `wordnet`; each `make_*` writes one file of `assets`.
"""
