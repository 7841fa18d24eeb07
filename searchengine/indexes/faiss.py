"""The default index: FAISS's flat scan over float16 rows, mapped from disk.

The scan is exhaustive, so no filter and no update costs a result. Catalog vectors are float16, so
float16 rows lose nothing; they halve the file and a query takes about a third of float32's time
(benchmarks/search.py). FAISS accepts NaN, keeps duplicates under one id, orders ties arbitrarily,
and kills the process when a mapped index grows or a header is damaged: all of that stops here.

Rows of a file stay mapped as they are. What changes is kept beside them: flags of the rows that are
gone, and a second index, in memory, of the rows that are new. Both go into a small file of their
own; only when they have become many are all rows written anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import faiss
import numpy as np
import numpy.typing as npt

from searchengine.errors import IndexFileError
from searchengine.indexes.base import FileIndex
from searchengine.indexes.files import Generation, Generations
from searchengine.indexes.rows import SLACK, Candidates, Positions, best
from searchengine.types import Ids, Scores, Stamp, Vectors

DESCRIPTORS = "/dev/fd"
"""Where a system shows the open files of a process; Windows does not."""

BLOCK = 65_536
"""Rows that are copied at a time."""

Flags = npt.NDArray[np.bool_]


class FaissIndex(FileIndex):
    """Let FAISS scan every row, in float16, which turns a row by at most 2**-11."""

    kind = "faiss"

    fewest: ClassVar[int] = 20_000
    """A file of fewer rows is written anew at each flush, in less than a tenth of a second."""
    share: ClassVar[float] = 0.05
    """Changes to more than this share of the rows of a file are merged into a new one."""

    def __init__(self, path: Path | None) -> None:
        self._mapped = _Rows(None)  # those of the file
        self._gone: Flags = np.empty(0, dtype=np.bool_)  # which of them do not count any more
        self._recent = _Rows(None)  # in memory
        super().__init__(path)  # takes the rows of the file

    def __len__(self) -> int:
        return len(self._mapped) - int(self._gone.sum()) + len(self._recent)

    def _add(self, ids: Ids, vectors: Vectors) -> None:
        self._recent.add(ids, vectors)

    def _remove(self, ids: Ids) -> None:
        self._gone |= np.isin(self._mapped.ids, ids)
        self._recent.remove(ids)

    def _search(self, queries: Vectors, k: int, within: Ids | None) -> tuple[Ids, Scores]:
        gone = self._gone if self._gone.any() else None
        recent = self._recent.candidates(queries, k, within, None)
        mapped = self._mapped.candidates(queries, k, within, gone)
        first = len(self._recent)
        joined = (
            Candidates(
                np.concatenate((one.ids, other.ids)),
                np.concatenate((one.scores, other.scores)),
                np.concatenate((one.positions, other.positions + first)),
            )
            for one, other in zip(recent, mapped, strict=True)
        )
        return best(queries, k, joined, self._fetch)

    def _fetch(self, positions: Positions) -> Vectors:
        rows = np.empty((len(positions), self._recent.index.d), dtype=np.float32)
        first = len(self._recent)
        for part, places, chosen in (
            (self._recent, positions, positions < first),
            (self._mapped, positions - first, positions >= first),
        ):
            if chosen.any():
                rows[chosen] = part.fetch(places[chosen])
        return rows

    def _reset(self, dim: int) -> None:
        self._mapped, self._gone = _Rows(None), np.empty(0, dtype=np.bool_)
        self._recent = _Rows(_empty(dim))

    @property
    def _dim(self) -> int | None:
        return int(self._recent.index.d) if self._recent.index is not None else None

    @property
    def _ids(self) -> Ids:
        return np.concatenate((self._mapped.ids[~self._gone], self._recent.ids))

    def _write(self, files: Generations, stamp: Stamp, dim: int) -> None:
        changed = int(self._gone.sum()) + len(self._recent)
        if (
            len(self._mapped) >= self.fewest
            and changed <= self.share * len(self._mapped)
            and files.write_changes(stamp, len(self), changed, self._save_changes)
        ):
            return
        super()._write(files, stamp, dim)
        written = files.load(self._read) if len(self) >= self.fewest else None
        # Mapped, so that the next changes are few; unless another process has flushed meanwhile.
        if written and written[0].stamp == stamp:
            self._take(*written)

    def _read(
        self, generation: Generation, path: str, changes: str | None
    ) -> tuple[Any, Flags, Any]:
        mapped = _map(path)
        if (mapped.d, mapped.ntotal) != (generation.dim, generation.rows.count):
            raise IndexFileError(f"{mapped.ntotal} rows of {mapped.d}")
        gone, recent = np.zeros(mapped.ntotal, dtype=np.bool_), _empty(mapped.d)
        if changes is not None:
            places, ids, codes = _load_changes(changes, recent.sa_code_size())
            gone[places] = True
            if len(ids):
                recent.add_sa_codes(codes, ids)
        if mapped.ntotal - gone.sum() + recent.ntotal != generation.count:
            raise IndexFileError(f"changes that do not lead to {generation.count} rows")
        return mapped, gone, recent

    def _take(self, generation: Generation, rows: tuple[Any, Flags, Any]) -> None:  # noqa: ARG002
        mapped, self._gone, recent = rows
        self._mapped, self._recent = _Rows(mapped), _Rows(recent)

    def _save(self, file: BinaryIO) -> None:
        every = self._recent.index
        if len(self._mapped):
            every = _empty(every.d)
            kept, codes = np.flatnonzero(~self._gone), self._mapped.codes()
            for start in range(0, len(kept), BLOCK):
                block = kept[start : start + BLOCK]
                every.add_sa_codes(codes[block], self._mapped.ids[block])
            if len(self._recent):
                every.add_sa_codes(self._recent.codes(), self._recent.ids)
        faiss.write_index(every, faiss.PyCallbackIOWriter(file.write))

    def _save_changes(self, file: BinaryIO) -> None:
        for array in (np.flatnonzero(self._gone), self._recent.ids, self._recent.codes()):
            np.save(file, array, allow_pickle=False)


class _Rows:
    """Rows with ids, in an index of FAISS; `index` is None where there are none."""

    def __init__(self, index: Any) -> None:
        self.index = index  # faiss.IndexIDMap over a flat index, which numbers rows by position
        self._known: Ids | None = None

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

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Append rows."""
        self._known = None
        self.index.add_with_ids(vectors, ids)

    def remove(self, ids: Ids) -> None:
        """Remove rows; unknown ids are ignored."""
        self._known = None
        self.index.remove_ids(ids)

    def fetch(self, positions: Positions) -> Vectors:
        """Return the rows at some positions."""
        rows: Vectors = faiss.downcast_index(self.index.index).reconstruct_batch(positions)
        return rows

    def codes(self) -> npt.NDArray[np.uint8]:
        """Return a view of the rows as they are stored, shape (rows, bytes of one)."""
        codes = faiss.downcast_index(self.index.index).codes
        stored: npt.NDArray[np.uint8] = faiss.rev_swig_ptr(codes.data(), codes.size())
        return stored.reshape(len(self), self.index.sa_code_size())

    def candidates(
        self, queries: Vectors, k: int, within: Ids | None, gone: Flags | None
    ) -> Iterator[Candidates]:
        """Yield for each query the rows that may be among its k best, and some more.

        Args:
            queries: Unit rows.
            k: Length of an answer.
            within: Ids of the rows that count, None for all.
            gone: Flags of the rows that do not, None for none.
        """
        if not len(self):
            yield from repeat(_NOBODY, len(queries))
            return
        chosen = None if within is None else np.isin(self.ids, within)
        if gone is not None:
            chosen = ~gone if chosen is None else chosen & ~gone
        parameters = None
        if chosen is not None:
            selector = faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))
            parameters = faiss.SearchParameters(sel=selector)
        flat = faiss.downcast_index(self.index.index)
        scores, places = _scan(flat, queries, k, parameters)
        for line, positions in zip(scores, places, strict=True):
            present = positions[positions >= 0]  # FAISS pads at the end
            yield Candidates(self.ids[present], line[: len(present)], present)


