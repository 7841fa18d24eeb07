"""Models that are made within seconds: a joint one that sees colours, and a captioner.

This loads PyTorch; tests that only need the model take `colour_model` of conftest.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from indexer.evaluation.captions import CaptionScores
from indexer.train.backbones import Backbone
from indexer.train.captioner.config import CaptionerConfig
from indexer.train.captioner.training import train_captioner
from indexer.train.joint.config import JointConfig
from indexer.train.joint.model import JointModel
from indexer.train.joint.saving import save_model
from searchengine.language.words import WordVectors
from searchengine.models.joint import JointEncoder
from tests.support.drawn_captions import COLOURS, GRID, SIZE


def save_colour_model(folder: Path, seed: int = 3) -> Path:
    """Write a joint model whose CNN sees the mean colour of each of 4 x 4 places."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    words = ["a", "and", "square", "wall", *COLOURS]
    table = WordVectors.build(words, random.normal(size=(len(words), 6)).astype(np.float32))
    network = nn.Sequential(nn.AvgPool2d(SIZE // GRID), nn.Conv2d(3, 8, 1), nn.ReLU()).eval()
    backbone = Backbone("colours", network, 8, SIZE, SIZE, (0.5,) * 3, (0.5,) * 3, None)
    used = np.arange(len(words))
    model = JointModel(table.vectors(used), 8, JointConfig(dim=12))
    save_model(folder, model, backbone, table, used, {})
    return folder


SMALL = CaptionerConfig(
    epochs=40,
    patience=40,
    batch=8,
    hidden=32,
    word=16,
    energy=16,
    least=1,
    rate=1e-2,
    dropout=0.0,
    smoothing=0.0,
    spread=0.0,
)


def train_small(pairs: Path, out: Path, encoder: JointEncoder) -> CaptionScores | None:
    """Train a small captioner on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return train_captioner(pairs, out, encoder, SMALL, notes={"licence": "none"})
    finally:
        torch.set_num_threads(threads)
