"""The web page and the REST API over one library; `lexpix serve` starts them.

Imports `search`; nothing imports it but commands and plugins. Begin with `app`; the routes are in
`routes`, who may ask in `safety`, files of pictures in `media`, the page in `page`.
"""
