"""What reading one file may take: bytes, seconds of processor, and a share of the memory.

Whoever decodes a picture, for indexing, for a query, an upload or a thumbnail, takes from one
`Budget` of the process what its header says it will need, before a pixel is decoded. The limits are
those of the settings `memory`, `file_size` and `file_seconds`.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO

MEGABYTE = 10**6
MEMORY, FILE_SIZE, FILE_SECONDS = 600, 2000, 10
"""Defaults: megabytes of decoded pictures at a time, megabytes of a picture's file, and seconds of
processor time that reading it may take."""

ALONE = 2
"""How many times the budget a picture may need that is decoded with nothing beside it."""

MOST_READS = 1_000_000
"""Pieces that a file may be read in: a decoder that looks for a mark byte by byte needs as many."""

LARGE = 64 * MEGABYTE
"""What has needed this much is given back to the system at once."""


class TooLarge(Exception):
    """Say that a picture needs more memory, or a file has more bytes, than is allowed."""


class TooSlow(Exception):
    """Say that reading a file has taken more time than is allowed."""


@dataclass(slots=True)
class Limits:
    """What holds for every file that this process reads, as the settings of that name say it."""

    file_size: int = FILE_SIZE
    file_seconds: int = FILE_SECONDS


class Budget:
    """Bytes that may be decoded at a time; who comes first is served first.

    Args:
        size: How many.

    Attributes:
        lender: Asked in its place, if there is one: a process that decodes for another has none.
    """

    def __init__(self, size: int = MEMORY * MEGABYTE) -> None:
        self.size = size
        self.lender: Callable[[int], AbstractContextManager[None]] | None = None
        self._taken = 0
        self._change = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def taken(self, needed: int) -> Iterator[None]:
        """Wait until so many bytes are free and hold them; more than there are, alone.

        Nobody who holds some may ask for more.

        Raises:
            TooLarge: It is more than `ALONE` budgets.
        """
        if self.lender is not None:
            with self.lender(needed):
                yield
            return
        if needed > ALONE * self.size:
            megabytes = -(-needed // MEGABYTE)
            raise TooLarge(
                f"decoding it takes {megabytes} MB of memory, the limit is "
                f"{ALONE * self.size // MEGABYTE}; allow more with the setting "
                f"memory = {-(-megabytes // ALONE)}, then: lexpix failures --retry"
            )
        turn = object()
        with self._change:
            self._waiting.append(turn)
            try:
                self._change.wait_for(lambda: self._waiting[0] is turn and self._fits(needed))
                self._taken += needed
            finally:
                self._waiting.remove(turn)
                self._change.notify_all()
        try:
            yield
        finally:
            if needed >= LARGE:
                give_back()
            with self._change:
                self._taken -= needed
                self._change.notify_all()

    def _fits(self, needed: int) -> bool:
        return not self._taken or self._taken + needed <= self.size


budget = Budget()
"""That of this process."""

limits = Limits()
"""Those of this process."""


def use(memory: int, file_size: int, file_seconds: int) -> None:
    """Have the limits of settings hold in this process."""
    budget.size = memory * MEGABYTE
    limits.file_size, limits.file_seconds = file_size, file_seconds


class BoundedFile(io.RawIOBase):
    """A file that ends reading when it has taken too much processor time of this thread.

    Args:
        file: At whatever place.
        seconds: That reading may take; those of `limits` if None.
    """

    def __init__(self, file: BinaryIO, seconds: float | None = None) -> None:
        self._file = file
        self.name = getattr(file, "name", "picture")
        self._seconds = limits.file_seconds if seconds is None else seconds
        self._end = time.thread_time() + self._seconds
        self._reads = 0
        # Decoders that know no other way ask for it, and for a name as well.
        self.fileno = getattr(file, "fileno", super().fileno)  # type: ignore[method-assign]
        self.seek = file.seek  # type: ignore[method-assign]
        self.tell = file.tell  # type: ignore[method-assign]

    def check(self) -> None:
        """Raise TooSlow if the time is over."""
        self._reads += 1
        if self._reads > MOST_READS:
            raise TooSlow("it is in more pieces than a picture has")
        if time.thread_time() > self._end:
            raise TooSlow(too_slow(self._seconds))

    def read(self, size: int = -1, /) -> bytes:
        """Read as the file does."""
        self.check()
        return self._file.read(size)

    def readinto(self, buffer: Any, /) -> int:
        """Read as the file does."""
        self.check()
        return int(self._file.readinto(buffer))  # type: ignore[attr-defined]

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read as the file does."""
        self.check()
        return self._file.readline(-1 if size is None else size)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True


def too_slow(seconds: float) -> str:
    """Return what is said of a file that takes longer to read."""
    return (
        f"reading it takes more than {seconds:g} s; allow more with the setting "
        "file_seconds, then: lexpix failures --retry"
    )


def require_size(file: BinaryIO) -> None:
    """Refuse a picture whose file has too many bytes; raises TooLarge."""
    with_descriptor = getattr(file, "fileno", None)
    try:
        size = os.fstat(with_descriptor()).st_size if with_descriptor else 0
    except OSError:  # in memory
        return
    if size > limits.file_size * MEGABYTE:
        raise TooLarge(too_many_bytes(size))


def sha256_of(file: BinaryIO) -> str:
    """Hash a file from its beginning to where it ended when this began.

    A file that grows meanwhile would otherwise never end.
    """
    digest, left = hashlib.sha256(), os.fstat(file.fileno()).st_size
    if not left:
        file.read(1)  # of what has no size, or says so, it may fail
    buffer = bytearray(1 << 18)
    view = memoryview(buffer)
    while left:
        length = file.readinto(view[: min(left, len(view))])  # type: ignore[attr-defined]
        if not length:
            raise OSError(errno.EIO, "it became shorter while it was read")
        digest.update(view[:length])
        left -= length
    return digest.hexdigest()


def is_want_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the machine had no memory, which another day it has."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    said = ("out of memory", "allocate memory", "memory allocation", "bad allocation", "bad_alloc")
    return "security limit" not in text and any(one in text for one in said)


_DISK = frozenset({errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ETIMEDOUT})
"""Errors of a disk, or of the way to it; `errno.ESTALE` is that of a network."""


def is_want_of_disk(error: BaseException) -> bool:
    """Tell whether an error says that the disk failed, not that the file is bad."""
    return isinstance(error, OSError) and error.errno in _DISK


def give_back() -> None:
    """Have the C library return freed memory to the system, where it can."""
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    import ctypes

    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # another C library than glibc
        return None
    return trim


def too_many_bytes(size: int) -> str:
    """Say that a file has more bytes than a picture may have."""
    return (
        f"a file of {size // MEGABYTE} MB, the limit is {limits.file_size}; allow more with the "
        "setting file_size, then: lexpix failures --retry"
    )
