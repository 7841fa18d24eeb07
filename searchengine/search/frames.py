"""The index of pictures, in which a film is found by the best of its frames, once.

The index of a library holds one row of a film, the frame that stands for it. The frames are few, so
they are all compared with a query, and what they say takes the place of that row. Whoever asks
sees one row of each picture, in the order of the index, and need not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from searchengine.indexes.rows import SLACK, Candidates, best
from searchengine.types import Approximate, Ids, Scores, SearchPlan, Vector, VectorIndex, Vectors
from searchengine.vectors import unit_rows

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog

_NONE: Vectors = np.empty((0, 0), dtype=np.float32)

Ask: TypeAlias = Callable[[Vectors, int, Ids | None], tuple[Ids, Scores]]
"""A way to ask an index: its `search`, or its `search_exactly`."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a film: its time in seconds, and its unit vector."""

    seconds: float
    vector: Vector


class Frames:
    """The frames of all films of a library that have several.

    Args:
        films: By rising id, the vectors of their frames by time.
    """

    def __init__(self, films: Mapping[int, Mapping[float, Vector]]) -> None:
        counts = [len(film) for film in films.values()]
        rows = [vector for film in films.values() for vector in film.values()]
        self._hold(
            np.repeat(np.array(list(films), np.int64), np.array(counts, np.int64)),
            np.array([seconds for film in films.values() for seconds in film], dtype=np.float64),
            # Scaled once more, as an index does, so that equal pictures have equal scores.
            unit_rows(np.stack(rows)) if rows else _NONE,
        )

    def _hold(self, ids: Ids, seconds: npt.NDArray[np.float64], vectors: Vectors) -> None:
        """Keep frames by rising id and time: ids and seconds (n,), vectors (n, dim)."""
        self._ids, self._seconds, self._vectors = ids, seconds, vectors
        self._films, self._starts = np.unique(ids, return_index=True)

    def changed(self, films: Mapping[int, Mapping[float, Vector]], ids: Ids) -> Frames:
        """Return the frames with those of some films in place of all that these ids have."""
        new, kept = Frames(films), ~np.isin(self._ids, ids)
        if kept.all() and not len(new):
            return self
        every = np.concatenate([self._ids[kept], new._ids])
        order = np.argsort(every, kind="stable")
        parts = [one for one in (self._vectors[kept], new._vectors) if len(one)]
        result = Frames({})
        result._hold(
            every[order],
            np.concatenate([self._seconds[kept], new._seconds])[order],
            np.concatenate(parts)[order] if parts else _NONE,
        )
        return result

    def __len__(self) -> int:
        return len(self._films)

    @property
    def films(self) -> Ids:
        """Sorted ids of the films, shape (n,)."""
        return self._films

    def best(self, query: Vector) -> tuple[npt.NDArray[np.int64], Scores]:
        """Return the number of each film's best frame, the first of equals, and its score.

        Scores are rounded as those of an index are.
        """
        rough = self._vectors @ query
        most = np.maximum.reduceat(rough, self._starts)
        counts = np.diff(np.append(self._starts, len(rough)))
        near = np.flatnonzero(rough >= np.repeat(most, counts) - SLACK)
        candidates = Candidates(near, rough[near], near)
        numbers, scores = best(query[None], len(near), [candidates], self._vectors.__getitem__)
        _, first = np.unique(self._ids[numbers[0]], return_index=True)
        return numbers[0][first], scores[0][first]

    def answering(self, query: Vector, ids: Iterable[int]) -> dict[int, Frame]:
        """Return the best frames of those of the pictures that are films with several."""
        wanted = {int(id_) for id_ in ids}.intersection(self._films.tolist())
        if not wanted:
            return {}
        numbers, _ = self.best(query)
        return {
            id_: Frame(float(self._seconds[number]), self._vectors[number])
            for id_, number in zip(self._films.tolist(), numbers.tolist(), strict=True)
            if id_ in wanted
        }


