"""What somebody may have meant by a query that was read as words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from searchengine.language.filters import KINDS
from searchengine.types import Term

_MEANT = {
    **dict.fromkeys(("date", "taken", "day", "time", "from", "since", "until"), "after:2024-06-01"),
    **dict.fromkeys(("folder", "path", "album", "dir"), "in:Summer"),
    **dict.fromkeys(("file", "filename"), "name:IMG_12*"),
    **dict.fromkeys(("format", "ext", "filetype"), "type:heic"),
    **dict.fromkeys(("tags", "label", "subject"), "tag:beach"),
    **dict.fromkeys(("keywords",), "keyword:beach"),
    **dict.fromkeys(("city", "country", "location", "gps"), "place:Zurich"),
    **dict.fromkeys(("make", "model"), "camera:X-T3"),
    **dict.fromkeys(("focal", "f"), "mm:35"),
    **dict.fromkeys(("stars",), "rating:>3"),
    **dict.fromkeys(("size", "megapixels"), "mp:>12"),
    **dict.fromkeys(("orientation",), "shape:portrait"),
}
"""What people call filters, and a filter that does it."""

_OF_A_YEAR = {
    **dict.fromkeys(("date", "taken", "day", "time"), "year"),
    **dict.fromkeys(("from", "since"), "after"),
}
"""What people call filters by date, and the filter that does it with a year."""

_KEY_WITH_VALUE = re.compile(r"([A-Za-z]{1,12}):(?!//)([^\s:]\S*)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_KEY_ALONE = re.compile(rf"(?<!\S)({'|'.join(KINDS)}):(?=\s|\Z)")
_MINUS = re.compile(r"(?<!\S)([\u2010-\u2015\u2212])(?=\s|\Z)")
_BAR = re.compile(r"(?<!\S)\|(?=\s|\Z)")
_TOUCHING = re.compile(r"(?<!\S)([\u2010-\u2015\u2212])(\w+)")
_IN_QUOTES = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)')
"""A quote that is never closed ends with the text, so that each is read once."""
_NEGATION = re.compile(
    r"(?:^|(?<=\s))(?:without|but not|but no|not|no|except(?: for)?|excluding)\s+"
    r"(?:(?:any|a|an|the)\s+)?(?P<what>\w[\w' -]*)",
    re.IGNORECASE,
)


MOST, LONGEST = 5, 500
"""Hints of a query, and characters of one: a query of 5,000 dashes has as many, of 10 kB each."""


def hints_for(text: str, terms: Iterable[Term]) -> tuple[str, ...]:
    """Return what may have been meant otherwise than it was read.

    Args:
        text: The query as it was written.
        terms: What was read.
    """
    words = [term.value for term in terms if term.kind == "words"]
    if '"' in text:  # what stands in quotes is meant as it stands
        text = _IN_QUOTES.sub('"', text)
        words = [word for word in words if all(part in text for part in word.split())]
    of_words = (hint for word in words for hint in chain(_unknown_keys(word), _negation(word)))
    hints = islice(chain(_signs(text), _empty(text), of_words), MOST)
    return tuple(dict.fromkeys(map(_shortened, hints)))


def _shortened(hint: str) -> str:
    return hint if len(hint) <= LONGEST else f"{hint[:LONGEST]}..."


def _signs(text: str) -> Iterator[str]:
    for dash in _MINUS.finditer(text):
        left, right = text[: dash.start()].strip(), text[dash.end() :].strip()
        yield (
            f"{dash[1]} is a dash and was read as a word; a minus takes away: "
            f"{f'{left} - {right}'.strip()}"
        )
    for dash in _TOUCHING.finditer(text):
        left = text[: dash.start()].strip()
        yield f"{dash[0]} begins with a dash; a minus takes away: {f'{left} - {dash[2]}'.strip()}"
    if _BAR.search(text):
        yield "| stands between words for nothing; between values of a filter it is or: tag:cat|dog"


def _empty(text: str) -> Iterator[str]:
    for key in _KEY_ALONE.finditer(text):
        yield (
            f"{key[1]}: is a filter only with its value right behind it"
            + (', in quotes if it has spaces: tag:"hot dog"' if key[1] == "tag" else "")
        )


def _unknown_keys(words: str) -> Iterator[str]:
    for word in words.split():
        found = _KEY_WITH_VALUE.fullmatch(word)
        if found is None:
            continue
        key = found[1].lower()
        meant = f"{key}:{found[2]}" if key in KINDS else _MEANT.get(key)
        if key in _OF_A_YEAR and _YEAR.fullmatch(found[2]):
            meant = f"{_OF_A_YEAR[key]}:{found[2]}"
        known = f"did you mean {meant}?" if meant else f"filters are {', '.join(KINDS)}"
        yield f"{word} is no filter and was read as words; {known}"


def _negation(words: str) -> Iterator[str]:
    found = _NEGATION.search(words)
    if found is None:
        return
    left, what = words[: found.start()].strip(), found["what"].strip()
    yield (
        f"{found[0].split()[0]!r} takes nothing away in a query; a minus does: "
        f"{left or 'WHAT YOU SEEK'} - {what}"
    )
