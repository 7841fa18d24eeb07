"""The groups of duplicates of the library that a server has, made when they are asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from searchengine.search.duplicates import Group, find_groups
from searchengine.search.keeping import Kind
from searchengine.web.live import Live

SHARE = 0.2
"""Most of the time that goes into making groups anew while another process keeps indexing."""


class Groups:
    """Keep the groups until the library changes: pictures, or the tags that speak for keeping one.

    Args:
        live: The library.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._lock = threading.Lock()
        self._state: tuple[int, int] | None = None
        self._found: Mapping[Kind, Sequence[Group]] = {}
        self._due = 0.0

    def of(self, kind: Kind) -> Sequence[Group]:
        """Return the groups of a kind, those with most bytes to spare first."""
        catalog = self._live.engine.catalog
        with self._lock:  # whoever else asks waits for the same groups
            state = (catalog.seq(), catalog.tags.changes())
            started = time.monotonic()
            if state != self._state and started >= self._due:
                self._found = find_groups(catalog, self._live.engine.encoder.fingerprint)
                finished = time.monotonic()
                self._due = finished + (finished - started) / SHARE
                self._state = state
            return self._found[kind]
