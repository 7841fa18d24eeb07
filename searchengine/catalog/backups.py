"""Copies of a catalog while it is in use: to a file, back from one, and by themselves once a week.

A copy is written beside its place and renamed when it is complete and on the disk, so there is
never half of one. What is restored goes through SQLite into the catalog that is there, in one
transaction, because other processes may have it open; only a catalog that SQLite cannot use any
more is moved aside as a file.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from searchengine.catalog.advice import unusable
from searchengine.catalog.database import FILE_NAME
from searchengine.catalog.health import examine
from searchengine.catalog.opening import INDEX_FOLDER, open_file, open_to_read
from searchengine.errors import LibraryError, NothingIndexed
from searchengine.unfinished import held, left, renamed, written

FOLDER = "backups"
"""Where a library keeps the copies that it makes by itself."""

EVERY = dt.timedelta(days=7)
"""How old the newest copy is when another is made."""

TIME = "%Y%m%d-%H%M%S"
_BESIDE = ("-journal", "-wal", "-shm")  # what SQLite puts beside a database
_NAME = re.compile(r"catalog-(\d{8}-\d{6})\.sqlite")


def save(library: Path, target: Path) -> int:
    """Write the catalog of a library, which may be in use, to a file; return its bytes.

    Raises:
        NothingIndexed: There is no catalog.
        LibraryError: The catalog is damaged, the target is the catalog itself or a folder, or it
            cannot be written; what was at the target is still there.
    """
    source = library / FILE_NAME
    if not source.is_file():
        raise NothingIndexed(f"{library}: nothing is indexed here yet; run: lexpix index FOLDER")
    if target.is_dir() or (target.exists() and target.samefile(source)):
        raise LibraryError(f"{target}: not a place for a copy; name a file that is not there yet")
    _copy(source, target)
    return target.stat().st_size


def restore(library: Path, file: Path, now: dt.datetime | None = None) -> Path | None:
    """Make a copy the catalog of a library; the index is made anew when it is next opened.

    Args:
        library: Its folder; made if it is not there.
        file: What `save` wrote.
        now: Goes into the name of the former catalog.

    Returns:
        Where the former catalog is kept, None if there was none.

    Raises:
        LibraryError: The file is no sound catalog, or of a newer version; nothing was changed.
    """
    catalog = library / FILE_NAME
    _refuse_unsound(file, catalog)
    former: Path | None = None
    try:
        library.mkdir(parents=True, exist_ok=True)
        if catalog.exists():
            former = _unused(catalog.with_name(f"{FILE_NAME}.before-{_stamp(now)}"))
            if _is_usable(catalog):
                _copy(catalog, former)
                _replace_within(file, catalog)
            else:
                _move_aside(catalog, former)
                _copy(file, catalog, open_to_read)
        else:
            _copy(file, catalog, open_to_read)
    except OSError as error:
        raise LibraryError(f"{library}: cannot be restored to ({error.strerror})") from error
    _forget_stamps(library)
    return former


def copies(library: Path) -> list[Path]:
    """Return the copies that a library has made by itself, the newest first."""
    try:
        names = os.listdir(library / FOLDER)
    except OSError:
        return []
    return [
        library / FOLDER / name for name in sorted(names, reverse=True) if _NAME.fullmatch(name)
    ]


def rotate(library: Path, keep: int, now: dt.datetime | None = None) -> Path | None:
    """Copy the catalog if the newest copy is a week old, and remove all but the newest.

    A damaged catalog is not copied, so that it never takes the place of a sound one.

    Args:
        library: Its folder.
        keep: Most copies; with 0 none is made, and those that are there stay.
        now: The time of the copy.

    Returns:
        The new copy, None if there is none to make.

    Raises:
        LibraryError: The catalog is damaged, or the copy cannot be written.
    """
    now = now or dt.datetime.now()
    source, made = library / FILE_NAME, _in_time(copies(library), now)
    if not keep or not source.is_file() or (made and abs(now - _time_of(made[0])) < EVERY):
        return None
    target = library / FOLDER / f"catalog-{now:{TIME}}.sqlite"
    try:
        target.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise LibraryError(f"{target.parent}: cannot be made ({error.strerror})") from error
    _copy(source, target)
    for old in _in_time(copies(library), now)[keep:]:
        with contextlib.suppress(OSError):
            old.unlink()
    return target


def _in_time(made: list[Path], now: dt.datetime) -> list[Path]:
    """Put copies last that were made when the clock was wrong: more than `EVERY` ahead of it."""
    return sorted(made, key=lambda copy: _time_of(copy) > now + EVERY)


def _time_of(copy: Path) -> dt.datetime:
    match = _NAME.fullmatch(copy.name)
    assert match is not None, "`copies` lists no other names"
    try:
        return dt.datetime.strptime(match[1], TIME)
    except ValueError:  # somebody gave it a name of digits that is no time
        return dt.datetime.min


def _stamp(now: dt.datetime | None) -> str:
    return (now or dt.datetime.now()).strftime(TIME)


def _unused(path: Path) -> Path:
    number, unused = 1, path
    while unused.exists():
        number += 1
        unused = path.with_name(f"{path.name}-{number}")
    return unused


def _copy(
    source: Path, target: Path, opened: Callable[[str], sqlite3.Connection] = open_file
) -> None:
    """Copy a catalog consistently; the target is replaced once the copy is whole on the disk."""
    _remove_leftovers(target)
    try:
        with held(f"{os.fspath(target)}.", ".tmp") as file:
            try:
                _fill(file.name, source, opened)
                written(file)
                os.replace(file.name, target)
                renamed(target.parent)
            finally:
                _remove_unfinished(file.name)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if not os.access(target.parent, os.W_OK):
            raise LibraryError(f"{target}: cannot be written; check the folder") from error
        raise unusable(source, error) from error
    except OSError as error:
        raise LibraryError(f"{target}: cannot be written ({error.strerror})") from error


def _fill(copy: str, source: Path, opened: Callable[[str], sqlite3.Connection]) -> None:
    with closing(opened(os.fspath(source))) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)
        # One file, without a log beside it, is what a person can carry away.
        new.execute("PRAGMA journal_mode=DELETE")
        told = new.execute("PRAGMA quick_check(1)").fetchone()
        if told != ("ok",):
            raise unusable(source, " ".join(str(told[0]).split()))


def _remove_leftovers(target: Path) -> None:
    """Remove what copies to this place, or those of each week, left when they were killed."""
    names = f"{re.escape(target.name)}|{_NAME.pattern}"
    unfinished = re.compile(rf"((?:{names})\.[0-9a-f]{{16}}\.tmp)(?:{'|'.join(_BESIDE)})?")
    with contextlib.suppress(OSError):
        for match in filter(None, map(unfinished.fullmatch, os.listdir(target.parent))):
            path = os.path.join(target.parent, match[1])
            with left(path) as is_left:
                # A power cut may leave what stood beside a copy, and not the copy.
                if is_left or not os.path.exists(path):
                    _remove_unfinished(path)


def _remove_unfinished(path: str) -> None:
    for ending in ("", *_BESIDE):
        with contextlib.suppress(OSError):
            os.remove(path + ending)


def _refuse_unsound(file: Path, catalog: Path) -> None:
    if not file.is_file():
        raise LibraryError(f"{file}: no such file; name what lexpix backup wrote")
    if catalog.exists() and file.samefile(catalog):
        raise LibraryError(f"{file}: the catalog itself; name what lexpix backup wrote")
    damage = next((one for one in examine(file, open_to_read) if one.severity == "damage"), None)
    if damage is not None:
        raise LibraryError(
            f"{file}: not restored, {damage.check}: {damage.message}; the library is as it was"
        )


def _is_usable(catalog: Path) -> bool:
    """Whether SQLite can read a catalog from end to end, so that it can be written into."""
    try:
        with closing(open_file(os.fspath(catalog))) as connection:
            told = connection.execute("PRAGMA quick_check(1)").fetchone()
            return bool(told == ("ok",))
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise unusable(catalog, error) from error
        return False
    except (sqlite3.Error, UnicodeDecodeError):
        return False


def _replace_within(file: Path, catalog: Path) -> None:
    try:
        with closing(open_to_read(os.fspath(file))) as new, closing(open_file(str(catalog))) as old:
            new.backup(old)
            old.execute("PRAGMA journal_mode=WAL")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise unusable(catalog, error) from error


def _move_aside(catalog: Path, former: Path) -> None:
    os.replace(catalog, former)
    # The log belongs to the former file; beside the new one it would be read into it.
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{catalog}{ending}", f"{former}{ending}")


def _forget_stamps(library: Path) -> None:
    """Have the index made anew: a stamp may fit by its number to what it was not made of."""
    for stamp in (library / INDEX_FOLDER).rglob("*.json"):
        with contextlib.suppress(OSError):
            stamp.unlink()
