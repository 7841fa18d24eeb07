"""Text <-> Query: the grammar of what a user types.

::

    query    = [sign] term (sign term)*         with filters anywhere, of which one alone is enough
    sign     = "+" | "-"                        a word of its own; the first may touch its term
    term     = [weight "*"] (words | picture | id)
    weight   = a finite number above zero       2*beach, 0.5*./a.jpg
    picture  = a path that starts with ./ ../ / or ~/, or any path after "@"
    id       = "#" digits                       a number of the library
    filter   = [sign] key ":" value             only pictures that pass; after "-": that do not
             | shape                            behind a filter, and nothing but a filter follows
    words    = everything else                  neighbours join: a dog running

Filters are taken out first, and the rest is read as if they had not been there; several must all
hold. A value with spaces stands in quotes: ``tag:"hot dog"``. The sign of a filter may touch it:
``-tag:people``. The keys and what their values mean: `filters`.
A path goes on to the next sign or to the end of its argument, so it may hold spaces. Where that is
not enough, double quotes take a term as it stands, with a backslash before ``"`` and ``\\``:
``"rock - paper"`` is words, ``@"./rock - paper.jpg"`` is a picture.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from searchengine.errors import QueryError, QuerySyntaxError
from searchengine.language.filters import KEYS, SHAPES, FilterError, read_filter
from searchengine.language.hints import hints_for
from searchengine.types import Filter, Query, Term, TermKind

_SIGN = re.compile(r"[+-]")
_LONE_SIGN = re.compile(r"[+-](?=\s|\Z)")
_LONE_BAR = re.compile(r"\|(?=\s|\Z)")
_KEY = "|".join(KEYS)
_END_OF_PATH = re.compile(rf"\s(?:[+-](?=\s|\Z)|[+-]?(?:{_KEY}):(?=\S))")
_WEIGHT = re.compile(r"([0-9.][^\s*]*|(?i:inf|infinity|nan))\s*\*\s*")
_ID = re.compile(r"#([0-9]+)(?=\s|\Z)")
_QUOTED = re.compile(r'(@?)"((?:[^"\\]|\\.)*)"(?=\s|\Z)', re.DOTALL)
_OPEN_QUOTE = re.compile(r'@?"')
_FILTER = re.compile(rf'({_KEY}):(?:"((?:[^"\\]|\\.)*)"|([^\s"]\S*))(?=\s|\Z)', re.DOTALL)
_FILTER_START = re.compile(rf"(?:{_KEY}):(?=\S)")
_SIGNED_FILTER = re.compile(rf"[+-](?=(?:{_KEY}):\S)")
_SHAPE = re.compile(rf"({'|'.join(SHAPES)})(?=\s*\Z|\s+[+-](?=\s)|\s+[+-]?(?:{_KEY}):\S)")
_PICTURE = re.compile(r"(?:\.{1,2}/|~?/|@)(?=\S)")
_SPACE = re.compile(r"\s+")

_NOT_A_WORD = re.compile(
    "|".join(
        rf"(?<!\S){start.pattern}"
        for start in (_SIGN, _WEIGHT, _ID, _OPEN_QUOTE, _PICTURE, _FILTER_START)
    )
)
"""Finds the start of anything in a text that `parse` would not read as a plain word."""

_ID_DIGITS = 18
"""Ids are 64-bit numbers; every number of so many digits is one."""

Exists: TypeAlias = Callable[[str], bool]
Filters: TypeAlias = Mapping[str, str | Sequence[str]] | Sequence[Filter]


@dataclass(frozen=True, slots=True)
class _Token:
    start: int  # where it begins in the query, for messages
    kind: TermKind | Literal["filter", "sign"]
    value: str
    weight: float | None = None  # None: none was written
    key: str = ""  # of a filter


def _is_file(path: str) -> bool:
    return os.path.isfile(os.path.expanduser(path))


def parse(arguments: Sequence[str] | str, exists: Exists = _is_file) -> Query:
    """Read a query.

    Args:
        arguments: One string, or the arguments of a command line.
        exists: Tells whether a path names a file. A file whose name holds " + " or " - " is taken
            whole where it ends its argument.

    Raises:
        QuerySyntaxError: The text is no query; the message shows where.
    """
    pieces = [arguments] if isinstance(arguments, str) else list(arguments)
    text = " ".join(pieces)
    terms: list[Term] = []
    filters: list[Filter] = []
    sign: _Token | None = None
    for token in _tokens(text, _ends(pieces), exists):
        if token.kind == "filter":
            filters.append(_filter(text, token, excluded=sign is not None and sign.value == "-"))
            sign = None
        elif token.kind == "sign":
            if sign is not None:
                raise _error(text, token.start, f"two signs in a row, {sign.value} {token.value}")
            sign = token
        elif sign is None and terms:
            if not token.kind == terms[-1].kind == "words" or token.weight is not None:
                raise _error(text, token.start, "a + or - is missing before this term")
            terms[-1] = replace(terms[-1], value=f"{terms[-1].value} {token.value}")
        else:
            weight = 1.0 if token.weight is None else token.weight
            signed = -weight if sign is not None and sign.value == "-" else weight
            terms.append(Term(signed, token.kind, token.value))
            sign = None
    if sign is not None:
        raise _error(text, sign.start, f"nothing follows this {sign.value}")
    if not terms and not filters:
        raise QuerySyntaxError(
            'the query is empty; give words, a picture such as ./dog.jpg, or an id such as "#12"'
        )
    return Query(tuple(terms), tuple(filters), hints_for(text, terms))


def parsed(query: str | Sequence[str] | Query) -> Query:
    """Return a query as `parse` reads it; one that was read already as it is."""
    return query if isinstance(query, Query) else parse(query)


def with_filters(query: Query | None, filters: Filters) -> Query:
    """Return a query that asks for filters too, as if they stood in its text.

    Args:
        query: What is asked for otherwise; None for filters alone.
        filters: As `parse` makes them, or values by key, several as a list; a minus before the key
            asks for the opposite: ``{"after": "2024-06", "-tag": ["people", "car"]}``.

    Raises:
        QueryError: A key or a value is none.
    """
    if isinstance(filters, Mapping):
        pairs = [
            (key, value)
            for key, values in filters.items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        more = tuple(_filter_of(key, value) for key, value in pairs)
    else:
        more = tuple(filters)
    if query is None:
        return Query((), more)
    return replace(query, filters=(*query.filters, *more))


def _filter_of(key: str, value: str) -> Filter:
    bare = key.removeprefix("-")
    if bare not in KEYS:
        raise QueryError(f"{bare!r} is no filter; there are: {', '.join(KEYS)}")
    plain = _SPACE.sub(" ", value).strip()
    if not plain:
        raise QueryError(f"{bare}: needs a value")
    try:
        return read_filter(bare, plain, excluded=key != bare)
    except FilterError as error:
        raise QueryError(f"{bare}:{plain}: {error}") from error


def is_words(text: str) -> bool:
    """Tell whether `parse` reads a text as these words and nothing else."""
    words = Term(1.0, "words", " ".join(text.split()))
    try:
        return parse(text, exists=lambda _: False) == Query((words,))
    except QuerySyntaxError:
        return False


def format(query: Query) -> str:
    """Write a query as text that `parse` reads back as the same query."""
    parts = [f"{'-' if term.weight < 0 else '+'} {_format_term(term)}" for term in query.terms]
    parts += [f"{'-' if one.excluded else '+'} {_format_filter(one)}" for one in query.filters]
    return " ".join(parts).removeprefix("+ ")


def _ends(pieces: Sequence[str]) -> list[int]:
    """Return where each argument ends in the joined text."""
    return list(itertools.accumulate((len(piece) for piece in pieces), lambda end, n: end + 1 + n))


def _tokens(text: str, ends: Sequence[int], exists: Exists) -> Iterator[_Token]:
    position = _skip_space(text, 0)
    is_first, is_behind_filter = True, False
    while position < len(text):
        sign = (_SIGN if is_first else _LONE_SIGN).match(text, position)
        if sign := sign or _SIGNED_FILTER.match(text, position):
            token, position = _Token(position, "sign", sign[0]), sign.end()
        elif _SIGN.match(text, position):
            raise _error(text, position, "put a space on both sides of a sign")
        elif _FILTER_START.match(text, position):
            token, position = _read_filter(text, position)
        elif is_behind_filter and (shape := _SHAPE.match(text, position)):
            token, position = _Token(position, "filter", shape[1], key="shape"), shape.end()
        elif is_behind_filter and _LONE_BAR.match(text, position):
            raise _error(text, position, "| stands within a filter, without spaces: tag:cat|dog")
        else:
            token, position = _read_term(text, position, ends, exists)
        yield token
        is_first, is_behind_filter = False, token.kind == "filter"
        position = _skip_space(text, position)


def _read_filter(text: str, start: int) -> tuple[_Token, int]:
    """Return the filter at a position, and where it ends."""
    filter_ = _FILTER.match(text, start)
    if filter_ is None:
        raise _error(text, start, "this quote is not closed before a space or the end")
    name = filter_[3] or _SPACE.sub(" ", _unescape(filter_[2])).strip()
    if not name:
        raise _error(text, start, "nothing stands between these quotes")
    return _Token(start, "filter", name, key=filter_[1]), filter_.end()


def _filter(text: str, token: _Token, *, excluded: bool) -> Filter:
    try:
        return read_filter(token.key, token.value, excluded)
    except FilterError as error:
        raise _error(text, token.start, f"{token.key}: {error}") from error


def _read_term(text: str, start: int, ends: Sequence[int], exists: Exists) -> tuple[_Token, int]:
    """Return the term (of words: its first word) at a position, and where it ends."""
    weight: float | None = None
    position = start
    # A path comes first: ./a*b.jpg has no weight.
    if not _PICTURE.match(text, start) and (factor := _WEIGHT.match(text, start)):
        weight = _weight(text, start, factor[1])
        position = factor.end()
        if position == len(text) or _LONE_SIGN.match(text, position):
            raise _error(text, start, "a weight without a term")
        if _FILTER_START.match(text, position):
            raise _error(text, start, "a filter has no weight")
        if _WEIGHT.match(text, position) and not _PICTURE.match(text, position):
            raise _error(text, position, "a second weight")
    kind, value, end = _read_value(text, position, ends, exists)
    return _Token(start, kind, value, weight), end


def _read_value(
    text: str, start: int, ends: Sequence[int], exists: Exists
) -> tuple[TermKind, str, int]:
    if quoted := _QUOTED.match(text, start):
        value = _unescape(quoted[2])
        if not value.strip():
            raise _error(text, start, "nothing stands between these quotes")
        if quoted[1]:
            return "picture", value, quoted.end()
        return "words", _SPACE.sub(" ", value).strip(), quoted.end()
    if _OPEN_QUOTE.match(text, start):
        raise _error(text, start, "this quote is not closed before a space or the end")
    if number := _ID.match(text, start):
        if len(number[1]) > _ID_DIGITS:
            raise _error(text, start, "no id has so many digits")
        return "id", number[1], number.end()
    if _PICTURE.match(text, start):
        end = next(end for end in ends if end > start)
        return "picture", *_read_path(text, start, end, exists)
    end = _find(_SPACE, text, start, len(text))
    return "words", text[start:end], end


def _read_path(text: str, start: int, end: int, exists: Exists) -> tuple[str, int]:
    """Return the path in text[start:end] and where it ends: the whole if that is a file."""
    whole = text[start:end].removeprefix("@")
    if exists(whole):
        return whole, end
    stop = _find(_END_OF_PATH, text, start, end)
    return text[start:stop].removeprefix("@").rstrip(), stop


def _weight(text: str, start: int, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight) or weight == 0:
        raise _error(text, start, "a weight is a finite number other than 0, such as 2 or 0.5")
    return weight


def _find(pattern: re.Pattern[str], text: str, start: int, end: int) -> int:
    """Return where the pattern begins in text[start:end], or the end."""
    match = pattern.search(text, start, end)
    return match.start() if match else end


def _skip_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _format_term(term: Term) -> str:
    size = abs(term.weight)
    weight = "" if size == 1 else f"{size!r}".removesuffix(".0") + "*"
    return weight + _format_value(term)


def _format_filter(one: Filter) -> str:
    bare = not _SPACE.search(one.name) and not one.name.startswith('"')
    return f"{one.kind}:{one.name if bare else _quote(one.name)}"


def _format_value(term: Term) -> str:
    match term.kind:
        case "id":
            return f"#{term.value}"
        case "words":
            return _quote(term.value) if _NOT_A_WORD.search(term.value) else term.value
        case "picture":
            if _SPACE.search(term.value) or term.value.startswith('"'):
                return "@" + _quote(term.value)
            bare = _PICTURE.match(term.value) and not term.value.startswith("@")
            return term.value if bare else "@" + term.value


def _unescape(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)


def _quote(value: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def _error(text: str, position: int, problem: str) -> QuerySyntaxError:
    line = re.sub(r"\s", " ", text)  # a line break or tab would move the mark
    return QuerySyntaxError(f"{problem}:\n  {line}\n  {' ' * position}^", position)
