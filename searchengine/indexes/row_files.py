"""A file of an index, and what tells that it has the content that was written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from searchengine.errors import IndexFileError

EDGE = 4096
"""Bytes at either end of a file, besides 8 per row, that a cryptographic hash covers."""

PAGE = 4096
"""Bytes that are summed up, as machine words, for the check of what is between the edges."""

READ = 1 << 20
"""Bytes that are read at a time; they stay in the cache of the processor."""

LARGE = 64_000_000
"""Bytes from which on a file that nobody has touched is not read again; less takes 10 ms at most.

So much is not written and checked within one tick of the clock that dates files: whatever changes
it afterwards gives it another date.
"""


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file beside the stamp, and what shows that it is the one that was written.

    `checksum` covers both ends of the file, headers and ids, by SHA-256, as a reader trusts them
    with its memory; and all of it by sums of its pages, at the speed of memory: 100,000 rows take
    12 ms, where SHA-256 of them would take 80. `seen` is how the system showed the file when it was
    read for that last: when it was written and when anything of it changed, and its number; None if
    nobody knows.
    """

    file: str
    count: int
    size: int
    checksum: str
    seen: tuple[int, int, int] | None = field(default=None, compare=False)

    @classmethod
    def describe(cls, path: str, count: int) -> RowFile:
        """Describe a file of `count` rows."""
        seen = _seen(path)  # before it is read: what changes it meanwhile is not missed
        return cls(os.path.basename(path), count, size_of(path), _checksum(path, count), seen)

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> RowFile:
        """Read what a stamp says; raises ValueError, TypeError or KeyError."""
        count = int(fields["count"])
        if count < 0:
            raise ValueError(count)
        file, seen = os.path.basename(fields["file"]), fields.get("seen")
        if seen is not None:
            written, changed, number = map(int, seen)
            seen = written, changed, number
        return cls(file, count, int(fields["size"]), str(fields["checksum"]), seen)

    def path_in(self, folder: str) -> str:
        """Return its path."""
        return os.path.join(folder, self.file)

    def checked_in(self, folder: str) -> RowFile:
        """Return it as it is seen now, once its content is known to be what was written.

        Raises:
            OSError: It cannot be read.
            IndexFileError: It has other content.
        """
        path = self.path_in(folder)
        size, seen = size_of(path), _seen(path)
        if self.size >= LARGE and (size, seen) == (self.size, self.seen):
            return self
        if (size, _checksum(path, self.count)) != (self.size, self.checksum):
            raise IndexFileError("not the bytes that were written")
        return replace(self, seen=seen)


def size_of(path: str) -> int:
    """Return the bytes of a file."""
    return os.stat(path).st_size


def _seen(path: str) -> tuple[int, int, int]:
    """Return what changes when anybody writes to a file, or puts another one in its place."""
    found = os.stat(path)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _checksum(path: str, count: int) -> str:
    """Sum up the pages of a file of `count` rows, and hash its ends: 8-byte ids may stand there."""
    buffer = bytearray(READ)
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read(EDGE))
        file.seek(max(EDGE, size_of(path) - EDGE - 8 * count))
        while block := file.read(READ):
            digest.update(block)
        file.seek(0)
        while length := file.readinto(buffer):
            buffer[length:] = bytes(READ - length)
            pages = np.frombuffer(buffer, dtype="<u8").reshape(-1, PAGE // 8)
            digest.update(pages.sum(axis=1, dtype="<u8"))
    return digest.hexdigest()
