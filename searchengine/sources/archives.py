"""Pictures inside of archives: shards of webdataset (.tar), .zip, and the rows of .parquet.

An archive counts as a folder, so the path of a picture in it is that of the archive, a slash, and
its name there: s3://bucket/000.tar/dog.jpg. Only what is not packed as a whole can be read in
parts, so .tar.gz is none.
"""

from __future__ import annotations

import errno
import tarfile
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from typing import Any

from searchengine.bounds import MEGABYTE, limits
from searchengine.formats import ending_of
from searchengine.sources import parquet
from searchengine.sources.addresses import is_archive, is_remote, joined
from searchengine.sources.listings import store, stored
from searchengine.sources.remote import (
    Item,
    Status,
    copied,
    fetch_part,
    look,
    open_to_seek,
)

KEPT = 16
"""Archives of which this process remembers what is in them."""

MOMENT = 10.0
"""Seconds for which an archive is taken to be as it was, unless somebody has looked."""

_BLOCK = 2**20


class NoArchive(OSError):
    """Say that a file is none of these archives, whatever its name is, or a broken one."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in an archive.

    Attributes:
        status: How the archive was when it was looked into; its members have its times.
        folders: For each folder inside, by its address, what is in it, by name.
    """

    status: Status
    folders: Mapping[str, Mapping[str, Item]]

    def member(self, address: str) -> Item | None:
        """Return a file that is inside, None if there is none of that address."""
        folder, _, name = address.rpartition("/")
        found = self.folders.get(folder, {}).get(name)
        return found if found is not None and found.is_file() else None


def archives_of(address: str) -> Iterator[str]:
    """Yield what of an address is named like an archive that it leads into, the outermost first."""
    if not is_remote(address):
        return
    start = address.find("://") + 3
    while (end := address.find("/", start)) >= 0:
        if is_archive(address[:end]):
            yield address[:end]
        start = end + 1


def contents(archive: str, status: Status | None = None) -> Contents:
    """Return what is in an archive, from memory if it is as it was then.

    Args:
        archive: Its address.
        status: How it is now, if somebody has looked.

    Raises:
        NoArchive: It is none.
        OSError: It is not there, or the server does not answer.
    """
    status = _looked(archive, status)
    with _lock_of(archive):
        known = _known.get(archive)
        if known is not None and known.status == status:
            return known
        fresh = Contents(status, _tree(archive, status))
    with _lock:
        _known[archive] = fresh
        _known.move_to_end(archive)
        while len(_known) > KEPT:
            _known.popitem(last=False)
    return fresh


def member(address: str) -> tuple[str, Item] | None:
    """Return the archive that a file is in, and what is known of it there; None if in none.

    Raises:
        FileNotFoundError: The archive is not there, or has no such file.
        OSError: The server does not answer.
    """
    for archive in archives_of(address):
        try:
            found = contents(archive).member(address)
        except (IsADirectoryError, NoArchive):  # folders may be called so, too
            continue
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "no such file in the archive", address)
        return archive, found
    return None


def _looked(archive: str, status: Status | None = None) -> Status:
    """Return how an archive is, or was a moment ago: its members are asked for one by one."""
    now = time.monotonic()
    with _lock:
        before = _seen.get(archive)
        if status is None and before is not None and now - before[0] < MOMENT:
            return before[1]
    status = look(archive) if status is None else status
    with _lock:
        if len(_seen) > 64 * KEPT:
            _seen.clear()
        _seen[archive] = now, status
    return status


def open_member(
    archive: str, address: str, place: tuple[int, int] | None, most: int | None = None
) -> BufferedReader:
    """Open a file that is inside of an archive: a copy without a name.

    Args:
        archive: The address of the archive.
        address: That of the file.
        place: Where its bytes are; None in an archive whose members are packed.
        most: Bytes that are wanted of it; None for all, which `limits` bounds.

    Raises:
        FileNotFoundError: There is none of that name.
        OSError: It cannot be read.
        TooLarge: It has more bytes than a picture may.
    """
    bound = limits.file_size * MEGABYTE if most is None else most
    if place is None:
        blocks = _unpacked(archive, address)
    elif ending_of(archive) == ".parquet":
        blocks = iter((_row(archive, place),))
    else:
        blocks = _parts(archive, *place)
    return copied(address, blocks, bound, cut=most is not None)


