"""Formats of pictures: which there are, what their files are called, and how their bytes begin.

A file is read by its content; the ending of its name only decides whether an indexer opens it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Format:
    """A format, or a family of formats that one library reads.

    Attributes:
        name: As in the filter `type:` and the facet.
        title: As people call it.
        endings: Of the names of its files, in lower case.
        module: What reads it, beside Pillow.
        extra: The extra of lexpix that installs this module; None if lexpix itself does.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    module: str | None = None
    extra: str | None = None


_RAW = (
    *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".raf", ".orf"),
    *(".rw2", ".pef", ".srw", ".rwl", ".3fr", ".erf", ".iiq", ".mrw", ".x3f"),
)

FORMATS = (
    Format("jpeg", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),
    Format("heic", "HEIC and HEIF", (".heic", ".heif", ".hif"), "pillow_heif"),
    Format("png", "PNG", (".png", ".apng")),
    Format("webp", "WebP", (".webp",)),
    Format("avif", "AVIF", (".avif",)),
    Format("gif", "GIF", (".gif",)),
    Format("tiff", "TIFF", (".tif", ".tiff")),
    Format("bmp", "BMP", (".bmp", ".dib")),
    Format("jpeg2000", "JPEG 2000", (".jp2", ".j2k")),
    Format("pnm", "PNM", (".ppm", ".pgm", ".pbm", ".pnm")),
    Format("jxl", "JPEG XL", (".jxl",), "pillow_jxl", "jxl"),
    Format(
        "raw",
        "RAW",
        _RAW,
        "rawpy",
        "raw",
    ),
    Format(
        "video",
        "Film",
        (".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".3gp", ".mts", ".m2ts"),
        "av",
        "video",
    ),
)
"""All formats; those of cameras and phones first."""

SIDECARS = frozenset({".xmp", ".aae", ".thm", ".json", ".ini", ".db", ".lrv"})
"""Endings of what programs and cameras put beside pictures; nobody misses them."""

_MOST_TOLD = 5
"""Endings of which nobody knows what to do that are named; the others are only counted."""

HEAD = 64
"""Bytes of the beginning of a file that tell its format."""

_BY_ENDING = {ending: one for one in FORMATS for ending in one.endings}
_BY_NAME = {one.name: one for one in FORMATS}
_RAW_ENDINGS = frozenset(_RAW)
_FILM_ENDINGS = frozenset(_BY_NAME["video"].endings)

_BRANDS: dict[bytes, str] = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "heic"),
    **dict.fromkeys((b"mif1", b"msf1"), "heic"),
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    b"crx ": "raw",
}
"""What the first brand of a file says in the container that films have as well."""

_JPEG2000_STARTS = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n")
_JXL_STARTS = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
_RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\x00", b"FOVb", b"\x00MRM")
TIFF_STARTS = (b"II*\x00", b"MM\x00*")


def ending_of(path: str) -> str:
    """Return the ending of a name, in lower case, with its dot."""
    return os.path.splitext(path)[1].lower()


def format_of(path: str) -> str | None:
    """Return the format that the ending of a name tells of."""
    known = _BY_ENDING.get(ending_of(path))
    return None if known is None else known.name


def titled(name: str) -> Format:
    """Return a format by its name."""
    return _BY_NAME[name]


def sniffed(head: bytes, path: str = "") -> str | None:
    """Return which format needs a large decoder, by the first bytes.

    It is avif, heic, jpeg2000, jxl, raw, video, or None for what Pillow decodes with less.

    Args:
        head: At least `HEAD` bytes, or the whole file.
        path: Most cameras write RAW as TIFF, which only the ending of the name tells from others;
            so it does of films in streams of packets.
    """
    ending = ending_of(path)
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video")
    if head.startswith(_JXL_STARTS):
        return "jxl"
    if head.startswith(_JPEG2000_STARTS):
        return "jpeg2000"
    is_raw_tiff = head[8:10] == b"CR" or ending in _RAW_ENDINGS
    is_raw = head.startswith(_RAW_STARTS) or head[6:14] == b"HEAPCCDR"
    if is_raw or (head.startswith(TIFF_STARTS) and is_raw_tiff):
        return "raw"
    is_stream = ending in _FILM_ENDINGS and b"\x47" in (head[:1], head[4:5])
    is_avi = (head[:4], head[8:12]) == (b"RIFF", b"AVI ")
    return "video" if is_stream or is_avi or head.startswith(b"\x1aE\xdf\xa3") else None


def sidecars_of(path: str) -> tuple[str, ...]:
    """Return what the XMP file beside a picture may be called: all of these are usual."""
    stem = os.path.splitext(path)[0]
    return f"{path}.xmp", f"{stem}.xmp", f"{path}.XMP", f"{stem}.XMP"


@cache
def is_installed(name: str) -> bool:
    """Tell whether what reads a format is installed; nothing is imported for that."""
    module = titled(name).module
    return module is None or importlib.util.find_spec(module) is not None


@cache
def readable_endings() -> frozenset[str]:
    """Return the endings of the files that an indexer opens."""
    return frozenset(ending for one in FORMATS if is_installed(one.name) for ending in one.endings)


def told(counts: Mapping[str, int]) -> str:
    """Say which files were passed over, and what would have them read.

    Args:
        counts: Files by the endings of their names; "" counts what has none that can be told.
    """
    groups: dict[str, list[str]] = {}
    others = 0
    for ending, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        told_so_far = len(groups.get("", ()))
        hint = remedy(ending) or ""
        if not ending or (not hint and told_so_far >= _MOST_TOLD):
            others += count
        else:
            groups.setdefault(hint, []).append(f"{count:,} {ending}")
    hints = sorted(groups, key=lambda hint: (not hint, hint))
    parts = [", ".join(groups[hint]) + (f" ({hint})" if hint else "") for hint in hints]
    total = sum(counts.values())
    if others:
        parts.append(f"{others:,} others")
    return f"{total:,} {'file' if total == 1 else 'files'}: {', '.join(parts)}"


def is_medium(ending: str) -> bool:
    """Tell whether an ending is that of a picture or a film."""
    return ending in _BY_ENDING


def remedy(ending: str) -> str | None:
    """Return what makes files of an ending readable; None if nothing does."""
    known = _BY_ENDING.get(ending)
    if known is None or known.extra is None or is_installed(known.name):
        return None
    return f"pip install 'lexpix[{known.extra}]'"
