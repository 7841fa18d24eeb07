"""The files of a library, opened only where they still are the pictures that were indexed.

Whoever may write into a folder of pictures can put a link there, or swap a picture for one. So what
a number of the library stands for is decided by what was opened, not by its name.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import partial
from io import BufferedReader

from searchengine.errors import ChangedFile, ImageError
from searchengine.images import open_file
from searchengine.sources.addresses import is_remote
from searchengine.sources.opening import open_stored
from searchengine.types import Picture

CHANGES_ARE_TIMED = os.name != "nt"
"""Whether `st_ctime` is the time of the last change, which nobody can set. Windows has there the
time of creation, which anybody can."""


def open_original(picture: Picture, roots: Iterable[str]) -> BufferedReader:
    """Open the file of a picture of the library.

    Links are followed as far as they stay within the indexed folders.

    Args:
        picture: The row of the file.
        roots: The indexed folders.

    Raises:
        ImageError: There is no picture to open, or a link leads out of the folders.
        ChangedFile: The bytes are not those that were indexed.
    """
    path, folder = picture.path, _root_or_folder(picture)
    if picture.state == "bad":
        raise ImageError(
            f"{path}: was no readable picture when it was indexed; see: lexpix failures"
        )
    if picture.state == "missing":
        raise ImageError(
            f"{path}: was gone when its folder was indexed; if it is back, index it again: "
            f"lexpix index {folder}"
        )
    if is_remote(path):
        return _fetched(picture, roots)
    real = os.path.realpath(path)
    root = next((one for one in map(os.path.realpath, roots) if _is_below(real, one)), None)
    if root is None:
        raise ImageError(
            f"{path}: a link leads out of the indexed folders, and nothing outside is read; index "
            "the folder that it leads to as well: lexpix index FOLDER"
        )
    try:
        file = open_file(path, opener=partial(_open_below, root, real))
        try:
            is_same = _is_as_indexed(file, picture)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
    if not is_same:
        file.close()
        raise _changed(picture)
    return file


def _fetched(picture: Picture, roots: Iterable[str]) -> BufferedReader:
    """Fetch what is at an address, which only an operator can have indexed; compare all of it."""
    path = picture.path
    if not any(is_remote(root) and _is_below(path, root) for root in roots):
        raise ImageError(f"{path}: is at no address that was indexed, and nothing else is fetched")
    try:
        file = open_stored(path, size=picture.size)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from error
    if hashlib.file_digest(file, "sha256").hexdigest() != picture.sha256:
        file.close()
        raise _changed(picture)
    file.seek(0)
    return file


def _changed(picture: Picture) -> ChangedFile:
    return ChangedFile(
        f"{picture.path}: has changed since it was indexed, so that it may be anything by now; "
        f"index it again: lexpix index {_root_or_folder(picture)}"
    )


def _root_or_folder(picture: Picture) -> str:
    """Return what to index again: of an address the root, as a folder in an archive is none."""
    return picture.root if is_remote(picture.path) else os.path.dirname(picture.path)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _open_below(root: str, real: str, _: str, flags: int) -> int:
    """Open a file below a folder without following any link on the way."""
    flags |= getattr(os, "O_NONBLOCK", 0)  # a FIFO must not make anybody wait
    if os.open not in os.supports_dir_fd:  # such as on Windows, where links are for administrators
        return os.open(real, flags)
    # Only to look into, where a system knows that: it takes no right to list.
    enter = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
    *folders, name = os.path.relpath(real, root).split(os.sep)
    at = os.open(root, enter)
    try:
        for folder in folders:
            inner = os.open(folder, enter | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=at)
    finally:
        os.close(at)


def _is_as_indexed(file: BufferedReader, picture: Picture) -> bool:
    """Tell whether an open file has the bytes of a row.

    The times say so at no cost where they can be trusted. Elsewhere, and if they are others, as
    after a file was touched or came back from a backup, the bytes are compared.
    """
    status = os.fstat(file.fileno())
    if status.st_size != picture.size:
        return False
    times = (status.st_mtime_ns, status.st_ctime_ns)
    if CHANGES_ARE_TIMED and times == (picture.mtime_ns, picture.ctime_ns):
        return True
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest == picture.sha256
