"""What an index finds of the true answers to some queries, and what a query takes.

Times are of the processor, in the thread that asks: the clock of a machine with other work would
show what that takes as well, and have a guide look less hard, or not be asked at all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.plans import MEASURED
from searchengine.types import Ids, Vectors

TIMED = 25
"""Queries that are timed, one after the other."""
COUNTED = 0.1
"""Seconds of the processor that are timed at least: some systems count them in steps of 1/64."""
REPEATED = 20
"""How often the queries are timed at most until it is so much."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries with the ids of the rows that are truly the best of them, (q, `MEASURED`).

    Attributes:
        queries: Unit rows.
        kinds: The kind of each, as a number.
        best: What is to be found.
        within: Only among these ids, sorted; None for all.
    """

    queries: Vectors
    kinds: npt.NDArray[np.int64]
    best: Ids
    within: Ids | None = None

    @classmethod
    def of(
        cls,
        index: FaissIndex,
        queries: Vectors,
        kinds: npt.NDArray[np.int64],
        shares: Sequence[float],
    ) -> list[Asked]:
        """Find out by comparing every row, once for all shares of rows that may be answers."""
        among = [None if share == 1 else drawn(index, share) for share in shares]
        best = _best(index, queries, among)
        return [cls(queries, kinds, *each) for each in zip(best, among, strict=True)]

    def part(self, chosen: slice) -> Asked:
        """Return some of the queries."""
        return replace(
            self, queries=self.queries[chosen], kinds=self.kinds[chosen], best=self.best[chosen]
        )

    def recall(self, index: FaissIndex, effort: int | None) -> float:
        """Return the share of the best rows that an index finds, of the kind that fares worst.

        Words lie farther from all pictures than pictures do, and need the greater effort.
        """
        found, _ = index.search_by(effort, self.queries, MEASURED, self.within)
        return min(
            recall(found[self.kinds == kind], self.best[self.kinds == kind])
            for kind in np.unique(self.kinds)
        )

    def milliseconds(self, index: FaissIndex, effort: int | None) -> float:
        """Return what the processor takes for a query that is asked alone, the mean of some."""
        step = max(1, len(self.queries) // TIMED)
        queries, asked = self.queries[::step], 0
        began = time.thread_time()
        for _ in range(REPEATED):
            for query in queries:
                index.search_by(effort, query[None], MEASURED, self.within)
            asked += len(queries)
            if time.thread_time() - began >= COUNTED:
                break
        return 1000 * (time.thread_time() - began) / asked


def recall(found: Ids, best: Ids) -> float:
    """Return the share of the best ids, rows padded with -1, that are among those found."""
    hits = sum(len(np.intersect1d(a[a >= 0], b)) for a, b in zip(best, found, strict=True))
    return hits / max(1, int((best >= 0).sum()))


def drawn(index: FaissIndex, share: float) -> Ids:
    """Return the sorted ids of a share of the rows of the file."""
    ids = index.rows_of_file.ids
    count = max(1, int(share * len(ids)))
    return np.sort(np.random.default_rng(2).choice(ids, count, replace=False))


def _best(index: FaissIndex, queries: Vectors, among: Sequence[Ids | None]) -> list[Ids]:
    """Return the ids of the best rows of each query, for each set of ids that may be answers.

    Many queries are a product of matrices, for which each row is read once.
    """
    found = [np.full((len(queries), MEASURED), -1, dtype=np.int64) for _ in among]
    scores = [np.full((len(queries), MEASURED), -np.inf, dtype=np.float32) for _ in among]
    for ids, rows in index.blocks():
        products = queries @ rows.T
        for number, within in enumerate(among):
            passing = np.arange(len(ids)) if within is None else _places(ids, within)
            line = products if within is None else products[:, passing]
            least = scores[number][:, -1]
            for query in np.flatnonzero((line > least[:, None]).any(axis=1)):
                better = np.flatnonzero(line[query] > least[query])
                all_scores = np.concatenate((scores[number][query], line[query, better]))
                all_ids = np.concatenate((found[number][query], ids[passing[better]]))
                order = np.argsort(-all_scores, kind="stable")[:MEASURED]
                found[number][query], scores[number][query] = all_ids[order], all_scores[order]
    return found


def _places(ids: Ids, within: Ids) -> npt.NDArray[np.intp]:
    """Return where ids are that are among some sorted ones, of which there may be far more."""
    places = np.searchsorted(within, ids).clip(max=len(within) - 1)
    return np.flatnonzero(within[places] == ids)
