"""A captioner moves to a joint model of the same CNN, and to no other."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import skimage
from onnx import numpy_helper

from indexer.train.captioner.rebind import rebind_captioner
from searchengine.errors import ModelError
from searchengine.models import files
from searchengine.models.captioner.captioner import Captioner
from searchengine.models.joint import IMAGE_MODEL, JointEncoder

CAT = Path(skimage.__file__).parent / "data" / "chelsea.png"


def model_like(old: JointEncoder, out: Path, *, cnn: float = 1.0, words: float = 1.0) -> Path:
    """Write a model whose CNN, or whose words, are those of another times a factor."""
    config = files.read_config(old.folder)

    def write(folder: Path) -> None:
        for name in config.files:
            shutil.copy(old.folder / name, folder / name)
        scales = folder / "text-scales.npy"
        np.save(scales, np.load(scales) * np.float32(words))
        network = onnx.load(folder / IMAGE_MODEL)
        for weight in network.graph.initializer:
            if weight.name.startswith("features.") and cnn != 1.0:
                changed = numpy_helper.to_array(weight) * np.float16(cnn)
                weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
        onnx.save(network, folder / IMAGE_MODEL)

    files.save(out, dataclasses.replace(config, files={}, attachments={}), write)
    return out


def test_a_captioner_moves_to_a_model_of_the_same_cnn(tmp_path: Path) -> None:
    old = JointEncoder(files.resolve("default"))
    new = JointEncoder(model_like(old, tmp_path / "new", words=0.5))
    with pytest.raises(ModelError, match="captioner"):
        Captioner(files.resolve("captioner"), new)
    moved = rebind_captioner(files.resolve("captioner"), old, new, tmp_path / "moved")
    before = Captioner(files.resolve("captioner"), old).caption([CAT])[0]
    after = moved.caption([CAT])[0]
    assert after.text == before.text
    assert after.logprobs == pytest.approx(before.logprobs)
    assert after.confidence == pytest.approx(before.confidence)
    assert after.confidence is not None
    assert files.read_config(tmp_path / "moved").image["model"] == new.fingerprint


def test_a_captioner_does_not_move_to_another_cnn(tmp_path: Path) -> None:
    old = JointEncoder(files.resolve("default"))
    other = JointEncoder(model_like(old, tmp_path / "other", cnn=1.05))
    with pytest.raises(ModelError, match="another CNN"):
        rebind_captioner(files.resolve("captioner"), old, other, tmp_path / "moved")
    assert not (tmp_path / "moved").exists()
