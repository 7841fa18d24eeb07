"""What SQLite says of a catalog that it cannot use, in words that help."""

from __future__ import annotations

import os
import sqlite3

from searchengine.errors import LibraryError

MEND = "see what is wrong: lexpix doctor; take back a copy: lexpix restore FILE"
ADVICE = (
    ("locked", "another lexpix is writing to it; try again when it is done"),
    ("readonly", "it can only be read here; check its owner, its permissions and the disk"),
    ("unable to open", "check its owner, its permissions and the disk; see: lexpix doctor"),
    ("full", "free some space on its disk"),
)
"""What SQLite says, and what a user can do."""

_PERHAPS_NO_ROOM = ("readonly", "unable to open", "disk I/O error")
_LEAST_ROOM = 64 * 1024
"""Bytes that SQLite asks of a disk, before it writes anything, for what processes share."""


def is_of_file(reason: BaseException) -> bool:
    """Tell whether it is the file that makes an error of SQLite, not a mistake of the program.

    The other subclasses of DatabaseError are such. SQLite quotes a damaged schema in its messages,
    which Python then cannot decode.
    """
    return type(reason) in (sqlite3.DatabaseError, sqlite3.OperationalError, UnicodeDecodeError)


def unusable(path: str | os.PathLike[str], reason: object) -> LibraryError:
    """Return the error for a catalog that SQLite cannot use: why, and what to do about it."""
    said = "it is damaged" if isinstance(reason, UnicodeDecodeError) else str(reason)
    advice = next((advice for part, advice in ADVICE if part in said), MEND)
    if any(part in said for part in _PERHAPS_NO_ROOM):
        advice = _lack_of_room(path) or advice
    return LibraryError(f"{os.fspath(path)}: cannot be used as a library ({said}); {advice}")


def _lack_of_room(path: str | os.PathLike[str]) -> str:
    """Return what to do about the disk of a file if it takes no more, "" if it does.

    SQLite calls a catalog read-only where it cannot make a file beside it.
    """
    try:
        disk = os.statvfs(os.path.dirname(os.path.abspath(path)))
    except (OSError, AttributeError):  # Windows
        return ""
    if disk.f_files > 0 and disk.f_favail == 0:
        return "its disk takes no more files, whatever room it has: remove some (see: df -i)"
    if disk.f_blocks > 0 and disk.f_bavail * disk.f_frsize < _LEAST_ROOM:
        return "its disk is full: free some space"
    return ""
