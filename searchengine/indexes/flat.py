"""Rows of a flat index of FAISS, by position and by id, and the scan that compares them all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from searchengine.indexes.guides import Flags
from searchengine.indexes.rows import SLACK, Candidates, Positions
from searchengine.types import Ids, Scores, Vectors

SPARSE = 16
"""Ids are looked up in a table where the greatest is at most so many times their number."""


FEW = 60
"""So many rows are passed over in the time in which one is taken out of its place."""
TAKEN = 512
"""Rows that are taken at a time: half a megabyte, which stays near the processor."""


class FlatRows:
    """Rows with ids, in an index of FAISS; `index` is None where there are none."""

    def __init__(self, index: Any) -> None:
        self.index = index  # faiss.IndexIDMap over a flat index, which numbers rows by position
        self._flat: Any = None
        if index is not None:
            self._flat = faiss.downcast_index(index.index)
            # Its owner lives as long as it does: a guide asks it, maybe while this object goes.
            self._flat.referenced_objects = [index]
        self._known: Ids | None = None
        self._range: tuple[int, int, bool] | None = None

    def __len__(self) -> int:
        return int(self.index.ntotal) if self.index is not None else 0

    @property
    def ids(self) -> Ids:
        """The id of each row, in the order of rows."""
        known = self._known
        if known is None:
            # Set once it is whole: other threads search at the same time.
            none = np.empty(0, dtype=np.int64)
            known = faiss.vector_to_array(self.index.id_map) if len(self) else none
            self._known = known
        return known

    @property
    def flat(self) -> Any:
        """The index of the rows by their positions."""
        return self._flat

    def chosen(self, within: Ids | None, gone: Flags | None = None) -> Flags | None:
        """Return flags of the rows that count, None for all.

        Args:
            within: Ids of the rows that count, None for all.
            gone: Flags of those that do not, None for none.
        """
        chosen = None
        if within is not None and len(self):
            chosen = self._flags_of(within)
        if gone is not None:
            chosen = ~gone if chosen is None else chosen & ~gone
        return chosen

    def _flags_of(self, ids: Ids) -> Flags:
        """Return flags of the rows of ids; ids without a row are left out."""
        least, most, is_whole = self._ids_range()
        if most > SPARSE * len(self):
            return np.isin(self.ids, ids)
        if len(ids) and (ids.min() < 0 or ids.max() > most):
            ids = ids[(ids >= 0) & (ids <= most)]
        # A flag for each id takes a tenth of the time of sorting both for each search.
        flags = np.zeros(most + 1, dtype=np.bool_)
        flags[ids] = True
        return flags[least:] if is_whole else flags[self.ids]

    def _ids_range(self) -> tuple[int, int, bool]:
        """Return the least and the greatest id, and whether rows have all between, in order."""
        found = self._range
        if found is None:
            least, most = int(self.ids.min()), int(self.ids.max())
            is_whole = most - least + 1 == len(self) and bool((np.diff(self.ids) == 1).all())
            self._range = found = least, most, is_whole
        return found

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Append rows."""
        self._known = self._range = None
        self.index.add_with_ids(vectors, ids)

    def remove(self, ids: Ids) -> None:
        """Remove rows; unknown ids are ignored."""
        self._known = self._range = None
        self.index.remove_ids(ids)

    def fetch(self, positions: Positions) -> Vectors:
        """Return the rows at some positions."""
        rows: Vectors = self.flat.reconstruct_batch(positions)
        return rows

    def codes(self) -> npt.NDArray[np.uint8]:
        """Return a view of the rows as they are stored, shape (rows, bytes of one)."""
        codes = self.flat.codes
        stored: npt.NDArray[np.uint8] = faiss.rev_swig_ptr(codes.data(), codes.size())
        return stored.reshape(len(self), self.index.sa_code_size())

    def candidates(self, queries: Vectors, k: int, chosen: Flags | None) -> Iterator[Candidates]:
        """Yield for each query the rows that may be among its k best, and some more.

        Args:
            queries: Unit rows.
            k: Length of an answer.
            chosen: Flags of the rows that count, None for all.
        """
        if not len(self):
            yield from repeat(_NOBODY, len(queries))
            return
        parameters = None
        if chosen is not None:
            if count_of(self, chosen) * FEW < len(self):
                yield from self._taken(queries, k, np.flatnonzero(chosen))
                return
            selector = faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))
            parameters = faiss.SearchParameters(sel=selector)
        scores, places = _scan(self.flat, queries, k, parameters)
        for line, positions in zip(scores, places, strict=True):
            present = positions[positions >= 0]  # FAISS pads at the end
            yield Candidates(self.ids[present], line[: len(present)], present)

    def _taken(self, queries: Vectors, k: int, passing: Positions) -> Iterator[Candidates]:
        """Compare the rows at some positions alone, which are copied as they are stored.

        FAISS compares them so; widened for NumPy, each would take ten times as long.
        """
        found: list[list[Candidates]] = [[_NOBODY] for _ in queries]
        codes, flat = self.codes(), self.flat
        part = faiss.IndexScalarQuantizer(flat.d, flat.sq.qtype, flat.metric_type)
        for start in range(0, len(passing), TAKEN):
            places = passing[start : start + TAKEN]
            part.reset()
            part.add_sa_codes(codes[places])
            for query, scores, numbers in zip(found, *_scan(part, queries, k, None), strict=True):
                positions = places[numbers]
                query.append(Candidates(self.ids[positions], scores, positions))
        for some in found:
            ids, scores, positions = (np.concatenate(column) for column in zip(*some, strict=True))
            yield Candidates(ids, scores, positions)


def count_of(rows: FlatRows, chosen: Flags | None) -> int:
    """Return how many of some rows are chosen."""
    return len(rows) if chosen is None else int(np.count_nonzero(chosen))


_NOBODY = Candidates(
    np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
)


_THREADS = faiss.omp_get_max_threads()


def _scan(flat: Any, queries: Vectors, k: int, parameters: Any) -> tuple[Scores, Positions]:
    """Return scores and positions of all that may be among the k best, and of some more.

    FAISS cuts ties anywhere, so the answer is widened until its end is clearly worse than place k.
    """
    width = min(flat.ntotal, 4 * k + 64)
    # FAISS divides queries among threads. One alone gains nothing, and where the cores are busy
    # with other requests the threads that it wakes wait for each other, for tens of milliseconds.
    faiss.omp_set_num_threads(min(_THREADS, len(queries)))
    while True:
        scores, positions = flat.search(queries, width, params=parameters)
        settled = scores[:, min(k, width) - 1] - scores[:, -1] > SLACK
        if width == flat.ntotal or (settled | (positions[:, -1] < 0)).all():
            return scores, positions
        width = min(flat.ntotal, 8 * width)
