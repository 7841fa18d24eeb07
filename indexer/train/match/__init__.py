"""What a model's cosines are worth: fits the calibration that turns them into matches.

Imports `evaluation`, which writes the questions. Begin with `fit`, on what `material` prepares.
"""
