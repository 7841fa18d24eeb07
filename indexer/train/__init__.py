"""Training; needs the extra `train`. One folder for each kind of model.

Imports `readers`, `vocabulary` and `evaluation`. Begin with `joint.training`; `loop`, `backbones`,
`export` and `precision` are what the folders share.
"""
