"""Maps: words and pictures of a library in the plane, as PNG, SVG or a page for a browser."""
