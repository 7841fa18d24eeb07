"""Where the files of a library are, on a disk, at an address or in an archive, and opening them.

Begin with `opening`; `addresses` spells places, `remote` asks servers by fsspec, `archives` looks
into .tar, .zip and `parquet`, and `listings` keeps what was in them.
"""
