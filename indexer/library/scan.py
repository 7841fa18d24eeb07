"""Walk a folder: which picture files there are, on which volumes, and what could not be listed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from searchengine.formats import (
    SIDECARS,
    ending_of,
    format_of,
    readable_endings,
    sidecars_of,
)
from searchengine.types import Failure, FileStat

SKIPPED_FOLDERS = frozenset({"@eadir", "thumbs", "thumbnails"})
"""Names, in lower case, of folders that programs fill with small copies of the pictures."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder that lies on another device than its parent: the root, a mount point, a link."""

    path: str
    device: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """How many files of a folder, by the ending of their names, are none that anything reads."""

    path: str
    counts: Mapping[str, int]


ScanEntry: TypeAlias = FileStat | Failure | Volume | Skipped

LONGEST_ENDING = 8
"""Letters of an ending that is told; what stands behind the last dot may be anything."""


def scan(root: str) -> Iterator[ScanEntry]:
    """Yield every picture file at or under a folder, each folder's files before its subfolders'.

    Names are sorted; memory holds one folder's names at a time. Hidden entries and
    `SKIPPED_FOLDERS` are left out, and what belongs to a picture beside it: the RAW file of a JPEG,
    the film of a live photo, what programs note down. A linked folder is followed unless it lies
    inside the root, and no folder is entered twice, so that links cannot form a loop. Only regular
    files count.

    Args:
        root: An absolute path. It is entered whatever its name.

    Yields:
        A Volume for the root, first, and for every folder on another device than its parent, before
        its content; a FileStat for each picture; a Failure for each folder or file that cannot be
        looked at, after which nothing is known about what lies under its path; a Skipped for each
        folder with files that are no pictures.
    """
    for item in _walk(root):
        if not isinstance(item, _File):
            yield item
            continue
        entry = item.entry
        try:
            stat = entry.stat()
        except FileNotFoundError:  # deleted between being listed and being looked at
            continue
        except OSError as error:
            yield _failure(entry.path, error)
        else:
            times = stat.st_mtime_ns, stat.st_ctime_ns
            yield FileStat(entry.path, stat.st_size, *times, _modified(item.sidecar))


def count(root: str) -> int:
    """Return the number of picture files that `scan` would look at, without looking at them."""
    return sum(isinstance(item, _File) for item in _walk(root))


def is_under(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or lies in it, by name."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def device_of(stat: os.stat_result) -> int:
    """Return the number of the volume that a file is on, as a database can hold it.

    Windows numbers volumes with 64 bits, and a signed column has 63; the last one tells no two
    disks apart.
    """
    return stat.st_dev & (2**63 - 1)


@dataclass(frozen=True, slots=True)
class _File:
    """A picture file, and the XMP file beside it, if there is one."""

    entry: os.DirEntry[str]
    sidecar: os.DirEntry[str] | None


def _walk(root: str) -> Iterator[_File | Failure | Volume | Skipped]:
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
            files, folders, skipped = _listing(folder)
        except OSError as error:
            yield _failure(folder, error)
            continue
        if device != parent_device:
            yield Volume(folder, device)
        yield from files
        if skipped:
            yield Skipped(folder, skipped)
        for entry in reversed(folders):
            # What lies inside the root is found at its own place, under its own name.
            if not (entry.is_symlink() and is_under(os.path.realpath(entry.path), real_root)):
                pending.append((entry.path, device))


def _listing(
    folder: str,
) -> tuple[list[_File | Failure], list[os.DirEntry[str]], Counter[str]]:
    """Return the picture files and the subfolders of a folder, each sorted by name.

    The third is how many other files there are, by their endings.
    """
    files: list[os.DirEntry[str]] = []
    folders: list[os.DirEntry[str]] = []
    others: list[str] = []
    failures: list[Failure] = []
    readable = readable_endings()
    with os.scandir(folder) as entries:
        visible = {entry.name: entry for entry in entries if not entry.name.startswith(".")}
    for entry in visible.values():
        try:
            if entry.is_dir():
                if entry.name.lower() not in SKIPPED_FOLDERS:
                    folders.append(entry)
            elif entry.is_symlink() and not os.path.exists(entry.path):
                # To a disk that is not mounted, perhaps: what it led to must not be taken for gone.
                failures.append(Failure(entry.path, "a link to something that is not there"))
            elif not entry.is_file():
                continue
            elif ending_of(entry.name) in readable:
                files.append(entry)
            else:
                others.append(entry.name)
        except OSError as error:  # such as a link to itself
            failures.append(_failure(entry.path, error))
    leading = {_stem(entry.name) for entry in files if format_of(entry.name) in _LEADING}
    items: list[_File | Failure] = [
        _File(entry, next(filter(None, map(visible.get, sidecars_of(entry.name))), None))
        for entry in files
        if format_of(entry.name) not in _FOLLOWING or _stem(entry.name) not in leading
    ]
    items = sorted([*items, *failures], key=_path)
    return items, sorted(folders, key=lambda entry: entry.name), _skipped(others, leading)


_LEADING = frozenset({"jpeg", "heic"})
"""Formats that cameras and phones write beside a RAW file or a film of the same moment."""


_FOLLOWING = frozenset({"raw", "video"})


def _skipped(names: Iterable[str], leading: set[str]) -> Counter[str]:
    """Count files that are no pictures by their endings, those aside that belong to a picture."""
    counts: Counter[str] = Counter()
    for name in names:
        ending = ending_of(name)
        belongs = format_of(name) in _FOLLOWING and _stem(name) in leading
        if not belongs and ending not in SIDECARS:
            is_told = len(ending) <= LONGEST_ENDING and ending[1:].isalnum() and ending.isascii()
            counts[ending if is_told else ""] += 1
    return counts


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].lower()


def _path(item: _File | Failure) -> str:
    return item.entry.path if isinstance(item, _File) else item.path


def _modified(entry: os.DirEntry[str] | None) -> int | None:
    try:
        return None if entry is None else entry.stat().st_mtime_ns
    except OSError:  # gone meanwhile
        return None


def _failure(path: str, error: OSError) -> Failure:
    return Failure(path, f"cannot be read ({error.strerror or error})")
