"""The joint model: pictures and words into one space, by a contrastive loss.

Imports what trainings share. Begin with `training`, then `contrastive`; `lexicon` and `naming`
turn what the CNN knows into words.
"""
