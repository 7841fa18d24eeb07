"""What stands beside a picture and tells of it: an XMP file, and the JSON of Google Takeout."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from indexer.library.takeout import MOST_JSON, TakeoutError, read_takeout, takeouts_of
from searchengine.formats import sidecars_of
from searchengine.metadata import MOST_XMP, merged
from searchengine.reader import Photo
from searchengine.sources.addresses import is_remote
from searchengine.sources.archives import archives_of
from searchengine.sources.opening import open_stored
from searchengine.types import Exif

SPEAKING = frozenset({".xmp", ".json", ".txt"})
"""Endings, in lower case, of files that may tell of a picture."""

MOST_TEXT = 10_000
"""Bytes of a caption beside a picture that are read."""


def captions_of(path: str) -> tuple[str, ...]:
    """Return what the caption beside a picture is called; only shards of training data have one."""
    return (f"{os.path.splitext(path)[0]}.txt",) if any(archives_of(path)) else ()


def time_of_all(times: Iterable[int | None]) -> int | None:
    """Return a number that changes with each of the times of files; None if there are none."""
    known = [one for one in times if one is not None]
    return sum(known) if known else None


def sidecar_time(path: str) -> int | None:
    """Return what `scan` says of the times of the files beside a picture; None if none is there.

    None at an address too: there the next scan says it.
    """
    if is_remote(path):
        return None
    return time_of_all(map(_time, (sidecars_of(path), takeouts_of(path))))


def xmp_beside(path: str) -> bytes | None:
    """Return the XMP file beside a picture, None if there is none that can be read."""
    return _first(sidecars_of(path), MOST_XMP)


def completed(photo: Photo, path: str) -> Photo:
    """Return a picture with what only Takeout's file, or a caption, beside it says."""
    caption = _first(captions_of(path), MOST_TEXT)
    if caption is not None:
        said = " ".join(caption[:MOST_TEXT].decode("utf-8", "replace").split())
        photo = replace(photo, exif=merged(photo.exif, Exif(description=said or None)))
    content = _first(takeouts_of(path), MOST_JSON)
    try:
        takeout = None if content is None else read_takeout(content)
    except TakeoutError:  # lexpix tag --import says so
        return photo
    return photo if takeout is None else replace(photo, exif=merged(photo.exif, takeout.exif))


def _time(names: Sequence[str]) -> int | None:
    for name in names:
        try:
            return os.stat(name).st_mtime_ns
        except OSError:
            continue
    return None


def _first(names: Sequence[str], most: int) -> bytes | None:
    for name in names:
        try:
            with open_stored(name, most=most + 1) as file:
                return file.read(most + 1)
        except OSError:  # not of this name, or gone meanwhile
            continue
    return None
