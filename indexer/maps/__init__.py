"""Maps: words and pictures of a library in the plane, as PNG, SVG or a page for a browser.

Imports `searchengine` alone. Begin with `scene`, what is on a map; `layout` and `placement` say
where.
"""
