"""The tags of a library in memory, and what has changed of them since they were read.

To read them takes seconds where there are millions. So they are read once, into arrays that stay as
they are; pictures whose tags have changed since are few, and stand beside these with all they have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from searchengine.catalog.selection import GUESSED, SAID, Confidences, Selection
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.bulk import tags_of_all
from searchengine.search.tag_pairs import Pairs
from searchengine.search.values import Codes, Mask
from searchengine.types import Ids

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog
    from searchengine.catalog.tags import TagCatalog


@dataclass(frozen=True)
class TagTable:
    """Which pictures have which tag: what the user said, and what a model guessed.

    Attributes:
        names: The tags, each the name that its synonyms have in common.
        pairs: Pictures by the number of a tag in `names`, as they were read.
        renewed: Pictures that count with other tags by now, rising.
        anew: The tags that those have.
        version: The numbers of the last writes of tags, and of pictures, that are seen here.
    """

    names: tuple[str, ...]
    pairs: Pairs
    renewed: Ids
    anew: Pairs
    version: tuple[int, int] = (-1, -1)

    @classmethod
    def of_pairs(cls, names: Sequence[str], pairs: Pairs) -> TagTable:
        """Return a table of nothing but pairs."""
        return cls(tuple(names), pairs, np.empty(0, dtype=np.int64), Pairs.none())

    @classmethod
    def empty(cls) -> TagTable:
        """Return the tags of no picture."""
        return cls.of_pairs((), Pairs.none())

    @classmethod
    def of(
        cls,
        store: TagCatalog,
        vocabulary: TagVocabulary,
        fingerprint: str,
        names: Iterable[str] | None = None,
    ) -> TagTable:
        """Read the tags of a library, of guesses those of one model.

        Args:
            store: Where they are.
            vocabulary: Which names mean the same.
            fingerprint: Of the model.
            names: Only these tags and their synonyms; all if None.
        """
        version = version_of(store)
        if names is None and store.bulk.is_possible:
            found, codes, ids, confidence = tags_of_all(store.bulk, vocabulary, fingerprint)
            table = cls.of_pairs(found, Pairs.of(codes, ids, confidence))
            return replace(table, version=version)
        synonyms = None
        if names is not None:
            synonyms = list(dict.fromkeys(one for name in names for one in vocabulary.same(name)))
        holders: dict[str, list[Selection]] = {}
        for name, selection in store.holders(fingerprint, synonyms):
            if len(selection):
                holders.setdefault(vocabulary.canonical(name), []).append(selection)
        if not holders:
            return replace(cls.empty(), version=version)
        merged = [Selection.union(parts) for parts in holders.values()]
        pairs = Pairs.of(
            np.repeat(np.arange(len(merged), dtype=np.int32), [len(one) for one in merged]),
            np.concatenate([one.ids for one in merged]),
            np.concatenate([one.confidence for one in merged]),
        )
        return replace(cls.of_pairs(tuple(holders), pairs), version=version)

    def holders(self, names: Iterable[str]) -> Selection:
        """Return the pictures with any of these tags, given by names that synonyms share."""
        parts = [self._holders(name) for name in dict.fromkeys(names)]
        return parts[0] if len(parts) == 1 else Selection.union(parts)

    def _holders(self, name: str) -> Selection:
        code = self._numbers.get(name, len(self.names))
        found = self.pairs.holders(code)
        if not len(self.renewed):
            return found
        return Selection.union([found.difference(self.renewed), self.anew.holders(code)])

    def counts(self, ids: Ids) -> Ids:
        """Return how many of some pictures, rising, have each tag; behind them, who has none.

        Returns:
            Shape (tags + 1,).
        """
        tags = len(self.names)
        counts = self.pairs.by_picture.counts(ids, tags)
        renewed = self.renewed[:0]
        if len(self.renewed) and len(ids):
            places = np.minimum(np.searchsorted(ids, self.renewed), len(ids) - 1)
            renewed = self.renewed[ids[places] == self.renewed]
        if len(renewed):
            counts = counts - self.pairs.by_picture.counts(renewed, tags)
            counts += self.anew.by_picture.counts(renewed, tags)
        return np.append(counts, np.count_nonzero(self.untagged(ids)))

    def totals(self, ids: Ids) -> Ids:
        """Return what `counts` does of most of all pictures: the others are taken off."""
        tags = len(self.names)
        absent = self._tagged.copy()
        absent[ids[ids < len(absent)]] = False
        counts = self.pairs.totals(tags) + self.anew.totals(tags)
        if len(self.renewed):
            counts -= self.pairs.by_picture.counts(self.renewed, tags)
        counts -= self.counts(np.flatnonzero(absent))[:-1]
        return np.append(counts, np.count_nonzero(self.untagged(ids)))

    def untagged(self, ids: Ids) -> Mask:
        """Return which of some pictures have no tag."""
        known = ids < len(self._tagged)
        if known.all():
            return ~self._tagged[ids]
        untagged = ~known
        untagged[known] = ~self._tagged[ids[known]]
        return untagged

    def said_of(self, present: Ids) -> frozenset[str]:
        """Return the tags that the user has given to any of some pictures."""
        codes = []
        for pairs, gone in ((self.pairs, self.renewed), (self.anew, self.renewed[:0])):
            ids = pairs.ids[pairs.said]
            here = np.isin(ids, present)
            if len(gone):
                here &= ~np.isin(ids, gone)
            of_tags = np.searchsorted(pairs.starts, pairs.said[here], side="right") - 1
            codes += np.unique(of_tags).tolist()
        return frozenset(self.names[code] for code in codes)

    @cached_property
    def _tagged(self) -> Mask:
        """Whether the picture of each id from 0 on has a tag."""
        tagged, anew = self.pairs.by_picture.tagged(), self.anew.by_picture.tagged()
        if len(self.renewed):
            tagged = np.pad(tagged, (0, max(0, len(anew) - len(tagged))))
            tagged[self.renewed[self.renewed < len(tagged)]] = False
            tagged[: len(anew)] |= anew
        return tagged

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def with_renewed(
        self,
        store: TagCatalog,
        vocabulary: TagVocabulary,
        fingerprint: str,
        pictures: Collection[int],
    ) -> TagTable:
        """Return the table with the tags of a few pictures read anew."""
        tags = store.get(pictures, fingerprint)
        refused = {(tag.image_id, tag.name) for tag in tags if tag.source == "no"}
        having: dict[tuple[str, int], float] = {}
        for tag in tags:
            pair = vocabulary.canonical(tag.name), tag.image_id
            if tag.source == "user":
                having[pair] = SAID
            elif tag.source == "guess" and (tag.image_id, tag.name) not in refused:
                having[pair] = max(having.get(pair, 0.0), min(tag.confidence or 0.0, GUESSED))
        renewed = np.unique(np.fromiter(pictures, dtype=np.int64, count=len(pictures)))
        tagged = np.array([id_ for _, id_ in having], dtype=np.int64)
        renewed = renewed[np.isin(renewed, tagged) | ~self.untagged(renewed)]
        if not len(renewed):
            return self
        numbers = dict(self._numbers)
        for name, _ in sorted(having):
            numbers.setdefault(name, len(numbers))
        codes, ids, confidence = self.anew.without(renewed)
        return TagTable(
            tuple(numbers),
            self.pairs,
            np.union1d(self.renewed, renewed),
            _gathered(
                np.append(codes, np.array([numbers[name] for name, _ in having], dtype=np.int32)),
                np.append(ids, tagged),
                np.append(confidence, np.array(list(having.values()), dtype=np.float64)),
            ),
            self.version,
        )

    def merged(self) -> TagTable:
        """Return the same with all pairs in one; takes as long as there are tags."""
        if not len(self.renewed):
            return self
        codes, ids, confidence = self.pairs.without(self.renewed)
        new = self.anew
        places = np.searchsorted(_keys(codes, ids), _keys(new.codes, new.ids))
        pairs = Pairs.of(
            np.insert(codes, places, new.codes),
            np.insert(ids, places, new.ids),
            np.insert(confidence, places, new.confidence),
        )
        return replace(TagTable.of_pairs(self.names, pairs), version=self.version)


def version_of(store: TagCatalog) -> tuple[int, int]:
    """Return the numbers of the last writes of tags and of pictures, to be read before the tags."""
    return store.changes(), int(store.meta("seq") or 0)


def missed(catalog: Catalog, version: tuple[int, int], most: int) -> list[int] | None:
    """Return the pictures whose tags may be others than at a version.

    Args:
        catalog: Of the library.
        version: As `version_of` told it then.
        most: How many pictures are worth being asked for.

    Returns:
        None if they are more, or the library was restored from a copy of before.
    """
    changes, seq = version
    if changes < 0 or catalog.tags.changes() < changes or catalog.seq() < seq:
        return None
    tagged = catalog.tags.changed(changes, most)
    if tagged is None or catalog.changed(seq, most) > most:
        return None
    # Nobody need have tagged anything: a file that was edited has lost its guesses.
    ids = {*tagged.tolist(), *catalog.changed_ids(seq).tolist()}
    return sorted(ids) if len(ids) <= most else None


def _keys(codes: Codes, ids: npt.NDArray[Any]) -> Ids:
    """Return a number for each pair, rising by tag, then by picture."""
    keys: Ids = codes.astype(np.int64) << 32 | ids
    return keys


def _gathered(codes: Codes, ids: Ids, confidence: Confidences) -> Pairs:
    order = np.lexsort((ids, codes))
    return Pairs.of(codes[order], ids[order], confidence[order])
