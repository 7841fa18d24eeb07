"""What puts pictures and texts into a library: scan, read, embed, write.

Imports `readers`. Begin with `indexing` (what a caller asks for), then `pipeline`, the whole run.
"""
