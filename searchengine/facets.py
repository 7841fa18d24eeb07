"""What pictures can be narrowed down by, in columns of memory: folder, date, camera, tags, ...

A facet gives each picture a value, or none, and tags any number. Values that are chosen of one
facet are alternatives, tags must all be there, and facets must all hold. Beside a value stands how
many pictures it would leave if it were chosen: facets other than its own narrow that number down,
and of tags those that are chosen already.

Columns are NumPy arrays in order of id, with a number for each value. They are never changed, so
that a reader needs no lock; what the catalog has learned since makes new ones.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from searchengine.catalog import Catalog, Description
from searchengine.tagcatalog import TagCatalog
from searchengine.types import Ids
from searchengine.vocabulary import TagVocabulary

Facet = Literal["folder", "year", "month", "camera", "tag", "shape", "format"]
FACETS: tuple[Facet, ...] = get_args(Facet)
Column = Literal["folder", "year", "month", "camera", "shape", "format"]
COLUMNS: tuple[Column, ...] = get_args(Column)

Value: TypeAlias = str | int | None
"""A value of a facet; None stands for the pictures that have none."""
Chosen: TypeAlias = Mapping[Facet, Sequence[Value]]
"""The values that were chosen of each facet."""
Mask: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = npt.NDArray[np.int32]

MOST = 200
"""Most values of a facet that are counted out: those with most pictures, and what is chosen."""

REMEMBERED = 8
"""Most results that are remembered at a time."""

SQUARE = 1.05
"""A picture whose sides differ by less than this factor is a square."""
PANORAMA = 2.0
"""From this factor on it is a panorama, lying or standing."""

FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "jpeg"),
    **dict.fromkeys((".png", ".apng"), "png"),
    **dict.fromkeys((".tif", ".tiff"), "tiff"),
    **dict.fromkeys((".bmp", ".dib"), "bmp"),
    **dict.fromkeys((".jp2", ".j2k"), "jpeg2000"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "pnm"),
    ".webp": "webp",
    ".gif": "gif",
    ".avif": "avif",
}
"""Formats by the endings of names, in lower case."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many pictures a value of a facet leaves, and what it is called."""

    value: Value
    label: str
    count: int


def format_of(path: str) -> str | None:
    """Return the format that the ending of a name tells of."""
    return FORMATS.get(os.path.splitext(path)[1].lower())


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


class Numbering:
    """Numbers for values, from 0; it only grows, so old columns can go on reading it."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._codes: dict[Value, int] = {}

    def code(self, value: Value) -> int:
        """Return the number of a value, a new one at its first use."""
        code = self._codes.get(value)
        if code is None:
            code = self._codes[value] = len(self.values)
            self.values.append(value)
        return code


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the pictures: `rows` by rising `keys`, then by rising `ties`, of each row."""

    rows: npt.NDArray[np.int64]
    keys: npt.NDArray[np.float64]
    ties: Ids


