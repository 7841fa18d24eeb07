"""The exact index: a NumPy table and a matrix product. Oracle of the tests, and fallback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from searchengine.errors import IndexFileError
from searchengine.indexes.base import FileIndex
from searchengine.indexes.files import Generation
from searchengine.indexes.rows import Candidates, best
from searchengine.types import Ids, Scores, Vectors

QUERIES = 64
"""Queries that are multiplied at a time, which bounds the memory of their scores."""

FEW = 0.1
"""Below this share of rows, a filter's rows are gathered first; above it, the copy costs more than
the product over all rows."""

Table = npt.NDArray[Any]
"""Records (id int64, vector float32[dim]), so that ids and rows are one array and one file."""


class ExactIndex(FileIndex):
    """Compare every row with the query, in float32."""

    kind = "exact"
    _dim: int | None = None

    def __init__(self, path: Path | None) -> None:
        self._table: Table = _empty(0, 0)  # may have room for more than `_count` records
        self._count = 0
        super().__init__(path)  # takes the rows of the file

    def __len__(self) -> int:
        return self._count

    def _add(self, ids: Ids, vectors: Vectors) -> None:
        self._reserve(self._count + len(ids))
        added = self._table[self._count : self._count + len(ids)]
        added["id"], added["vector"] = ids, vectors
        self._count += len(ids)

    def _remove(self, ids: Ids) -> None:
        self._table = self._table[: self._count][~np.isin(self._ids, ids)]
        self._count = len(self._table)

    def _search(self, queries: Vectors, k: int, within: Ids | None) -> tuple[Ids, Scores]:
        rows = self._table["vector"][: self._count]
        return best(queries, k, self._candidates(queries, rows, within), rows.__getitem__)

    def _reset(self, dim: int) -> None:
        self._dim, self._table, self._count = dim, _empty(0, dim), 0

    @property
    def _ids(self) -> Ids:
        ids: Ids = self._table["id"][: self._count]
        return ids

    def _reserve(self, count: int) -> None:
        """Make room by doubling, so that a rebuild in batches copies each row about once."""
        if self._table.flags.writeable and len(self._table) >= count:
            return
        larger = _empty(max(count, 2 * self._count), self._table["vector"].shape[1])
        larger[: self._count] = self._table[: self._count]
        self._table = larger

    def _candidates(
        self, queries: Vectors, rows: Vectors, within: Ids | None
    ) -> Iterator[Candidates]:
        positions = np.arange(self._count)
        if within is not None:
            positions = positions[np.isin(self._ids, within)]
        ids = self._ids[positions]
        few = len(positions) < FEW * self._count
        if few:
            rows = rows[positions]
        for start in range(0, len(queries), QUERIES):
            scores = queries[start : start + QUERIES] @ rows.T
            for line in scores:
                yield Candidates(ids, line if few else line[positions], positions)

    def _read(self, generation: Generation, path: str, changes: str | None) -> Table:
        if changes is not None:
            raise IndexFileError("changes to rows, which this index never writes")
        try:
            # A plain array: `memmap` would do bookkeeping at every slice.
            table: Table = np.asarray(np.load(path, mmap_mode="r"))
        except ValueError as error:
            raise IndexFileError(str(error)) from error
        expected = _empty(0, generation.dim).dtype
        if table.dtype != expected or {len(table), generation.rows.count} != {generation.count}:
            raise IndexFileError(f"a table of {table.dtype} {table.shape}")
        return table

    def _take(self, generation: Generation, rows: Table) -> None:
        self._table, self._count, self._dim = rows, generation.count, generation.dim

    def _save(self, file: BinaryIO) -> None:
        np.save(file, self._table[: self._count])


def _empty(count: int, dim: int) -> Table:
    return np.empty(count, dtype=np.dtype([("id", "<i8"), ("vector", "<f4", (dim,))]))
