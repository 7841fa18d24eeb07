"""The captioner: a recurrent decoder with attention on the places of a joint model.

Imports what trainings share. Begin with `training`, then `model`; `rebind` moves a captioner.
"""
