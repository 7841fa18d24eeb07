"""What a run has done so far: counted, and told to whoever listens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from searchengine.types import Failure, IndexReport


@dataclass(frozen=True, slots=True)
class Progress:
    """Files dealt with so far, and files there are as far as is known."""

    done: int
    total: int


@dataclass
class Tally:
    """Count files by what became of them.

    Attributes:
        progress: Called now and then.
        on_failure: Called with what could not be read.
        total: Files that there are, as far as is known.
        counts: Files by the names that `IndexReport` has for them.
        skipped: Files that were passed over, by the endings of their names.
        done: Files that were dealt with so far.
    """

    progress: Callable[[Progress], None] | None = None
    on_failure: Callable[[Failure], None] | None = None
    total: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    done: int = 0

    def advance(self, files: int) -> None:
        """Note that so many more files have been dealt with."""
        self.done += files
        if self.progress is not None:
            self.progress(Progress(self.done, max(self.total, self.done)))

    def skip(self, counts: Mapping[str, int]) -> None:
        """Count files that are no pictures, by the endings of their names."""
        self.skipped.update(counts)
        self.counts["skipped"] += sum(counts.values())

    def fail(self, failure: Failure) -> None:
        """Count a failure and pass it on."""
        self.counts["failed"] += 1
        self.notify(failure)

    def notify(self, failure: Failure) -> None:
        """Pass on what is no failure of a file, such as a volume that is not there."""
        if self.on_failure is not None:
            self.on_failure(failure)

    def report(self) -> IndexReport:
        """Return the counts."""
        return IndexReport(**self.counts)
