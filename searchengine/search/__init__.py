"""One way from a query to an answer, for the command line, the web and Python.

Imports everything below: `language`, `catalog`, `indexes`, `models`, `recipes`. Begin with `engine`
(the public face), then `paging` (filter, rank, page), `resolve` (what a query means), `ranking`.
"""
