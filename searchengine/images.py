"""Turn a picture file of any kind into upright 8-bit RGB, within limits.

This is the only module that talks to Pillow. Whatever a broken file makes Pillow raise leaves it as
`ImageError` with the file's name and the reason in words.
"""

from __future__ import annotations

import datetime as dt
import errno
import math
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from searchengine.errors import ImageError
from searchengine.types import Exif, PathLike, Prepare, Preparing

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".tif", ".tiff"}
    | {".bmp", ".dib", ".avif", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm"}
)
"""Suffixes, in lower case, of the files that an indexer opens."""

MAX_PIXELS = 200_000_000
"""Pictures with more pixels are refused before a pixel is decoded."""

CENTRE = 0.8
"""Side of the middle of a picture, as a share of the whole's."""

# A folder of downloads is untrusted input: none of Pillow's rarer decoders is let near it.
# (MPO, what some cameras write, is opened as a JPEG.)
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "AVIF", "JPEG2000", "PPM")

_SAME_FORMAT = {"MPO": "jpeg", "DIB": "bmp", "PPM": "pnm"}
"""What Pillow calls differently from `columns.FORMATS`."""

# A JPEG is decoded at 1/2, 1/4 or 1/8 as long as that leaves this many times the size asked for. A
# 12 MP picture then takes 1/8 on its way to 224 pixels; after the final resampling it differs from
# one decoded in full by 0.4 of 255 grey levels, for a third of the time.
_DRAFT_MARGIN = 1.4

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED_ON_ITS_SIDE = frozenset({5, 6, 7, 8})

# Pillow warns at 89 MP and refuses at twice that. A warning cannot be silenced per thread, so its
# threshold moves to our limit; the refusal of larger ones stays in force for the whole process.
if Image.MAX_IMAGE_PIXELS is not None:
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, MAX_PIXELS)


@dataclass(frozen=True, slots=True)
class Photo:
    """What a picture file holds.

    Attributes:
        width: Of the whole picture in pixels, after the EXIF turn.
        height: Likewise.
        exif: What the camera wrote.
        pixels: Upright RGB, or None if they were not asked for.
    """

    width: int
    height: int
    exif: Exif
    pixels: Image.Image | None


def open_file(path: PathLike, opener: Callable[[str, int], int] | None = None) -> BufferedReader:
    """Open a regular file for reading.

    Args:
        path: The file.
        opener: As of `open`; it may wait for nothing.

    Raises:
        OSError: It cannot be opened, or it is a FIFO or a device; nothing is waited for.
    """
    opener = opener or _open_without_waiting
    file = open(path, "rb", opener=opener)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return file


