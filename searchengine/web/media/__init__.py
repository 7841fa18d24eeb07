"""Pictures over the web: thumbnails, originals, and those that are dropped into the page.

Imports `search`. Begin with `thumbs`; `decoding` bounds how many are decoded at a time.
"""
