"""What a picture looks like in two numbers: a perceptual hash, and how sharp it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from searchengine.types import PathLike, Prepare

if TYPE_CHECKING:
    from PIL.Image import Image

BITS = 64
"""Length of a perceptual hash."""

_SIDE = 32  # of the grey square that is hashed
_WORK = 358  # the shorter side is halved while it has twice as many pixels; a JPEG draft has so few
_MASK = (1 << BITS) - 1


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture looks like, whatever its size and its format.

    Attributes:
        phash: The perceptual hash by DCT, as `imagehash.phash` makes it of the picture as a small
            grey square; 64 bits as a signed number, which every database can keep.
        sharpness: Variance of the Laplacian of the grey picture, whose shorter side has at most
            358 pixels then. Of pictures of the same size the sharper one has more of it, if it is
            the sharper one by far: a blur of few pixels of a large picture is not seen.
    """

    phash: int
    sharpness: float


def look_of(image: Image) -> Look:
    """Measure an upright picture of any mode; a JPEG may be decoded as `pixels.draft` does it."""
    import imagehash
    from PIL import Image as Pillow

    grey = image.convert("L")
    halves = 1
    while min(grey.size) >= 2 * _WORK * halves:
        halves *= 2
    grey = grey.reduce(2 * halves) if min(grey.size) >= _WORK else grey
    small = grey.resize((_SIDE, _SIDE), Pillow.Resampling.BOX)
    bits = np.packbits(imagehash.phash(small).hash)
    return Look(int.from_bytes(bits.tobytes(), "big", signed=True), _sharpness(grey))


def bits_apart(one: int, other: int) -> int:
    """Return in how many of 64 bits two perceptual hashes differ: about 32 of unlike pictures.

    Up to 10 are typical of the same picture that was saved anew, resized or a little retouched.
    """
    return ((one ^ other) & _MASK).bit_count()


def read_look(source: PathLike | BinaryIO) -> Look:
    """Measure a picture file, or one that is opened, as the indexer does.

    Raises:
        ImageError: It cannot be read.
    """
    from searchengine.images import read_photo  # Pillow, which a search by words does without

    looking = Looking(None, _WORK)
    read_photo(source, size=_WORK, prepare=looking)
    assert looking.look is not None, "it was decoded"
    return looking.look


class Looking:
    """Measure a picture on its way to a model, when it is decoded and not scaled yet.

    Args:
        prepare: What the model does to its pictures, as `Encoder.prepare`.
        size: Its `decode_size`.

    Attributes:
        look: Of the last picture; None before there was one.
    """

    def __init__(self, prepare: Prepare | None, size: int) -> None:
        self._prepare = prepare
        self._size = size
        self.look: Look | None = None

    def __call__(self, image: Image) -> Image:
        """Take the place of the model's `prepare`, in one thread."""
        from searchengine.pixels import shrunk

        self.look = look_of(image)
        return shrunk(image, self._size) if self._prepare is None else self._prepare(image)


def _sharpness(grey: Image) -> float:
    if min(grey.size) < 3:
        return 0.0
    pixels = np.asarray(grey, dtype=np.float32)
    centre = pixels[1:-1, 1:-1]
    edges = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:]
    edges -= 4 * centre
    return float(edges.var())
