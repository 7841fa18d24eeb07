"""How many pictures are decoded at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException

WAIT = 10.0
"""Seconds that a request waits for its turn."""


class Decoding:
    """A bounded number of turns; decoding takes memory, and more at a time make none faster.

    Args:
        turns: How many at a time; as many as the machine has processors if None.
    """

    def __init__(self, turns: int | None = None) -> None:
        self._turns = threading.BoundedSemaphore(turns or os.cpu_count() or 1)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it.

        Raises:
            HTTPException: Too many wait, 503.
        """
        if not self._turns.acquire(timeout=WAIT):
            raise HTTPException(
                503, "too many pictures are being decoded; ask again", {"Retry-After": "2"}
            )
        try:
            yield
        finally:
            self._turns.release()
