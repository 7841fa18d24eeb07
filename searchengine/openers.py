"""What Pillow is let open: formats, their plugins, and what each of them leaves to do."""

from __future__ import annotations

import contextlib
import logging
from functools import cache

from PIL import ExifTags, Image

# A folder of downloads is untrusted input: none of Pillow's rarer decoders is let near it.
# (MPO, what some cameras write, is opened as a JPEG.)
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "PPM")

# A few brands of the container of HEIC are those of AVIF, too: either reader may take the file.
_PLUGINS = {
    "heic": ("HEIF", "AVIF"),
    "avif": ("AVIF",),
    "jpeg2000": ("JPEG2000",),
    "jxl": ("JXL",),
}

# A program that has set up no logging would have them on standard error; what is wrong is raised.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_SAME_FORMAT = {"MPO": "jpeg", "DIB": "bmp", "PPM": "pnm", "HEIF": "heic"}
"""What Pillow calls differently from `formats.FORMATS`."""

# Their readers turn the picture themselves, and EXIF says it once more.
_TURNED_BY_READER = frozenset({"TIFF", "HEIF"})

_REDUCED, _SUBFILE_TYPE = 1, 254  # a page of a TIFF that is a smaller copy of another one
_MOST_PAGES = 16


@cache
def formats_of(kind: str | None) -> tuple[str, ...]:
    """Return Pillow's names of the formats that a file may be of, having loaded their plugins."""
    if kind == "heic":
        import pillow_heif

        pillow_heif.register_heif_opener()
    elif kind == "jxl":
        import pillow_jxl  # noqa: F401 - registers itself
    return _FORMATS if kind is None else _PLUGINS[kind]


def name_of(image: Image.Image) -> str:
    """Return the format of an open picture as `formats.FORMATS` calls it."""
    name = image.format or ""
    return _SAME_FORMAT.get(name, name.lower())


def leave_small_copies(image: Image.Image) -> None:
    """Go to the first page of a TIFF that is no smaller copy of another one."""
    if image.format != "TIFF":
        return
    _quieten_libtiff()
    for page in range(1, _MOST_PAGES):
        if not image.tag_v2.get(_SUBFILE_TYPE, 0) & _REDUCED:  # type: ignore[attr-defined]
            return
        try:
            image.seek(page)
        except EOFError:
            image.seek(0)
            return


@cache
def _quieten_libtiff() -> None:
    """Keep libtiff from writing to standard error; what is wrong is raised all the same."""
    import ctypes

    from PIL import _imaging

    with contextlib.suppress(OSError, AttributeError):  # built into Pillow, as on Windows
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)


def orientation(image: Image.Image) -> int:
    """Return how a picture that Pillow opened has yet to be turned, as EXIF numbers it; 1: not."""
    if image.format in _TURNED_BY_READER:
        return 1
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block costs the turn, not the picture
        return 1
