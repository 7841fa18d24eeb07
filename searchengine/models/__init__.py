"""Models: what one is on disk, and the encoders that run it."""
