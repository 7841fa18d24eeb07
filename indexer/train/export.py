"""Write a trained image branch as ONNX."""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from indexer.train.backbones import Backbone

HALF_FROM = 4096
"""Weights with at least this many entries are stored in half precision; the rest is small."""


class ImageBranch(nn.Module):
    """Pixels to `embedding`, `regions` and `features`.

    The embedding is the mean of the regions, which are a linear map of the features.
    """

    def __init__(self, backbone: Backbone, head: nn.Linear) -> None:
        super().__init__()
        self.features = backbone.features
        self.head = head
        mean, std = torch.tensor(backbone.mean), torch.tensor(backbone.std)
        self.scale = nn.Buffer((1 / (255 * std)).view(1, 3, 1, 1))
        self.shift = nn.Buffer((-mean / std).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map uint8 (n, size, size, 3) to (n, dim), (n, cells, dim), and (n, cells, channels)."""
        x = pixels.permute(0, 3, 1, 2).float() * self.scale + self.shift  # (n, 3, size, size)
        maps = self.features(x)  # (n, channels, rows, columns)
        # Two products with the head instead of one: whoever asks for the embedding alone pays for
        # one vector, not for 49.
        embedding = self.head(maps.mean((2, 3)))  # (n, dim)
        features = maps.flatten(2).transpose(1, 2)  # (n, cells, channels)
        return embedding, self.head(features), features


def cells(backbone: Backbone) -> tuple[int, int]:
    """Return rows and columns of the map of features."""
    with torch.inference_mode():
        maps = backbone.features(torch.zeros(1, 3, backbone.size, backbone.size))
    return int(maps.shape[2]), int(maps.shape[3])


def export_image_branch(backbone: Backbone, head: nn.Linear, path: Path, *, half: bool) -> None:
    """Write `image.onnx`; its weights are stored in half precision if asked, computed in single.

    The batch size is free, the picture size is fixed.
    """
    import onnx

    branch = copy.deepcopy(ImageBranch(backbone, head)).cpu().float().eval()
    example = torch.zeros(2, backbone.size, backbone.size, 3, dtype=torch.uint8)
    with _quiet():  # the exporter warns about its own internals
        program = torch.onnx.export(
            branch,
            (example,),
            input_names=["pixels"],
            output_names=["embedding", "regions", "features"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            opset_version=18,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    del model.graph.value_info[:]
    _strip_origins(model)
    if half:
        _halve(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _strip_origins(model: Any) -> None:
    """Remove the stack traces that the exporter keeps beside every node.

    They name files of the machine that trained, and the same model would have another hash if it
    were trained in another folder.
    """
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""


def _halve(model: Any) -> None:
    """Store large weights as float16 behind a Cast, which ONNX Runtime folds away when it loads."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(weight)
        if values.size < HALF_FROM or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for position, cast in enumerate(casts):
        model.graph.node.insert(position, cast)
