"""What Google Takeout says of a picture, in a JSON file beside it.

Takeout cuts the names of these files, and numbers them otherwise than the pictures.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from searchengine.formats import is_medium
from searchengine.metadata import text_of
from searchengine.types import Exif

MOST_JSON = 4_000_000
"""Bytes of the longest file that is read."""

_LONGEST = 46
"""Letters that Takeout leaves of a name, without `.json`."""

_NUMBERED = re.compile(r"(.+)(\(\d+\))")
_EDITED = re.compile(
    "(.+)-(?:edited|effects|bearbeitet|modifi(?:\u00e9|e\u0301)|editad[oa]|ha editado|modificato|"
    "bewerkt|edytowane|redigeret|redigerad|muokattu|編集済み|수정됨|编辑|已編輯)",
    re.IGNORECASE,
)
_FURTHER = ".supplemental-metadata"
_SURE = frozenset({"photoTakenTime", "googlePhotosOrigin"})
_LIKELY = frozenset({"creationTime", "geoData", "geoDataExif", "imageViews", "people", "favorited"})
"""Keys of which Takeout writes some; others may have the latter, but hardly beside a title."""


class TakeoutError(ValueError):
    """Say why a file cannot be read."""


@dataclass(frozen=True, slots=True)
class Takeout:
    """What Takeout says of a picture.

    Attributes:
        exif: When it was taken, on the clock of UTC, where, and what somebody wrote about it.
        people: Names of those who are on it.
        is_favourite: Whether somebody marked it so.
    """

    exif: Exif
    people: tuple[str, ...] = ()
    is_favourite: bool = False


def takeouts_of(path: str) -> tuple[str, ...]:
    """Return what Takeout's file beside a picture may be called, the likeliest first."""
    folder, name = os.path.split(path)
    names = dict.fromkeys(f"{one}.json" for one in _stems(name))
    return tuple(os.path.join(folder, one) if folder else one for one in names)


def is_named_as_takeout(name: str) -> bool:
    """Tell whether a file is called as Takeout calls what it puts beside pictures and films."""
    stem, ending = os.path.splitext(name)
    parts = re.split(r"[.(]", stem.lower())[1:]
    return ending == ".json" and any(is_medium(f".{one}") for one in parts)


def _stems(name: str) -> Iterator[str]:
    stem, ending = os.path.splitext(name)
    yield from _cut(f"{stem}{ending}")
    numbered = _NUMBERED.fullmatch(stem)
    plain, number = (numbered[1], numbered[2]) if numbered else (stem, "")
    if numbered:  # IMG_1(1).jpg has IMG_1.jpg(1).json
        yield from _cut(f"{plain}{ending}", number)
    edited = _EDITED.fullmatch(plain)
    if edited:  # what was edited shares the file of the original
        yield from _cut(f"{edited[1]}{ending}", number)
    yield stem[:_LONGEST]


def _cut(name: str, number: str = "") -> Iterator[str]:
    for whole in (name, f"{name}{_FURTHER}"):
        yield f"{whole[:_LONGEST]}{number}"
        if number:
            yield f"{whole[: _LONGEST - len(number)]}{number}"


def read_takeout(content: bytes) -> Takeout | None:
    """Return what a JSON file beside a picture says; None if it is none of Takeout's.

    Raises:
        TakeoutError: It is no JSON, or longer than any that is read.
    """
    if len(content) > MOST_JSON:
        raise TakeoutError(f"JSON of more than {MOST_JSON / 1e6:.0f} MB, which is not read")
    try:
        said = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise TakeoutError(f"not JSON ({error})") from error
    if not isinstance(said, dict):
        return None
    if not _SURE.intersection(said) and not ("title" in said and _LIKELY.intersection(said)):
        return None
    lat, lon = _place(said.get("geoData")) or _place(said.get("geoDataExif")) or (None, None)
    taken = _time(said.get("photoTakenTime"))
    people = said.get("people")
    names = (_text(one.get("name")) for one in _dicts(people))
    return Takeout(
        Exif(
            taken_at=taken,
            taken_offset=None if taken is None else 0,
            lat=lat,
            lon=lon,
            description=_text(said.get("description")),
        ),
        tuple(dict.fromkeys(one for one in names if one)),
        said.get("favorited") is True,
    )


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    """Return a text without halves of letters that JSON may hold and no database can."""
    if not isinstance(value, str):
        return None
    return text_of(value.encode("utf-8", "replace"))


def _time(value: Any) -> dt.datetime | None:
    """Return a time on the clock of UTC; Takeout writes 0 where it knows none."""
    try:
        seconds = int(value["timestamp"])
        return dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds) if seconds else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _place(value: Any) -> tuple[float, float] | None:
    """Return degrees north and east; Takeout writes 0 and 0 where it knows none."""
    try:
        lat, lon = float(value["latitude"]), float(value["longitude"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    is_place = math.isfinite(lat) and abs(lat) <= 90 and abs(lon) <= 180 and (lat or lon)
    return (lat, lon) if is_place else None
