"""Columns of memory: a value of each facet, or none, for every picture of a library.

Columns are NumPy arrays in order of id, with a number for each value. They are never changed, so
that a reader needs no lock; what the catalog has learned since makes new ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from searchengine.catalog.rows import Description
from searchengine.formats import format_of
from searchengine.language.filters import shape_of
from searchengine.search.bulk import columns_of_all
from searchengine.search.values import COLUMNS, Codes, Column, Mask, Numbering, Value
from searchengine.types import Ids

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog

SPARSE = 10
"""Up to so many times as many ids as pictures there is a table of all ids."""

FEW = 10_000
"""Up to so many pictures that have changed are asked for themselves."""
SHARE = 5
"""Up to one of so many pictures is asked for; reading all at once is faster from there on."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the pictures: `rows` by rising `keys`, then by rising `ties`, of each row."""

    rows: npt.NDArray[np.int64]
    keys: npt.NDArray[np.float64]
    ties: Ids


@dataclass(frozen=True)
class Dated:
    """When some pictures were taken.

    Attributes:
        ids: Shape (n,), rising.
        taken: Seconds since 1970 by the camera's clock, shape (n,); NaN where nobody knows.
    """

    ids: Ids
    taken: npt.NDArray[np.float64]

    def by_date(self, *, newest: bool) -> Order:
        """Return the pictures by date, the newest or the oldest first, those without one last."""
        return self._newest if newest else self._oldest

    @cached_property
    def _newest(self) -> Order:
        return _order(np.where(np.isnan(self.taken), np.inf, -self.taken), -self.ids)

    @cached_property
    def _oldest(self) -> Order:
        return _order(np.where(np.isnan(self.taken), np.inf, self.taken), self.ids)

    def places(self, ids: Ids) -> tuple[npt.NDArray[np.int64], Mask]:
        """Return where ids stand among these, and which stand there at all."""
        last = int(self.ids[-1]) if len(self.ids) else 0
        if len(ids) > len(self.ids) and last < SPARSE * len(self.ids):
            # Looking each one up in a table is ten times as fast as a search for each.
            table = np.full(last + 2, -1, dtype=np.int64)
            table[self.ids] = np.arange(len(self.ids))
            places = table[np.minimum(ids, last + 1)]
            known = places >= 0
            places[~known] = 0
            return places, known
        places = np.searchsorted(self.ids, ids)
        inside = places < len(self.ids)
        places[~inside] = 0
        known = inside & (self.ids[places] == ids) if len(self.ids) else inside
        return places, known


@dataclass(frozen=True)
class Columns(Dated):
    """A value of each facet but tags for every present picture, as of one seq of the catalog.

    Attributes:
        seq: What the columns reflect.
        where: Degrees north and east, shape (n, 2); NaN where nobody knows.
        codes: Numbers of values by facet, shape (n,) each.
        numbering: The values by facet; those of folders are the folders of the files.
        named: How often places had been named, which takes no seq.
    """

    seq: int
    where: npt.NDArray[np.float64]
    codes: Mapping[Column, Codes]
    numbering: Mapping[Column, Numbering]
    named: int = 0

    @classmethod
    def empty(cls) -> Columns:
        """Return the columns of no picture."""
        none = np.empty(0, dtype=np.int32)
        return cls(
            np.empty(0, dtype=np.int64),
            np.empty(0, dtype=np.float64),
            0,
            np.empty((0, 2), dtype=np.float64),
            dict.fromkeys(COLUMNS, none),
            {facet: Numbering() for facet in COLUMNS},
        )

    @classmethod
    def of(cls, catalog: Catalog) -> Columns:
        """Read the columns of a library."""
        seq = catalog.seq()
        named = catalog.places.changes()
        empty = cls.empty()
        if catalog.bulk.is_possible:
            ids, taken, where, codes = columns_of_all(catalog.bulk, empty.numbering)
            return cls(ids, taken, seq, where, codes, empty.numbering, named)
        described, gone = catalog.descriptions(0)
        return replace(empty.with_changes(seq, described, gone), named=named)

    def refreshed(self, catalog: Catalog) -> Columns:
        """Return the columns as the catalog is now; at the cost of what has changed."""
        named, seq = catalog.places.changes(), catalog.seq()
        if (named, seq) == (self.named, self.seq):
            return self
        most = max(FEW, len(self.ids) // SHARE)
        if seq < self.seq or not self.seq or catalog.changed(self.seq, most) > most:
            return Columns.of(catalog)  # restored from a copy, never read, or too much is new
        renamed = catalog.places.changed(self.named, most) if named > self.named else self.ids[:0]
        if named < self.named or renamed is None:
            return Columns.of(catalog)
        described, gone = catalog.descriptions(self.seq)
        if len(renamed):  # of pictures whose seq need not have risen
            both = {one.id: one for one in [*described, *catalog.described(renamed)]}
            described = list(both.values())
        return replace(self.with_changes(seq, described, gone), named=named)

    def with_changes(self, seq: int, described: Sequence[Description], gone: Ids) -> Columns:
        """Return the columns with pictures described anew and others gone, as of a later seq."""
        new = np.array([one.id for one in described], dtype=np.int64)
        order = np.argsort(new)
        places, known = self.places(np.concatenate([new, gone]))
        stale = np.unique(places[known])
        ids = np.delete(self.ids, stale) if len(stale) else self.ids
        before = np.searchsorted(ids, new[order])

        def merged(old: npt.NDArray[Any], added: npt.NDArray[Any]) -> npt.NDArray[Any]:
            kept = np.delete(old, stale, axis=0) if len(stale) else old
            if not len(before) or before[0] == len(kept):  # nearly always they come behind
                return np.concatenate([kept, added[order]])
            return np.insert(kept, before, added[order], axis=0)

        taken = [_seconds(one) for one in described]
        where = np.array([(one.lat, one.lon) for one in described], dtype=np.float64)
        added: dict[Column, list[int]] = {facet: [] for facet in COLUMNS}
        for one in described:
            for facet, value in _values(one):
                added[facet].append(self.numbering[facet].code(value))
        return Columns(
            merged(self.ids, new),
            merged(self.taken, np.array(taken, dtype=np.float64)),
            seq,
            merged(self.where, where.reshape(-1, 2)),
            {
                facet: merged(self.codes[facet], np.array(added[facet], dtype=np.int32))
                for facet in COLUMNS
            },
            self.numbering,
            self.named,
        )


def _values(one: Description) -> Iterator[tuple[Column, Value]]:
    yield "folder", os.path.dirname(one.path)
    yield "year", None if one.taken_at is None else one.taken_at.year
    yield "month", None if one.taken_at is None else one.taken_at.strftime("%Y-%m")
    yield "place", one.place or None
    yield "camera", one.camera
    yield "shape", shape_of(one.width, one.height)
    yield "format", one.format or format_of(one.path)


def _order(keys: npt.NDArray[np.float64], ties: Ids) -> Order:
    return Order(np.lexsort((ties, keys)), keys, ties)


def _seconds(one: Description) -> float:
    if one.taken_at is None:
        return float("nan")
    return float(np.datetime64(one.taken_at, "s").astype(np.int64))
