"""What is made already of a guide, in a file beside the rows, so that a killed build goes on.

::

    STEM.KIND.1f6a....ivf-sq8     LXG1, then records: length (u32), CRC (u32), bytes
                                  1st: what the journal is of, as JSON; 2nd: the trained index;
                                  then for each block of rows the lists they belong to, as int32

    STEM.KIND.1f6a....hnsw        the same, but behind the 1st for each graph that was written down:
                                  of how many rows, its bytes, their CRC, and which file has it
    STEM.KIND.1f6a....hnsw.0      a graph of the first rows; they alternate, so that one is whole
    STEM.KIND.1f6a....hnsw.1

What takes long is to find the lists and which of them each row belongs to; codes are computed again
from the rows. A graph changes all over as rows come, so it is written as a whole now and then. A
record that is torn, and all behind it, reads as not yet made.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

MAGIC = b"LXG1"
_HEAD = struct.Struct("<II")

_GRAPH = struct.Struct("<QQIB")
_READ = 1 << 20

Lists = npt.NDArray[np.int64]
"""The list of each row of a block."""


class Journal:
    """The records of one build.

    Args:
        file: Open for reading and writing, empty or left by a build that was killed.
        of: What is built of what; a journal of anything else is begun anew.
    """

    def __init__(self, file: BinaryIO, of: Mapping[str, Any]) -> None:
        self._file = file
        head = json.dumps(dict(of), sort_keys=True).encode()
        records = self._read()
        self._graphs: list[tuple[int, int, int, int]] = []
        if not records or records[0] != head:
            records = [head]
            file.seek(0)
            file.truncate()
            file.write(MAGIC)
            self._append(head)
        if of.get("kind") == "hnsw":
            self._graphs = [_GRAPH.unpack(one) for one in records[1:] if len(one) == _GRAPH.size]
            records = records[:1]
        self.trained = records[1] if len(records) > 1 else None
        """The trained index, if it is made."""
        self.blocks = [np.frombuffer(one, dtype="<i4").astype(np.int64) for one in records[2:]]
        """The lists of the rows of the first blocks."""

    def keep_trained(self, trained: bytes) -> None:
        """Write down the trained index."""
        self._append(trained)

    def keep_block(self, lists: Lists) -> None:
        """Write down which lists the rows of the next block belong to."""
        self._append(lists.astype("<i4").tobytes())

    def keep_graph(self, rows: int, save: Callable[[BinaryIO], None]) -> None:
        """Write down a graph of the first rows, in place of the one before the last.

        Args:
            rows: How many those are.
            save: Writes it into an open file.
        """
        number = (self._graphs[-1][3] + 1) % 2 if self._graphs else 0
        path = self._graph_path(number)
        with open(path, "wb") as file:
            save(file)
        entry = rows, *_summed(path), number
        self._graphs.append(entry)
        self._append(_GRAPH.pack(*entry))

    def graph(self) -> tuple[int, str] | None:
        """Return of how many rows the latest graph is that is whole, and where it is."""
        for rows, size, checksum, number in reversed(self._graphs[-2:]):
            path = self._graph_path(number)
            with contextlib.suppress(OSError):
                if (size, checksum) == _summed(path):
                    return rows, path
        return None

    def _graph_path(self, number: int) -> str:
        return f"{self._file.name}.{number}"

    def _append(self, record: bytes) -> None:
        self._file.write(_HEAD.pack(len(record), zlib.crc32(record)) + record)
        self._file.flush()

    def _read(self) -> list[bytes]:
        """Return the whole records, and go on behind them."""
        file, records = self._file, []
        file.seek(0)
        if file.read(len(MAGIC)) != MAGIC:
            return []
        end, size = len(MAGIC), os.fstat(file.fileno()).st_size
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            if length > size - end:  # nobody allocates what a torn length says
                break
            record = file.read(length)
            if len(record) < length or zlib.crc32(record) != checksum:
                break
            records.append(record)
            end += _HEAD.size + length
        file.seek(end)
        file.truncate()
        return records


def _summed(path: str) -> tuple[int, int]:
    """Return the size of a file, and the CRC of its bytes."""
    size = checksum = 0
    with open(path, "rb") as file:
        while part := file.read(_READ):
            size, checksum = size + len(part), zlib.crc32(part, checksum)
    return size, checksum
