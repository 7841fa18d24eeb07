"""`Selection`: the pictures that pass a filter, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from searchengine.types import Ids

Confidences = npt.NDArray[np.float64]
"""How sure it is that pictures pass, shape (n,), in 0..1; the user's word is `SAID`."""

SAID = 1.0
GUESSED = float(np.nextafter(SAID, 0))
"""How sure a guess can be at most, so that it can be told from the user's word."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Pictures by rising id, each once, with how sure it is that they belong here."""

    ids: Ids
    confidence: Confidences

    @classmethod
    def certain(cls, ids: Ids) -> Selection:
        """Select pictures, given by rising id, beyond doubt."""
        return cls(ids, np.ones(len(ids)))

    @classmethod
    def of(cls, confidences: Mapping[int, float]) -> Selection:
        """Select pictures by id."""
        ids = np.array(sorted(confidences), dtype=np.int64)
        return cls(ids, np.array([confidences[id_] for id_ in ids.tolist()], dtype=np.float64))

    @classmethod
    def union(cls, selections: Iterable[Selection]) -> Selection:
        """Select what any of these does; the surest of them counts."""
        parts = [cls.certain(np.empty(0, dtype=np.int64)), *selections]
        ids = np.concatenate([one.ids for one in parts])
        confidence = np.concatenate([one.confidence for one in parts])
        order = np.lexsort((-confidence, ids))
        unique, first = np.unique(ids[order], return_index=True)
        return cls(unique, confidence[order][first])

    def __len__(self) -> int:
        return len(self.ids)

    def intersection(self, other: Selection) -> Selection:
        """Select what both do; the less sure of them counts."""
        ids, mine, others = np.intersect1d(
            self.ids, other.ids, assume_unique=True, return_indices=True
        )
        return Selection(ids, np.minimum(self.confidence[mine], other.confidence[others]))

    def at_least(self, confidence: float) -> Selection:
        """Leave out what is less sure."""
        kept = self.confidence >= confidence
        return Selection(self.ids[kept], self.confidence[kept])

    def difference(self, ids: Ids) -> Selection:
        """Leave pictures out."""
        kept = ~np.isin(self.ids, ids)
        return Selection(self.ids[kept], self.confidence[kept])
