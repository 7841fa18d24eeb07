"""A graph of neighbours over rows, which grows row by row and is written down now and then.

Each row that comes changes links of others, so what a killed build had made is kept as a whole, not
as what was added. From there the next build goes on. The graph is not the one that would have come
without a kill, as the floors of the later rows are drawn by chance, but one that is as good.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, BinaryIO

import faiss

from searchengine.errors import IndexFileError
from searchengine.indexes.journals import Journal

BLOCK = 20_000
"""Rows that are added at a time."""
LINKS = 24
"""Neighbours of a row in a graph; on its lowest floor it has twice as many."""
KEPT_EVERY = 60.0
"""Seconds after which a graph is written down that is being made."""
WRITING = 0.05
"""Most of the time that goes into writing it down."""


def grown(
    storage: Any, progress: Callable[[int, int], None] | None, journal: Journal | None
) -> Any:
    """Return a graph over all rows of a flat index, in memory, with rows of its own.

    Args:
        storage: The flat index.
        progress: Called with the rows that are done, and how many there are.
        journal: Where an earlier build, and this one, write down how far they are.
    """
    count = int(storage.ntotal)
    index = None if journal is None else _begun(storage, journal)
    if index is None:
        sq, inner = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexHNSWSQ(storage.d, sq, LINKS, inner)
        index.train(storage.reconstruct_n(0, 1))  # there is nothing to learn
    due = time.monotonic() + KEPT_EVERY
    for start in range(int(index.ntotal), count, BLOCK):
        end = min(start + BLOCK, count)
        index.add(storage.reconstruct_n(start, end - start))
        if progress is not None:
            progress(end, count)
        began = time.monotonic()
        if journal is not None and began >= due:
            journal.keep_graph(end, lambda file: save(index, file))
            now = time.monotonic()
            due = now + max(KEPT_EVERY, (now - began) / WRITING)
    return index


def save(index: Any, file: BinaryIO) -> None:
    """Write a graph without its rows."""
    writer = faiss.PyCallbackIOWriter(file.write)
    faiss.write_index(index, writer, faiss.IO_FLAG_SKIP_STORAGE)


def read(path: str, flags: int, storage: Any, rows: int) -> Any:
    """Read a graph over the first rows of a flat index.

    Args:
        path: Of a file that `save` has written.
        flags: How FAISS reads it.
        storage: The flat index; the graph has none yet.
        rows: How many of its rows the graph is over.

    Raises:
        IndexFileError: It is none, or of another number of rows.
    """
    try:
        index = faiss.read_index(path, faiss.IO_FLAG_SKIP_STORAGE | flags)
    except RuntimeError as error:
        raise IndexFileError(f"no guide can be read from it: {error}") from error
    if not isinstance(index, faiss.IndexHNSW) or (index.ntotal, index.d) != (rows, storage.d):
        raise IndexFileError(f"a {type(index).__name__} of {index.ntotal} rows of {index.d}")
    return index


def _begun(storage: Any, journal: Journal) -> Any:
    """Return the graph that an earlier build has left, with its rows; None if there is none."""
    kept = journal.graph()
    if kept is None or kept[0] > storage.ntotal:
        return None
    done, path = kept
    with contextlib.suppress(IndexFileError, UnicodeEncodeError):
        index = read(path, 0, storage, done)
        sq, inner = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        own = faiss.IndexScalarQuantizer(storage.d, sq, inner)
        for start in range(0, done, BLOCK):
            own.add(storage.reconstruct_n(start, min(BLOCK, done - start)))
        own.this.disown()  # it lives as long as the graph
        index.storage, index.own_fields = own, True
        index.hnsw.rng = faiss.RandomGenerator(done)  # else floors are drawn as for the first rows
        return index
    return None