@dataclass(frozen=True)
class Columns:
    """A value of each facet but tags for every present picture, as of one seq of the catalog.

    Attributes:
        seq: What the columns reflect.
        ids: Shape (n,), rising.
        taken: Seconds since 1970 by the camera's clock, shape (n,); NaN where nobody knows.
        codes: Numbers of values by facet, shape (n,) each.
        numbering: The values by facet; those of folders are the folders of the files.
    """

    seq: int
    ids: Ids
    taken: npt.NDArray[np.float64]
    codes: Mapping[Column, Codes]
    numbering: Mapping[Column, Numbering]

    @classmethod
    def empty(cls) -> Columns:
        """Return the columns of no picture."""
        none = np.empty(0, dtype=np.int32)
        return cls(
            0,
            np.empty(0, dtype=np.int64),
            np.empty(0, dtype=np.float64),
            dict.fromkeys(COLUMNS, none),
            {facet: Numbering() for facet in COLUMNS},
        )

    @classmethod
    def of(cls, catalog: Catalog) -> Columns:
        """Read the columns of a library."""
        return cls.empty().followed(catalog)

    def followed(self, catalog: Catalog) -> Columns:
        """Return the columns as the catalog is now; at the cost of what has changed."""
        seq = catalog.seq()
        if seq == self.seq:
            return self
        if seq < self.seq:  # the catalog was restored from a copy
            return Columns.of(catalog)
        described, gone = catalog.described(self.seq)
        return self.with_changes(seq, described, gone)

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
        """Return where ids stand among those of the columns, and which stand there at all."""
        places = np.searchsorted(self.ids, ids)
        inside = places < len(self.ids)
        places[~inside] = 0
        known = inside & (self.ids[places] == ids) if len(self.ids) else inside
        return places, known

    def with_changes(self, seq: int, described: Sequence[Description], gone: Ids) -> Columns:
        """Return the columns with pictures described anew and others gone, as of a later seq."""
        new = np.array([one.id for one in described], dtype=np.int64)
        kept = ~np.isin(self.ids, np.concatenate([new, gone]))
        ids = np.concatenate([self.ids[kept], new])
        order = np.argsort(ids, kind="stable")
        taken = [_seconds(one) for one in described]
        added: dict[Column, list[int]] = {facet: [] for facet in COLUMNS}
        for one in described:
            for facet, value in _values(one):
                added[facet].append(self.numbering[facet].code(value))
        return Columns(
            seq,
            ids[order],
            np.concatenate([self.taken[kept], np.array(taken, dtype=np.float64)])[order],
            {
                facet: np.concatenate(
                    [self.codes[facet][kept], np.array(added[facet], dtype=np.int32)]
                )[order]
                for facet in COLUMNS
            },
            self.numbering,
        )


@dataclass(frozen=True)
class TagTable:
    """Which pictures have which tag: what the user said, and what a model guessed.

    Attributes:
        names: The tags, each the name that its synonyms have in common.
        codes: The number of a tag in `names`, shape (pairs,), rising.
        ids: The picture of each pair.
    """

    names: tuple[str, ...]
    codes: Codes
    ids: Ids

    @classmethod
    def empty(cls) -> TagTable:
        """Return the tags of no picture."""
        return cls((), np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64))

    @classmethod
    def of(cls, store: TagCatalog, vocabulary: TagVocabulary, fingerprint: str) -> TagTable:
        """Read the tags of a library, of guesses those of one model."""
        numbering = Numbering()
        holders: dict[int, list[Ids]] = {}
        for name, ids in store.all_holders(fingerprint):
            if len(ids):
                holders.setdefault(numbering.code(vocabulary.canonical(name)), []).append(ids)
        merged = [np.unique(np.concatenate(holders[code])) for code in range(len(holders))]
        if not merged:
            return cls.empty()
        names = tuple(str(name) for name in numbering.values)
        codes = np.repeat(np.arange(len(merged), dtype=np.int32), [len(ids) for ids in merged])
        return cls(names, codes, np.concatenate(merged))

    def renewed(
        self, store: TagCatalog, vocabulary: TagVocabulary, fingerprint: str, id_: int
    ) -> TagTable:
        """Return the table with the tags of one picture read anew."""
        said = store.of([id_], fingerprint)
        refused = {tag.name for tag in said if tag.source == "no"}
        having = {
            vocabulary.canonical(tag.name)
            for tag in said
            if tag.source == "user" or (tag.source == "guess" and tag.name not in refused)
        }
        names = tuple(dict.fromkeys([*self.names, *sorted(having)]))
        numbers = {name: number for number, name in enumerate(names)}
        kept = self.ids != id_
        added = np.array([numbers[name] for name in having], dtype=np.int32)
        codes = np.concatenate([self.codes[kept], added])
        ids = np.concatenate([self.ids[kept], np.full(len(added), id_, dtype=np.int64)])
        order = np.argsort(codes, kind="stable")
        return TagTable(names, codes[order], ids[order])


