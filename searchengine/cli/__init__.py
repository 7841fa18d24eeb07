"""The commands that search and serve; those of `indexer.cli` join them through entry points.

Imports `search` and `web`. Begin with `main`; `options` and `output` are what all of
them share. `completion` and `shells` answer Tab, `pictures` draws in a terminal, `interactive` is
the prompt of `search -i`.
"""
