"""Files at addresses such as s3://bucket/photos, by fsspec: list, look at and fetch them."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import hashlib
import html
import io
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from io import BufferedReader
from typing import Any, Literal

from searchengine.bounds import MEGABYTE, TooLarge, limits, too_many_bytes
from searchengine.errors import MissingPlugin, RootError
from searchengine.sources.addresses import joined

AT_ONCE = 8
"""Questions that a server is asked at a time, where it tells sizes one by one."""

SMALL = 32 * MEGABYTE
"""A file of this size or less is fetched by one request."""

BLOCK = 4 * MEGABYTE
"""Bytes of a larger file that are fetched at a time."""

_HTTP = ("http://", "https://")
_FILE = "file://"

_TIMES = ("mtime", "LastModified", "Last-Modified", "last_modified", "modified", "updated")
_DIGESTS = ("ETag", "etag", "md5Hash", "content_md5", "Content-MD5", "Digest", "crc32c", "sha256")
"""What the file systems of fsspec call the time of a change, and what changes with the bytes."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a file, named like the fields of `os.stat`.

    `st_ctime_ns` is the time of the last change on a disk; elsewhere a number that is made of the
    server's own mark of the bytes (ETag), 0 if it gives none.
    """

    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int


@dataclass(slots=True)
class Item:
    """What a listing has: a file or a folder. It can be asked what an `os.DirEntry` can.

    Attributes:
        name: In its folder.
        path: Its address.
        kind: What it is.
        status: None until somebody asks, if the listing does not say it.
        place: Of a member of an archive that is not packed, where its bytes begin, and how many.
    """

    name: str
    path: str
    kind: Literal["file", "folder"]
    status: Status | None = None
    place: tuple[int, int] | None = None

    def is_dir(self) -> bool:
        """Tell whether it is a folder."""
        return self.kind == "folder"

    def is_file(self) -> bool:
        """Tell whether it is a file."""
        return self.kind == "file"

    def is_symlink(self) -> bool:
        """Tell that it is none: links are left out."""
        return False

    def stat(self) -> Status:
        """Return what is known of it, asked for now if need be.

        Raises:
            OSError: It is not there, or the server does not answer.
        """
        if self.status is None:
            self.status = look(self.path)
        return self.status


def listing(folder: str) -> list[Item]:
    """Return what is in a folder, sorted by name.

    Raises:
        FileNotFoundError: There is no such folder.
        NotADirectoryError: It is a file.
        OSError: It cannot be listed, or the server does not answer.
        MissingPlugin: A package is missing.
    """
    system, path = _system(folder)
    with _told(folder):
        entries: list[dict[str, Any]] = system.ls(path, detail=True)
    inside = path.rstrip("/") + "/"
    found: dict[str, Item] = {}
    for entry in entries:
        own = str(entry["name"])
        if folder.startswith(_HTTP):
            own = html.unescape(own)
        if own.rstrip("/") == path.rstrip("/") and entry["type"] == "file":
            # Object stores may have a mark of no bytes in the place of a folder.
            if entry.get("size") and len(entries) == 1:
                raise NotADirectoryError(errno.ENOTDIR, "is a file, not a folder", folder)
            continue
        name = own.removeprefix(inside) if own.startswith(inside) else own.rpartition("/")[2]
        is_folder = entry["type"] == "directory"
        name = name.rstrip("/")
        # What a page links to besides its files: other orders of itself, and places elsewhere.
        if not name or "/" in name or (folder.startswith(_HTTP) and {"?", "#"} & set(name)):
            continue
        if name in (".", "..") or entry.get("islink") or entry["type"] not in _KINDS:
            continue
        status = None if entry.get("size") is None or is_folder else _status(entry)
        found[name] = Item(name, joined(folder, name), _KINDS[entry["type"]], status)
    return [found[name] for name in sorted(found)]


_KINDS: dict[str, Literal["file", "folder"]] = {"file": "file", "directory": "folder"}


def look(address: str) -> Status:
    """Return what is known of a file.

    Raises:
        FileNotFoundError: It is not there, as its server says.
        IsADirectoryError: It is a folder.
        OSError: The server does not answer, or does not tell.
        MissingPlugin: A package is missing.
    """
    system, path = _system(address)
    return _looked(system, path, address)


def _looked(system: Any, path: str, address: str) -> Status:
    with _told(address):
        entry: dict[str, Any] = system.info(path)
        if entry.get("type") == "directory":
            raise IsADirectoryError(errno.EISDIR, "is a folder", address)
        return _status(entry)


def look_at(items: Iterable[Item]) -> None:
    """Ask for all that listings do not say, some at a time; errors come up where it is needed."""
    unknown = [one for one in items if one.status is None and one.kind == "file"]
    if len(unknown) > 1:
        system, _ = _system(unknown[0].path)  # one for all: each has connections of its own

        def ask(item: Item) -> None:
            with contextlib.suppress(OSError):
                item.status = _looked(system, system._strip_protocol(item.path), item.path)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(ask, unknown))


def fetch(address: str, size: int | None = None, most: int | None = None) -> BufferedReader:
    """Open a file: a copy without a name, or of file:// the file itself.

    Args:
        address: The file.
        size: How many bytes it has, as far as that is known.
        most: Bytes that are wanted of it; None for all, which `limits` bounds.

    Raises:
        FileNotFoundError: It is not there, as its server says.
        OSError: It cannot be read, or the server does not answer.
        TooLarge: It has more bytes than a picture may.
        MissingPlugin: A package is missing.
    """
    if address.startswith(_FILE):
        return _opened(address)
    system, path = _system(address)
    bound = limits.file_size * MEGABYTE if most is None else most
    with _told(address):
        if size is not None and 0 <= size <= min(SMALL, bound):
            blocks: Iterator[bytes] = iter((system.cat_file(path),))
        else:
            blocks = _blocks(system, path)
        return copied(address, blocks, bound, cut=most is not None)


def fetch_part(address: str, start: int, length: int) -> bytes:
    """Return bytes of a file, by one request.

    Raises:
        OSError: As of `fetch`, or it has fewer.
    """
    system, path = _system(address)
    with _told(address):
        part: bytes = system.cat_file(path, start=start, end=start + length) if length else b""
        if len(part) > length:  # a server that knows no ranges sends all of it
            part = part[start : start + length]
    if len(part) != length:
        raise OSError(errno.EIO, "ends too early", address)
    return part


def open_to_seek(address: str) -> Any:
    """Open a file of which only parts are read, as whoever reads an archive does.

    Raises:
        OSError, MissingPlugin: As of `fetch`.
    """
    if address.startswith(_FILE):
        return _opened(address)
    system, path = _system(address)
    with _told(address):
        return system.open(path, "rb", block_size=BLOCK)


def copied(
    address: str, blocks: Iterable[bytes], most: int, *, cut: bool = False
) -> BufferedReader:
    """Return an open file without a name that holds some bytes, at its beginning.

    Args:
        address: What it is called in messages.
        blocks: The bytes.
        most: How many there may be.
        cut: Leave out those beyond.

    Raises:
        TooLarge: There are more, and they are not left out.
    """
    raw: Any = tempfile.TemporaryFile(prefix="lexpix-", buffering=0)  # noqa: SIM115 - handed on
    try:
        written = 0
        for each in blocks:
            block = each[: most - written] if cut else each
            written += len(block)
            if written > most:
                raise TooLarge(too_many_bytes(written))
            view = memoryview(block)
            while view:
                view = view[raw.write(view) :]
            if cut and written >= most:
                break
        raw.seek(0)
        raw.name = address
        return io.BufferedReader(raw)
    except BaseException:
        raw.close()
        raise


def _blocks(system: Any, path: str) -> Iterator[bytes]:
    with system.open(path, "rb", block_size=BLOCK) as source:
        while block := source.read(BLOCK):
            yield block


def _opened(address: str) -> BufferedReader:
    from searchengine.images import open_file

    file = open_file(address.removeprefix(_FILE))
    file.raw.name = address  # type: ignore[attr-defined]
    return file


def _system(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and what it calls it."""
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError as error:
        raise MissingPlugin(f"{address}: needs: pip install 'lexpix[remote]'") from error
    try:
        # A listing that was kept would hide what has changed since.
        system, path = url_to_fs(address, use_listings_cache=False)
    except ImportError as error:
        raise MissingPlugin(f"{address}: a package is missing: {error}") from error
    except ValueError as error:
        raise RootError(f"{address}: cannot be read ({error})") from error
    return system, path


