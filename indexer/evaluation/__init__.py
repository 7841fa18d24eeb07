"""Measurements of models and libraries: what `lexpix eval` prints.

Imports `readers` and `vocabulary`. Begin with `metrics`, then the module that is called like the
command; `encode` brings pictures and texts into a model.
"""
