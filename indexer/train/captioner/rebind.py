"""Give a captioner to a joint model that has the very CNN of the one it was trained on.

A captioner reads what the CNN sees at each place, nothing behind it. A joint model whose words and
linear layers were trained on, with its CNN as it was, need not train another.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from indexer.train.joint.start import read_weights
from searchengine.errors import ModelError
from searchengine.models import files
from searchengine.models.captioner.captioner import SURENESS, Captioner
from searchengine.models.joint import JointEncoder

TOLERANCE = 2e-3
"""Relative; stored in half precision, a weight may be rounded once more."""


def rebind_captioner(captioner: Path, old: JointEncoder, new: JointEncoder, out: Path) -> Captioner:
    """Write the captioner of one joint model as that of another with the same CNN.

    Args:
        captioner: A captioner of `old`.
        old: The joint model that it was trained on.
        new: The joint model that it shall belong to.
        out: Folder of the result; may be `captioner` itself.

    Raises:
        ModelError: The captioner does not belong to `old`, or the two CNNs differ.
    """
    Captioner(captioner, old)  # refuses what is not its own
    require_same_cnn(old, new)
    config = files.read_config(captioner)
    sureness = files.attached(captioner, config, SURENESS)
    kept = {name: (captioner / name).read_bytes() for name in config.files}
    judged = {suffix: path.read_bytes() for suffix, path in sureness.items()}

    def write(folder: Path) -> None:
        for name, content in kept.items():
            (folder / name).write_bytes(content)

    image = {**config.image, "model": new.fingerprint}
    notes = {**config.notes, "rebound from": old.fingerprint}
    files.save(out, dataclasses.replace(config, image=image, notes=notes, files={}), write)
    if judged:

        def judge(folder: Path) -> None:
            for suffix, content in judged.items():
                (folder / f"{SURENESS}{suffix}").write_bytes(content)

        files.attach(out, SURENESS, judge)
    return Captioner(out, new)


def require_same_cnn(old: JointEncoder, new: JointEncoder) -> None:
    """Raise ModelError if the two models see different things at the places of a picture."""
    before, after = read_weights(old), read_weights(new)
    names = {name for name in before if name.startswith("features.")}
    same = names == {name for name in after if name.startswith("features.")} and all(
        before[name].shape == after[name].shape
        and np.allclose(before[name], after[name], rtol=TOLERANCE, atol=1e-6)
        for name in names
    )
    if not same or old.decode_size != new.decode_size:
        raise ModelError(
            f"{new.folder}: has another CNN than {old.folder}, so a captioner of one cannot read "
            "the other; train one: lexpix train captioner"
        )
