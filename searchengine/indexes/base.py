"""What every index that is kept in a file does alike: check what comes in, keep its stamp."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from searchengine.indexes.files import Generation, Generations
from searchengine.indexes.rows import checked_queries, checked_rows, padding
from searchengine.types import Ids, Scores, Stamp, Vectors


class FileIndex(ABC):
    """A `VectorIndex` over rows in memory, or mapped from a file, which is opened here.

    Args:
        path: File stem in the library, or None to stay in memory. A file is mapped, not read.
    """

    kind: ClassVar[str]
    """Part of the names of its files, so that two backends can share a stem."""

    def __init__(self, path: Path | None) -> None:
        self._files = Generations(path, self.kind) if path else None
        self._stamp: Stamp | None = None
        self._is_on_disk = False  # whether the rows of the file are those of the index
        if loaded := self._files.load(self._read) if self._files else None:
            generation, rows = loaded
            self._stamp, self._is_on_disk = generation.stamp, True
            self._take(generation, rows)

    @abstractmethod
    def __len__(self) -> int: ...

    def put(self, ids: Ids, vectors: Vectors) -> None:
        """Insert rows, replacing those of ids that are present; of an id given twice the last.

        An index that was never cleared takes the width of its first rows. Rows are scaled to unit
        length.

        Raises:
            ValueError: Another shape or dtype, an id below 1, or a row that `unit_rows` refuses.
        """
        ids, vectors = checked_rows(ids, vectors, self._dim)
        if self._dim is None:
            self.clear(vectors.shape[1])
        self.drop(ids)
        if len(ids):
            self._is_on_disk = False
            self._add(ids, vectors)

    def drop(self, ids: Ids) -> None:
        """Remove rows; unknown ids are ignored."""
        present = ids[np.isin(ids, self._ids)]
        if len(present):
            self._is_on_disk = False
            self._remove(present)

    def search(self, queries: Vectors, k: int, within: Ids | None = None) -> tuple[Ids, Scores]:
        """Return ids and cosines, both (q, k), of the best rows, only among `within` if given.

        Raises:
            ValueError: k below 1, or queries that are no float32 rows of this index's width.
        """
        queries = checked_queries(queries, k, self._dim)
        return self._search(queries, k, within) if len(self) else padding(len(queries), k)

    def stamp(self) -> Stamp | None:
        """Return what the index reflects, or None if it must be rebuilt."""
        return self._stamp

    def flush(self, stamp: Stamp) -> None:
        """Write the index atomically, then the stamp.

        Raises:
            ValueError: The width of a row is not known yet.
            OSError: The folder cannot be written; the index in memory has the new stamp even so.
        """
        if self._dim is None:
            raise ValueError("an index without rows has no width; clear(dim) sets it")
        self._stamp = stamp
        if self._files and not (self._is_on_disk and self._files.restamp(stamp)):
            self._write(self._files, stamp, self._dim)
            self._is_on_disk = True

    def clear(self, dim: int) -> None:
        """Forget every row and the stamp; rows put from now on have `dim` columns."""
        self._stamp, self._is_on_disk = None, False
        self._reset(dim)

    @property
    @abstractmethod
    def _dim(self) -> int | None:
        """Columns of a row; None while no row and no `clear` has said it."""

    @property
    @abstractmethod
    def _ids(self) -> Ids:
        """The id of each row."""

    @abstractmethod
    def _add(self, ids: Ids, vectors: Vectors) -> None:
        """Append checked rows of new ids, at least one."""

    @abstractmethod
    def _remove(self, ids: Ids) -> None:
        """Remove rows that are present, at least one."""

    @abstractmethod
    def _search(self, queries: Vectors, k: int, within: Ids | None) -> tuple[Ids, Scores]:
        """Answer checked queries; there is at least one row."""

    @abstractmethod
    def _reset(self, dim: int) -> None:
        """Have no rows, of so many columns."""

    def _write(self, files: Generations, stamp: Stamp, dim: int) -> None:
        """Write all rows and the stamp."""
        files.write(stamp, dim, len(self), self._save)

    @abstractmethod
    def _read(self, generation: Generation, path: str, changes: str | None) -> Any:
        """Map a file of rows, and read that of the changes to them if there is one.

        Raises:
            OSError: It cannot be opened.
            IndexFileError: It does not hold what its stamp says.
        """

    @abstractmethod
    def _take(self, generation: Generation, rows: Any) -> None:
        """Have the rows that `_read` returned."""

    @abstractmethod
    def _save(self, file: BinaryIO) -> None:
        """Write all rows."""
