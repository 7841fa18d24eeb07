"""Which file a new one was before it was moved."""

from __future__ import annotations

import os
from collections.abc import Collection

from indexer.library.embedding import forget_oldest
from indexer.library.planning import Scan
from indexer.library.reading import Decoded
from searchengine.catalog.store import Catalog
from searchengine.errors import MissingPlugin, RootError
from searchengine.sources.addresses import is_remote
from searchengine.sources.opening import stat_stored
from searchengine.types import Picture


class Moves:
    """Find the rows of files that are gone and whose content came back under another path."""

    def __init__(self, catalog: Catalog, scan: Scan) -> None:
        self._catalog, self._scan = catalog, scan
        self._left: dict[str, list[Picture]] = {}  # by content, of the last ones

    def take(self, one: Decoded, taken: Collection[int]) -> Picture | None:
        """Take the row of what a new file was before, one of the same name first.

        Args:
            one: The file.
            taken: Ids of rows that are written for other files.
        """
        if one.sha256 not in self._left:  # once for all copies: there may be thousands
            self._left[one.sha256] = [
                row
                for row in self._catalog.by_sha256(one.sha256)
                if is_gone(row.path) and self._may_move(row)
            ]
        left = self._left[one.sha256]
        name = os.path.basename(one.stat.path)
        row = min(
            (row for row in left if row.id not in taken),
            key=lambda row: (os.path.basename(row.path) != name, row.id),
            default=None,
        )
        if row is not None:
            left.remove(row)
        return row

    def trim(self) -> None:
        """Forget the oldest contents; never amid a batch, whose rows are not written yet."""
        forget_oldest(self._left)

    def _may_move(self, row: Picture) -> bool:
        # What is not there because its disk is not mounted has not been moved, but copied.
        return row.state == "missing" or self._scan.is_mounted(row.path)


def is_gone(path: str) -> bool:
    """Tell whether nothing is at a path; a folder that may not be entered leaves that open.

    So does a server that does not answer.
    """
    try:
        if is_remote(path):
            return stat_stored(path) is None
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, MissingPlugin, RootError):
        return False
    return False
