"""A tiny joint model that sees colours, and drawn pictures of colours with captions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from indexer.evaluation.captions import CaptionScores
from indexer.train.backbones import Backbone
from indexer.train.captioner.config import CaptionerConfig
from indexer.train.captioner.training import train_captioner
from indexer.train.joint.config import JointConfig
from indexer.train.joint.model import JointModel
from indexer.train.joint.training import save_model
from searchengine.language.words import WordVectors
from searchengine.models.joint import JointEncoder

SIZE, GRID = 32, 4
COLOURS = {
    "blue": (30, 30, 220),
    "green": (20, 160, 40),
    "red": (220, 30, 30),
    "white": (240, 240, 240),
}


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


def draw(left: str, right: str, seed: int, size: int = SIZE) -> Image.Image:
    """Return a noisy picture with a colour in either half."""
    pixels = np.empty((size, size, 3))
    pixels[:, : size // 2], pixels[:, size // 2 :] = COLOURS[left], COLOURS[right]
    pixels += np.random.default_rng(seed).normal(0, 12, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def sentence(left: str, right: str) -> str:
    """Return what is true of such a picture."""
    first, second = sorted([left, right])
    return f"a {first} wall" if first == second else f"a {first} and a {second} square"


def save_pairs(folder: Path, each: int = 3) -> Path:
    """Draw every pair of colours several times; the last of each is for dev."""
    lines = []
    for left in COLOURS:
        for right in COLOURS:
            for number in range(each):
                name = f"{left}-{right}-{number}.png"
                draw(left, right, len(lines)).save(folder / name)
                captions = [f"{sentence(left, right).capitalize()} ."] * 2
                split = "dev" if number == each - 1 else "train"
                lines.append(json.dumps({"image": name, "captions": captions, "split": split}))
    path = folder / "pairs.jsonl"
    path.write_text("\n".join(lines))
    return path


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
