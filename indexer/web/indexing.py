"""Index, read failures again or import tags, in a process of its own, which a server started.

    python -m indexer.web.indexing

The first line of standard input is a JSON object, {"kind", "folder", "settings"}, of an import
"options" too. Standard output is a JSON object on each line: {"event": "progress", "done",
"total"}, {"event": "failure", "path", "reason"}, and at the end {"event": "report", ...}, of an
import {"event": "imported", ...}, or {"event": "error", "detail"}. Of the kind "watch", {"event":
"batch", ...}, a report, comes whenever something has changed. When standard
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
from searchengine.types import Failure

Kind = Literal["index", "retry", "import"]
"""What a run does: make the library agree with a folder, read again what could not be read, or make
keywords of other programs tags."""
Order: TypeAlias = Kind | Literal["watch"]
"""What a process does: a run, or follow all folders until it is ended."""

EVERY = 0.2
"""Seconds between two lines of progress."""
GRACE = 10.0
"""Seconds that a run has to end by itself."""
MOST_TAGS = 500
"""Tags that an import names; those of most pictures."""
LONGEST_TAG = 100
"""Letters of a tag that an import names, so that a line is shorter than a server reads."""


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


def carry_out(order: dict[str, Any], settings: Settings, reporter: Reporter) -> None:
    """Do what `lexpix index`, `lexpix failures --retry` or `lexpix tag --import` does."""
    folder: str | None = order["folder"]
    told: dict[str, Any] = {"progress": reporter.progress, "on_failure": reporter.failure}
    with Engine.open(settings, create=True) as engine:
        if order["kind"] == "import":
            import_tags(engine, folder, order["options"], reporter)
        elif order["kind"] == "retry":
            reporter.write("report", **dataclasses.asdict(indexer.retry(engine, folder, **told)))
        else:
            assert folder is not None, "the job was checked"
            reporter.write("report", **dataclasses.asdict(indexer.index(engine, folder, **told)))


def import_tags(
    engine: Engine, folder: str | None, options: dict[str, Any], reporter: Reporter
) -> None:
    """Make keywords of pictures in a folder, or of all, tags of the user's."""
    report = indexer.import_tags(
        engine,
        *([] if folder is None else [folder]),
        progress=lambda done, total: reporter.progress(Progress(done, total)),
        **options,
    )
    for failure in report.failed:
        reporter.failure(failure)
    named = [one for one in report.names.most_common() if len(one[0]) <= LONGEST_TAG]
    reporter.write(
        "imported",
        pictures=report.pictures,
        tagged=report.tagged,
        keywords=report.names.total(),
        tags=dict(named[:MOST_TAGS]),
        removed=report.removed,
        kept_away=report.kept_away,
        strangers=len(report.strangers),
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
        carry_out(order, settings, reporter)
    except KeyboardInterrupt:
        return 130
    except (LexpixError, OSError) as error:
        reporter.write("error", detail=str(error))
        return 1
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
