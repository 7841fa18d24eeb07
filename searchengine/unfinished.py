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

LOCK = ".lock"
"""Ending of the name of what holds a file that is gone on with."""


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

    What holds it is a lock on a file beside it, as Windows lets nobody read what is locked.

    Yields None if another process has it, if it cannot be opened, or if files have no locks here.
    """
    from filelock import FileLock, Timeout

    with contextlib.ExitStack() as stack:
        file: BinaryIO | None = None
        with contextlib.suppress(OSError, Timeout, NotImplementedError):
            stack.enter_context(FileLock(f"{path}{LOCK}", timeout=0))
            with contextlib.suppress(FileExistsError), open(path, "xb"):
                pass
            file = stack.enter_context(open(path, "r+b"))
        yield file
