"""Hear from the kernel where something changes, and see whether a folder is still the same one."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from indexer.library.scan import is_under
from searchengine.errors import RootError

if TYPE_CHECKING:
    from watchfiles import Change as Kind

QUEUE = "/proc/sys/fs/inotify/max_queued_events"
"""Where Linux says how many events it keeps, 16,384 if nobody has changed that. It drops further
ones without a word that reaches us."""
MANY = 4096
"""Changes at once after which some may have been dropped, as a new file makes several events. Where
the kernel keeps fewer, it is a quarter of them."""
STALL = 5.0
"""Seconds without an answer after which some may have been dropped too: as the process stood still,
the events of a few files, written again and again, can have filled the queue."""
DEBOUNCE_MS, STEP_MS = 400, 50
"""Longest time that changes are gathered, and the time without any that ends it."""
TICK_MS = 500
"""Time after which a wait ends without news."""
POLL_MS = 5000
"""Time between two looks at all files, where the kernel is not asked."""
MOUNTS = "/proc/self/mounts"

Change: TypeAlias = tuple[str, bool]
"""A path, and whether it is gone."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which folder is at a path: its volume and number there, and what is mounted inside."""

    device: int
    inode: int
    mounts: frozenset[str]


def place_of(path: str) -> Place | None:
    """Return which folder is at a path, None if none is."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    if not os.path.isdir(path):
        return None
    mounts = frozenset(one for one in _mounts() if is_under(one, path))
    return Place(stat.st_dev, stat.st_ino, mounts)


class Notices:
    """Changes below folders, from the time that it is armed.

    Args:
        poll: Compare all files now and then instead of asking the kernel.

    Attributes:
        is_whole: Whether all was heard so far; if not, arm it again and look at everything.
    """

    def __init__(self, *, poll: bool = False) -> None:
        self._poll = poll
        self._changes: Generator[set[tuple[Kind, str]], None, None] | None = None
        self._heard: list[Change] = []
        self._many = min(MANY, max(1, _queued() // 4))
        self.is_whole = True

    def arm(self, folders: Iterable[str]) -> None:
        """Listen to these folders, and all below them, anew.

        Raises:
            RootError: They have more folders than the system lets anybody listen to.
        """
        from watchfiles import watch

        self.close()
        self.is_whole = True
        listened = list(folders)
        if not listened:
            return
        self._changes = watch(
            *listened,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            rust_timeout=TICK_MS,
            yield_on_timeout=True,
            force_polling=self._poll or None,
            poll_delay_ms=POLL_MS,
            ignore_permission_denied=True,
        )
        try:  # it listens from the first question on
            self._heard += self._next(is_first=True)
        except OSError as error:
            self.close()
            raise RootError(
                f"{', '.join(listened)}: cannot be watched ({error}); if they have more folders "
                "than the system lets programs watch, raise fs.inotify.max_user_watches, or use "
                "--poll"
            ) from error

    def wait(self) -> list[Change]:
        """Return what has changed, after a moment at the latest."""
        heard, self._heard = self._heard, []
        if heard:
            return heard
        if self._changes is None:
            time.sleep(TICK_MS / 1000)
            return []
        return self._next()

    def close(self) -> None:
        """Listen no longer."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None

    def _next(self, *, is_first: bool = False) -> list[Change]:
        from watchfiles import Change as Kind

        assert self._changes is not None
        asked = time.monotonic()
        try:
            changes = next(self._changes)
        # A folder went away meanwhile, or a name is no UTF-8, after which it is deaf.
        except (FileNotFoundError, RuntimeError):
            changes, self.is_whole = set(), False
        # The first question begins with all folders being named to the kernel, a look at all files.
        is_late = not (is_first or self._poll) and time.monotonic() - asked > STALL
        if len(changes) >= self._many or is_late:
            self.is_whole = False
        if not self.is_whole:
            self._changes = None
        return [(path, kind == Kind.deleted) for kind, path in changes]


def _queued() -> int:
    """Return how many events the kernel keeps for whoever does not read them."""
    try:
        with open(QUEUE, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):  # another system
        return 4 * MANY


def _mounts() -> list[str]:
    """Return where disks are mounted, as far as the system tells in a file."""
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    return [_ESCAPE.sub(lambda one: chr(int(one[1], 8)), line.split(" ")[1]) for line in lines]


_ESCAPE = re.compile(r"\\([0-7]{3})")
"""A space, tab, line end or backslash as `/proc/self/mounts` writes them."""
