"""Bring the catalog up to a folder: scan, plan, decode, embed, write, sweep.

Decoding and hashing run in an executor a little ahead, the model too where that has machines of its
own; everything else runs in the caller's thread. Each batch is one transaction and each file is
paired with its result by its own content, so a run that is killed anywhere leaves a catalog that
the next run completes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain

from indexer.executors import Executor
from indexer.library.decoding import Decoder
from indexer.library.embedding import BATCH
from indexer.library.following import follow
from indexer.library.moves import is_gone
from indexer.library.places import name_places
from indexer.library.planning import Scan, plan, same_stat
from indexer.library.reading import Job, Result, Unreadable
from indexer.library.remote_scan import IF_GONE, require_there, scan_remote
from indexer.library.running import Run
from indexer.library.scan import Ignored, ScanEntry, Skipped, Volume, count, scan
from indexer.library.sidecars import sidecar_time
from indexer.library.sweeping import Confirm, Sweep, Sweeps
from indexer.library.tally import Progress, Tally
from indexer.library.volumes import Volumes
from indexer.library.writing import Writer
from searchengine.catalog.skipped import record_skipped
from searchengine.catalog.store import Catalog
from searchengine.errors import RootError
from searchengine.formats import is_medium, told
from searchengine.sources.addresses import absolute, is_remote
from searchengine.sources.opening import stat_stored
from searchengine.types import Encoder, Failure, FileStat, IndexReport

_IF_GONE = "is its disk mounted? If its pictures are gone for good, pass --allow-empty"

MOST_FAILED = 16
"""Files at an address that fail one after the other until somebody asks whether it is there."""

_NOT_MOUNTED = (
    "another volume than before, or none, is here, so nothing below is marked as missing; mount it"
    " and index again, or forget the folder if its pictures are gone for good"
)


def index_images(
    root: str,
    catalog: Catalog,
    encoder: Encoder,
    *,
    executor: Executor,
    batch: int = BATCH,
    allow_empty: bool = False,
    exclude: Sequence[str] = (),
    leave: Callable[[FileStat], bool] | None = None,
    retry_failed: bool = False,
    confirm: Confirm | None = None,
    run: Run | None = None,
    later: Sweeps | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> IndexReport:
    """Make the catalog agree with a folder and everything below it, as `indexer.index` says.

    Pictures without a vector of the encoder's fingerprint are embedded, `batch` at a time;
    `retry_failed` has unchanged files tried again that were no readable pictures.
    """
    look = Decoder(catalog, encoder)
    report = agree(
        root,
        catalog,
        encoder,
        look,
        executor=executor,
        batch=batch,
        allow_empty=allow_empty,
        exclude=exclude,
        leave=leave,
        retry_failed=retry_failed,
        confirm=confirm,
        run=run,
        later=later,
        progress=progress,
        on_failure=on_failure,
    )
    name_places(catalog)
    return report


def agree(
    root: str,
    catalog: Catalog,
    encoder: Encoder,
    look: Callable[[Job], Result | None],
    *,
    executor: Executor,
    batch: int = BATCH,
    allow_empty: bool = False,
    exclude: Sequence[str] = (),
    leave: Callable[[FileStat], bool] | None = None,
    retry_failed: bool = False,
    confirm: Confirm | None = None,
    run: Run | None = None,
    later: Sweeps | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> IndexReport:
    """Do what `index_images` does, by any way to look into files, and name no places."""
    root = absolute(root)
    entries = _checked(root, allow_empty, exclude)
    volumes = Volumes(catalog, root)
    tally = Tally(progress, on_failure)
    if progress is not None:
        # At an address counting takes as many questions as the run itself.
        is_counted = not is_remote(root)
        tally.total = count(root, exclude) if is_counted else catalog.listed_under(root)
    number = volumes.begin()
    sweeps = Sweeps() if later is None else later
    undone_by = 0 if run is None else run.begin(number)
    this = Scan(tally, number, root, volumes, undone_by, sweeps.given_up)
    newest = catalog.following.newest_id()
    sweep = Sweep(catalog, this, confirm)
    unlisted: list[str] = []
    files = _files(entries, volumes, tally, unlisted)
    jobs = plan(files, catalog, encoder.fingerprint, this, leave=leave, retry_failed=retry_failed)
    writer = Writer(catalog, encoder, this, batch=batch)
    _work(jobs, look, executor, writer, root if is_remote(root) else None)
    absent = volumes.absent()
    catalog.spare([*unlisted, *absent], this.number)
    follow(catalog, this, newest)
    sweeps.add(sweep, agreed=allow_empty and not tally.done)
    if later is None:
        marked = sweeps.finish()
        tally.counts.update(missing=marked.missing, unconfirmed=marked.unconfirmed)
    volumes.record()
    record_skipped(catalog, root, tally.skipped)
    for path in absent:
        tally.notify(Failure(path, _NOT_MOUNTED))
    return tally.report()


def retry_failures(
    catalog: Catalog,
    encoder: Encoder,
    *,
    executor: Executor,
    batch: int = BATCH,
    under: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> IndexReport:
    """Try the files again that were no readable pictures, as `indexer.retry` says."""
    folder = None if under is None else absolute(under)
    failures = catalog.failures(folder)
    damaged = catalog.by_paths(one.path for one in catalog.damaged(folder)).values()
    # What ended too early ends there still, unless the file is another one by now.
    mended = [row for row in damaged if (at := _file_stat(row.path)) and not same_stat(row, at)]
    tally = Tally(progress, on_failure, total=len(failures) + len(mended))
    rows = [*catalog.by_paths(failure.path for failure in failures).values(), *mended]
    stats = ((_file_stat(row.path), row) for row in rows)
    jobs = (Job(stat, row) for stat, row in stats if stat is not None)
    writer = Writer(catalog, encoder, Scan(tally), batch=batch)
    _work(jobs, Decoder(catalog, encoder), executor, writer)
    return tally.report()


def _work(
    jobs: Iterable[Job],
    look: Callable[[Job], Result | None],
    executor: Executor,
    writer: Writer,
    root: str | None = None,
) -> None:
    """Look into files and hand over what they hold; of a root at an address while it answers."""
    with closing(executor.imap(look, jobs)) as results:
        for result in results if root is None else _while_it_answers(results, root):
            writer.take(result)
    writer.write()


def _while_it_answers(results: Iterable[Result | None], root: str) -> Iterator[Result | None]:
    """Yield results; end the run if nothing can be read any more and the server is down.

    Else each file of a large bucket would be waited for, and noted as one that cannot be read.
    """
    failed: list[Result] = []
    for result in results:
        if not isinstance(result, Unreadable) or result.sha256 is not None:
            yield from failed
            failed.clear()
            yield result
            continue
        failed.append(result)
        if len(failed) == MOST_FAILED:
            try:
                require_there(root)
            except RootError as error:
                raise RootError(
                    f"{root}: does not answer any more ({result.reason}); what was indexed stays, "
                    "and the next run does the rest"
                ) from error
            yield from failed
            failed.clear()
    yield from failed


def _files(
    entries: Iterable[ScanEntry], volumes: Volumes, tally: Tally, unlisted: list[str]
) -> Iterator[FileStat]:
    """Yield the files of a scan; note what else it found, and what it could not list."""
    for one in entries:
        if isinstance(one, FileStat):
            yield one
        elif isinstance(one, Failure):
            unlisted.append(one.path)
            tally.fail(one)
        elif isinstance(one, Skipped):
            tally.skip(one.counts)
        elif isinstance(one, Ignored):
            tally.counts["ignored"] += one.count
        else:
            volumes.entered(one)


def _checked(root: str, allow_empty: bool, exclude: Sequence[str]) -> Iterator[ScanEntry]:
    """Return what a scan finds, having made sure that there is something."""
    if is_remote(root):
        if allow_empty and is_gone(root):
            return iter(())
        entries, if_gone = scan_remote(root, exclude), IF_GONE
    else:
        if allow_empty and not os.path.exists(root):
            return iter(())
        if os.path.exists(root) and not os.path.isdir(root):
            raise RootError(f"{root}: is a file, not a folder; give the folder that it is in")
        entries, if_gone = scan(root, exclude), _IF_GONE
    start: list[ScanEntry] = []
    passed_over: Counter[str] = Counter()
    for one in entries:
        start.append(one)
        if isinstance(one, Failure) and one.path == root:
            raise RootError(f"{root}: {one.reason}; {if_gone}")
        if isinstance(one, Skipped):
            passed_over.update(one.counts)
        elif not isinstance(one, Volume | Ignored):
            break
    else:
        if any(map(is_medium, passed_over)) and not allow_empty:
            raise RootError(f"{root}: has no pictures that can be read; {told(passed_over)}")
        if not allow_empty:
            raise RootError(f"{root}: has no pictures; {if_gone}")
    return chain(start, entries)


def _file_stat(path: str) -> FileStat | None:
    try:
        if is_remote(path):
            return stat_stored(path)
        stat = os.stat(path)
    except OSError:  # the next scan will see what became of it
        return None
    times = stat.st_mtime_ns, stat.st_ctime_ns
    return FileStat(path, stat.st_size, *times, sidecar_time(path))
