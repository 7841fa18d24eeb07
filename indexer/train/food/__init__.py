"""The food head: pictures of dishes near their recipes.

Imports what trainings share. Begin with `training`: start in `closed_form`, refined by `model`.
"""
