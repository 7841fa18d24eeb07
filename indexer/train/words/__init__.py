"""Word vectors by skip-gram, and which word vectors a command reads.

Imports what trainings share. Begin with `skipgram`; `corpus` cuts texts into a file first.
"""
