"""Walk a folder: which picture files there are, on which volumes, and what could not be listed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from indexer.library.ignoring import FILE, NOMEDIA, Rules
from indexer.library.sidecars import SPEAKING, captions_of, time_of_all
from indexer.library.takeout import takeouts_of
from searchengine.errors import RootError
from searchengine.formats import (
    SIDECARS,
    ending_of,
    readable_endings,
    sidecars_of,
    titled,
)
from searchengine.sources.remote import Item
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


@dataclass(frozen=True, slots=True)
class Ignored:
    """How many files and folders of a folder are passed over because somebody said so."""

    path: str
    count: int


ScanEntry: TypeAlias = FileStat | Failure | Volume | Skipped | Ignored

LONGEST_ENDING = 8
"""Letters of an ending that is told; what stands behind the last dot may be anything."""


def scan(root: str, exclude: Sequence[str] = ()) -> Iterator[ScanEntry]:
    """Yield every picture file at or under a folder, each folder's files before its subfolders'.

    Names are sorted; memory holds one folder's names at a time. Hidden entries and
    `SKIPPED_FOLDERS` are left out, and what belongs to a picture beside it: the RAW file of a JPEG,
    the film of a live photo, what programs note down. A linked folder is followed unless it lies
    inside the root, and no folder is entered twice, so that links cannot form a loop. A link to a
    picture that is found at its own place is none. Only regular files count, and what
    `indexer/library/ignoring.py` lets through.

    Args:
        root: An absolute path. It is entered whatever its name and whatever is in it.
        exclude: Patterns in the syntax of gitignore.

    Yields:
        A Volume for the root, first, and for every folder on another device than its parent, before
        its content; a FileStat for each picture; a Failure for each folder or file that cannot be
        looked at, after which nothing is known about what lies under its path; a Skipped for each
        folder with files that are no pictures, an Ignored for each in which something is ignored.

    Raises:
        RootError: A pattern of `exclude` is none.
    """
    for item in _walk(root, exclude):
        one = file_stat(item) if isinstance(item, Found) else item
        if one is not None:
            yield one


def count(root: str, exclude: Sequence[str] = ()) -> int:
    """Return the number of picture files that `scan` would look at, without looking at them."""
    return sum(isinstance(item, Found) for item in _walk(root, exclude))


def file_stat(file: Found) -> FileStat | Failure | None:
    """Look at a file; return None if it was deleted since it was listed."""
    entry = file.entry
    try:
        stat = entry.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return failure(entry.path, error)
    times = stat.st_mtime_ns, stat.st_ctime_ns
    place = entry.place if isinstance(entry, Item) else None
    return FileStat(entry.path, stat.st_size, *times, _modified(file.sidecars), place)


def is_under(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or lies in it, by name."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def device_of(stat: os.stat_result) -> int:
    """Return the number of the volume that a file is on, as a database can hold it.

    Windows numbers volumes with 64 bits, and a signed column has 63; the last one tells no two
    disks apart.
    """
    return stat.st_dev & (2**63 - 1)


Entry: TypeAlias = "os.DirEntry[str] | Item"
"""What a folder has, of a disk or at an address."""


@dataclass(slots=True)
class Found:
    """A picture file, and the files beside it that tell of it."""

    entry: Entry
    sidecars: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in a folder, sorted by name.

    Attributes:
        files: Picture files, and what could not be looked at.
        folders: Its subfolders.
        skipped: How many other files there are, by their endings.
        hidden: Names that begin with a dot.
    """

    files: list[Found | Failure]
    folders: list[Entry]
    skipped: Counter[str]
    hidden: set[str]


def _walk(
    root: str, exclude: Sequence[str]
) -> Iterator[Found | Failure | Volume | Skipped | Ignored]:
    real_root = os.path.realpath(root)
    entered: set[tuple[int, int]] = set()
    # Folders with their parents' devices and rules.
    pending: list[tuple[str, int | None, Rules]] = [(root, None, Rules(root, exclude))]
    while pending:
        folder, parent_device, rules = pending.pop()
        try:
            stat = os.stat(folder)
            device = device_of(stat)
            if (device, stat.st_ino) in entered:
                continue
            entered.add((device, stat.st_ino))
            listing = _listing(folder)
            if FILE in listing.hidden:
                rules = rules.entered(folder)
        except (OSError, RootError) as error:
            yield failure(folder, error)
            continue
        if device != parent_device:
            yield Volume(folder, device)
        if NOMEDIA in listing.hidden and folder != root:
            yield Ignored(folder, 1)
            continue
        files, folders, ignored = passing(listing, rules)
        for found in files:
            if not (isinstance(found, Found) and _is_found_elsewhere(found, real_root)):
                yield found
        if listing.skipped:
            yield Skipped(folder, listing.skipped)
        if ignored:
            yield Ignored(folder, ignored)
        for entry in reversed(folders):
            # What lies inside the root is found at its own place, under its own name.
            if not (entry.is_symlink() and is_under(os.path.realpath(entry.path), real_root)):
                pending.append((entry.path, device, rules))


