"""Processes that decode what could take this one down with it.

Begin with `pool`, which lends them files; `process` is what runs in one, `channel` how both talk.
"""
