"""The default index: FAISS's flat scan over float16 rows, mapped from disk.

The scan is exhaustive, so no filter and no update costs a result. Catalog vectors are float16, so
float16 rows lose nothing; they halve the file and a query takes about a third of float32's time
(benchmarks/search.py). FAISS accepts NaN, keeps duplicates under one id, orders ties arbitrarily,
and kills the process when a mapped index grows or a header is damaged: all of that stops here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import faiss
import numpy as np

from searchengine.errors import IndexFileError
from searchengine.indexes.base import FileIndex
from searchengine.indexes.files import Generation
from searchengine.indexes.rows import SLACK, Candidates, Positions, best
from searchengine.types import Ids, Scores, Vectors

DESCRIPTORS = "/dev/fd"
"""Where a system shows the open files of a process; Windows does not."""


class FaissIndex(FileIndex):
    """Let FAISS scan every row, in float16, which turns a row by at most 2**-11."""

    kind = "faiss"

    def __init__(self, path: Path | None) -> None:
        self._index: Any = None  # faiss.IndexIDMap over a flat index; None: width not known yet
        self._mapped = False
        super().__init__(path)  # takes the rows of the file

    def __len__(self) -> int:
        return int(self._index.ntotal) if self._index is not None else 0

    def _add(self, ids: Ids, vectors: Vectors) -> None:
        self._unmap()
        self._index.add_with_ids(vectors, ids)

    def _remove(self, ids: Ids) -> None:
        self._unmap()
        self._index.remove_ids(ids)

    def _search(self, queries: Vectors, k: int, within: Ids | None) -> tuple[Ids, Scores]:
        ids, rows = self._ids, _rows_of(self._index)
        parameters = None
        if within is not None:
            chosen = np.packbits(np.isin(ids, within), bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(chosen))
        candidates = _candidates(ids, rows, queries, k, parameters)
        return best(queries, k, candidates, rows.reconstruct_batch)

    def _reset(self, dim: int) -> None:
        self._index, self._mapped = _empty(dim), False

    @property
    def _dim(self) -> int | None:
        return int(self._index.d) if self._index is not None else None

    @property
    def _ids(self) -> Ids:
        """The id of each row, in the order of rows."""
        if self._index is None:
            return np.empty(0, dtype=np.int64)
        ids: Ids = faiss.vector_to_array(self._index.id_map)
        return ids

    def _unmap(self) -> None:
        """Prepare for a change: FAISS ends the process when mapped memory would have to grow."""
        if self._mapped:
            self._index, self._mapped = _copy(self._index), False

    def _read(self, path: str, generation: Generation) -> Any:
        with open(path, "rb") as file:
            try:
                index = faiss.read_index(_source(path, file), faiss.IO_FLAG_MMAP_IFC)
            except RuntimeError as error:
                raise IndexFileError(str(error)) from error
        if not isinstance(index, faiss.IndexIDMap) or (index.d, index.ntotal) != (
            generation.dim,
            generation.count,
        ):
            raise IndexFileError(f"a {type(index).__name__} of {index.ntotal} rows of {index.d}")
        return index

    def _take(self, generation: Generation, rows: Any) -> None:  # noqa: ARG002 - it knows its size
        self._index, self._mapped = rows, True

    def _save(self, file: BinaryIO) -> None:
        faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write))


_THREADS = faiss.omp_get_max_threads()


def _empty(dim: int) -> Any:
    float16 = faiss.ScalarQuantizer.QT_fp16
    return faiss.IndexIDMap(faiss.IndexScalarQuantizer(dim, float16, faiss.METRIC_INNER_PRODUCT))


def _copy(mapped: Any) -> Any:
    """Return the same index in memory of its own; FAISS's clone would share the mapping."""
    index, rows = _empty(mapped.d), _rows_of(mapped)
    if mapped.ntotal:
        codes = faiss.rev_swig_ptr(rows.codes.data(), rows.codes.size())
        index.add_sa_codes(codes.reshape(mapped.ntotal, -1), faiss.vector_to_array(mapped.id_map))
    return index


def _rows_of(index: Any) -> Any:
    """Return the flat index inside, which numbers rows by position."""
    return faiss.downcast_index(index.index)


def _candidates(
    ids: Ids, rows: Any, queries: Vectors, k: int, parameters: Any
) -> Iterator[Candidates]:
    scores, places = _scan(rows, queries, k, parameters)
    for line, positions in zip(scores, places, strict=True):
        present = positions[positions >= 0]  # FAISS pads at the end
        yield Candidates(ids[present], line[: len(present)], present)


def _scan(rows: Any, queries: Vectors, k: int, parameters: Any) -> tuple[Scores, Positions]:
    """Return scores and positions of all that may be among the k best, and of some more.

    FAISS cuts ties anywhere, so the answer is widened until its end is clearly worse than place k.
    """
    width = min(rows.ntotal, 4 * k + 64)
    # FAISS divides queries among threads. One alone gains nothing, and where the cores are busy
    # with other requests the threads that it wakes wait for each other, for tens of milliseconds.
    faiss.omp_set_num_threads(min(_THREADS, len(queries)))
    while True:
        scores, positions = rows.search(queries, width, params=parameters)
        settled = scores[:, min(k, width) - 1] - scores[:, -1] > SLACK
        if width == rows.ntotal or (settled | (positions[:, -1] < 0)).all():
            return scores, positions
        width = min(rows.ntotal, 8 * width)


def _source(path: str, file: BinaryIO) -> Any:
    """Return what FAISS opens a file by: its name, so that it is mapped, or what has opened it."""
    try:
        # FAISS takes names in UTF-8, but on Windows hands them on as names in some code page.
        path.encode("ascii" if os.name == "nt" else "utf-8")
    except UnicodeEncodeError:
        descriptor = f"{DESCRIPTORS}/{file.fileno()}"  # reached without its name
        return descriptor if os.path.exists(descriptor) else faiss.PyCallbackIOReader(file.read)
    return path
