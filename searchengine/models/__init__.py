"""Models: what one is on disk, the encoders that run it, and what their cosines are worth.

Imports `catalog` (which model a library uses) and `language`. Begin with `joint`, the bundled
model; `loading` says which one answers, `calibration` turns cosines into matches and bands.
"""
