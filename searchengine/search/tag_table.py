"""The tags of a library in memory: by tag, for filters, and by picture, for counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from searchengine.catalog.selection import GUESSED, SAID, Confidences, Selection
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.bulk import tags_of_all
from searchengine.search.values import Codes, Mask
from searchengine.types import Ids

if TYPE_CHECKING:
    from searchengine.catalog.tags import TagCatalog


@dataclass(frozen=True)
class TagTable:
    """Which pictures have which tag: what the user said, and what a model guessed.

    Attributes:
        names: The tags, each the name that its synonyms have in common.
        codes: The number of a tag in `names`, shape (pairs,), rising.
        ids: The picture of each pair.
        confidence: How sure each pair is; `SAID` if the user said it, less if nobody did.
    """

    names: tuple[str, ...]
    codes: Codes
    ids: Ids
    confidence: Confidences

    @classmethod
    def empty(cls) -> TagTable:
        """Return the tags of no picture."""
        none = np.empty(0, dtype=np.int64)
        return cls((), none.astype(np.int32), none, none.astype(np.float64))

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
        if names is None and store.bulk.is_possible:
            return cls(*tags_of_all(store.bulk, vocabulary, fingerprint))
        synonyms = None
        if names is not None:
            synonyms = list(dict.fromkeys(one for name in names for one in vocabulary.same(name)))
        holders: dict[str, list[Selection]] = {}
        for name, selection in store.holders(fingerprint, synonyms):
            if len(selection):
                holders.setdefault(vocabulary.canonical(name), []).append(selection)
        if not holders:
            return cls.empty()
        merged = [Selection.union(parts) for parts in holders.values()]
        return cls(
            tuple(holders),
            np.repeat(np.arange(len(merged), dtype=np.int32), [len(one) for one in merged]),
            np.concatenate([one.ids for one in merged]),
            np.concatenate([one.confidence for one in merged]),
        )

    def rows(self, name: str) -> slice:
        """Return where the pairs of a tag are, given by the name that its synonyms share."""
        code = self._numbers.get(name, len(self.names))
        start, end = np.searchsorted(self.codes, [code, code + 1])
        return slice(int(start), int(end))

    def holders(self, names: Iterable[str]) -> Selection:
        """Return the pictures with any of these tags, given as `rows` takes them."""
        rows = [self.rows(name) for name in dict.fromkeys(names)]
        return Selection.union(Selection(self.ids[one], self.confidence[one]) for one in rows)

    def names_any(self, ids: Ids) -> bool:
        """Return whether any of these pictures has a tag."""
        known = ids[ids <= self._last]  # new pictures have none
        return len(known) > 0 and bool(np.isin(known, self.ids).any())

    @cached_property
    def said(self) -> Ids:
        """The pairs that the user has said."""
        return np.flatnonzero(self.confidence == SAID)

    @cached_property
    def _last(self) -> int:
        return int(self.ids.max(initial=0))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def renewed(
        self,
        store: TagCatalog,
        vocabulary: TagVocabulary,
        fingerprint: str,
        pictures: Sequence[int],
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
        if not having and not self.names_any(np.array(pictures, dtype=np.int64)):
            return self
        kept = ~np.isin(self.ids, pictures)
        names = tuple(dict.fromkeys([*self.names, *sorted(name for name, _ in having)]))
        numbers = {name: number for number, name in enumerate(names)}
        codes = np.array([numbers[name] for name, _ in having], dtype=np.int32)
        codes = np.concatenate([self.codes[kept], codes])
        ids = np.array([id_ for _, id_ in having], dtype=np.int64)
        confidence = np.array(list(having.values()), dtype=np.float64)
        order = np.argsort(codes, kind="stable")
        return TagTable(
            names,
            codes[order],
            np.concatenate([self.ids[kept], ids])[order],
            np.concatenate([self.confidence[kept], confidence])[order],
        )


@dataclass(frozen=True)
class PictureTags:
    """The tags of pictures that stand in rows, so that those of a few are counted by themselves.

    Attributes:
        codes: The number of a tag, shape (pairs,), one picture after the other.
        starts: Where the tags of each picture begin and the last ones end, shape (pictures + 1,).
    """

    codes: Codes
    starts: Ids

    @classmethod
    def of(cls, codes: Codes, places: Ids, known: Mask, pictures: int) -> PictureTags:
        """Gather the tags of each picture.

        Args:
            codes: The number of a tag of each pair.
            places: The row of its picture.
            known: Whether there is such a row.
            pictures: How many rows there are.
        """
        if not known.all():
            codes, places = codes[known], places[known]
        starts = np.zeros(pictures + 1, dtype=np.int64)
        np.cumsum(np.bincount(places, minlength=pictures), out=starts[1:])
        # Numbers of 16 bits are sorted digit by digit, in a fraction of the time of larger ones.
        order = np.argsort((places & 0xFFFF).astype(np.uint16), kind="stable")
        for shift in range(16, max(pictures, 1).bit_length(), 16):
            digits = (places[order] >> shift & 0xFFFF).astype(np.uint16)
            order = order[np.argsort(digits, kind="stable")]
        return cls(codes[order], starts)

    def followed_by(self, more: int) -> PictureTags:
        """Return these pictures and so many behind them, which have no tag."""
        return PictureTags(self.codes, np.pad(self.starts, (0, more), mode="edge"))

    def untagged(self) -> Mask:
        """Return which pictures have no tag, shape (pictures,)."""
        return np.equal(self.starts[1:], self.starts[:-1])

    def counts(self, rows: Ids, tags: int) -> Ids:
        """Return how many of some pictures have each tag, and how many have none behind them.

        Args:
            rows: Of the pictures, each once.
            tags: How many tags there are.

        Returns:
            Shape (tags + 1,).
        """
        starts = self.starts[rows]
        lengths = self.starts[rows + 1] - starts
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        places = np.arange(total) + np.repeat(starts - ends + lengths, lengths)
        counts = np.bincount(self.codes[places], minlength=tags + 1)
        counts[tags] = np.count_nonzero(lengths == 0)
        return counts
