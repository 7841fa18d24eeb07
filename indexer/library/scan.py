"""Walk a folder: which picture files there are, on which volumes, and what could not be listed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from searchengine.images import EXTENSIONS
from searchengine.types import Failure, FileStat

SKIPPED_FOLDERS = frozenset({"@eadir", "thumbs", "thumbnails"})
"""Names, in lower case, of folders that programs fill with small copies of the pictures."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder that lies on another device than its parent: the root, a mount point, a link."""

    path: str
    device: int


ScanEntry: TypeAlias = FileStat | Failure | Volume


def scan(root: str) -> Iterator[ScanEntry]:
    """Yield every picture file at or under a folder, each folder's files before its subfolders'.

    Names are sorted; memory holds one folder's names at a time. Hidden entries and
    `SKIPPED_FOLDERS` are left out. A linked folder is followed unless it lies inside the root, and
    no folder is entered twice, so that links cannot form a loop. Only regular files count.

    Args:
        root: An absolute path. It is entered whatever its name.

    Yields:
        A Volume for the root, first, and for every folder on another device than its parent, before
        its content; a FileStat for each picture; a Failure for each folder or file that cannot be
        looked at, after which nothing is known about what lies under its path.
    """
    for entry in _walk(root):
        if not isinstance(entry, os.DirEntry):
            yield entry
            continue
        try:
            stat = entry.stat()
        except FileNotFoundError:  # deleted between being listed and being looked at
            continue
        except OSError as error:
            yield _failure(entry.path, error)
        else:
            yield FileStat(entry.path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def count(root: str) -> int:
    """Return the number of picture files that `scan` would look at, without looking at them."""
    return sum(isinstance(entry, os.DirEntry) for entry in _walk(root))


def is_under(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or lies in it, by name."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def device_of(stat: os.stat_result) -> int:
    """Return the number of the volume that a file is on, as a database can hold it.

    Windows numbers volumes with 64 bits, and a signed column has 63; the last one tells no two
    disks apart.
    """
    return stat.st_dev & (2**63 - 1)


def _walk(root: str) -> Iterator[os.DirEntry[str] | Failure | Volume]:
    real_root = os.path.realpath(root)
    entered: set[tuple[int, int]] = set()
    pending: list[tuple[str, int | None]] = [(root, None)]  # folders with their parents' devices
    while pending:
        folder, parent_device = pending.pop()
        try:
            stat = os.stat(folder)
            device = device_of(stat)
            if (device, stat.st_ino) in entered:
                continue
            entered.add((device, stat.st_ino))
            files, folders = _listing(folder)
        except OSError as error:
            yield _failure(folder, error)
            continue
        if device != parent_device:
            yield Volume(folder, device)
        yield from files
        for entry in reversed(folders):
            # What lies inside the root is found at its own place, under its own name.
            if not (entry.is_symlink() and is_under(os.path.realpath(entry.path), real_root)):
                pending.append((entry.path, device))


def _listing(
    folder: str,
) -> tuple[list[os.DirEntry[str] | Failure], list[os.DirEntry[str]]]:
    """Return the picture files and the subfolders of a folder, each sorted by name."""
    files: list[os.DirEntry[str] | Failure] = []
    folders: list[os.DirEntry[str]] = []
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in sorted(visible, key=lambda entry: entry.name):
        try:
            if entry.is_dir():
                if entry.name.lower() not in SKIPPED_FOLDERS:
                    folders.append(entry)
            elif entry.is_symlink() and not os.path.exists(entry.path):
                # To a disk that is not mounted, perhaps: what it led to must not be taken for gone.
                files.append(Failure(entry.path, "a link to something that is not there"))
            elif os.path.splitext(entry.name)[1].lower() in EXTENSIONS and entry.is_file():
                files.append(entry)
        except OSError as error:  # such as a link to itself
            files.append(_failure(entry.path, error))
    return files, folders


def _failure(path: str, error: OSError) -> Failure:
    return Failure(path, f"cannot be read ({error.strerror or error})")
