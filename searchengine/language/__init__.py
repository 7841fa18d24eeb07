"""How texts become words, in any language, and words a query.

Imports the files beside this folder alone. Begin with `query` (the grammar) and `words` (the word
table); `translator` puts other languages and emoji into English, by the table of `aliases`.
"""
