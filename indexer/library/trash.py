"""Move what is not to be kept of duplicates to the system's trash; nothing is ever deleted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from indexer.library.looks import changed
from searchengine.catalog.rows import Appearance
from searchengine.catalog.store import Catalog
from searchengine.search.duplicates import Group
from searchengine.sources.addresses import is_remote
from searchengine.types import Failure

_AFTER_ALL = 2**62  # a scan that comes after every other one, and sees nothing


def move_to_trash(
    catalog: Catalog, groups: Iterable[Group], on_failure: Callable[[Failure], None]
) -> list[Appearance]:
    """Move the others of each group to the trash; return those that went.

    The one that is kept gets the user's tags of each first, and the catalog marks what went as
    missing, so that a file taken back from the trash is what it was. A file that is not as it was
    indexed stays, and so do all others of a group whose keeper is not.

    Args:
        catalog: The library's.
        groups: As `find_groups` found them, in its order.
        on_failure: Called with each file that stays, and why.
    """
    from send2trash import send2trash

    gone: list[Appearance] = []
    for group in groups:
        reason = _not_as_it_was(group.keeper)
        for one in group.others:
            if reason is not None:
                kept = f"stays, since what is to be kept, {group.keeper.path}, {reason}"
                on_failure(Failure(one.path, kept))
                continue
            wrong = _not_as_it_was(one)
            if wrong is not None:
                on_failure(Failure(one.path, f"stays: it {wrong}"))
                continue
            own = catalog.looks.own_tags([one.id]).get(one.id, ())  # also of what went before
            for name in own:
                catalog.tags.set_tag([group.keeper.id], name, "user")
            try:
                send2trash(one.path)
            except OSError as error:
                on_failure(Failure(one.path, f"stays: no trash takes it ({error})"))
                continue
            catalog.sweep(one.path, _AFTER_ALL)
            gone.append(one)
    return gone


def _not_as_it_was(one: Appearance) -> str | None:
    """Return what is the matter with a file; None if it is as it was indexed."""
    try:
        if is_remote(one.path):
            return "is at an address, which has no trash"
        if os.path.islink(one.path):
            return "is a link"
        return "has changed since it was indexed; run: lexpix index" if changed(one) else None
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