class SceneIndex:
    """A `VectorIndex` to read, which may be `Approximate` as the one below it is.

    Args:
        index: Has one row of each picture.
        catalog: Has the frames.
        fingerprint: The model whose vectors count.

    Attributes:
        frames: As they were when `refresh` was last called.
    """

    def __init__(self, index: VectorIndex, catalog: Catalog, fingerprint: str) -> None:
        self._index, self._catalog, self._fingerprint = index, catalog, fingerprint
        self._lock = Lock()
        self._seq, self._count = catalog.seq(), catalog.frames.count(fingerprint)
        self.frames = Frames(catalog.frames.present(fingerprint))

    def refresh(self) -> None:
        """Read the frames of films that were written since, or all that the catalog has now.

        All are read if it was restored from a copy, and if their number is another: a model that
        tells scenes of pictures that are there writes to no picture.
        """
        with self._lock:
            seq = self._catalog.seq()
            if seq == self._seq:
                return
            count = self._catalog.frames.count(self._fingerprint)
            if seq < self._seq or count != self._count:
                self.frames = Frames(self._catalog.frames.present(self._fingerprint))
            else:
                films, ids = self._catalog.frames.changes(self._fingerprint, self._seq)
                self.frames = self.frames.changed(films, ids)
            # What was committed after these two were read is read once more the next time.
            self._seq, self._count = seq, count

    def __len__(self) -> int:
        return len(self._index)

    def search(self, queries: Vectors, k: int, within: Ids | None = None) -> tuple[Ids, Scores]:
        """Return ids and scores, both (q, k), as a `VectorIndex` does; of films the best frame's.

        Args:
            queries: Unit rows.
            k: Length of an answer.
            within: Sorted ids of the rows that may be in it.
        """
        return self._merged(self._index.search, queries, k, within)

    def search_exactly(
        self, queries: Vectors, k: int, within: Ids | None = None
    ) -> tuple[Ids, Scores]:
        """Answer as `search` does, without missing any."""
        index = self._index
        ask = index.search_exactly if isinstance(index, Approximate) else index.search
        return self._merged(ask, queries, k, within)

    @property
    def is_exact(self) -> bool:
        """Whether at the moment no row is missed."""
        return not isinstance(self._index, Approximate) or self._index.is_exact

    def plan(self, k: int, within: Ids | None = None) -> SearchPlan:
        """Say how the index below is asked, and why."""
        if isinstance(self._index, Approximate):
            return self._index.plan(k, within)
        rows = len(self)
        why = "this index compares every row that passes"
        return SearchPlan("exact", None, rows, rows if within is None else len(within), why)

    def _merged(self, ask: Ask, queries: Vectors, k: int, within: Ids | None) -> tuple[Ids, Scores]:
        frames = self.frames
        if not len(frames):
            return ask(queries, k, within)
        merge = partial(self._with_films, ask, frames, k, within)
        ids, scores = zip(*map(merge, queries), strict=True)
        return np.stack(ids), np.stack(scores)

    def _with_films(
        self, ask: Ask, frames: Frames, k: int, within: Ids | None, query: Vector
    ) -> tuple[Ids, Scores]:
        """Return the best rows for a query.

        Rows of the index that are not seen come after the last one that is. So the first k of all
        that is known are the best once the last of them comes no later than that one. A film's
        best frame is hardly ever worse than the one that stands for it, so this is so at once.
        """
        _, scores = frames.best(query)
        films = frames.films
        if within is not None:
            passing = np.isin(films, within)
            films, scores = films[passing], scores[passing]
        width = k
        while True:
            found, cosines = (rows[0] for rows in ask(query[None], width, within))
            others = (found >= 0) & ~np.isin(found, frames.films)
            ids = np.concatenate([found[others], films])
            merged = np.concatenate([cosines[others], scores])
            order = np.lexsort((ids, -merged))[:k]
            ids, merged = ids[order], merged[order]
            is_all = found[-1] < 0 or width >= len(self._index)
            if is_all or (len(ids) == k and _place(ids, merged) <= _place(found, cosines)):
                missing = k - len(ids)
                return (
                    np.pad(ids, (0, missing), constant_values=-1),
                    np.pad(merged, (0, missing), constant_values=-np.inf),
                )
            width = min(2 * width, len(self._index))


def _place(ids: Ids, scores: Scores) -> tuple[float, int]:
    """Return where the last row of an answer stands."""
    return -float(scores[-1]), int(ids[-1])
