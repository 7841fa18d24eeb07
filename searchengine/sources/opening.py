"""The file at a path of the library, wherever it is: on a disk, at an address, in an archive.

What a user, or a client of a server, names otherwise is opened by `images.open_file`, which knows
files of this machine alone: so nobody can have a server fetch an address that no operator indexed.
"""

from __future__ import annotations

import os
from io import BufferedReader

from searchengine.bounds import TooLarge
from searchengine.errors import ImageError
from searchengine.images import open_file
from searchengine.sources.addresses import is_remote
from searchengine.sources.archives import NoArchive, archives_of, contents, member, open_member
from searchengine.sources.remote import Item, fetch, listing
from searchengine.types import FileStat


def open_stored(
    path: str,
    *,
    size: int | None = None,
    place: tuple[int, int] | None = None,
    most: int | None = None,
) -> BufferedReader:
    """Open a file of the library; one at an address is a copy that has no name.

    Args:
        path: Of the library, or of what lies beside one of its pictures.
        size: How many bytes it has, as far as that is known.
        place: Of a member of the outermost archive on its way, where its bytes begin there, and how
            many.
        most: Bytes that are wanted of it at an address; None for all.

    Raises:
        FileNotFoundError: It is not there.
        OSError: It cannot be read.
        ImageError: At an address it has more bytes than a picture may have.
    """
    if not is_remote(path):
        return open_file(path)
    try:
        if place is not None:
            return open_member(next(archives_of(path)), path, place, most)
        inside = member(path)
        if inside is None:
            return fetch(path, size, most)
        archive, item = inside
        return open_member(archive, path, item.place, most)
    except TooLarge as error:
        raise ImageError(f"{path}: not a readable image ({error})") from error


def names_in(folder: str) -> set[str]:
    """Return the names of what is in a folder of the library.

    Raises:
        OSError: It cannot be listed.
    """
    if not is_remote(folder):
        return set(os.listdir(folder))
    for archive in archives_of(f"{folder}/"):
        try:
            return set(contents(archive).folders.get(folder, ()))
        except (IsADirectoryError, NoArchive):
            continue
    return {one.name for one in listing(folder)}


def stat_stored(path: str) -> FileStat | None:
    """Return what a scan would say of a file at an address; None if it is not there.

    Raises:
        OSError: Nobody can say.
    """
    try:
        inside = member(path)
        item = Item("", path, "file") if inside is None else inside[1]
        status = item.stat()
    except (FileNotFoundError, IsADirectoryError):
        return None
    return FileStat(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, place=item.place)
