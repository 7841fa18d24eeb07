"""An index on a server, and what answers while the server does not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from searchengine.errors import IndexUnavailable
from searchengine.types import Ids, Scores, SharedIndex, Stamp, VectorIndex, Vectors

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE = 10.0
"""Seconds for which a server that did not answer is not asked again."""


class WithSpare:
    """A shared index whose questions a spare one answers while the server is down.

    Writes are never diverted: they fail, and the catalog, which has them all, is applied later.

    Args:
        shared: The index on the server.
        spare: Returns an index that is up to date with the catalog, None if the library is too
            large to be held by every process.
        catch_up: Brings the shared index up to the catalog; called when the server is back.
        clock: Tells the seconds.
    """

    def __init__(
        self,
        shared: SharedIndex,
        spare: Callable[[], VectorIndex | None],
        catch_up: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared, self._make_spare, self._clock = shared, spare, clock
        self._catch_up = catch_up
        self._lock = threading.Lock()
        self._down_until = -1.0
        self._error: IndexUnavailable | None = None

    def __len__(self) -> int:
        return self._asked(len)

    def search(self, queries: Vectors, k: int, within: Ids | None = None) -> tuple[Ids, Scores]:
        """Return ids and cosines of the best rows, by the server or by the catalog.

        Raises:
            IndexUnavailable: The server does not answer, and the library is large.
        """
        return self._asked(lambda index: index.search(queries, k, within))

    def stand_in(self, error: IndexUnavailable) -> None:
        """Take note that the server does not answer; raise the error if nothing else could."""
        with self._lock:
            self._rest(error)
            self._spare(error)

    # What only the server does

    @property
    def name(self) -> str:
        """As of the shared index."""
        return self._shared.name

    @property
    def token(self) -> str | None:
        """As of the shared index."""
        return self._shared.token

    def put(self, ids: Ids, vectors: Vectors) -> None:
        """Insert rows, replacing those of ids that are present."""
        self._shared.put(ids, vectors)

    def drop(self, ids: Ids) -> None:
        """Remove rows; unknown ids are ignored."""
        self._shared.drop(ids)

    def stamp(self) -> Stamp | None:
        """Return what the index reflects, or None if it must be rebuilt."""
        return self._shared.stamp()

    def flush(self, stamp: Stamp) -> None:
        """Stamp the index."""
        self._shared.flush(stamp)

    def clear(self, dim: int) -> None:
        """Forget every row and the stamp; rows put from now on have `dim` columns."""
        self._shared.clear(dim)

    def remove(self) -> None:
        """Delete it from the server."""
        self._shared.remove()

    def _asked(self, question: Callable[[VectorIndex], T]) -> T:
        error = self._error
        try:
            if error is None:
                return question(self._shared)
            if self._clock() >= self._down_until:
                self._catch_up()  # it may have missed writes
                answer = question(self._shared)
                log.warning("the index %s answers again", self.name)
                self._error = None
                return answer
        except IndexUnavailable as reason:
            error = reason
            with self._lock:
                self._rest(error)
        with self._lock:  # one thread at a time brings it up to the catalog and asks it
            return question(self._spare(error))

    def _rest(self, error: IndexUnavailable) -> None:
        if self._error is None:
            log.warning("%s; answering from the catalog until then", error)
        self._error, self._down_until = error, self._clock() + PAUSE

    def _spare(self, error: IndexUnavailable) -> VectorIndex:
        spare = self._make_spare()
        if spare is None:
            raise error
        return spare
