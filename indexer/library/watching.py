"""Follow what happens in folders and keep a library up to it, a batch of changes at a time.

The kernel only says that something has happened below a root; what it was is found by an index run
over the roots touched, which looks at sizes and times. So an event that was lost, doubled or out
of order does no harm, and a file that went from one root to another keeps all that is known of it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from indexer.library.ignoring import FILE, NOMEDIA
from indexer.library.indexing import index, running
from indexer.library.noticing import Notices, Place, place_of
from indexer.library.scan import SKIPPED_FOLDERS, is_under
from indexer.library.sweeping import Sweeps
from indexer.library.tally import Progress
from searchengine.catalog.database import FILE_NAME
from searchengine.config import Settings
from searchengine.errors import LexpixError, RootError
from searchengine.formats import SIDECARS, ending_of, readable_endings
from searchengine.search.engine import Engine
from searchengine.sources.addresses import is_remote
from searchengine.types import Failure, FileStat, IndexReport

QUIET = 1.0
"""Seconds without news before a batch begins."""
REST = 2.0
"""Seconds that size and time of a file must stay the same before it is read."""
PATIENCE = 15.0
"""Seconds that a batch waits at most for a file that grows, and for quiet."""
LONGEST = 60.0
"""Seconds that a batch waits at most for files that grow one after the other."""
PACE = 4.0
"""Times as long as the last batch took to look at what is unchanged, at least, until the next one
begins. For what it read it waits `READ_REST` at most: after 10,000 pictures it would be hours."""
READ_REST = 10.0
"""Seconds: who moves pictures between folders does it in less, and they are told as moved."""
RESCAN = 3600.0
"""Seconds after which everything is scanned again, whatever was noticed."""
RETRY = 60.0
"""Seconds until a batch that failed is tried again."""
LOOK = 5.0
"""Seconds between two looks at which roots the library has."""

NOT_WATCHED = "is an address, which nothing watches; run now and then: lexpix index ADDRESS"
"""What is told of a root at an address."""

QUIET_COUNTS = frozenset({"unchanged", "ignored", "skipped", "damaged"})
"""Counts of a report that are no change by themselves."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one run did.

    Attributes:
        folders: The roots that were scanned.
        counts: The sums of their reports, as `IndexReport` names them.
        seconds: How long it took.
    """

    folders: tuple[str, ...]
    counts: dict[str, int]
    seconds: float

    @property
    def is_news(self) -> bool:
        """Whether anything has changed."""
        return any(count for name, count in self.counts.items() if name not in QUIET_COUNTS)


def follow(
    settings: Settings,
    roots: Sequence[str] = (),
    *,
    poll: bool = False,
    progress: Callable[[Progress], None] | None = None,
    on_failure: Callable[[Failure], None] = lambda _: None,
) -> Iterator[Batch]:
    """Index folders, then again whenever something changes below them; yield what each run did.

    The first batch is yielded in any case, later ones if they changed anything. It goes on until
    the iterator is closed or interrupted, which loses nothing. No run asks anybody: what `index`
    would ask about stays as it is and is told to `on_failure`, as is a root that is not there,
    which is waited for. Nothing is told twice while it stays the same.

    Args:
        settings: Those of the library, which is opened for each batch, so that it may be given
            another model meanwhile.
        roots: Absolute paths of folders; all roots of the library, new ones too, if none.
        poll: Look at all files now and then instead of asking the kernel, which knows nothing of
            what others do on a network drive.
        progress: Called now and then during the first batch.
        on_failure: Called with what could not be read, and with what was left alone.

    Raises:
        RootError: More folders are to be watched than the system allows.
        LexpixError, OSError: The first batch failed. Of a later one it is told, and tried again.
    """
    following = _Following(settings, roots, poll, on_failure)
    try:
        yield from following.batches(progress)
    finally:
        following.close()


_Look: TypeAlias = tuple[int, int]
"""Size and time of a file."""


@dataclass(frozen=True, slots=True)
class _Growing:
    """A file that changed: how it looked, when that was seen, and since when it changes."""

    look: _Look
    looked: float
    since: float


class _Following:
    """What is known between two batches.

    Attributes:
        growing: Files that changed lately.
        rested: Those that stayed as they were for a while, and may be read.
        dirty: Roots in which something has changed.
    """

    def __init__(
        self,
        settings: Settings,
        roots: Sequence[str],
        poll: bool,
        on_failure: Callable[[Failure], None],
    ) -> None:
        self._settings, self._given, self._on_failure = settings, tuple(roots), on_failure
        self._notices = Notices(poll=poll)
        self._places: dict[str, Place | None] = {}
        self._told: dict[str, set[Failure]] = {}
        self._growing: dict[str, _Growing] = {}
        self._rested: dict[str, _Look] = {}
        self._dirty: set[str] = set()
        self._catalog: _Look | None = None
        self._looked = self._scanned = self._heard = self._since = float("-inf")
        self._rest_until = float("-inf")

    def close(self) -> None:
        self._notices.close()

    def batches(self, progress: Callable[[Progress], None] | None) -> Iterator[Batch]:
        self._look_at_library()
        for root in filter(is_remote, self._places):
            self._tell(root, {Failure(root, NOT_WATCHED)})
        self._look_at_roots()
        self._scanned = time.monotonic()
        yield self._run(progress, is_first=True)
        while True:
            self._hear()
            self._look_at_library()
            self._look_at_roots()
            self._look_at_growing()
            if self._is_due() and (batch := self._run()).is_news:
                yield batch

    def _arm(self) -> None:
        self._notices.arm([root for root, place in self._places.items() if place is not None])

    def _touch(self, *roots: str) -> None:
        if roots and not self._dirty:
            self._since = time.monotonic()
        self._dirty.update(roots)

    def _hear(self) -> None:
        """Wait for news a moment, and note them."""
        changes = self._notices.wait()
        now = time.monotonic()
        if not self._notices.is_whole or now - self._scanned > RESCAN:
            self._arm()  # a folder that was missed is not listened to either
            self._scanned = now
            self._touch(*self._places)
        for path, is_gone in changes:
            root = max((one for one in self._places if is_under(path, one)), key=len, default=None)
            if root is None or not self._concerns(root, path, is_gone):
                continue
            self._heard = now
            look = None if is_gone else _look(path)
            if look is None or not _is_read(path):
                self._growing.pop(path, None)
                self._touch(root)
            else:
                self._grows(path, look)

    def _concerns(self, root: str, path: str, is_gone: bool) -> bool:
        if is_under(path, str(self._settings.library)):
            return False
        *folders, name = os.path.relpath(path, root).split(os.sep)
        if any(one.startswith(".") or one.lower() in SKIPPED_FOLDERS for one in folders):
            return False
        if name in (FILE, NOMEDIA):
            return True
        if name.startswith("."):
            return name == os.curdir
        # What is gone may have been a folder, whatever its name looks like.
        return _is_read(name) or is_gone or not os.path.lexists(path) or os.path.isdir(path)

    def _look_at_library(self) -> None:
        """See which roots there are, if that is not given."""
        if self._given:
            if not self._places:
                self._places = dict.fromkeys(self._given)
            return
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        path = os.path.join(self._settings.library, FILE_NAME)
        catalog = _look(path + "-wal") or _look(path)
        if catalog is not None and catalog == self._catalog:
            return
        self._catalog = catalog
        with self._opened() as engine:
            roots = [one.path for one in engine.catalog.roots()]
        self._places = {root: self._places.get(root) for root in roots}
        self._dirty.intersection_update(roots)

    def _look_at_roots(self) -> None:
        """Notice roots that have come or gone, and disks below them."""
        places = {root: place_of(root) for root in self._places}
        if places == self._places:
            return
        changed = [root for root, place in places.items() if place != self._places[root]]
        self._places = places
        self._arm()
        for root in changed:
            if places[root] is None:
                self._tell(root, {Failure(root, "is not there; its pictures stay as they are")})
        here = [root for root, place in places.items() if place is not None]
        self._dirty.intersection_update(here)
        # In the others too: what has changed there and was not heard yet is forgotten by now.
        self._touch(*here)

    def _look_at_growing(self) -> None:
        now = time.monotonic()
        for path, one in list(self._growing.items()):
            if now - one.looked < REST:
                continue
            look = _look(path)
            if look is not None and look != one.look:
                self._grows(path, look)
                continue
            del self._growing[path]
            roots = [root for root in self._places if is_under(path, root)]
            self._touch(*roots)
            if look is not None:
                self._rested[path] = look

    def _grows(self, path: str, look: _Look) -> None:
        now = time.monotonic()
        before = self._growing.get(path)
        if before is None or before.look != look:
            self._growing[path] = _Growing(look, now, now if before is None else before.since)

    def _is_due(self) -> bool:
        now = time.monotonic()
        if not self._dirty or now < self._rest_until:
            return False
        waited = now - self._since
        rests = all(now - one.since >= PATIENCE for one in self._growing.values())
        is_quiet = now - self._heard >= QUIET or waited >= PATIENCE
        return is_quiet and (rests or waited >= LONGEST)

    def _leave(self, stat: FileStat) -> bool:
        """Tell whether a file is still being written."""
        look = stat.size, stat.mtime_ns
        if self._rested.get(stat.path) == look:
            return False
        age = time.time() - max(stat.mtime_ns, stat.ctime_ns) / 1e9
        if stat.path not in self._growing:
            if abs(age) >= REST:
                return False
            self._grows(stat.path, look)
        return True

    def _run(
        self, progress: Callable[[Progress], None] | None = None, *, is_first: bool = False
    ) -> Batch:
        """Index the roots in which something has changed."""
        roots = [root for root in self._places if root in self._dirty]
        self._dirty.clear()
        started = time.monotonic()
        total = Counter(asdict(IndexReport()))
        try:
            if roots:
                failures: dict[str, set[Failure]] = {root: set() for root in roots}
                with self._opened() as engine, running(engine) as run:
                    later = Sweeps(engine.refresh)
                    for root in roots:
                        try:
                            report = index(
                                engine,
                                root,
                                run=run,
                                later=later,
                                leave=self._leave,
                                progress=progress,
                                on_failure=failures[root].add,
                            )
                            total.update(asdict(report))
                        except RootError as error:
                            failures[root].add(Failure(root, str(error).removeprefix(f"{root}: ")))
                    total.update(asdict(later.finish()))
                for root in roots:
                    self._tell(root, failures[root])
        except (LexpixError, OSError) as error:
            if is_first:
                raise
            library = str(self._settings.library)
            self._tell(library, {Failure(library, f"{error}; it is tried again in a minute")})
            self._touch(*roots)
            self._rest_until = time.monotonic() + RETRY
            return Batch(tuple(roots), dict(total), time.monotonic() - started)
        self._rested.clear()
        now = time.monotonic()
        # A file that was read took longer than one that was looked at, so this is rather too long.
        looked_at = total["unchanged"] / (sum(total.values()) or 1)
        rest = PACE * (now - started)
        self._rest_until = now + (0 if is_first else max(min(rest, READ_REST), looked_at * rest))
        return Batch(tuple(roots), dict(total), now - started)

    def _tell(self, root: str, failures: set[Failure]) -> None:
        """Tell what was not told of the run before."""
        for failure in sorted(failures - self._told.get(root, set()), key=lambda one: one.path):
            self._on_failure(failure)
        self._told[root] = failures

    def _opened(self) -> contextlib.AbstractContextManager[Engine]:
        return Engine.open(self._settings, create=bool(self._given))


def _look(path: str) -> _Look | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _is_read(path: str) -> bool:
    ending = ending_of(path)
    return ending in readable_endings() or ending in SIDECARS
