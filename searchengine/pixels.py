"""Pixels of an open picture: decoded no larger than needed, made RGB, scaled, cut."""

from __future__ import annotations

import math
from io import BytesIO
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

CENTRE = 0.8
"""Side of the middle of a picture, as a share of the whole's."""

LEAST_SHARE = 0.25
"""Of a JPEG that ends too early, the upper part that must be there."""

END_OF_JPEG = b"\xff\xd9"

# A JPEG is decoded at 1/2, 1/4 or 1/8 as long as that leaves this many times the size asked for. A
# 12 MP picture then takes 1/8 on its way to 224 pixels; after the final resampling it differs from
# one decoded in full by 0.4 of 255 grey levels, for a third of the time.
_DRAFT_MARGIN = 1.4


def as_rgb(image: Image.Image) -> Image.Image:
    """Return a picture of any mode as RGB: transparency on white, 16 bits scaled to 8."""
    image.load()
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGB", layer.size, "white")
    white.paste(layer, mask=layer)
    return white


def views(image: Image.Image) -> list[Image.Image]:
    """Return a picture as it is, mirrored, and its middle, `CENTRE` of each side."""
    width, height = image.size
    margin = (1 - CENTRE) / 2
    box = (width * margin, height * margin, width * (1 - margin), height * (1 - margin))
    left, top, right, bottom = map(round, box)
    return [image, ImageOps.mirror(image), image.crop((left, top, right, bottom))]


def draft(image: Image.Image, size: int | None) -> None:
    """Have no more decoded than a shorter side of so many pixels takes; only a JPEG heeds it."""
    if size is not None and image.format in ("JPEG", "MPO"):
        scale = _DRAFT_MARGIN * size / min(image.size)
        if scale < 1:
            image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))


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


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float greys to 0..255.

    Only 16 bits say what white is; otherwise it is the smallest usual white that no pixel exceeds.
    """
    grey = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    peak = float(grey.max())
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
    white = next((level for level in usual if peak <= level), peak)
    grey *= 255.0 / white
    return Image.fromarray(grey.clip(0, 255).round().astype(np.uint8))


def shrunk(image: Image.Image, size: int) -> Image.Image:
    """Return a picture whose shorter side has at most so many pixels."""
    scale = size / min(image.size)
    if scale >= 1:
        return image
    shape = (round(image.width * scale), round(image.height * scale))
    return image.resize(shape, Image.Resampling.BICUBIC, reducing_gap=2.0)
