"""Pairs of a tag and a picture in memory: by tag, for filters, and by picture, for counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from searchengine.catalog.selection import SAID, Confidences, Selection
from searchengine.search.values import Codes, Mask
from searchengine.types import Ids

MANY = 4
"""From one of so many pictures on, to go through all pairs is faster than to gather theirs."""

Starts = npt.NDArray[np.int64]
"""Where each part of an array begins and the last one ends."""


@dataclass(frozen=True)
class Pairs:
    """Which pictures have which tag, given by its number, in arrays that are never changed.

    Attributes:
        starts: Where the pairs of each tag begin and the last ones end, shape (tags + 1,).
        ids: The picture of each pair, rising within a tag, int32, shape (pairs,).
        confidence: How sure each pair is; `SAID` if the user said it, less if nobody did.
    """

    starts: Starts
    ids: npt.NDArray[np.int32]
    confidence: Confidences

    @classmethod
    def of(cls, codes: npt.NDArray[Any], ids: npt.NDArray[Any], confidence: Confidences) -> Pairs:
        """Gather pairs that rise by the number of the tag, then by picture."""
        starts = np.searchsorted(codes, np.arange(int(codes[-1]) + 2 if len(codes) else 1))
        return cls(starts.astype(np.int64), ids.astype(np.int32), confidence)

    @classmethod
    def none(cls) -> Pairs:
        """Return no pairs."""
        return cls(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def codes(self) -> Codes:
        """The number of the tag of each pair."""
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), np.diff(self.starts))

    def rows(self, code: int) -> slice:
        """Return where the pairs of a tag are."""
        if code + 1 >= len(self.starts):
            return slice(0, 0)
        return slice(int(self.starts[code]), int(self.starts[code + 1]))

    def holders(self, code: int) -> Selection:
        """Return the pictures with a tag."""
        rows = self.rows(code)
        return Selection(self.ids[rows].astype(np.int64), self.confidence[rows])

    def totals(self, tags: int) -> Ids:
        """Return how many pictures have each of so many tags, shape (tags,)."""
        counts = np.diff(self.starts)
        return np.pad(counts, (0, tags - len(counts)))

    @cached_property
    def said(self) -> Ids:
        """The pairs that the user has said."""
        return np.flatnonzero(self.confidence == SAID)

    @cached_property
    def by_picture(self) -> PictureTags:
        """The tags of each picture."""
        return PictureTags.of(self)

    def without(self, pictures: Ids) -> tuple[Codes, Ids, Confidences]:
        """Return tags, pictures and confidence of the pairs of all pictures but some."""
        kept = ~np.isin(self.ids, pictures)
        return self.codes[kept], self.ids[kept].astype(np.int64), self.confidence[kept]


@dataclass(frozen=True)
class PictureTags:
    """The tags of pictures by their ids, so that those of a few are counted by themselves.

    Attributes:
        codes: The number of a tag, shape (pairs,), one picture after the other.
        starts: Where the tags of the picture of each id begin and the last ones end, from 0 on.
    """

    codes: npt.NDArray[Any]
    starts: npt.NDArray[np.int32]

    @classmethod
    def of(cls, pairs: Pairs) -> PictureTags:
        """Gather the tags of each picture."""
        ids, pictures = pairs.ids, int(pairs.ids.max(initial=-1)) + 1
        starts = np.zeros(pictures + 1, dtype=np.int32)
        np.cumsum(np.bincount(ids, minlength=pictures), out=starts[1:])
        # Numbers of 16 bits are sorted digit by digit, in a fraction of the time of larger ones.
        order = np.argsort((ids & 0xFFFF).astype(np.uint16), kind="stable")
        for shift in range(16, max(pictures, 1).bit_length(), 16):
            digits = (ids[order] >> shift & 0xFFFF).astype(np.uint16)
            order = order[np.argsort(digits, kind="stable")]
        width = np.uint16 if len(pairs.starts) <= 1 << 16 else np.int32
        return cls(pairs.codes.astype(width)[order], starts)

    def counts(self, ids: Ids, tags: int) -> Ids:
        """Return how many of some pictures have each of so many tags, shape (tags,)."""
        ids = ids[ids < self.pictures]  # those behind have none
        if MANY * len(ids) > self.pictures:
            counted = np.zeros(self.pictures, dtype=np.bool_)
            counted[ids] = True
            codes = np.compress(np.repeat(counted, np.diff(self.starts)), self.codes)
        else:
            starts = self.starts[ids].astype(np.int64)
            lengths = self.starts[ids + 1] - starts
            ends = np.cumsum(lengths)
            total = int(ends[-1]) if len(ends) else 0
            codes = self.codes[np.arange(total) + np.repeat(starts - ends + lengths, lengths)]
        return np.bincount(codes.astype(np.int64), minlength=tags)

    @property
    def pictures(self) -> int:
        """One more than the greatest id."""
        return len(self.starts) - 1

    def tagged(self) -> Mask:
        """Return of each id from 0 on whether it has a tag."""
        return np.greater(self.starts[1:], self.starts[:-1])
