"""Show how far a long job is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

EVERY = 5.0
"""Seconds between two plain lines."""


class Meter(Protocol):
    """What a job tells how far it is; a new stage starts the clock anew."""

    def __call__(self, stage: str, done: int, total: int, remark: str = "") -> None:
        """Show that `done` of `total` are done in a stage."""
        ...


@contextmanager
def meter(unit: str, stream: TextIO | None = None) -> Iterator[Meter]:
    """Yield a meter.

    Args:
        unit: What is counted, such as "files".
        stream: Where it is shown; standard error if None.
    """
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield _Lines(unit, stream)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[remark]}"),
    )
    with Progress(*columns, console=Console(file=stream)) as bar:
        yield _Bar(unit, bar)


class _Pace:
    """Rate and remaining time of the current stage."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.stage: str | None = None
        self.started = time.monotonic()

    def enter(self, stage: str) -> bool:
        """Return whether this is a new stage."""
        if stage == self.stage:
            return False
        if self.stage is not None:  # the first stage began when the meter was made
            self.started = time.monotonic()
        self.stage = stage
        return True

    def rate(self, done: int) -> float:
        return done / max(time.monotonic() - self.started, 1e-9)

    def shown_rate(self, done: int) -> str:
        return f"{self.rate(done):,.1f} {self.unit}/s"


class _Lines:
    def __init__(self, unit: str, stream: TextIO) -> None:
        self._pace, self._stream = _Pace(unit), stream
        self._written = float("-inf")

    def __call__(self, stage: str, done: int, total: int, remark: str = "") -> None:
        now = time.monotonic()
        if self._pace.enter(stage):
            self._written = now
        if now - self._written < EVERY and done < total:
            return
        self._written = now
        left = (total - done) / max(self._pace.rate(done), 1e-9)
        parts = [f"{done:,}/{total:,} {self._pace.unit}", self._pace.shown_rate(done)]
        if done < total:
            parts.append(f"{int(left // 60)}:{int(left % 60):02d} left")
        if remark:
            parts.append(remark)
        print(f"{stage}: {', '.join(parts)}", file=self._stream, flush=True)


class _Bar:
    def __init__(self, unit: str, bar: object) -> None:
        from rich.progress import Progress

        assert isinstance(bar, Progress)
        self._pace, self._bar = _Pace(unit), bar
        self._task = bar.add_task("", total=None, rate="", remark="")

    def __call__(self, stage: str, done: int, total: int, remark: str = "") -> None:
        if self._pace.enter(stage):
            self._bar.reset(self._task, total=total, description=stage, rate="", remark="")
        rate = self._pace.shown_rate(done)
        self._bar.update(self._task, completed=done, total=total, rate=rate, remark=remark)
