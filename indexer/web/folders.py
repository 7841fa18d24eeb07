"""Folders of this machine, for whoever chooses one to index: `/folders`.

Only clients of this machine are told, names of folders and nothing else. A folder that is a link
is not listed, and what a path leads to through links is shown under its own name, so that nobody is
led somewhere without seeing it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field

from searchengine.errors import RootError
from searchengine.formats import format_of
from searchengine.web.answers import AsciiJSON
from searchengine.web.safety.access import is_local
from searchengine.web.schemas import FileName

MOST = 500
"""Most folders that are listed of one."""
LOOKED_AT = 20_000
"""Most entries of a folder that are looked at: one may hold a million files."""
LIKELY = ("Pictures", "Photos", "DCIM", "Desktop", "Downloads", "Documents")
"""Where pictures often are, in the home of a user."""
MOUNTS = ("/media", "/run/media", "/Volumes", "/mnt")
"""Where disks and cameras are mounted."""

router = APIRouter(prefix="/folders", default_response_class=AsciiJSON, tags=["jobs"])


class FolderOut(BaseModel):
    """A folder by its name and its whole path."""

    name: FileName
    path: FileName


class FoldersAnswer(BaseModel):
    """What is in a folder."""

    path: FileName = Field(description="of the folder itself, absolute and without links")
    parent: FileName | None = Field(description="what it is in; null at the root of a disk")
    folders: list[FolderOut] = Field(description="by name; without hidden ones and links")
    pictures: int = Field(description="files right in it whose names end as those of pictures do")
    is_whole: bool = Field(description="whether all folders are listed")
    places: list[FolderOut] = Field(description="where pictures often are, home first")


@router.get("", response_model=FoldersAnswer)
def list_folders(
    request: Request,
    path: Annotated[str, Query(max_length=4096, description="absolute, or below ~")] = "~",
) -> Response:
    """List the folders in a folder of this machine; clients of this machine only."""
    if not is_local(request.scope):
        raise HTTPException(403, "folders are shown on the machine of the library only")
    folder = _resolved(path)
    folders, pictures, is_whole = _inside(folder)
    parent = os.path.dirname(folder)
    return AsciiJSON(
        {
            "path": folder,
            "parent": None if parent == folder else parent,
            "folders": [{"name": name, "path": os.path.join(folder, name)} for name in folders],
            "pictures": pictures,
            "is_whole": is_whole,
            "places": [{"name": name, "path": place} for name, place in _places()],
        }
    )


def _resolved(path: str) -> str:
    whole = os.path.expanduser(path)
    if "\0" in whole or not os.path.isabs(whole):
        raise RootError(f"{path}: not an absolute path; begin at the root of the disk, or with ~")
    resolved = os.path.realpath(whole)
    if not os.path.isdir(resolved):
        raise RootError(f"{path}: no such folder; is its disk mounted?")
    return resolved


def _inside(folder: str) -> tuple[list[str], int, bool]:
    """Return the names of folders, the number of pictures, and whether these are all of them."""
    names: list[str] = []
    pictures = seen = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                seen += 1
                if seen > LOOKED_AT:
                    break
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    names.append(entry.name)
                elif format_of(entry.name) is not None:
                    pictures += 1
    except OSError as error:
        raise RootError(f"{folder}: cannot be listed ({error.strerror})") from error
    names.sort(key=lambda name: (name.casefold(), name))
    return names[:MOST], pictures, len(names) <= MOST and seen <= LOOKED_AT


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _places() -> Iterator[tuple[str, str]]:
    """Yield folders that there are, each once, and what they are called."""
    home = os.path.expanduser("~")
    likely = [("~", home), *(_of_the_desktop(home))]
    likely += [(name, os.path.join(home, name)) for name in LIKELY]
    likely += [(os.path.basename(path), path) for path in _mounted()]
    listed: set[str] = set()
    for name, path in likely:
        folder = os.path.realpath(path)
        if folder not in listed and os.path.isdir(folder):
            listed.add(folder)
            yield name, folder


def _of_the_desktop(home: str) -> Iterator[tuple[str, str]]:
    """Yield the folder of pictures in the user's language, as xdg-user-dirs names it."""
    try:
        with open(os.path.join(home, ".config", "user-dirs.dirs"), encoding="utf-8") as file:
            text = file.read(65536)
    except (OSError, UnicodeDecodeError):
        return
    for place in re.findall(r'^XDG_PICTURES_DIR="\$HOME/([^"]+)"', text, re.MULTILINE):
        yield os.path.basename(place), os.path.join(home, place)


def _mounted() -> Iterable[str]:
    """Yield what is mounted; some systems have a folder for each user between."""
    user = os.path.basename(os.path.expanduser("~"))
    for mount in MOUNTS:
        for parent in (os.path.join(mount, user), mount):
            try:
                names, _, _ = _inside(parent)
            except RootError:
                continue
            yield from (os.path.join(parent, name) for name in names[:10] if name != user)
