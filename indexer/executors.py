"""Run a function over a stream of items: at once, or on threads with a bounded look-ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar, runtime_checkable

from searchengine.config import Settings
from searchengine.plugins import load_at

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)

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


@runtime_checkable
class Portable(Protocol[T_contra, R]):
    """A function of which a part can be done on another machine; calling it does all of it here."""

    def __call__(self, item: T_contra) -> R:
        """Do the whole here."""
        ...

    def remote(self) -> Callable[[Sequence[T_contra]], Iterable[R]]:
        """Return what is done there to some items at a time; it can be pickled."""
        ...

    def finish(self, item: T_contra, result: R) -> R:
        """Do here, in the order of the items, what is left of one."""
        ...

    def lost(self, item: T_contra, reason: str) -> R:
        """Return the result of an item that has taken every worker down that tried it."""
        ...


def executor_of(settings: Settings) -> Executor:
    """Return the executor that the settings name.

    Raises:
        MissingPlugin: There is none of that name, it cannot be loaded, or it takes no address.
    """
    executor: Executor = load_at("lexpix.executors", settings.executor)(settings.workers)
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
