"""Index a folder into a library that is open, from the files to the index: what commands call."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from indexer.executors import Executor, executor_of
from indexer.library.pipeline import index_images, retry_failures
from indexer.library.tally import Progress
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.types import Encoder, Failure, IndexReport, PathLike


class Library(Protocol):
    """An open library; `searchengine.open()` returns one."""

    @property
    def settings(self) -> Settings:
        """Name the executor, and how many workers it has."""
        ...

    @property
    def catalog(self) -> Catalog:
        """Where pictures and vectors are written."""
        ...

    @property
    def encoder(self) -> Encoder:
        """The model."""
        ...

    def refresh(self) -> None:
        """Bring the index up to the catalog."""
        ...


def index(
    library: Library,
    folder: PathLike,
    *,
    allow_empty: bool = False,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> IndexReport:
    """Make a library agree with a folder and everything below it; only what changed is read.

    What was written before an error or an interruption can be found, and the next run does the
    rest.

    Args:
        library: As `searchengine.open(create=True)` returns it.
        folder: The folder; "~" is a home.
        allow_empty: Accept that the folder is gone, or has no picture, and mark all as missing.
        executor: Runs hashing and decoding; the one of the settings if None.
        progress: Called now and then.
        on_failure: Called with each file or folder that could not be read, and with each volume
            whose pictures were left alone because it is not there.

    Raises:
        RootError: The folder is gone or empty and that is not allowed, is no folder, or cannot be
            listed; nothing was changed.
    """
    try:
        return index_images(
            _path(folder),
            library.catalog,
            library.encoder,
            executor=executor or executor_of(library.settings),
            allow_empty=allow_empty,
            progress=progress,
            on_failure=on_failure,
        )
    finally:
        library.refresh()


def retry(
    library: Library,
    under: PathLike | None = None,
    *,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> IndexReport:
    """Try the files again that were no readable pictures; those that are now count as updated.

    Arguments are those of `index`; `under` restricts it to files at or under a path.
    """
    try:
        return retry_failures(
            library.catalog,
            library.encoder,
            executor=executor or executor_of(library.settings),
            under=None if under is None else _path(under),
            progress=progress,
            on_failure=on_failure,
        )
    finally:
        library.refresh()


def _path(path: PathLike) -> str:
    return os.path.abspath(os.path.expanduser(os.fspath(path)))
