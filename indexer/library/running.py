"""One run at a time: whoever does the same to a library waits, and says for whom.

The lock is one of the operating system on a file of the library, so a process that crashes leaves
none. What is done may differ: indexing, embedding by another model and adding texts may go on at
the same time, as they write other rows; two runs of one of them would only do the same work twice.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from searchengine.errors import BusyLibrary

log = logging.getLogger(__name__)

Work = Literal["index", "reembed", "tag", "import", "caption", "texts"]
"""What runs do; those of one kind wait for each other."""

FOLDER = "locks"
"""Where a library keeps the files that are locked."""

_NAMES: dict[Work, str] = {
    "index": "index run",
    "reembed": "run of reembed",
    "tag": "run of tag --all",
    "import": "run of tag --import",
    "caption": "run of caption --all",
    "texts": "run of texts add",
}
_SETTLING = 0.2  # seconds until whoever got a lock has written who it is
_POLL = 0.1  # seconds between two tries


@dataclass
class Run:
    """A run of the indexer, over one folder or several.

    Attributes:
        number: By which `undo` knows what it did: that of its first scan, None before.
    """

    number: int | None = None

    def begin(self, scan: int) -> int:
        """Take note of a scan; return the number of the run."""
        if self.number is None:
            self.number = scan
        return self.number


@contextlib.contextmanager
def running(library: Path, work: Work = "index", *, wait: bool = True) -> Iterator[Run]:
    """Hold off other runs of a kind in a library; wait for one that is at work, with a warning.

    Args:
        library: Its folder.
        work: What is about to be done.
        wait: False raises instead.

    Raises:
        BusyLibrary: Another run is at work, and `wait` is false.
    """
    from filelock import FileLock, Timeout

    path = library / FOLDER / f"{work}.lock"
    lock = FileLock(path)
    # A library that can only be read is not locked: whoever writes to it says better what is wrong.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            time.sleep(_SETTLING)
            if not wait:
                raise BusyLibrary(f"{_busy(path, work)}; nothing was done") from None
            log.warning("%s; waiting", _busy(path, work))
            lock.acquire(poll_interval=_POLL)
        _sign(path)
    try:
        yield Run()
    finally:
        lock.release()


def _busy(path: Path, work: Work) -> str:
    """Say who is at work."""
    said = f"another {_NAMES[work]} of this library is at work"
    try:
        holder = json.loads(_signature(path).read_text(encoding="ascii"))
        since = dt.datetime.fromtimestamp(float(holder["since"]))
        process = int(holder["process"])
    except (OSError, ValueError, KeyError, TypeError):  # it has not said so yet
        return said
    when = f"{since:%H:%M}" if since.date() == dt.date.today() else f"{since:%Y-%m-%d %H:%M}"
    return f"{said} since {when} (process {process})"


def _sign(path: Path) -> None:
    """Note who holds a lock, for those who wait."""
    signature = _signature(path)
    # One name, as only the holder writes it: what a kill leaves is written over by the next one.
    unfinished = signature.with_suffix(".tmp")
    try:
        unfinished.write_text(json.dumps({"process": os.getpid(), "since": time.time()}), "ascii")
        os.replace(unfinished, signature)
    except OSError:  # a full disk: the lock holds all the same
        with contextlib.suppress(OSError):
            unfinished.unlink()


def _signature(path: Path) -> Path:
    return path.with_suffix(".json")
