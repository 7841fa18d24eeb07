"""Run a function over a stream of items: at once, or on threads with a bounded look-ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from searchengine.config import Settings
from searchengine.plugins import load

T = TypeVar("T")
R = TypeVar("R")

LOOK_AHEAD = 4
"""Items per worker that are taken from the input before their results are asked for."""


class Executor(Protocol):
    """Apply a function to items.

    Results come in the order of the items. An exception of the function is raised in place of its
    result. Closing the generator drops what has not been started and waits for the rest.
    """

    def imap(self, function: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
        """Yield function(item) for each item; memory is bounded however many items there are."""
        ...


def executor_of(settings: Settings) -> Executor:
    """Return the executor that the settings name.

    Raises:
        MissingPlugin: There is none of that name, or it cannot be loaded.
    """
    executor: Executor = load("lexpix.executors", settings.executor)(settings.workers)
    return executor


class Serial:
    """Do one thing after the other in the caller's thread: the easiest to follow in a debugger.

    Args:
        workers: Taken, as every executor is made with it, and not needed.
    """

    def __init__(self, workers: int | None = None) -> None:
        pass

    def imap(self, function: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
        """Yield function(item) for each item."""
        for item in items:
            yield function(item)


class Threads:
    """Work on threads, a little ahead of the consumer.

    Decoding and hashing release the interpreter lock, so threads are as fast as processes here and
    hand over pictures without copying them.

    Args:
        workers: Number of threads; None for one per processor.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1

    def imap(self, function: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
        """Yield function(item) for each item; items are drawn in the caller's thread."""
        pending: deque[Future[R]] = deque()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="lexpix") as pool:
            try:
                for item in items:
                    pending.append(pool.submit(function, item))
                    if len(pending) > LOOK_AHEAD * self.workers:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()
