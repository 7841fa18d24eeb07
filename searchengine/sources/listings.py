"""What is in archives, kept beside a library: to list a shard anew takes all of its bytes.

A file for each archive, which says for which state of it that holds. It is a cache: without it the
archive is looked into once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from searchengine.sources.remote import Status

FOLDER = "archives"
"""Where a library keeps these files."""

Members: TypeAlias = Mapping[str, tuple[int, tuple[int, int] | None]]
"""The size and place of each member of an archive, by its name."""

_folder: str | None = None


def keep_in(folder: str) -> None:
    """Have this process keep what it lists in a folder, which is made when there is the first."""
    global _folder  # noqa: PLW0603 - as `bounds.limits`, it holds for the process
    _folder = folder


def stored(archive: str, status: Status) -> Members | None:
    """Return what is in an archive in this state; None if that is not known."""
    if _folder is None:
        return None
    import gzip

    try:
        with gzip.open(_path(_folder, archive), "rt", encoding="ascii") as file:
            known = json.load(file)
        if known["archive"] != archive or known["status"] != _numbers(status):
            return None
        return {
            name: (size, None if place is None else (int(place[0]), int(place[1])))
            for name, size, place in known["members"]
        }
    except (OSError, EOFError, ValueError, KeyError, TypeError):  # none, or a broken one
        return None


def store(archive: str, status: Status, members: Members) -> None:
    """Keep what is in an archive."""
    if _folder is None:
        return
    import gzip

    listed = [[name, size, place] for name, (size, place) in members.items()]
    content = {"archive": archive, "status": _numbers(status), "members": listed}
    path = _path(_folder, archive)
    unfinished = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        os.makedirs(_folder, exist_ok=True)
        with gzip.open(unfinished, "wt", encoding="ascii", compresslevel=1) as file:
            json.dump(content, file)
        os.replace(unfinished, path)
    except OSError:  # such as a library that can only be read
        with contextlib.suppress(OSError):
            os.unlink(unfinished)


def _path(folder: str, archive: str) -> str:
    name = hashlib.sha256(archive.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return os.path.join(folder, f"{name}.json.gz")


def _numbers(status: Status) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
