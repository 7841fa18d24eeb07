"""Files that are being written under a name of their own, and what a crash leaves of them.

Whoever writes one holds a lock on it, which ends with the process. So what nobody holds is left
over, and whoever comes next removes it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ORPHAN_AGE = 3600.0
"""Seconds after which an unfinished file was left by a crash, where files have no locks."""


@contextlib.contextmanager
def held(prefix: str, suffix: str = "") -> Iterator[BinaryIO]:
    """Make a file of a new name, and hold it as long as the block lasts.

    Raises:
        OSError: It cannot be made.
    """
    while True:
        with open(prefix + secrets.token_hex(8) + suffix, "xb") as file:
            if fcntl is not None:
                with contextlib.suppress(OSError):  # a file system without locks
                    fcntl.flock(file, fcntl.LOCK_EX)
                # Before it was held, it looked like what a crash leaves behind.
                if not os.fstat(file.fileno()).st_nlink:
                    continue
            yield file
            return


def written(file: BinaryIO) -> None:
    """Make what was written durable, and the file fit to be renamed.

    Windows renames no open file: there it is closed, and held no longer.
    """
    file.flush()
    os.fsync(file.fileno())
    if fcntl is None:
        file.close()


def renamed(folder: str | os.PathLike[str]) -> None:
    """Make a rename durable, where folders can be synchronised; not on Windows, nor everywhere."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def left(path: str) -> Iterator[bool]:
    """Tell whether nobody is writing a file, and keep it so meanwhile."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
            is_old = time.time() - os.fstat(file.fileno()).st_mtime > ORPHAN_AGE
        except OSError:
            is_old = False
        else:
            if fcntl is None:
                stack.close()  # Windows removes no open file
            else:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    is_old = True
                except BlockingIOError:
                    is_old = False
                except OSError:  # a file system without locks
                    pass
        yield is_old


@contextlib.contextmanager
def resumed(path: str) -> Iterator[BinaryIO | None]:
    """Open a file that a process which was killed may have begun, or make it, and hold it.

    Yields None if another process has it, if it cannot be opened, or if files have no locks here.
    """
    with contextlib.ExitStack() as stack:
        file: BinaryIO | None = None
        if fcntl is not None:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
                file = stack.enter_context(os.fdopen(descriptor, "r+b"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file = None
        yield file