_NOBODY = Candidates(
    np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
)


_THREADS = faiss.omp_get_max_threads()


def _empty(dim: int) -> Any:
    float16 = faiss.ScalarQuantizer.QT_fp16
    return faiss.IndexIDMap(faiss.IndexScalarQuantizer(dim, float16, faiss.METRIC_INNER_PRODUCT))


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


def _map(path: str) -> Any:
    """Map a file that FAISS has written; its own errors are RuntimeErrors."""
    with open(path, "rb") as file:
        try:
            index = faiss.read_index(_source(path, file), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise IndexFileError(str(error)) from error
    if not isinstance(index, faiss.IndexIDMap):
        raise IndexFileError(f"a {type(index).__name__}")
    return index


def _load_changes(path: str, bytes_of_row: int) -> tuple[Positions, Ids, npt.NDArray[np.uint8]]:
    """Read places of rows that are gone, and ids and codes of new ones."""
    with open(path, "rb") as file:
        try:
            places, ids, codes = (np.load(file, allow_pickle=False) for _ in range(3))
        except (ValueError, EOFError) as error:
            raise IndexFileError(f"changes: {error}") from error
    if codes.shape != (len(ids), bytes_of_row):
        raise IndexFileError(f"changes: codes of shape {codes.shape} for {len(ids)} ids")
    return places, ids, codes


def _source(path: str, file: BinaryIO) -> Any:
    """Return what FAISS opens a file by: its name, so that it is mapped, or what has opened it."""
    try:
        # FAISS takes names in UTF-8, but on Windows hands them on as names in some code page.
        path.encode("ascii" if os.name == "nt" else "utf-8")
    except UnicodeEncodeError:
        descriptor = f"{DESCRIPTORS}/{file.fileno()}"  # reached without its name
        return descriptor if os.path.exists(descriptor) else faiss.PyCallbackIOReader(file.read)
    return path
