"""Index a folder into a library that is open, from the files to the index: what commands call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from indexer.executors import Executor, executor_of
from indexer.library.pipeline import index_images, retry_failures
from indexer.library.running import Run
from indexer.library.running import running as running_in
from indexer.library.sweeping import Confirm, Sweeps
from indexer.library.tally import Progress
from searchengine.catalog.backups import rotate
from searchengine.catalog.store import Catalog
from searchengine.catalog.undoing import Undone
from searchengine.config import Settings
from searchengine.errors import LexpixError
from searchengine.sources.addresses import absolute
from searchengine.terminal import printable
from searchengine.types import Encoder, Failure, FileStat, IndexReport, PathLike

log = logging.getLogger(__name__)


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
    exclude: Sequence[str] = (),
    leave: Callable[[FileStat], bool] | None = None,
    confirm: Confirm | None = None,
    run: Run | None = None,
    later: Sweeps | None = None,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> IndexReport:
    """Make a library agree with a folder and everything below it; only what changed is read.

    What was written before an error or an interruption can be found, and the next run does the
    rest. While another process indexes into the library, this one waits.

    Args:
        library: As `searchengine.open(create=True)` returns it.
        folder: The folder, where "~" is a home; or an address, such as s3://bucket/photos.
        allow_empty: Accept that the folder is gone, or has no picture, and mark all as missing.
        exclude: Patterns in the syntax of gitignore, relative to the folder, of what is passed
            over, as in a file `.lexpixignore`; what was indexed of it is missing then.
        leave: Tells of a new or changed file whether it is left alone this time, because it is
            still being written; what is known of it stays.
        confirm: Called with a `Gone` before more than a fifth of a folder's pictures, and more
            than ten, are marked as missing. Without a yes, or if it is None, they stay as they are
            and count as `unconfirmed`; all else is done.
        run: What `running` gave, for several folders in one run; one of its own if None.
        later: Takes what would be marked as missing. `later.finish()`, called when all folders of
            a run are done, marks what none of them has found, and returns the counts of that.
        executor: Runs hashing and decoding; the one of the settings if None.
        progress: Called now and then.
        on_failure: Called with each file or folder that could not be read, and with each volume
            whose pictures were left alone because it is not there.

    Raises:
        RootError: The folder is gone or empty and that is not allowed, is no folder, or cannot be
            listed, or a pattern is none; nothing was changed.
    """
    with _within(run, library) as this:
        try:
            return index_images(
                absolute(folder),
                library.catalog,
                library.encoder,
                executor=executor or executor_of(library.settings),
                allow_empty=allow_empty,
                exclude=exclude,
                leave=leave,
                confirm=confirm,
                run=this,
                later=later,
                progress=progress,
                on_failure=on_failure,
            )
        finally:
            library.refresh()


def retry(
    library: Library,
    under: PathLike | None = None,
    *,
    run: Run | None = None,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> IndexReport:
    """Try the files again that were no readable pictures; those that are now count as updated.

    Arguments are those of `index`; `under` restricts it to files at or under a path.
    """
    with _within(run, library):
        try:
            return retry_failures(
                library.catalog,
                library.encoder,
                executor=executor or executor_of(library.settings),
                under=None if under is None else absolute(under),
                progress=progress,
                on_failure=on_failure,
            )
        finally:
            library.refresh()


def undo(library: Library) -> Undone:
    """Put back what the last run with any marks or moves has marked as missing or moved.

    Pictures marked as missing are present again, and those that were given another path have their
    former one, with the state that they had. What has changed since stays. Pictures that were added
    or read anew stay as well, as do vectors; the next run looks at the files again.
    """
    with running(library):
        try:
            return library.catalog.undo.take_back()
        finally:
            library.refresh()


@contextmanager
def running(library: Library, *, wait: bool = True) -> Iterator[Run]:
    """Hold off other processes that index into a library, for several folders in one run.

    Once a week a copy of the catalog is kept first.

    Raises:
        BusyLibrary: Another one is at work, and `wait` is false.
    """
    with running_in(library.settings.library, wait=wait) as run:
        # Else it is new, with nothing in it to lose, or on a server, whose keeper keeps copies.
        if library.catalog.roots() and not library.settings.catalog:
            try:
                rotate(library.settings.library, library.settings.backups)
            except LexpixError as error:
                log.warning("no copy of the catalog was made: %s", printable(str(error)))
        yield run


def _within(run: Run | None, library: Library) -> AbstractContextManager[Run]:
    return running(library) if run is None else nullcontext(run)