@dataclass(frozen=True)
class Facets:
    """The columns and the tags of a library at one moment.

    Attributes:
        columns: All facets but tags.
        tags: The tags.
        roots: The indexed folders.
        vocabulary: Which names of tags mean the same.
        remembered: What took long to find; see `remember`.
    """

    columns: Columns
    tags: TagTable
    roots: tuple[str, ...]
    vocabulary: TagVocabulary
    remembered: dict[Hashable, Any] = field(default_factory=dict)

    def remember(self, key: Hashable, found: Any) -> None:
        """Keep what took long to find, as long as this is how the library is."""
        while len(self.remembered) >= REMEMBERED:
            self.remembered.pop(next(iter(self.remembered)), None)
        self.remembered[key] = found

    @property
    def ids(self) -> Ids:
        """The present pictures, rising."""
        return self.columns.ids

    def masks(self, chosen: Chosen) -> dict[Facet, Mask]:
        """Return for each facet of which something was chosen who passes it, shape (n,)."""
        return {facet: self._mask(facet, values) for facet, values in chosen.items() if values}

    def counts(self, base: Mask | None, chosen: Chosen) -> dict[Facet, list[Count]]:
        """Count the values of every facet among the pictures of a mask.

        Values without a picture are left out unless they are chosen.

        Args:
            base: The pictures that pass everything but facets; None for all.
            chosen: The values that are chosen.
        """
        masks = self.masks(chosen)
        failures = np.zeros(len(self.ids), dtype=np.uint8)
        for mask in masks.values():
            failures += ~mask
        found: dict[Facet, list[Count]] = {}
        for facet in FACETS:
            own = masks.get(facet)
            # Tags that are chosen must all be there, so a further one narrows down what they leave.
            passing = failures == 0 if own is None or facet == "tag" else failures == ~own
            if base is not None:
                passing = passing & base
            values = self._counted(facet, passing)
            wanted = chosen.get(facet, ())
            found[facet] = self._listed(facet, values, self._same(facet, wanted))
        return found

    def _mask(self, facet: Facet, values: Sequence[Value]) -> Mask:
        if facet == "tag":
            mask = np.ones(len(self.ids), dtype=np.bool_)
            for value in values:
                mask &= self._tagged(value)
            return mask
        known = self.columns.numbering[facet].values
        if facet == "folder":
            wanted = [_is_at_or_under(str(each), values) for each in known]
        else:
            chosen = set(values)
            wanted = [each in chosen for each in known]
        passes = np.array(wanted, dtype=np.bool_)
        return passes[self.columns.codes[facet]] if len(passes) else np.zeros(0, dtype=np.bool_)

    def _tagged(self, name: Value) -> Mask:
        if name is None:
            mask = np.ones(len(self.ids), dtype=np.bool_)
            mask[self._tag_places[self._tag_known]] = False
            return mask
        mask = np.zeros(len(self.ids), dtype=np.bool_)
        code = self._tag_codes.get(self.vocabulary.canonical(str(name)))
        if code is not None:
            start, end = np.searchsorted(self.tags.codes, [code, code + 1])
            mask[self._tag_places[start:end][self._tag_known[start:end]]] = True
        return mask

    def _counted(self, facet: Facet, passing: Mask) -> dict[Value, int]:
        if facet == "tag":
            here = self._tag_known & passing[self._tag_places] if len(self.ids) else self._tag_known
            counts = np.bincount(self.tags.codes[here], minlength=len(self.tags.names))
            untagged = int((passing & self._tagged(None)).sum())
            return {**dict(zip(self.tags.names, counts.tolist(), strict=True)), None: untagged}
        codes = self.columns.codes[facet][passing]
        values = self.columns.numbering[facet].values
        counts = np.bincount(codes, minlength=len(values))
        found = dict(zip(values, counts.tolist(), strict=False))
        return self._with_parents(found) if facet == "folder" else found

    def _with_parents(self, counts: Mapping[Value, int]) -> dict[Value, int]:
        """Give every folder below the roots the pictures of the folders inside."""
        total: dict[Value, int] = {}
        for folder, count in counts.items():
            if count:
                for parent in self._parents(str(folder)):
                    total[parent] = total.get(parent, 0) + count
        return total

    def _parents(self, folder: str) -> tuple[str, ...]:
        """Return a folder and those that it is in, up to the outermost root."""
        known = self._chains.get(folder)
        if known is None:
            roots = [root for root in self.roots if _is_at_or_under(folder, (root,))]
            top = min(roots, key=len, default=folder)
            chain = [folder]
            while chain[-1] != top and chain[-1] != os.path.dirname(chain[-1]):
                chain.append(os.path.dirname(chain[-1]))
            known = self._chains[folder] = tuple(chain)
        return known

    def _same(self, facet: Facet, values: Sequence[Value]) -> dict[Value, None]:
        """Return chosen values as they are counted: tags by the name of all their synonyms."""
        if facet != "tag":
            return dict.fromkeys(values)
        same = (None if each is None else self.vocabulary.canonical(str(each)) for each in values)
        return dict.fromkeys(same)

    def _listed(
        self, facet: Facet, counts: Mapping[Value, int], chosen: Mapping[Value, None]
    ) -> list[Count]:
        present = [value for value, count in counts.items() if count]
        if len(present) > MOST:
            present = sorted(present, key=lambda value: -counts[value])[:MOST]
        values = dict.fromkeys([*present, *chosen])
        if facet in ("year", "month"):
            ordered = sorted(
                values, key=lambda value: (value is not None, value or 0), reverse=True
            )
        elif facet == "folder":
            ordered = sorted(values, key=str)
        else:
            ordered = sorted(
                values, key=lambda value: (value is None, -counts.get(value, 0), str(value))
            )
        return [Count(each, self.label(facet, each), counts.get(each, 0)) for each in ordered]

    def label(self, facet: Facet, value: Value) -> str:
        """Return what a value is called."""
        if value is None:
            return _NONE[facet]
        return self.folder_label(str(value)) if facet == "folder" else str(value)

    def folder_label(self, folder: str) -> str:
        """Return a folder as seen from above its root; whole if two roots have one name."""
        roots = [root for root in self.roots if _is_at_or_under(folder, (root,))]
        if not roots:
            return folder
        top = min(roots, key=len)
        name = os.path.basename(top)
        others = [os.path.basename(each) for each in self.roots if each != top]
        if not name or name in others:
            return folder
        return name + folder[len(top.rstrip(os.sep)) :]

    @cached_property
    def tag_counts(self) -> dict[str, int]:
        """How many pictures have each tag."""
        counts = self._counted("tag", np.ones(len(self.ids), dtype=np.bool_))
        return {str(name): count for name, count in counts.items() if name is not None and count}

    @cached_property
    def folder_counts(self) -> list[Count]:
        """All folders below the roots, with what is in them."""
        counts = self._counted("folder", np.ones(len(self.ids), dtype=np.bool_))
        return [Count(one, self.folder_label(str(one)), count) for one, count in counts.items()]

    @cached_property
    def _chains(self) -> dict[str, tuple[str, ...]]:
        return {}

    @cached_property
    def _tag_codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.tags.names)}

    @cached_property
    def _tag_places(self) -> npt.NDArray[np.int64]:
        return self._tag_rows[0]

    @cached_property
    def _tag_known(self) -> Mask:
        return self._tag_rows[1]

    @cached_property
    def _tag_rows(self) -> tuple[npt.NDArray[np.int64], Mask]:
        return self.columns.places(self.tags.ids)


_NONE: dict[Facet, str] = {
    "folder": "no folder",
    "year": "no date",
    "month": "no date",
    "camera": "no camera",
    "tag": "no tag",
    "shape": "unknown shape",
    "format": "unknown format",
}


def _values(one: Description) -> Iterator[tuple[Column, Value]]:
    yield "folder", os.path.dirname(one.path)
    yield "year", None if one.taken_at is None else one.taken_at.year
    yield "month", None if one.taken_at is None else one.taken_at.strftime("%Y-%m")
    yield "camera", one.camera
    yield "shape", shape_of(one.width, one.height)
    yield "format", format_of(one.path)


def _order(keys: npt.NDArray[np.float64], ties: Ids) -> Order:
    return Order(np.lexsort((ties, keys)), keys, ties)


def _seconds(one: Description) -> float:
    if one.taken_at is None:
        return float("nan")
    return float(np.datetime64(one.taken_at, "s").astype(np.int64))


def _is_at_or_under(path: str, folders: Iterable[Any]) -> bool:
    return any(
        path == folder or (folder is not None and path.startswith(folder.rstrip(os.sep) + os.sep))
        for folder in folders
    )