@contextlib.contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn whatever a file system of fsspec raises into an OSError that says why."""
    try:
        yield
    except FileNotFoundError as error:
        cause = error.__cause__
        # fsspec says so too where a server does not answer at all.
        is_said = cause is None or getattr(cause, "status", None) in (404, 410)
        if address.startswith(_HTTP) and not is_said:
            raise OSError(errno.EIO, _words(cause or error), address) from error
        raise FileNotFoundError(errno.ENOENT, "no such file or folder", address) from error
    except (NotADirectoryError, IsADirectoryError, TooLarge, MissingPlugin):
        raise
    except PermissionError as error:
        raise PermissionError(errno.EACCES, _words(error), address) from error
    except Exception as error:
        raise OSError(errno.EIO, _words(error), address) from error


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    status, message = getattr(error, "status", None), getattr(error, "message", None)
    if status and message:
        return f"{message}, HTTP {status}"
    return " ".join(str(error).split()) or type(error).__name__


def _status(entry: dict[str, Any]) -> Status:
    time_ns = next((_nanoseconds(entry[key]) for key in _TIMES if entry.get(key)), None)
    mark = next((_number(entry[key]) for key in _DIGESTS if entry.get(key)), None)
    created = entry.get("created")
    if mark is None and created:
        mark = _nanoseconds(created)
    if time_ns is None and mark is None:
        mark = time.time_ns()  # never the same: it is read and compared each time
    size = entry.get("size")
    return Status(-1 if size is None else int(size), time_ns or 0, mark or 0)


def _nanoseconds(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            try:
                value = parsedate_to_datetime(value)
            except ValueError:
                return _number(value)
    if isinstance(value, dt.datetime):
        value = value.timestamp()
    return int(value * 1_000_000_000) if isinstance(value, int | float) else None


def _number(mark: Any) -> int:
    """Return a number that a database can hold, which differs where marks do."""
    digest = hashlib.sha256(str(mark).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
