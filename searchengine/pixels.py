"""Pixels of an open picture: decoded no larger than needed, made RGB, scaled, cut."""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import BITSPERSAMPLE, ROWSPERSTRIP

CENTRE = 0.8
"""Side of the middle of a picture, as a share of the whole's."""

LEAST_SHARE = 0.25
"""Of a JPEG that ends too early, the upper part that must be there."""

END_OF_JPEG = b"\xff\xd9"

# A JPEG is decoded at 1/2, 1/4 or 1/8 as long as that leaves this many times the size asked for. A
# 12 MP picture then takes 1/8 on its way to 224 pixels; after the final resampling it differs from
# one decoded in full by 0.4 of 255 grey levels, for a third of the time.
_DRAFT_MARGIN = 1.4


# Above this, a picture is made RGB and smaller a strip at a time, so that no second copy is made.
_LARGE = 16_000_000
_STRIP = 4_000_000
"""Pixels."""

_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""What a pixel takes in Pillow, by its mode; 4 for all others."""

# What decoders take beside that, measured (tests/faults/test_memory.py); they know no smaller way.
_DECODER = {"WEBP": 12, "AVIF": 7, "HEIF": 5, "JXL": 8, "JPEG2000": 15, "GIF": 1}

_HEAD_OF_JPEG2000 = 65_536

_SCANNED = 1_000_000
"""Pixels of a progressive JPEG that are decoded between two looks at the clock, as many times as
there are scans in 64 kB."""


def bytes_needed(image: Image.Image, size: int | None) -> int:
    """Return about how much memory it takes to decode an open picture and to make it RGB.

    A JPEG is asked after its `draft`. Of one with many scans, a byte of which may cost as much as
    the whole picture, fewer bytes are decoded at a time from now on.
    """
    pixels = image.width * image.height
    own = _BYTES.get(image.mode, 4)
    if image.format in ("JPEG", "MPO"):
        whole, decoder = _size_in_file(image), 0
        if "progressive" in image.info or "progression" in image.info:
            # All coefficients, two bytes each, however small it is drawn.
            sides = [h * v for _, h, v, _ in getattr(image, "layer", ())] or [1, 1, 1]
            decoder = 2 * whole * sum(sides) // max(sides)
            image.decodermaxblock = max(  # type: ignore[attr-defined]
                512, min(65536, 65536 * _SCANNED // max(1, whole))
            )
    else:
        if image.format == "JPEG2000":
            pixels >>= 2 * int(getattr(image, "_reduce", 0))
        decoder = pixels * _DECODER.get(image.format or "", 0) + _strip_of_tiff(image)
    if pixels <= _LARGE:
        return decoder + pixels * (own + (12 if image.has_transparency_data else 8))
    shrunk_to = 4 * pixels // _factor(image, size) ** 2
    return decoder + own * pixels + shrunk_to + 16 * _STRIP


def _strip_of_tiff(image: Image.Image) -> int:
    """Return the bytes of a strip, of which a TIFF has one at least."""
    if image.format != "TIFF":
        return 0
    tags = image.tag_v2  # type: ignore[attr-defined]
    rows = min(image.height, int(tags.get(ROWSPERSTRIP, image.height)))
    bits = tags.get(BITSPERSAMPLE, (8,))
    return image.width * rows * sum(bits if isinstance(bits, tuple) else (bits,)) // 8


def _size_in_file(image: Image.Image) -> int:
    # `draft` has put a scale into the tile; no public way leads to it.
    scale = getattr(image, "decoderconfig", None) or (1, 1)
    return image.width * image.height * int(scale[0] or 1) ** 2


def reduced_rgb(
    image: Image.Image, size: int | None, check: Callable[[], None] = lambda: None
) -> Image.Image:
    """Return a picture as RGB; of a huge one a smaller copy, whose shorter side is over `size`.

    Args:
        image: Open, of any mode.
        size: The shorter side that is needed; None for the whole picture.
        check: Called now and then; what it raises ends this.
    """
    image.load()
    if image.width * image.height <= _LARGE:
        return as_rgb(image)
    factor = _factor(image, size)
    white = _white(image)
    shape = (-(-image.width // factor), -(-image.height // factor))
    reduced = Image.new("RGB", shape)
    rows = max(1, _STRIP // image.width // factor) * factor
    for top in range(0, image.height, rows):
        check()
        strip = image.crop((0, top, image.width, min(image.height, top + rows)))
        rgb = as_rgb(strip, white)
        reduced.paste(rgb if factor == 1 else Image.Image.reduce(rgb, factor), (0, top // factor))
    return reduced


def _factor(image: Image.Image, size: int | None) -> int:
    return 1 if size is None else max(1, min(image.size) // (2 * size))


def as_rgb(image: Image.Image, white: float | None = None) -> Image.Image:
    """Return a picture of any mode as RGB: transparency on white, 16 bits scaled to 8.

    Args:
        image: The picture.
        white: The grey level of white, of a part of a picture with more than 8 bits.
    """
    image.load()
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image, _white(image) if white is None else white)
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    paper = Image.new("RGB", layer.size, "white")
    paper.paste(layer, mask=layer)
    return paper


def views(image: Image.Image) -> list[Image.Image]:
    """Return a picture as it is, mirrored, and its middle, `CENTRE` of each side."""
    width, height = image.size
    margin = (1 - CENTRE) / 2
    box = (width * margin, height * margin, width * (1 - margin), height * (1 - margin))
    left, top, right, bottom = map(round, box)
    return [image, ImageOps.mirror(image), image.crop((left, top, right, bottom))]


def draft(image: Image.Image, size: int | None) -> None:
    """Have no more decoded than a shorter side of so many pixels takes.

    A JPEG heeds it, and a JPEG 2000 that is huge, as far as it holds smaller copies.
    """
    if size is not None and image.format == "JPEG2000" and image.width * image.height > _LARGE:
        power = min(_factor(image, size).bit_length() - 1, _levels_of_jpeg2000(image))
        image.reduce = power  # type: ignore[method-assign, assignment]
    if size is not None and image.format in ("JPEG", "MPO"):
        scale = _DRAFT_MARGIN * size / min(image.size)
        if scale < 1:
            image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))


def _levels_of_jpeg2000(image: Image.Image) -> int:
    """Return how many times a JPEG 2000 can be halved while it is decoded."""
    file = image.fp  # type: ignore[attr-defined]
    place = file.tell()
    file.seek(0)
    head = file.read(_HEAD_OF_JPEG2000)
    file.seek(place)
    start = head.find(b"\xff\x4f\xff\x51")  # where the codestream begins
    marker = head.find(b"\xff\x52", start)  # how it was coded
    return head[marker + 9] if 0 <= start < marker < len(head) - 9 else 0


def upper_part(
    file: BinaryIO, failed: Image.Image, size: int | None
) -> tuple[Image.Image | None, float]:
    """Decode what there is of a JPEG that ends too early.

    Args:
        file: The file.
        failed: The picture that could not be decoded; it holds the rows up to there.
        size: The shorter side that is needed, as of `draft`.

    Returns:
        The upper part, and which share of the whole it is; None if it is less than `LEAST_SHARE`.
    """
    # No public way leads to these rows: `Image.getbbox` would try to decode once more.
    box = failed.im.getbbox()
    share = (box[3] if box else 0) / failed.height
    file.seek(0)
    with Image.open(BytesIO(file.read() + END_OF_JPEG), formats=("JPEG",)) as image:
        draft(image, size)
        pixels = as_rgb(image)
    # Below what was decoded all pixels of a row are alike. (Of a progressive JPEG there is a coarse
    # picture of everything, and not a row before the end.)
    rows = np.asarray(pixels)
    differs = (rows != rows[:, :1]).any(axis=(1, 2))
    share = max(share, (int(differs.nonzero()[0].max(initial=-1)) + 1) / len(rows))
    if share < LEAST_SHARE:
        return None, share
    return pixels.crop((0, 0, pixels.width, round(share * pixels.height))), share


def _white(image: Image.Image) -> float:
    """Return the grey level that is white in a picture with more than 8 bits.

    Only 16 bits say what white is; otherwise it is the smallest usual white that no pixel exceeds.
    """
    if not image.mode.startswith(("I", "F")):
        return 255.0
    if image.mode.startswith("I;16"):
        return 65535.0
    peak, rows = -math.inf, max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(image.height, top + rows)))
        peak = max(peak, float(_finite(strip).max()))
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
    return next((level for level in usual if peak <= level), peak)


def _eight_bits(image: Image.Image, white: float) -> Image.Image:
    """Scale 16-bit, 32-bit and float greys to 0..255."""
    grey = _finite(image)
    grey *= 255.0 / white
    return Image.fromarray(grey.clip(0, 255).round().astype(np.uint8))


def _finite(image: Image.Image) -> npt.NDArray[np.float32]:
    return np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)


def shrunk(image: Image.Image, size: int) -> Image.Image:
    """Return a picture whose shorter side has at most so many pixels."""
    scale = size / min(image.size)
    if scale >= 1:
        return image
    shape = (round(image.width * scale), round(image.height * scale))
    return image.resize(shape, Image.Resampling.BICUBIC, reducing_gap=2.0)
