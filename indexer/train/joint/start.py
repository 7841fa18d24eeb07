"""Begin a training with what another model has learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from indexer.train.backbones import Backbone
from indexer.train.joint.model import JointModel
from searchengine.errors import TrainingDataError
from searchengine.language.words import WordVectors
from searchengine.models.joint import IMAGE_MODEL, JointEncoder

Floats = npt.NDArray[np.float32]


def read_weights(encoder: JointEncoder) -> dict[str, Floats]:
    """Return the weights of a model's image branch by their names in the network."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(encoder.folder / IMAGE_MODEL))
    return {
        weight.name.removesuffix(".half"): numpy_helper.to_array(weight).astype(np.float32)
        for weight in model.graph.initializer
    }


def start_backbone(backbone: Backbone, weights: dict[str, Floats], name: Path | str) -> None:
    """Give a backbone the CNN of a model.

    The exporter has folded each batch normalisation into the convolution before it, so what is
    left of it here is a bias.

    Raises:
        TrainingDataError: The model has another CNN.
    """
    state = backbone.features.state_dict()
    missing = [
        key
        for key, value in state.items()
        if "conv" in key and key.endswith(".weight")
        if weights.get(f"features.{key}", np.empty(0)).shape != tuple(value.shape)
    ]
    pairs = _norms(list(state))
    if missing or not pairs:
        raise TrainingDataError(
            f"{name}: its CNN is not {backbone.name!r}; start from a model of that backbone"
        )
    for convolution, norm in pairs:
        own = weights[f"features.{convolution}.weight"]
        state[f"{convolution}.weight"] = torch.from_numpy(own.copy())
        bias = weights[f"features.{convolution}.weight_bias"]
        scale = torch.sqrt(state[f"{norm}.running_var"] + _EPSILON)
        state[f"{norm}.weight"] = scale
        state[f"{norm}.bias"] = torch.from_numpy(bias.copy())
        state[f"{norm}.running_mean"] = torch.zeros_like(scale)
    backbone.features.load_state_dict(state)


_EPSILON = 1e-3


def _norms(keys: list[str]) -> list[tuple[str, str]]:
    """Return each convolution of EfficientNet-Lite with the normalisation behind it."""
    convolutions = [key.removesuffix(".weight") for key in keys if "conv" in key]
    norms = [key.removesuffix(".running_var") for key in keys if key.endswith(".running_var")]
    if len(convolutions) != len(norms):
        return []
    behind: list[tuple[str, str]] = []
    for prefix in dict.fromkeys(key.rpartition(".")[0] for key in convolutions):
        own = [key for key in convolutions if key.rpartition(".")[0] == prefix]
        following = sorted(key for key in norms if key.rpartition(".")[0] == prefix)
        behind += zip(sorted(own, key=_order), following, strict=True)
    return behind


def _order(convolution: str) -> int:
    kinds = ("_conv_stem", "_expand_conv", "_depthwise_conv", "_project_conv", "_conv_head")
    return kinds.index(convolution.rpartition(".")[2])


def require_same_sizes(
    encoder: JointEncoder, weights: dict[str, Floats], channels: int, dim: int, words: int
) -> None:
    """Refuse a model to start from whose linear layers have other sizes than those to be trained.

    Raises:
        TrainingDataError: The message names both.
    """
    head = weights["head.weight"]
    if head.shape != (dim, channels) or encoder.words.dim != words:
        raise TrainingDataError(
            f"{encoder.name}: maps {head.shape[1]} features to {head.shape[0]} dimensions from "
            f"words of {encoder.words.dim} numbers; asked: {channels}, {dim} and {words}"
        )


@torch.no_grad()
def start_layers(
    model: JointModel,
    encoder: JointEncoder,
    weights: dict[str, Floats],
    table: WordVectors,
    used: npt.NDArray[np.int64],
) -> None:
    """Give the linear layers those of a model; a name of several words gets theirs.

    Args:
        model: What is to be trained.
        encoder: The model to start from.
        weights: Of its image branch.
        table: The new table of words.
        used: Its rows that have a residual, as those of `model.residual`.
    """
    model.head.weight.copy_(torch.from_numpy(weights["head.weight"]))
    model.head.bias.copy_(torch.from_numpy(weights["head.bias"]))
    model.projection.weight.copy_(torch.from_numpy(encoder.projection.T.copy()))
    for place, row in enumerate(used.tolist()):
        rows, _ = encoder.words.find(table.word(row))
        model.residual.weight[place] = torch.from_numpy(encoder.residuals(rows).sum(axis=0))