def _parts(archive: str, start: int, length: int) -> Iterator[bytes]:
    for done in range(0, length, 32 * _BLOCK):
        yield fetch_part(archive, start + done, min(32 * _BLOCK, length - done))


def _row(archive: str, place: tuple[int, int]) -> bytes:
    number, length = place
    with _reading(archive):
        opened = partial(open_to_seek, archive)
        return parquet.row(opened, (archive, _looked(archive)), number, caption=length < 0)


def _unpacked(archive: str, address: str) -> Iterator[bytes]:
    """Yield the bytes of a file in a .zip."""
    name = address.removeprefix(f"{archive}/")
    with _reading(archive), open_to_seek(archive) as file, zipfile.ZipFile(file) as packed:
        wanted = {_inner(one.filename): one for one in packed.infolist()}.get(name)
        if wanted is None:
            raise FileNotFoundError(errno.ENOENT, "no such file in the archive", address)
        with packed.open(wanted) as source:
            while block := source.read(_BLOCK):
                yield block


def _tree(archive: str, status: Status) -> dict[str, dict[str, Item]]:
    members = stored(archive, status)
    if members is None:
        with _reading(archive), open_to_seek(archive) as file:
            found = _READERS[ending_of(archive)](file)
            members = {name: (size, place) for name, size, place in found if name is not None}
        store(archive, status, members)
    folders: dict[str, dict[str, Item]] = {archive: {}}
    for name, (size, place) in members.items():
        *above, own = name.split("/")
        at = archive
        for folder in above:
            inside = joined(at, folder)
            folders[at].setdefault(folder, Item(folder, inside, "folder"))
            at = inside
            folders.setdefault(at, {})
        of = Status(size, status.st_mtime_ns, status.st_ctime_ns)
        folders[at][own] = Item(own, joined(at, own), "file", of, place)
    return folders


def _in_tar(file: Any) -> Iterator[tuple[str | None, int, tuple[int, int] | None]]:
    with tarfile.open(fileobj=file, mode="r:") as packed:
        for one in packed:
            # Of a name that comes twice the last one holds, as when it is unpacked.
            if one.isreg() and not one.issparse():
                yield _inner(one.name), one.size, (one.offset_data, one.size)
            packed.members = []  # type: ignore[attr-defined]  # which would grow for ever


def _in_zip(file: Any) -> Iterator[tuple[str | None, int, tuple[int, int] | None]]:
    with zipfile.ZipFile(file) as packed:
        for one in packed.infolist():
            if not one.is_dir() and not one.flag_bits & _ENCRYPTED:
                yield _inner(one.filename), one.file_size, None


_ENCRYPTED = 1
_READERS: dict[str, Callable[[Any], Iterator[tuple[str | None, int, tuple[int, int] | None]]]] = {
    ".tar": _in_tar,
    ".zip": _in_zip,
    ".parquet": parquet.rows_in,
}


def _inner(name: str) -> str | None:
    """Return the name of a member without what says nothing; None if it leads elsewhere."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return None if not parts or ".." in parts or "\0" in name else "/".join(parts)


def _is_broken(error: Exception) -> bool:
    known = (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError)
    # Errors of pyarrow are told by their class only where it is imported.
    is_arrow = any(one.__name__ == "ArrowException" for one in type(error).__mro__)
    return isinstance(error, (*known, parquet.NoPictures)) or is_arrow


class _reading:  # noqa: N801 - reads as a function
    """Turn what readers of archives raise into NoArchive, and of file systems into OSError."""

    def __init__(self, archive: str) -> None:
        self._archive = archive

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError) or not isinstance(error, Exception):
            return
        words = " ".join(str(error).split()) or type(error).__name__
        if _is_broken(error):
            raise NoArchive(errno.EINVAL, f"cannot be read as an archive: {words}", self._archive)
        # Such as that a web server sends no parts of files.
        raise OSError(errno.EIO, words, self._archive)


_lock = threading.Lock()
_seen: dict[str, tuple[float, Status]] = {}
_locks: dict[str, threading.Lock] = {}
_known: OrderedDict[str, Contents] = OrderedDict()


def _lock_of(archive: str) -> threading.Lock:
    with _lock:
        if len(_locks) > 64 * KEPT:
            _locks.clear()
        return _locks.setdefault(archive, threading.Lock())
