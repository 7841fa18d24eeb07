"""A real encoder that needs no model: pictures by their colours in a 4x4 grid, words by colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from searchengine.errors import UnknownWords
from searchengine.images import open_image
from searchengine.types import PathLike, UnknownWord, Vectors
from searchengine.vectors import unit_rows

COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "orange": (255, 165, 0),
    "purple": (128, 0, 128),
    "pink": (255, 192, 203),
    "brown": (139, 69, 19),
}
GRID = 4


class ColourEncoder:
    """Deterministic and linear before normalising; a colour word is a picture of that colour.

    `batches` holds the number of pictures of each call of `encode_images`.
    """

    name = "colours"
    dim = GRID * GRID * 3
    decode_size = 32
    prepare = None

    def __init__(self, fingerprint: str = "c0" * 32) -> None:
        self.fingerprint = fingerprint
        self.batches: list[int] = []

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return unit_rows(np.stack([self._text(text) for text in texts]), self.dim)

    def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
        self.batches.append(len(images))
        return unit_rows(np.stack([self._picture(image) for image in images]), self.dim)

    def unknown_words(self, text: str, suggestions: int = 0) -> list[UnknownWord]:
        words = dict.fromkeys(text.lower().split())
        return [UnknownWord(word) for word in words if word not in COLOURS]

    def _text(self, text: str) -> np.ndarray:
        words = text.lower().split()
        known = [COLOURS[word] for word in words if word in COLOURS]
        if not known:
            raise UnknownWords(words)
        total: np.ndarray = np.sum([_levels(np.tile(one, GRID * GRID)) for one in known], axis=0)
        return total

    def _picture(self, image: PathLike | Image.Image) -> np.ndarray:
        pixels = image if isinstance(image, Image.Image) else open_image(image, size=32)
        return _levels(np.asarray(pixels.resize((GRID, GRID), Image.Resampling.BOX)).ravel())


def _levels(values: np.ndarray) -> np.ndarray:
    return values / 127.5 - 1.0  # no whole number gives 0, so no picture has length zero