def open_image(
    source: PathLike | BinaryIO,
    *,
    size: int | None = None,
    prepare: Prepare | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """Decode the first frame of a picture as upright RGB; transparent parts become white.

    Args:
        source: A path, or a file opened in binary mode.
        size: Scale a larger picture down so that its shorter side has this many pixels, decoding no
            more of it than that takes; None keeps it whole.
        prepare: Applied to the upright picture, which is then at least as large as `size` asks,
            instead of scaling it: an encoder that scales anyway need not scale twice.
        max_pixels: Refuse larger pictures before decoding them.

    Raises:
        ImageError: The file cannot be read, or is no complete picture of a known kind.
    """
    pixels = read_photo(source, size=size, prepare=prepare, max_pixels=max_pixels).pixels
    assert pixels is not None
    return pixels


def open_for(
    model: Preparing, source: PathLike | BinaryIO | Image.Image, *, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Decode a picture as a model wants it; one that is opened already is only prepared.

    Arguments and errors are those of `open_image`.
    """
    size, prepare = model.decode_size, model.prepare
    if isinstance(source, Image.Image):
        return source if prepare is None else prepare(source)
    return open_image(source, size=size, prepare=prepare, max_pixels=max_pixels)


def read_photo(
    source: PathLike | BinaryIO,
    *,
    size: int | None = None,
    prepare: Prepare | None = None,
    max_pixels: int = MAX_PIXELS,
    decode: bool = True,
) -> Photo:
    """Read a picture with what its header says; `decode=False` leaves out the pixels.

    Arguments and errors are those of `open_image`.
    """
    pixels = partial(_pixels, size=size, prepare=prepare) if decode else None
    if not isinstance(source, (str, os.PathLike)):
        return _read(source, str(getattr(source, "name", "picture")), max_pixels, pixels)
    path = os.fspath(source)
    try:
        with open_file(path) as file:
            return _read(file, path, max_pixels, pixels)
    except OSError as error:
        raise ImageError(_message(path, _reason(error))) from error


def format_in(file: BinaryIO) -> str | None:
    """Return the format of an open picture by its content, in lower case; None if it is of none.

    The file is at its beginning before and after.
    """
    try:
        with Image.open(file, formats=_FORMATS) as image:
            name = image.format
    except Exception:  # as in `_read`
        name = None
    file.seek(0)
    return None if name is None else _SAME_FORMAT.get(name, name.lower())


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


def read_exif(image: Image.Image) -> Exif:
    """Return what is usable of a picture's EXIF block; nonsense reads as None."""
    try:
        main = image.getexif()
        photo = main.get_ifd(ExifTags.IFD.Exif)
        place = main.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # cameras and editors write every kind of broken block
        return Exif()
    taken_at = _time(photo.get(ExifTags.Base.DateTimeOriginal))
    lat = _degrees(place, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S", 90.0)
    lon = _degrees(place, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W", 180.0)
    return Exif(
        taken_at=taken_at or _time(main.get(ExifTags.Base.DateTime)),
        camera=_camera(_text(main.get(ExifTags.Base.Make)), _text(main.get(ExifTags.Base.Model))),
        lens=_text(photo.get(ExifTags.Base.LensModel)),
        lat=lat if lon is not None else None,
        lon=lon if lat is not None else None,
    )


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a FIFO waits for its writer, for ever if need be. Windows has no such flag.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read(
    file: BinaryIO,
    path: str,
    max_pixels: int,
    pixels_of: Callable[[Image.Image, int], Image.Image] | None,
) -> Photo:
    try:
        if not file.read(1):
            raise ImageError(_message(path, "the file is empty"))
        with Image.open(file, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                megapixels = f"{width * height / 1e6:.0f} megapixels"
                limit = f"{max_pixels / 1e6:.0f}"
                raise ImageError(_message(path, f"{megapixels}, the limit is {limit}"))
            turn = _orientation(image)
            exif = read_exif(image)
            pixels = pixels_of(image, turn) if pixels_of else None
    except ImageError:
        raise
    except Exception as error:  # a broken file can make a decoder raise nearly anything
        raise ImageError(_message(path, _reason(error))) from error
    if turn in _TURNED_ON_ITS_SIDE:
        width, height = height, width
    return Photo(width, height, exif, pixels)


def _orientation(image: Image.Image) -> int:
    # Pillow turns TIFF, and nothing else, on its own.
    if image.format == "TIFF":
        return 1
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block costs the turn, not the picture
        return 1


def _pixels(
    image: Image.Image, turn: int, *, size: int | None, prepare: Prepare | None
) -> Image.Image:
    if size is not None:
        scale = _DRAFT_MARGIN * size / min(image.size)
        if scale < 1:  # only a JPEG heeds it
            image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
    pixels = as_rgb(image)
    if size is not None and prepare is None:
        pixels = _shrunk(pixels, size)
    method = _UPRIGHT.get(turn)
    upright = pixels if method is None else pixels.transpose(method)
    return upright if prepare is None else prepare(upright)


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


def _shrunk(image: Image.Image, size: int) -> Image.Image:
    scale = size / min(image.size)
    if scale >= 1:
        return image
    shape = (round(image.width * scale), round(image.height * scale))
    return image.resize(shape, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _message(path: str, reason: str) -> str:
    return f"{path}: not a readable image ({reason})"


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "its content is of no known format"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    return " ".join(value.replace("\0", " ").split()) or None


def _camera(make: str | None, model: str | None) -> str | None:
    if make and model and not model.casefold().startswith(make.casefold()):
        return f"{make} {model}"
    return model or make


def _time(value: object) -> dt.datetime | None:
    text = _text(value)
    try:
        return dt.datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S") if text else None
    except ValueError:
        return None


def _degrees(
    place: Mapping[int, Any], tag: int, reference: int, negative: str, limit: float
) -> float | None:
    """Return signed decimal degrees from degrees, minutes, seconds and a hemisphere letter."""
    try:
        whole, minutes, seconds = (float(part) for part in place[tag])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    degrees = whole + minutes / 60 + seconds / 3600
    if not 0 <= degrees <= limit:  # also false for NaN
        return None
    letter = (_text(place.get(reference)) or "").upper()
    return -degrees if letter.startswith(negative) else degrees
