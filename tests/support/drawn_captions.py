"""Drawn pictures of two colours, with captions that are true of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZE, GRID = 32, 4
COLOURS = {
    "blue": (30, 30, 220),
    "green": (20, 160, 40),
    "red": (220, 30, 30),
    "white": (240, 240, 240),
}


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
    lines: list[str] = []
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
