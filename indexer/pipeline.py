"""Bring the catalog up to a folder: scan, plan, decode, embed, write, sweep.

Decoding and hashing run in an executor a little ahead; everything else, the model too, runs in the
caller's thread. Each batch is one transaction and each file is paired with its result by its own
content, so a run that is killed anywhere leaves a catalog that the next run completes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import Any

from PIL.Image import Image

from indexer.executors import Executor
from indexer.jobs import Decoded, Job, Unchanged, Unreadable, decode, embed
from indexer.scan import Found, Volume, count, scan
from indexer.volumes import Volumes
from searchengine.catalog import Catalog
from searchengine.errors import RootError
from searchengine.records import PictureRecord
from searchengine.types import Encoder, Failure, FileStat, IndexReport, Picture, Vector

CHUNK = 1000
"""Files that are compared with the catalog at a time."""

BATCH = 16
"""Pictures that go through the model at a time; 32 are 4 % faster and take 200 MB more."""

WRITE = 256
"""Files that are written at the latest, if fewer than a batch of them need the model."""

RECENT = 1024
"""Contents of which the vector is kept at hand for copies; more than any executor looks ahead."""

_NO_SIZE = -1  # never that of a file, so a file that has it in the catalog counts as changed

_IF_GONE = "is its disk mounted? If its pictures are gone for good, pass --allow-empty"

_NOT_MOUNTED = (
    "another volume than before, or none, is here, so nothing below is marked as missing; mount it"
    " and index again, or forget the folder if its pictures are gone for good"
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Files dealt with so far, and files there are as far as is known."""

    done: int
    total: int


