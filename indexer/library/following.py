"""Find where pictures went that a scan has not found: into another format, or behind a link."""

from __future__ import annotations

import os

from indexer.library.moves import is_gone
from indexer.library.planning import Scan
from indexer.library.scan import is_under
from searchengine.catalog.naming import Seen
from searchengine.catalog.store import Catalog
from searchengine.errors import ImageError
from searchengine.look import read_look
from searchengine.sources.opening import open_stored
from searchengine.types import Picture


def follow(catalog: Catalog, scan: Scan, newest: int) -> None:
    """Give pictures that were saved under another ending their rows; give links' tags to targets.

    A picture that is gone is a new one of its folder, if that has its name but for the ending, was
    taken at the same time, as far as that is known, and looks the same.

    Args:
        catalog: As the scan has left it, before anything is marked as missing.
        scan: The pass.
        newest: The highest id before it.
    """
    assert scan.root is not None, "it is a pass over a root"
    for id_, path in catalog.following.not_found(scan.root, scan.number).items():
        if os.path.islink(path):
            _hand_over(catalog, id_, path, scan.root)
        elif scan.tally.counts["added"] and is_gone(path) and scan.is_mounted(path):
            heir = _saved_anew(catalog, id_, path, newest)
            if heir is not None:
                catalog.following.succeed(id_, heir, scan.run)
                scan.tally.counts["added"] -= 1
                scan.tally.counts["moved"] += 1


def _hand_over(catalog: Catalog, id_: int, link: str, root: str) -> None:
    """Give what was said of a link, which once was a picture of its own, to what it leads to."""
    target, real_root = os.path.realpath(link), os.path.realpath(root)
    if is_under(target, real_root):  # the root may be behind a link itself
        target = os.path.normpath(os.path.join(root, os.path.relpath(target, real_root)))
    heir = catalog.by_paths([target]).get(target)
    if heir is not None and heir.id != id_:
        catalog.following.inherit_tags(heir.id, id_)


def _saved_anew(catalog: Catalog, id_: int, path: str, newest: int) -> int | None:
    """Return the id of the new picture that one which is gone was saved as."""
    new = catalog.following.namesakes(path, newest)
    if not new:
        return None
    gone = _seen(catalog.get([id_])[id_])
    return next((one.id for one in new if gone.is_saved_anew(_seen(one, path=one.path))), None)


def _seen(picture: Picture, path: str | None = None) -> Seen:
    """Return what is known of a picture; its look is taken of the file at a path, if need be."""
    if picture.phash is None and path is not None:
        try:
            with open_stored(path) as file:
                look = read_look(file)
        except (OSError, ImageError):
            return Seen(picture.exif.taken_at, None, None)
        return Seen(picture.exif.taken_at, look.phash, look.sharpness)
    return Seen(picture.exif.taken_at, picture.phash, picture.sharpness)
