"""Walk a folder at an address as `scan` walks one of a disk, and look into its archives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from indexer.library.ignoring import FILE, NOMEDIA, Rules
from indexer.library.scan import (
    Found,
    Ignored,
    ScanEntry,
    Skipped,
    failure,
    file_stat,
    listing_of,
    passing,
)
from searchengine.errors import RootError
from searchengine.formats import ending_of
from searchengine.sources.addresses import is_archive
from searchengine.sources.archives import NoArchive, contents
from searchengine.sources.remote import Item, listing, look, look_at
from searchengine.types import Failure

IF_GONE = (
    "nothing was changed; does its server answer, and let you in? If its pictures are gone for "
    "good, pass --allow-empty"
)
"""What to do about an address with nothing at it."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to be entered.

    Attributes:
        path: Its address.
        rules: What is passed over there.
        tree: What is in each folder of the archive that it belongs to; None if it is in none.
    """

    path: str
    rules: Rules
    tree: Mapping[str, Mapping[str, Item]] | None = None


def scan_remote(root: str, exclude: Sequence[str] = ()) -> Iterator[ScanEntry]:
    """Yield what is found at or under an address, as `scan` does for a folder of a disk.

    Links are left out. An archive is a folder: its members have its times, so that all are looked
    at again when it is another one.

    Args:
        root: An address as `address_of` returns it, of a folder or an archive.
        exclude: As of `scan`.

    Yields:
        As `scan`, but no Volume: a server that does not answer is a Failure.

    Raises:
        RootError: A pattern of `exclude` is none.
    """
    rules = Rules(root, exclude)
    pending = [_Folder(root, rules)]
    if is_archive(root):
        try:
            pending = [_Folder(root, rules, contents(root).folders)]
        except IsADirectoryError:  # folders may be called so, too
            pass
        except OSError as error:
            yield failure(root, error)
            return
    while pending:
        at = pending.pop()
        inside: list[_Folder] = []
        for one in _entered(at, is_root=at.path == root):
            if isinstance(one, _Folder):
                inside.append(one)
            else:
                yield one
        pending += reversed(inside)


def _entered(at: _Folder, *, is_root: bool) -> Iterator[ScanEntry | _Folder]:
    """Yield what is in a folder: its files, then the folders and archives to be entered."""
    folder, rules = at.path, at.rules
    try:
        items = listing(folder) if at.tree is None else list(at.tree[folder].values())
        archives = [one for one in items if _looks_like_archive(one)] if at.tree is None else []
        entered = {one.name for one in archives}
        found = listing_of(one for one in items if one.name not in entered)
        if FILE in found.hidden:
            rules = rules.entered(folder)
    except (OSError, RootError) as error:
        yield failure(folder, error)
        return
    if NOMEDIA in found.hidden and not is_root:
        yield Ignored(folder, 1)
        return
    files, folders, ignored = passing(found, rules)
    kept = [one for one in archives if not rules.ignores(one.path, is_folder=False)]
    ignored += len(archives) - len(kept)
    yield from _told(files)
    if found.skipped:
        yield Skipped(folder, found.skipped)
    if ignored:
        yield Ignored(folder, ignored)
    for one in folders:
        yield _Folder(one.path, rules, at.tree)
    for archive in kept:
        try:
            yield _Folder(archive.path, rules, contents(archive.path, archive.stat()).folders)
        except NoArchive:
            yield Skipped(folder, Counter({ending_of(archive.path): 1}))
        except OSError as error:
            yield failure(archive.path, error)


def require_there(root: str) -> None:
    """Refuse an address with nothing at it before a library is made for it.

    Raises:
        RootError: It has no folder or archive, or its server does not answer.
    """
    try:
        if is_archive(root):
            look(root)
        else:
            listing(root)
    except IsADirectoryError:
        return
    except OSError as error:
        raise RootError(f"{root}: {failure(root, error).reason}; {IF_GONE}") from error


def _told(files: Sequence[Found | Failure]) -> Iterator[ScanEntry]:
    found = [each for each in files if isinstance(each, Found)]
    items = (one for each in found for one in (each.entry, *each.sidecars))
    look_at(one for one in items if isinstance(one, Item))
    for each in files:
        one = file_stat(each) if isinstance(each, Found) else each
        if one is not None:
            yield one


def _looks_like_archive(item: Item) -> bool:
    return item.is_file() and is_archive(item.name) and not item.name.startswith(".")