def index_images(
    root: str,
    catalog: Catalog,
    encoder: Encoder,
    *,
    executor: Executor,
    batch: int = BATCH,
    allow_empty: bool = False,
    retry_failed: bool = False,
    progress: Callable[[Progress], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> IndexReport:
    """Make the catalog agree with a folder and everything below it.

    Args:
        root: The folder.
        catalog: Where the pictures and their vectors are written.
        encoder: The model; pictures without a vector of its fingerprint are embedded.
        executor: Runs hashing and decoding.
        batch: Pictures that go through the model at a time.
        allow_empty: Accept that the folder is gone, or has no picture, and mark all as missing.
        retry_failed: Try unchanged files again that were no readable pictures.
        progress: Called now and then.
        on_failure: Called with each file or folder that could not be read, and with each volume
            whose pictures were left alone because it is not there.

    Raises:
        RootError: The folder is gone or empty and that is not allowed, is no folder, or cannot be
            listed; nothing was changed.
    """
    root = os.path.abspath(root)
    found = _checked(root, allow_empty)
    volumes = Volumes(catalog, root)
    run = _Run(catalog, encoder, batch, progress, on_failure, volumes=volumes, root=root)
    run.total = count(root) if progress else 0
    run.scan = volumes.begin()
    run.work(executor, run.plan(run.files(found), retry_failed))
    absent = volumes.absent()
    run.counts["missing"] = catalog.sweep(root, run.scan, [*run.unlisted, *absent])
    volumes.record()
    for path in absent:
        run.tell(Failure(path, _NOT_MOUNTED))
    return IndexReport(**run.counts)


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
    """Try the files again that were no readable pictures; those that are now count as updated.

    Arguments are those of `index_images`; `under` restricts it to files at or under a path.
    """
    failures = catalog.failures(None if under is None else os.path.abspath(under))
    run = _Run(catalog, encoder, batch, progress, on_failure, total=len(failures))
    rows = catalog.by_paths(failure.path for failure in failures)
    stats = ((_file_stat(row.path), row) for row in rows.values())
    run.work(executor, (Job(stat, row) for stat, row in stats if stat is not None))
    return IndexReport(**run.counts)


@dataclass
class _Run:
    """One pass over files: what it counted, and what waits to be embedded and written.

    A retry of single files is no scan of a root: its `scan`, `root` and `volumes` are left out.
    """

    catalog: Catalog
    encoder: Encoder
    batch: int
    progress: Callable[[Progress], None] | None
    on_failure: Callable[[Failure], None] | None
    total: int = 0
    scan: int = 0
    root: str | None = None
    volumes: Volumes | None = None
    counts: Counter[str] = field(default_factory=Counter)
    unlisted: list[str] = field(default_factory=list)
    _done: int = 0
    _to_embed: int = 0
    _pending: list[Decoded | Unreadable] = field(default_factory=list)
    _refreshed: dict[int, FileStat] = field(default_factory=dict)
    # Both by sha256 and of the last RECENT contents: vectors, and rows whose files are gone.
    _recent: dict[str, Vector] = field(default_factory=dict)
    _left: dict[str, list[Picture]] = field(default_factory=dict)

    def files(self, found: Iterable[Found]) -> Iterator[FileStat]:
        """Yield the files of a scan, and note all else that it found."""
        for one in found:
            if isinstance(one, FileStat):
                yield one
            elif isinstance(one, Failure):
                self.unlisted.append(one.path)
                self._fail(one)
            elif self.volumes is not None:
                self.volumes.found(one)

    def plan(self, files: Iterator[FileStat], retry_failed: bool) -> Iterator[Job]:
        """Yield what has to be looked into; note the rest as seen."""
        while chunk := list(islice(files, CHUNK)):
            rows = self.catalog.by_paths(stat.path for stat in chunk)
            present = {row.id for row in rows.values() if row.state == "ok"}
            embedded = present - self.catalog.without_vector(present, self.encoder.fingerprint)
            settled = embedded | {
                row.id for row in rows.values() if row.state == "bad" and not retry_failed
            }
            jobs: list[Job] = []
            seen: list[Picture] = []
            for stat in chunk:
                row = rows.get(stat.path)
                if row is not None and row.id in settled and _same_stat(row, stat):
                    seen.append(row)
                else:
                    jobs.append(Job(stat, row, row is not None and row.id in embedded))
            self.catalog.seen([row.id for row in seen], self.scan)
            self._unchanged(seen)
            self._advance(len(seen))
            yield from jobs

    def work(self, executor: Executor, jobs: Iterable[Job]) -> None:
        """Decode, embed and write."""
        job = partial(
            decode,
            catalog=self.catalog,
            fingerprint=self.encoder.fingerprint,
            size=self.encoder.decode_size,
            prepare=self.encoder.prepare,
        )
        with closing(executor.imap(job, jobs)) as results:
            for result in results:
                self._take(result)
        self._write()

    def tell(self, failure: Failure) -> None:
        """Pass a failure on to whoever listens."""
        if self.on_failure is not None:
            self.on_failure(failure)

    def _fail(self, failure: Failure) -> None:
        self.counts["failed"] += 1
        self.tell(failure)

    def _unchanged(self, rows: Sequence[Picture]) -> None:
        self.counts["unchanged"] += len(rows)
        if self.volumes is not None:
            for row in rows:
                if row.state == "ok":
                    self.volumes.unchanged(row)

    def _advance(self, files: int) -> None:
        self._done += files
        if self.progress is not None:
            self.progress(Progress(self._done, max(self.total, self._done)))

    def _take(self, result: Unchanged | Decoded | Unreadable | None) -> None:
        if isinstance(result, Unchanged):
            self._refreshed[result.row.id] = result.stat
            self._unchanged([result.row])
        elif result is not None:
            self._pending.append(result)
            self._to_embed += isinstance(result, Decoded) and result.vector is None
        waiting = len(self._pending) + len(self._refreshed)
        if self._to_embed >= self.batch or waiting >= WRITE:
            self._write()
        self._advance(1)

    def _write(self) -> None:
        """Embed and write what is pending, then count it."""
        pending, self._pending, self._to_embed = self._embed(self._pending), [], 0
        # A file that was read and then moved is in the batch twice: its row is written only once.
        taken = {one.row.id for one in pending if one.row is not None}
        records: list[PictureRecord] = []
        done: Counter[str] = Counter()
        for one in pending:
            if isinstance(one, Unreadable):
                records.append(self._bad_record(one))
                continue
            row = one.row or self._moved_row(one, taken)
            records.append(self._record(one, row))
            done[_kind(one, row)] += 1
        self.catalog.write(
            records,
            fingerprint=self.encoder.fingerprint,
            model_name=self.encoder.name,
            dim=self.encoder.dim,
            scan=self.scan,
        )
        self.catalog.refresh(self._refreshed, self.scan)
        self._refreshed = {}
        self.counts.update(done)
        for one in pending:
            if isinstance(one, Unreadable):
                self._fail(Failure(one.stat.path, one.reason))

    def _embed(self, pending: Sequence[Decoded | Unreadable]) -> list[Decoded | Unreadable]:
        """Return the same with every vector filled in; a picture that has none is unreadable."""
        known = self._recent
        pictures: dict[str, Image] = {}
        for one in pending:
            if not isinstance(one, Decoded):
                continue
            self._remember_replaced(one)
            if one.vector is not None:
                known[one.sha256] = one.vector
            elif one.photo.pixels is not None and one.sha256 not in known:
                pictures[one.sha256] = one.photo.pixels
        vectors, reasons = embed(self.encoder, pictures)
        known.update(vectors)
        finished = [
            one if isinstance(one, Unreadable) else _with_vector(one, known, reasons)
            for one in pending
        ]
        _forget_oldest(self._recent)
        _forget_oldest(self._left)
        return finished

    def _remember_replaced(self, one: Decoded) -> None:
        # Two files may have swapped their contents: the other one will need this vector.
        old = None if one.row is None else one.row.sha256
        if old is not None and old != one.sha256 and old not in self._recent:
            vector = self.catalog.vector_of_content(old, self.encoder.fingerprint)
            if vector is not None:
                self._recent[old] = vector

    def _moved_row(self, one: Decoded, taken: Collection[int]) -> Picture | None:
        """Take the row, if not taken, of the file that a new one was before it was moved."""
        if one.sha256 not in self._left:  # once for all copies: there may be thousands
            self._left[one.sha256] = [
                row
                for row in self.catalog.by_sha256(one.sha256)
                if _is_gone(row.path) and self._may_move(row)
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

    def _may_move(self, row: Picture) -> bool:
        # What is not there because its disk is not mounted has not been moved, but copied.
        return row.state == "missing" or self.volumes is None or self.volumes.mounted(row.path)

    def _record(self, one: Decoded, row: Picture | None) -> PictureRecord:
        return PictureRecord(
            one.stat,
            self._root_of(row),
            one.sha256,
            one.photo.width,
            one.photo.height,
            one.photo.exif,
            one.vector,
            id=None if row is None else row.id,
        )

    def _bad_record(self, one: Unreadable) -> PictureRecord:
        stat, digest = one.stat, one.sha256
        if digest is None:
            # Another day it can be read: it is tried again, and its vector is kept until then.
            stat = replace(stat, size=_NO_SIZE)
            digest = None if one.row is None else one.row.sha256
        id_ = None if one.row is None else one.row.id
        return PictureRecord(stat, self._root_of(one.row), digest, error=one.reason, id=id_)

    def _root_of(self, row: Picture | None) -> str:
        root = self.root if row is None else self.root or row.root
        assert root is not None, "without a root only known files are tried again"
        return root


def _with_vector(
    one: Decoded, known: Mapping[str, Vector], reasons: Mapping[str, str]
) -> Decoded | Unreadable:
    if one.sha256 in reasons:
        return Unreadable(one.stat, one.row, one.sha256, reasons[one.sha256])
    return replace(one, vector=known[one.sha256])


def _forget_oldest(contents: dict[str, Any]) -> None:
    for digest in list(islice(contents, max(0, len(contents) - RECENT))):
        del contents[digest]


def _kind(one: Decoded, row: Picture | None) -> str:
    """Name the count of IndexReport that a written picture belongs to."""
    if row is None:
        return "added"
    if row.path != one.stat.path:
        return "moved"
    return "restored" if row.state == "missing" and row.sha256 == one.sha256 else "updated"


def _checked(root: str, allow_empty: bool) -> Iterator[Found]:
    """Return what a scan finds, having made sure that there is something."""
    if allow_empty and not os.path.exists(root):
        return iter(())
    if os.path.exists(root) and not os.path.isdir(root):
        raise RootError(f"{root}: is a file, not a folder; give the folder that it is in")
    found = scan(root)
    start: list[Found] = []
    for one in found:
        start.append(one)
        if isinstance(one, Failure) and one.path == root:
            raise RootError(f"{root}: {one.reason}; {_IF_GONE}")
        if not isinstance(one, Volume):
            break
    else:
        if not allow_empty:
            raise RootError(f"{root}: has no pictures; {_IF_GONE}")
    return chain(start, found)


def _same_stat(row: Picture, stat: FileStat) -> bool:
    known = (row.size, row.mtime_ns, row.ctime_ns)
    return known == (stat.size, stat.mtime_ns, stat.ctime_ns)


def _is_gone(path: str) -> bool:
    """Tell whether nothing is at a path; a folder that may not be entered leaves that open."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _file_stat(path: str) -> FileStat | None:
    try:
        stat = os.stat(path)
    except OSError:  # the next scan will see what became of it
        return None
    return FileStat(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
