"""Pictures of a library into a folder: copies of their files, or links to them."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Literal

from searchengine.errors import ChangedFile, ImageError
from searchengine.sources.addresses import is_remote
from searchengine.types import Failure, Picture

How = Literal["copy", "symlink"]
BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class CopyReport:
    """How many files were written, how many were there already, and what could not be read."""

    written: int
    there: int
    failed: tuple[Failure, ...]


def into_folder(
    pictures: Iterable[Picture],
    folder: str,
    how: How,
    original: Callable[[Picture], BufferedReader],
) -> CopyReport:
    """Put pictures into a folder, which is made if there is none.

    Nothing is overwritten: a file of the same name that is another one stays, and the new one gets
    a number; one that is the same is not written again. A copy is there when it is whole.

    Args:
        pictures: Of a library.
        folder: Where to.
        how: As copies, or as links to where they are.
        original: Opens the file of a picture, as `Engine.original` does.

    Raises:
        OSError: The folder cannot be made or written to, or the disk is full.
    """
    os.makedirs(folder, exist_ok=True)
    taken = {name.casefold(): name for name in os.listdir(folder)}
    written = there = 0
    failed: list[Failure] = []
    for picture in pictures:
        try:
            file = original(picture)
        except (ImageError, ChangedFile) as error:
            failed.append(Failure(picture.path, str(error).removeprefix(f"{picture.path}: ")))
            continue
        with file:
            for name in _names(picture.path):
                known = taken.get(name.casefold())
                path = os.path.join(folder, known or name)
                if how == "symlink" and is_remote(picture.path):
                    failed.append(Failure(picture.path, "is at an address; no link leads there"))
                    break
                if known is None:
                    is_new = _link(picture, path) if how == "symlink" else _copy(file, path)
                    taken[name.casefold()] = name
                    if is_new:
                        written += 1
                        break
                if _is_same(path, picture, how):  # also if somebody else was faster
                    there += 1
                    break
    return CopyReport(written, there, tuple(failed))


def _names(path: str) -> Iterator[str]:
    """Yield what the file of a picture may be called: its name, then with numbers."""
    name = os.path.basename(path)
    yield name
    stem, ending = os.path.splitext(name)
    for number in itertools.count(2):
        yield f"{stem} ({number}){ending}"


def _link(picture: Picture, path: str) -> bool:
    """Make a link to a picture; return False if there is something."""
    try:
        os.symlink(picture.path, path)
    except FileExistsError:
        return False
    return True


def _copy(file: BufferedReader, path: str) -> bool:
    """Write what is open to a new file with the same time; return False if there is something."""
    folder = os.path.dirname(path)
    handle, unfinished = tempfile.mkstemp(prefix=".lexpix-", suffix=".part", dir=folder)
    try:
        with open(handle, "wb") as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy, BLOCK)
        status = os.fstat(file.fileno())
        os.chmod(unfinished, status.st_mode & 0o666)
        os.utime(unfinished, ns=(status.st_atime_ns, status.st_mtime_ns))
        return _moved(unfinished, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)


def _moved(unfinished: str, path: str) -> bool:
    """Give a file a name that is not taken; return False if it is."""
    try:
        os.link(unfinished, path)  # which, unlike a rename, never replaces anything
    except FileExistsError:
        return False
    except OSError:  # a file system without links, such as that of a memory card
        if os.path.lexists(path):
            return False
        os.rename(unfinished, path)
    return True


def _is_same(path: str, picture: Picture, how: How) -> bool:
    """Tell whether what is there is what would be written."""
    if how == "symlink" or os.path.islink(path):
        return how == "symlink" and os.path.islink(path) and os.readlink(path) == picture.path
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size != picture.size:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == picture.sha256
    except OSError:  # a folder, or not ours to read: another one
        return False
