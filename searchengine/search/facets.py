"""What pictures can be narrowed down by, with counts: folder, date, place, camera, tags and more.

A facet gives each picture a value, or none, and tags any number. Values that are chosen of one
facet are alternatives, tags must all be there, and facets must all hold. Beside a value stands how
many pictures it would leave if it were chosen: facets other than its own narrow that number down,
and of tags those that are chosen already.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from searchengine.catalog.selection import Selection
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.columns import Columns
from searchengine.search.tag_table import TagTable
from searchengine.search.values import Among, Mask, Value
from searchengine.search.whereabouts import from_outside, is_at_or_in, places_around
from searchengine.types import Ids

Facet = Literal["folder", "year", "month", "place", "camera", "tag", "shape", "format"]
FACETS: tuple[Facet, ...] = get_args(Facet)
Chosen: TypeAlias = Mapping[Facet, Sequence[Value]]
"""The values that were chosen of each facet."""

MOST = 200
"""Most values of a facet that are counted out: those with most pictures, and what is chosen."""

REMEMBERED = 8
"""Most results that are remembered at a time."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many pictures a value of a facet leaves, and what it is called.

    `own` is true of a tag that the user has given to a picture, not the model alone.
    """

    value: Value
    label: str
    count: int
    own: bool = False


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """The values of a facet in the order of a list of them, and how many there are in all."""

    values: list[Count]
    in_all: int
    chosen: frozenset[Value] = frozenset()
    """Values that are listed whatever their number, as they are called there."""


@dataclass(frozen=True)
class Facets:
    """The columns and the tags of a library at one moment.

    Attributes:
        columns: All facets but tags.
        tags: The tags.
        roots: The indexed folders.
        vocabulary: Which names of tags mean the same.
        remembered: What took long to find; see `remember`.
        counted: Counts among all pictures, by what is chosen.
        lock: Held while one of these two is written.
        counting: Held while all pictures are counted, so that of many who ask one does it.
    """

    columns: Columns
    tags: TagTable
    roots: tuple[str, ...]
    vocabulary: TagVocabulary
    remembered: dict[Hashable, Any] = field(default_factory=dict)
    counted: dict[Hashable, dict[Facet, FacetCounts]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    counting: threading.Lock = field(default_factory=threading.Lock)

    def remember(self, key: Hashable, result: Any) -> None:
        """Keep what took long to find, as long as this is how the library is."""
        self._keep(self.remembered, key, result)

    def _keep(self, kept: dict[Hashable, Any], key: Hashable, result: Any) -> None:
        with self.lock:
            while len(kept) >= REMEMBERED:
                del kept[next(iter(kept))]
            kept[key] = result

    @property
    def ids(self) -> Ids:
        """The present pictures, rising."""
        return self.columns.ids

    def selected(self, passing: Selection | None, chosen: Chosen) -> Selection | None:
        """Return what is left of pictures that pass filters by what was chosen; None for all."""
        if not any(chosen.values()):
            return passing
        left = Selection.certain(self.ids[self.mask(chosen)])
        return left if passing is None else passing.intersection(left)

    def mask(self, chosen: Chosen) -> Mask:
        """Return who passes everything that was chosen, shape (n,)."""
        passes = np.ones(len(self.ids), dtype=np.bool_)
        for mask in self.masks(chosen).values():
            passes &= mask
        return passes

    def masks(self, chosen: Chosen) -> dict[Facet, Mask]:
        """Return for each facet of which something was chosen who passes it, shape (n,)."""
        return {facet: self._mask(facet, values) for facet, values in chosen.items() if values}

    def counts(
        self, base: Mask | None, chosen: Chosen, *, tag_prefix: str = ""
    ) -> dict[Facet, FacetCounts]:
        """Count the values of every facet among the pictures of a mask.

        Values without a picture are left out unless they are chosen. Tags that the user has given
        come before those that are guesses only.

        Args:
            base: The pictures that pass everything but facets; None for all.
            chosen: The values that are chosen.
            tag_prefix: Only tags of which a word begins so, and those that are chosen.
        """
        if base is not None or tag_prefix:
            return self._counts(base, chosen, tag_prefix)
        key = tuple((facet, tuple(values)) for facet, values in chosen.items())
        counts = self.counted.get(key)
        if counts is None:
            with self.counting:
                counts = self.counted.get(key)  # by whoever held it meanwhile
                if counts is None:
                    counts = self._counts(None, chosen, "")
                    self._keep(self.counted, key, counts)
        return dict(counts)

    def _counts(
        self, base: Mask | None, chosen: Chosen, tag_prefix: str
    ) -> dict[Facet, FacetCounts]:
        masks = self.masks(chosen)
        failures = np.zeros(len(self.ids), dtype=np.uint8)
        for mask in masks.values():
            failures += ~mask
        counts: dict[Facet, FacetCounts] = {}
        among: Among | None = None
        for facet in FACETS:
            own = masks.get(facet)
            # Tags that are chosen must all be there, so a further one narrows down what they leave.
            passing = failures == 0 if own is None or facet == "tag" else failures == ~own
            if base is not None:
                passing = passing & base
            among = Among.of(passing, among)
            values = self._counted(facet, among)
            selected = self._same(facet, chosen.get(facet, ()))
            if facet == "tag" and tag_prefix:
                begun = tag_prefix.casefold()
                values = {
                    name: count
                    for name, count in values.items()
                    if name in selected or _begins(name, begun)
                }
            counts[facet] = self._listed(facet, values, selected)
        return counts

    def _mask(self, facet: Facet, values: Sequence[Value]) -> Mask:
        if facet == "tag":
            mask = np.ones(len(self.ids), dtype=np.bool_)
            for value in values:
                mask &= self._tagged(value)
            return mask
        known = self.columns.numbering[facet].values
        if facet == "folder":
            passing = [_is_at_or_under(str(each), values) for each in known]
        elif facet == "place":
            passing = [is_at_or_in(each, values) for each in known]
        else:
            chosen = set(values)
            passing = [each in chosen for each in known]
        passes = np.array(passing, dtype=np.bool_)
        return passes[self.columns.codes[facet]] if len(passes) else np.zeros(0, dtype=np.bool_)

    def _tagged(self, name: Value) -> Mask:
        if name is None:
            return self.tags.untagged(self.ids)
        mask = np.zeros(len(self.ids), dtype=np.bool_)
        holders = self.tags.holders([self.vocabulary.canonical(str(name))])
        places, known = self.columns.places(holders.ids)
        mask[places[known]] = True
        return mask

    def _counted(self, facet: Facet, among: Among) -> dict[Value, int]:
        values: Sequence[Value]
        if facet == "tag":
            values = (*self.tags.names, None)
        else:
            values = self.columns.numbering[facet].values
        counts = self._code_counts(facet, among.rows, len(values))
        if among.is_rest:
            counts = self._total(facet, len(values)) - counts
        present = np.flatnonzero(counts)
        by_value = {
            values[code]: count
            for code, count in zip(present.tolist(), counts[present].tolist(), strict=True)
        }
        if facet == "folder":
            return _with_parents(by_value, lambda folder: self._parents(str(folder)))
        return _with_parents(by_value, places_around) if facet == "place" else by_value

    def _code_counts(self, facet: Facet, rows: Ids, values: int) -> Ids:
        """Count the numbers of values among some rows; behind those of tags, who has none."""
        if facet == "tag":
            return self.tags.counts(self.ids[rows])
        return np.bincount(self.columns.codes[facet][rows], minlength=values)

    def _total(self, facet: Facet, values: int) -> Ids:
        """Count the numbers of values among all rows."""
        total = self._totals.get(facet)
        if total is None:
            if facet == "tag":
                total = self.tags.totals(self.ids)
            else:
                total = np.bincount(self.columns.codes[facet], minlength=values)
            self._totals[facet] = total
        total = total[:values]  # values are numbered meanwhile, for columns that come later
        return np.pad(total, (0, values - len(total)))

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
    ) -> FacetCounts:
        own: frozenset[Value] = frozenset(self._own_tags if facet == "tag" else ())
        present = [value for value, count in counts.items() if count]
        values = dict.fromkeys([*present, *chosen])
        in_all = len(values)
        if len(present) > MOST:
            most = sorted(present, key=lambda value: (value not in own, -counts[value]))[:MOST]
            values = dict.fromkeys([*most, *chosen])
        if facet in ("year", "month"):
            ordered = sorted(
                values, key=lambda value: (value is not None, value or 0), reverse=True
            )
        elif facet == "folder":
            ordered = sorted(values, key=str)
        elif facet == "place":
            ordered = sorted(values, key=from_outside)
        else:
            ordered = sorted(
                values,
                key=lambda value: (
                    value is None,
                    value not in own,
                    -counts.get(value, 0),
                    str(value),
                ),
            )
        listed = [
            Count(each, self.label(facet, each), counts.get(each, 0), each in own)
            for each in ordered
        ]
        return FacetCounts(listed, in_all, frozenset(chosen))

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
    def _own_tags(self) -> frozenset[str]:
        """The tags that the user has given to any picture that is there."""
        return self.tags.said_of(self.ids)

    @cached_property
    def tag_counts(self) -> dict[str, int]:
        """How many pictures have each tag."""
        counts = self._counted("tag", Among.all())
        return {str(name): count for name, count in counts.items() if name is not None and count}

    @cached_property
    def folder_counts(self) -> list[Count]:
        """All folders below the roots, with what is in them."""
        counts = self._counted("folder", Among.all())
        return [Count(one, self.folder_label(str(one)), count) for one, count in counts.items()]

    @cached_property
    def _chains(self) -> dict[str, tuple[str, ...]]:
        return {}

    @cached_property
    def _totals(self) -> dict[Facet, Ids]:
        return {}

    def followed_by(self, columns: Columns, tags: TagTable, roots: tuple[str, ...]) -> Facets:
        """Return these facets as the library is now; what stays the same is not counted anew."""
        facets = Facets(columns, tags, roots, self.vocabulary)
        if columns is self.columns:
            facets._totals.update(self._totals)
            facets._totals.pop("tag", None)
        return facets


_NONE: dict[Facet, str] = {
    "folder": "no folder",
    "year": "no date",
    "month": "no date",
    "place": "no place",
    "camera": "no camera",
    "tag": "no tag",
    "shape": "unknown shape",
    "format": "unknown format",
}


def _begins(name: Value, begun: str) -> bool:
    """Tell whether a word of a tag begins so, or the tag itself does, which may have many."""
    plain = str(name).casefold()
    return name is not None and (plain.startswith(begun) or f" {begun}" in plain)


def _with_parents(
    counts: Mapping[Value, int], parents: Callable[[Value], Iterable[Value]]
) -> dict[Value, int]:
    """Give every folder, or place, the pictures of those inside."""
    total: dict[Value, int] = {}
    for value, count in counts.items():
        if count:
            for parent in parents(value):
                total[parent] = total.get(parent, 0) + count
    return total


def _is_at_or_under(path: str, folders: Iterable[Any]) -> bool:
    return any(
        path == folder or (folder is not None and path.startswith(folder.rstrip(os.sep) + os.sep))
        for folder in folders
    )