def passing(listing: Listing, rules: Rules) -> tuple[list[Found | Failure], list[Entry], int]:
    """Return the files and subfolders that are not ignored, and how many entries are."""
    files = [
        one
        for one in listing.files
        if isinstance(one, Failure) or not rules.ignores(one.entry.path, is_folder=False)
    ]
    folders = [one for one in listing.folders if not rules.ignores(one.path, is_folder=True)]
    every = len(listing.files) + len(listing.folders)
    return files, folders, every - len(files) - len(folders)


def _is_found_elsewhere(file: Found, real_root: str) -> bool:
    """Tell whether a file is a link to one that is found, or ignored, at its own place."""
    if not file.entry.is_symlink():
        return False
    target = os.path.realpath(file.entry.path)
    if not is_under(target, real_root) or ending_of(target) not in readable_endings():
        return False
    names = os.path.relpath(target, real_root).split(os.sep)
    return not any(one.startswith(".") or one.lower() in SKIPPED_FOLDERS for one in names)


def _listing(folder: str) -> Listing:
    with os.scandir(folder) as entries:
        return listing_of(entries)


def listing_of(entries: Iterable[Entry]) -> Listing:
    """Sort what is in a folder into pictures, subfolders and all else."""
    files: list[tuple[Entry, str]] = []  # with their endings
    folders: list[Entry] = []
    others: list[tuple[Entry, str]] = []
    failures: list[Failure] = []
    readable = readable_endings()
    named = {entry.name: entry for entry in entries}
    hidden = {name for name in named if name.startswith(".")}
    for entry in (entry for name, entry in named.items() if name not in hidden):
        ending = ending_of(entry.name)
        try:
            if entry.is_dir():
                if entry.name.lower() not in SKIPPED_FOLDERS:
                    folders.append(entry)
            elif entry.is_symlink() and not os.path.exists(entry.path):
                # To a disk that is not mounted, perhaps: what it led to must not be taken for gone.
                failures.append(Failure(entry.path, "a link to something that is not there"))
            elif not entry.is_file():
                continue
            elif ending in readable:
                files.append((entry, ending))
            else:
                others.append((entry, ending))
        except OSError as error:  # such as a link to itself
            failures.append(failure(entry.path, error))
    # Most folders have neither, and then nothing is looked up for each file.
    if any(ending in _FOLLOWING for _, ending in (*files, *others)):
        leading = {_stem(entry.name) for entry, ending in files if ending in _LEADING}
        files = [(e, end) for e, end in files if not _follows(e.name, end, leading)]
        others = [(e, end) for e, end in others if not _follows(e.name, end, leading)]
    sidecars = {entry.name: entry for entry, ending in others if ending in SPEAKING}
    items: list[Found | Failure] = [
        Found(entry, list(_beside(entry, sidecars)) if sidecars else ()) for entry, _ in files
    ]
    told = {one.name for item in items if isinstance(item, Found) for one in item.sidecars}
    items = sorted([*items, *failures], key=_path)
    folders.sort(key=lambda entry: entry.name)
    skipped = _skipped(end for entry, end in others if entry.name not in told)
    return Listing(items, folders, skipped, hidden)


def _beside(picture: Entry, sidecars: Mapping[str, Entry]) -> Iterator[Entry]:
    """Yield the files that tell of a picture: of each kind the first that is there."""
    name = picture.name
    captions = (os.path.basename(one) for one in captions_of(picture.path))
    for names in (sidecars_of(name), takeouts_of(name), captions):
        yield from islice(filter(None, map(sidecars.get, names)), 1)


def _follows(name: str, ending: str, leading: set[str]) -> bool:
    return ending in _FOLLOWING and _stem(name) in leading


_LEADING = frozenset(titled("jpeg").endings + titled("heic").endings)
"""Endings of what cameras and phones write beside a RAW file or a film of the same moment."""
_FOLLOWING = frozenset(titled("raw").endings + titled("video").endings)


def _skipped(endings: Iterable[str]) -> Counter[str]:
    """Count files that are no pictures by their endings."""
    counts: Counter[str] = Counter()
    for ending in endings:
        if ending not in SIDECARS:
            is_told = len(ending) <= LONGEST_ENDING and ending[1:].isalnum() and ending.isascii()
            counts[ending if is_told else ""] += 1
    return counts


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].lower()


def _path(item: Found | Failure) -> str:
    return item.entry.path if isinstance(item, Found) else item.path


def _modified(entries: Iterable[Entry]) -> int | None:
    return time_of_all(_mtime(entry) for entry in entries)


def _mtime(entry: Entry) -> int | None:
    try:
        return entry.stat().st_mtime_ns
    except OSError:  # gone meanwhile
        return None


def failure(path: str, error: OSError | RootError) -> Failure:
    """Say that a file or folder cannot be looked at."""
    if isinstance(error, RootError):
        return Failure(path, str(error))
    return Failure(path, f"cannot be read ({error.strerror or error})")
