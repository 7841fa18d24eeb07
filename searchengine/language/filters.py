"""What the filters of a query mean: days, numbers, places, names, and how they are said in words.

::

    tag:beach  caption:dog  keyword:holiday      a tag, words of a caption, a keyword of the file
    in:2024/Summer  name:IMG_12*                 folders anywhere in the path; the name of the file
    after:2024-06-01  before:2024-09             from the beginning of that time; until it begins
    year:2023|2024  month:6-8                    as the camera's clock had it
    camera:"X-T3"  lens:35  place:Zurich         a part of the name
    iso:>1600  mm:24-70  mp:>12  rating:>3       numbers: N, A-B, >N, >=N, <N, <=N
    near:47.37,8.54,5km                          degrees north and east, and how far
    type:heic|raw  shape:portrait                formats and shapes; also portrait:yes

``|`` stands between alternatives. Capitals and accents do not matter.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate
from typing import get_args

from searchengine.formats import FORMATS
from searchengine.types import Filter, FilterKind

SHAPES = ("portrait", "landscape", "square", "panorama")
KINDS: tuple[FilterKind, ...] = get_args(FilterKind)
KEYS = (*KINDS, *SHAPES)
"""What may stand before the colon."""

SQUARE = 1.05
"""A picture whose sides differ by less than this factor is a square."""
PANORAMA = 2.0
"""From this factor on it is a panorama, lying or standing."""

NEAR_KM = 5.0
"""How far `near:` reaches if nobody says."""
EARTH_KM = 6371.0088

_YES, _NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})
_TYPES = {"jpg": "jpeg", "heif": "heic", "tif": "tiff", "jp2": "jpeg2000", "dng": "raw"}
_DAY = re.compile(r"(\d{4})(?:-(\d\d?)(?:-(\d\d?)(?:[T ](\d\d?)(?::(\d\d)(?::(\d\d))?)?)?)?)?")
_NUMBER = r"(\d+(?:\.\d+)?)"
_RANGE = re.compile(rf"(?:(>=|<=|>|<)?{_NUMBER}|{_NUMBER}-{_NUMBER})")
_NEAR = re.compile(
    r"(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?)(km|mi|m)?)?", re.IGNORECASE
)
_KM = {"km": 1.0, "mi": 1.609344, "m": 0.001}

_DAYS = "a year, month or day such as 2024, 2024-06 or 2024-06-01"
_NUMBERS = "a number, such as 400, >1600 or 100-400"


class FilterError(ValueError):
    """Say what a filter takes."""


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers from `low` to `high`; an end that is open does not belong to them."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, number: object) -> bool:
        """Tell whether a number is one of them."""
        if not isinstance(number, (int, float)):
            return False
        above = number > self.low if self.low_open else number >= self.low
        return above and (number < self.high if self.high_open else number <= self.high)


@dataclass(frozen=True, slots=True)
class Circle:
    """All that is at most `km` from a point."""

    lat: float
    lon: float
    km: float


TAKES: dict[FilterKind, tuple[str, str]] = {
    "tag": ("TAG", "Tagged so, by you or by a guess."),
    "caption": ("WORDS", "With these words in the caption."),
    "keyword": ("WORD", "With this keyword in the file or beside it."),
    "in": ("FOLDER", "At or below this folder, or in folders of these names: 2024/Summer."),
    "name": ("NAME", "In files called so: IMG_12*."),
    "type": ("FORMAT", "Of this format: jpeg, heic, raw ..."),
    "shape": ("SHAPE", "Landscape, portrait, square or panorama."),
    "after": ("DAY", "Taken from then on: 2024, 2024-06 or 2024-06-01."),
    "before": ("DAY", "Taken before then."),
    "year": ("YEAR", "Taken in that year, or in 2020-2024."),
    "month": ("MONTH", "Taken in these months: 6-8."),
    "camera": ("NAME", "By a camera with this in its name."),
    "lens": ("NAME", "By a lens with this in its name."),
    "mm": ("N", "Of this focal length: 35, 24-70, '>100'."),
    "iso": ("N", "Of this sensitivity: '>1600'."),
    "mp": ("N", "Of so many megapixels."),
    "rating": ("N", "Of so many stars: '>3'."),
    "near": ("LAT,LON,KM", "Taken near there: 47.37,8.54,5km."),
    "place": ("NAME", "Taken near a town, region or country with this in its name."),
}
"""What stands for the value of each kind, and which pictures pass: flags are made of it."""


def read_filter(key: str, value: str, excluded: bool) -> Filter:
    """Return the filter that a key and a value mean.

    Raises:
        FilterError: The value is none that the key takes; the message says which it does.
    """
    if key in SHAPES:
        if value.casefold() not in _YES | _NO:
            raise FilterError("takes yes or no")
        return Filter(key, excluded != (value.casefold() in _NO), "shape")
    kind = next(kind for kind in KINDS if kind == key)
    one = Filter(value, excluded, kind)
    _CHECKS.get(kind, alternatives)(value)
    return one


def alternatives(value: str) -> list[str]:
    """Return what stands between the bars of a value.

    Raises:
        FilterError: Something is empty.
    """
    parts = [part.strip() for part in value.split("|")]
    if not all(parts):
        raise FilterError("something is missing beside |")
    return parts


def moment(value: str) -> dt.datetime:
    """Return when a year, month, day, hour or minute begins.

    Raises:
        FilterError: It is none.
    """
    found = _DAY.fullmatch(value)
    numbers = [int(part) for part in found.groups() if part] if found else []
    try:
        return dt.datetime(*[*numbers, 1, 1][: max(3, len(numbers))])  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise FilterError(f"takes {_DAYS}") from error


def spans(value: str, *, about: float = 0.0) -> list[Span]:
    """Return which numbers a value means, one span for each alternative.

    Args:
        value: N, A-B, >N, >=N, <N, <=N, with bars between alternatives.
        about: A single N means all that is less than this away.

    Raises:
        FilterError: It is none of these.
    """
    return [_span(part, about) for part in alternatives(value)]


def _span(part: str, about: float) -> Span:
    found = _RANGE.fullmatch(part)
    if found is None:
        raise FilterError(f"takes {_NUMBERS}")
    sign, single, low, high = found.groups()
    if low is not None:
        if float(low) > float(high):
            raise FilterError("the smaller number stands first")
        return Span(float(low), float(high))
    number = float(single)
    if sign is None:
        return Span(number - about, number + about, high_open=about > 0)
    if sign.startswith(">"):
        return Span(low=number, low_open=sign == ">")
    return Span(high=number, high_open=sign == "<")


def _of(possible: range) -> Callable[[str], list[Span]]:
    """Return what reads numbers of which some must be possible, as `spans` does."""

    def read(value: str) -> list[Span]:
        found = spans(value)
        if not all(any(number in span for number in possible) for span in found):
            raise FilterError(f"takes numbers from {possible[0]} to {possible[-1]}")
        return found

    return read


def circle(value: str) -> Circle:
    """Return the circle of `near:`.

    Raises:
        FilterError: It is none on the earth.
    """
    found = _NEAR.fullmatch(value.replace(" ", ""))
    if found is None or abs(float(found[1])) > 90 or abs(float(found[2])) > 180:
        raise FilterError("takes degrees north and east, and a distance: 47.37,8.54,5km")
    km = float(found[3]) * _KM[(found[4] or "km").lower()] if found[3] else NEAR_KM
    return Circle(float(found[1]), float(found[2]), km)


def distance_km(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Return how far two points on the earth are apart, along a great circle."""
    a, b = math.radians(lat), math.radians(other_lat)
    half = math.sin((b - a) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(other_lon - lon) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def formats(value: str) -> list[str]:
    """Return the names of formats that `type:` means.

    Raises:
        FilterError: One of them is not known.
    """
    known = [one.name for one in FORMATS]
    wanted = [_TYPES.get(part.casefold(), part.casefold()) for part in alternatives(value)]
    if not set(wanted) <= set(known):
        raise FilterError(f"takes one of {', '.join(known)}")
    return wanted


def shapes(value: str) -> list[str]:
    """Return the shapes that `shape:` means.

    Raises:
        FilterError: One of them is not known.
    """
    wanted = [part.casefold() for part in alternatives(value)]
    if not set(wanted) <= set(SHAPES):
        raise FilterError(f"takes one of {', '.join(SHAPES)}")
    return wanted


def shape_of(width: int | None, height: int | None) -> str | None:
    """Return landscape, portrait, square or panorama; None if a side is not known."""
    if not width or not height:
        return None
    ratio = width / height
    if max(ratio, 1 / ratio) >= PANORAMA:
        return "panorama"
    if max(ratio, 1 / ratio) < SQUARE:
        return "square"
    return "landscape" if ratio > 1 else "portrait"


def plain(text: str) -> str:
    """Return a text without capitals, accents and double spaces."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def parts_matching(value: str) -> Callable[[str | None], bool]:
    """Return what tells whether one of the alternatives is a part of a text."""
    wanted = [plain(part) for part in alternatives(value)]
    return lambda text: text is not None and any(part in plain(text) for part in wanted)


def names_matching(value: str) -> Callable[[str], bool]:
    """Return what tells whether a file is called so, with or without the ending.

    ``*`` stands for anything, ``?`` for one character.
    """
    pattern = re.compile("|".join(f"(?:{translate(plain(one))})" for one in alternatives(value)))

    def matches(name: str) -> bool:
        whole = plain(name)
        return bool(pattern.match(whole) or pattern.match(whole.rpartition(".")[0] or whole))

    return matches


def folders_matching(value: str) -> Callable[[str], bool]:
    """Return what tells whether a folder has these folders in its path, one inside the other."""
    wanted = [f"/{plain(part).replace(chr(92), '/').strip('/')}/" for part in alternatives(value)]
    return lambda folder: any(
        part in f"/{plain(folder).replace(chr(92), '/').strip('/')}/" for part in wanted
    )


def keywords_matching(value: str) -> Callable[[Iterable[str]], bool]:
    """Return what tells whether one of the alternatives is among keywords."""
    wanted = {plain(part) for part in alternatives(value)}
    return lambda keywords: not wanted.isdisjoint(map(plain, keywords))


_CHECKS: dict[FilterKind, Callable[[str], object]] = {
    "tag": str,
    "caption": str,
    "after": moment,
    "before": moment,
    "year": spans,
    "month": _of(range(1, 13)),
    "iso": spans,
    "mm": spans,
    "mp": spans,
    "rating": _of(range(-1, 6)),
    "near": circle,
    "type": formats,
    "shape": shapes,
}


# In words


def described(one: Filter) -> str:
    """Say in words which pictures pass a filter."""
    said = _said(one)
    return f"not {said}" if one.excluded else said


def _said(one: Filter) -> str:
    return _SAID[one.kind](one.name)


def _either(value: str) -> str:
    return " or ".join(alternatives(value))


_WORDS = {">=": "at least ", "<=": "at most ", ">": "over ", "<": "under "}


def _numbers(value: str) -> str:
    return " or ".join(
        re.sub(r"^(>=|<=|>|<)", lambda sign: _WORDS[sign[1]], part).replace("-", " to ")
        for part in alternatives(value)
    )


def _any(value: str, number: float) -> bool:
    return any(number in span for span in spans(value))


def _when(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d}" if at.time() == dt.time() else f"{at:%Y-%m-%d %H:%M:%S}"


def _near(value: str) -> str:
    where = circle(value)
    return f"taken at most {where.km:g} km from {where.lat:g}, {where.lon:g}"


def _months(value: str) -> str:
    named = [f"{dt.date(2000, n, 1):%B}" for n in range(1, 13) if _any(value, n)]
    return f"taken in {' or '.join(named) or 'no month'}"


_SAID: dict[FilterKind, Callable[[str], str]] = {
    "tag": lambda value: f"tagged {value!r}",
    "caption": lambda value: f"with {value!r} in the caption",
    "keyword": lambda value: f"with the keyword {_either(value)}",
    "in": lambda value: f"in a folder {_either(value)}",
    "name": lambda value: f"in a file called {_either(value)}",
    "type": lambda value: f"of the format {' or '.join(formats(value))}",
    "shape": lambda value: f"of the shape {' or '.join(shapes(value))}",
    "after": lambda value: f"taken from {_when(moment(value))} on",
    "before": lambda value: f"taken before {_when(moment(value))}",
    "year": lambda value: f"taken in the year {_numbers(value)}",
    "month": _months,
    "camera": lambda value: f"by a camera with {_either(value)} in its name",
    "lens": lambda value: f"by a lens with {_either(value)} in its name",
    "mm": lambda value: f"with {_numbers(value)} mm",
    "iso": lambda value: f"with ISO {_numbers(value)}",
    "mp": lambda value: f"with {_numbers(value)} megapixels",
    "rating": lambda value: f"with a rating of {_numbers(value)}",
    "near": _near,
    "place": lambda value: f"at a place with {_either(value)} in its name",
}
