"""Index a folder, or read failures again, in a process of its own, which a server started.

    python -m indexer.web.indexing

The first line of standard input is a JSON object, {"kind", "folder", "settings"}. Standard output
is a JSON object on each line: {"event": "progress", "done", "total"}, {"event": "failure", "path",
"reason"}, and at the end {"event": "report", ...} or {"event": "error", "detail"}. Of the kind
"watch", {"event": "batch", ...}, a report, comes whenever something has changed. When standard
input ends, so does the process: that is how it is cancelled, and why it does not go on without its
server. What was written until then can be found, and the next run does the rest.
"""

from __future__ import annotations

import _thread
import dataclasses
import json
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any, Literal, TextIO, TypeAlias

import indexer
from indexer import Progress
from searchengine.config import Settings
from searchengine.errors import LexpixError
from searchengine.search.engine import Engine
from searchengine.types import Failure, IndexReport

Kind = Literal["index", "retry"]
"""What a run does: make the library agree with a folder, or read again what could not be read."""
Order: TypeAlias = Kind | Literal["watch"]
"""What a process does: a run, or follow all folders until it is ended."""

EVERY = 0.2
"""Seconds between two lines of progress."""
GRACE = 10.0
"""Seconds that a run has to end by itself."""


class Reporter:
    """Write what happens, a line each; from one thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._due = 0.0

    def write(self, event: str, **more: Any) -> None:
        """Write one line, in ASCII: names of files may hold any bytes."""
        print(json.dumps({"event": event, **more}), file=self._stream, flush=True)

    def progress(self, at: Progress) -> None:
        """Write how far it is, now and then."""
        now = time.monotonic()
        if now >= self._due or at.done == at.total:
            self._due = now + EVERY
            self.write("progress", done=at.done, total=at.total)

    def failure(self, failure: Failure) -> None:
        """Write what could not be read."""
        self.write("failure", path=failure.path, reason=failure.reason)


def settings_entry(settings: Settings) -> dict[str, Any]:
    """Return the JSON form of settings."""
    entry = dataclasses.asdict(settings)
    return entry | {
        "library": str(settings.library),
        "yielding": sorted(settings.yielding),
    }


def settings_in(entry: dict[str, Any]) -> Settings:
    """Read what `settings_entry` made."""
    return Settings(
        **(entry | {"library": Path(entry["library"]), "yielding": frozenset(entry["yielding"])})
    )


def carry_out(
    kind: Kind, folder: str | None, settings: Settings, reporter: Reporter
) -> IndexReport:
    """Index one folder as `lexpix index` does, or read failures again as `lexpix failures` does."""
    with Engine.open(settings, create=True) as engine:
        if kind == "retry":
            return indexer.retry(
                engine, folder, progress=reporter.progress, on_failure=reporter.failure
            )
        assert folder is not None, "the job was checked"
        return indexer.index(
            engine, folder, progress=reporter.progress, on_failure=reporter.failure
        )


def watch(settings: Settings, reporter: Reporter) -> None:
    """Follow all folders of a library, those that it is given meanwhile too, until interrupted."""
    from indexer.library.watching import follow

    for batch in follow(settings, progress=reporter.progress, on_failure=reporter.failure):
        reporter.write("batch", **batch.counts)


def main() -> int:
    """Read the order, carry it out, and end when standard input does."""
    # A server that was started in the background hands down that interrupts are ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.filterwarnings("ignore", module="PIL")  # as commands have it
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with, args=(sys.stdin,), daemon=True).start()
    reporter = Reporter(sys.stdout)
    try:
        settings = settings_in(order["settings"])
        if order["kind"] == "watch":
            watch(settings, reporter)
            return 0
        report = carry_out(order["kind"], order["folder"], settings, reporter)
    except KeyboardInterrupt:
        return 130
    except (LexpixError, OSError) as error:
        reporter.write("error", detail=str(error))
        return 1
    reporter.write("report", **dataclasses.asdict(report))
    return 0


def _end_with(stream: TextIO) -> None:
    while stream.readline():
        pass
    main_thread = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main_thread is not None:
        signal.pthread_kill(main_thread, signal.SIGINT)  # wakes it, if it waits for a lock
    else:
        _thread.interrupt_main()
    time.sleep(GRACE)
    os._exit(130)  # something does not let itself be interrupted; an interrupted run loses nothing


if __name__ == "__main__":
    sys.exit(main())
