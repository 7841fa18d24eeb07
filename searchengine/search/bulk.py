"""Columns and tags of all pictures, made of what `catalog.bulk` reads: a column at a time."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from searchengine.catalog.selection import GUESSED, SAID, Confidences
from searchengine.formats import format_of
from searchengine.language.filters import shape_of
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.values import COLUMNS, Codes, Column, Numbering, Value
from searchengine.types import Ids

if TYPE_CHECKING:
    from searchengine.catalog.bulk import BulkCatalog

Coded = dict[Column, Codes]


class _Known(dict[Any, int]):
    """Numbers of what is stored, each different one looked at once."""

    def __init__(self, numbering: Numbering, value_of: Callable[[Any], Value]) -> None:
        self._numbering, self._value_of = numbering, value_of

    def __missing__(self, stored: Any) -> int:
        code = self[stored] = self._numbering.code(self._value_of(stored))
        return code

    def codes(self, column: Any) -> Codes:
        """Return the numbers of a column."""
        return np.fromiter(map(self.__getitem__, column), dtype=np.int32, count=len(column))


def columns_of_all(
    catalog: BulkCatalog, numbering: Mapping[Column, Numbering]
) -> tuple[Ids, npt.NDArray[np.float64], npt.NDArray[np.float64], Coded]:
    """Read the present pictures; return what `Columns` calls ids, taken, where and codes."""
    known = {
        "camera": _Known(numbering["camera"], lambda camera: camera),
        "place": _Known(numbering["place"], lambda place: place or None),
        "shape": _Known(numbering["shape"], lambda size: shape_of(*size)),
        "format": _Known(numbering["format"], lambda name: name),
        "year": _Known(numbering["year"], lambda month: None if month is None else month.year),
        "month": _Known(
            numbering["month"], lambda month: None if month is None else month.strftime("%Y-%m")
        ),
    }
    folders: dict[bytes, int] = {}
    ids: list[Ids] = [np.empty(0, dtype=np.int64)]
    taken: list[npt.NDArray[np.float64]] = [np.empty(0)]
    where: list[npt.NDArray[np.float64]] = [np.empty((0, 2))]
    coded: dict[Column, list[Codes]] = {one: [np.empty(0, dtype=np.int32)] for one in COLUMNS}
    for part in catalog.pictures():
        numbers, paths, dates, cameras, widths, heights, formats, places, *degrees = part
        ids.append(np.array(numbers, dtype=np.int64))
        where.append(np.array(degrees, dtype=np.float64).T)
        moments = np.array(dates, dtype="datetime64[us]").astype("datetime64[s]")
        seconds = moments.astype(np.float64)
        seconds[np.isnat(moments)] = np.nan
        taken.append(seconds)
        months, which = np.unique(moments.astype("datetime64[M]"), return_inverse=True)
        first: list[dt.date | None] = months.astype(object).tolist()
        coded["year"].append(known["year"].codes(first)[which])
        coded["month"].append(known["month"].codes(first)[which])
        coded["folder"].append(_folders(paths, folders, numbering["folder"]))
        coded["camera"].append(known["camera"].codes(cameras))
        coded["place"].append(known["place"].codes(places))
        coded["shape"].append(known["shape"].codes(list(zip(widths, heights, strict=True))))
        if None in formats:  # of files that were not read since formats are stored
            told = zip(formats, paths, strict=True)
            formats = tuple(name or format_of(os.fsdecode(path)) for name, path in told)
        coded["format"].append(known["format"].codes(formats))
    return (
        np.concatenate(ids),
        np.concatenate(taken),
        np.concatenate(where),
        {facet: np.concatenate(parts) for facet, parts in coded.items()},
    )


def _folders(paths: tuple[bytes, ...], known: dict[bytes, int], numbering: Numbering) -> Codes:
    """Return the numbers of the folders of files."""
    # What stands before the last separator says which folder it is, though the root has nothing.
    starts = [path.rpartition(b"/")[0] for path in paths] if os.sep == "/" else [*paths]
    for path, start in zip(paths, starts, strict=True):
        if start not in known:
            known[start] = numbering.code(os.path.dirname(os.fsdecode(path)))
    return np.fromiter(map(known.__getitem__, starts), dtype=np.int32, count=len(starts))


def tags_of_all(
    catalog: BulkCatalog, vocabulary: TagVocabulary, fingerprint: str
) -> tuple[tuple[str, ...], Codes, Ids, Confidences]:
    """Read the tags of a library; return what `TagTable` calls names, codes, ids, confidence."""
    raw = Numbering()
    number = _Known(raw, lambda name: name)
    codes: list[Codes] = [np.empty(0, dtype=np.int32)]
    ids: list[Ids] = [np.empty(0, dtype=np.int64)]
    confidence: list[Confidences] = [np.empty(0)]
    refused: list[Ids] = [np.empty(0, dtype=np.int64)]
    guessed: list[npt.NDArray[np.bool_]] = [np.empty(0, dtype=np.bool_)]
    for part in catalog.tags(fingerprint):
        numbers = number.codes(part.names)
        refused.append(_pairs(numbers[part.refused], part.ids[part.refused]))
        kept = ~part.refused
        codes.append(numbers[kept])
        ids.append(part.ids[kept])
        sure = np.where(part.said, SAID, part.confidence.clip(max=GUESSED))
        confidence.append(sure[kept])
        guessed.append(~part.said[kept])
    pairs = _pairs(np.concatenate(codes), np.concatenate(ids))
    sure = np.concatenate(confidence)
    denied = np.concatenate(refused)
    if len(denied):  # a no to a name takes its guess away, not what its synonyms say
        kept = ~(np.isin(pairs, denied) & np.concatenate(guessed))
        pairs, sure = pairs[kept], sure[kept]
    has = np.bincount(pairs >> _BITS, minlength=len(raw.values)) > 0
    names: dict[str, int] = {}
    shared = np.zeros(len(raw.values), dtype=np.int64)
    for name, code in sorted((str(value), code) for code, value in enumerate(raw.values)):
        if has[code]:
            shared[code] = names.setdefault(vocabulary.canonical(name), len(names))
    pairs = _pairs(shared[pairs >> _BITS], pairs & _ID)
    order = np.argsort(pairs, kind="stable")
    pairs, sure = pairs[order], sure[order]
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    if len(first) < len(pairs):  # several synonyms of one picture: the surest counts
        pairs, sure = pairs[first], np.maximum.reduceat(sure, first)
    return tuple(names), (pairs >> _BITS).astype(np.int32), pairs & _ID, sure


_BITS = 32
_ID = (1 << _BITS) - 1


def _pairs(codes: npt.NDArray[Any], ids: Ids) -> Ids:
    """Return a number for each pair of a tag and a picture, rising by tag, then by picture."""
    return codes.astype(np.int64) << _BITS | ids
