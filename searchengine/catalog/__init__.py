"""What is stored, in SQLite: pictures, tags, captions, texts and vectors.

Imports `language` and the files beside this folder. Begin with `store.Catalog`, which has the
others as its parts; `tables` is the schema, `database` opens and upgrades it, `changes` is what
indexes learn.
"""
