"""A joint model that has been trained, as the folder that encoders read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from indexer.train.backbones import Backbone
from indexer.train.export import cells, export_image_branch
from indexer.train.joint.model import JointModel
from searchengine.language.words import WordVectors, quantize
from searchengine.models import files
from searchengine.models.joint import IMAGE_MODEL, TEXT_FILES


def save_model(
    out: Path,
    model: JointModel,
    backbone: Backbone,
    table: WordVectors,
    used: Any,
    notes: Mapping[str, Any],
) -> None:
    """Write a model folder.

    Args:
        out: The folder; a model that is there is replaced.
        model: The linear layers; row i of its residuals belongs to row `used[i]` of the table.
        backbone: The CNN as trained.
        table: Word vectors.
        used: Rows of the table, rising, shape (vocabulary,).
        notes: See `ModelConfig`.
    """
    rows, columns = cells(dataclasses.replace(backbone, features=backbone.features.cpu()))
    config = files.ModelConfig(
        kind="joint",
        name=out.name,
        dim=model.config.dim,
        image={
            "size": backbone.size,
            "resize": "squash",
            "interpolation": "bicubic",
            "cells": [rows, columns],
        },
        text={"words": len(table), "tokens": "searchengine.language.words.tokenize"},
        notes=notes,
    )

    def write(folder: Path) -> None:
        head = nn.Linear(model.head.in_features, model.head.out_features)
        head.load_state_dict(model.head.state_dict())
        export_image_branch(backbone, head, folder / IMAGE_MODEL, half=True)
        table.save(folder)
        residual = model.residual.weight.detach().numpy()
        trained = np.flatnonzero(np.abs(residual).max(axis=1) > 0)
        codes, scales = quantize(residual[trained])
        projection = np.ascontiguousarray(model.projection.weight.detach().numpy().T)
        arrays = (projection, used[trained].astype(np.uint32), codes, scales)
        for name, array in zip(TEXT_FILES, arrays, strict=True):
            np.save(folder / name, array, allow_pickle=False)

    files.save(out, config, write)
