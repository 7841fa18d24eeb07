"""Read RAW files of cameras: the preview that the camera put in, or else what the sensor saw."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image

from searchengine.bounds import budget
from searchengine.metadata import merged, of_exif, read_metadata, read_xmp
from searchengine.types import Exif

if TYPE_CHECKING:
    from rawpy import RawPy

# What LibRaw calls a turn, as EXIF has it.
_TURNS = {3: 3, 5: 8, 6: 6}
_ON_ITS_SIDE = frozenset({5, 6})

_XMP_IN_TIFF = 700

_HALF, _WHOLE = 6, 18  # bytes that LibRaw and the picture take for a pixel of the sensor


@dataclass(frozen=True, slots=True)
class Raw:
    """What a RAW file holds.

    Attributes:
        width: Of the upright picture in pixels.
        height: Likewise.
        turn: How `image` must be turned to stand upright, as EXIF has it.
        image: The preview or the developed picture; of a preview nothing is decoded yet. None if no
            pixels were asked for.
    """

    width: int
    height: int
    exif: Exif
    turn: int
    image: Image.Image | None


def read_raw(
    file: BinaryIO, *, size: int | None, sidecar: bytes | None, max_pixels: int, decode: bool
) -> Raw:
    """Read a RAW file.

    Args:
        file: The file, at its beginning.
        size: The shorter side that is needed; a smaller preview does not do. None for a picture as
            large as any.
        sidecar: The XMP file beside it.
        max_pixels: A preview with more is not looked at.
        decode: Whether pixels are wanted.

    Raises:
        ImportError: rawpy is not installed.
        Exception: Whatever LibRaw raises of a broken file.
    """
    import rawpy

    exif = _exif_of_tiff(file)
    file.seek(0)
    with rawpy.imread(file) as raw:
        sizes = raw.sizes
        width, height = sizes.width, sizes.height
        preview = _preview(raw, max_pixels)
        if preview is not None:
            exif = merged(exif, read_metadata(preview))
        exif = merged(exif, _exif_of_libraw(raw))
        if sidecar is not None:
            exif = merged(read_xmp(sidecar), exif)
        image, turn = None, 1
        if decode:
            needed = min(size or width, width // 2, height // 2)
            if preview is not None and min(preview.size) >= needed:
                image, turn = preview, _turn_of(preview, sizes.flip)
            else:
                half = size is not None and 2 * size <= min(width, height)
                with budget.taken((_HALF if half else _WHOLE) * width * height):
                    image = Image.fromarray(raw.postprocess(use_camera_wb=True, half_size=half))
    if sizes.flip in _ON_ITS_SIDE:
        width, height = height, width
    return Raw(width, height, exif, turn, image)


def _preview(raw: RawPy, max_pixels: int) -> Image.Image | None:
    import rawpy

    try:
        thumb = raw.extract_thumb()
        if thumb.format != rawpy.ThumbFormat.JPEG:
            return None
        preview = Image.open(BytesIO(bytes(thumb.data)), formats=("JPEG",))
    except Exception:  # no preview, or a broken one: the sensor's picture is there
        return None
    return preview if preview.width * preview.height <= max_pixels else None


def _turn_of(preview: Image.Image, flip: int) -> int:
    """Return the turn of a preview: by its own EXIF, else that of the picture."""
    own = int(preview.getexif().get(0x0112, 1))
    if own != 1:
        return own
    if flip in _ON_ITS_SIDE and preview.height > preview.width:  # upright already
        return 1
    return _TURNS.get(flip, 1)


def _exif_of_tiff(file: BinaryIO) -> Exif:
    """Return the EXIF of a RAW file that is a TIFF, as most are."""
    exif = Image.Exif()
    try:
        exif.load_from_fp(file)
        packet = _packet_of(exif)
    except Exception:  # another container, or a broken one
        return Exif()
    return merged(of_exif(exif), read_xmp(packet))


def packet_in_raw(file: BinaryIO) -> bytes | None:
    """Return the packet of XMP of a RAW file that is a TIFF, None if it has none."""
    exif = Image.Exif()
    try:
        exif.load_from_fp(file)
        return _packet_of(exif)
    except Exception:  # another container, or a broken one
        return None


def _packet_of(exif: Image.Exif) -> bytes | None:
    packet = exif.get(_XMP_IN_TIFF)
    return bytes(packet) if isinstance(packet, (bytes, tuple)) else None


def _exif_of_libraw(raw: RawPy) -> Exif:
    other, lens = raw.other, raw.lens
    known = other.timestamp > dt.datetime(1980, 1, 1)
    return Exif(
        taken_at=other.timestamp.replace(tzinfo=None) if known else None,
        lens=lens.model.strip() or None,
        focal=other.focal_length or None,
        iso=round(other.iso_speed) or None,
    )
