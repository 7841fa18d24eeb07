"""Captions from a picture, in NumPy: a recurrent decoder with attention, and beam search.

Imports what the models beside it share. Begin with `captioner`; `loading` finds the joint model
that it belongs to.
"""
