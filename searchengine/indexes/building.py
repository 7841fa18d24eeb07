"""Make a guide for an index, of the kind that suits a budget, and measure what it is worth.

What is chosen is chosen by measuring: a guide is made, the least effort that finds enough is looked
for with one half of the queries, and what it is worth is measured with the other. A guide that does
not find enough, or hardly saves time, is dropped, and every row is compared as before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.guides import KINDS, Guide, GuideKind, memory_of
from searchengine.indexes.plans import MEASURED, Tuning
from searchengine.types import Budget, Ids, Vectors

FEWEST = 50_000
"""Below so many rows a scan takes a few milliseconds; a guide is made only if a budget needs it."""
FEW = 1_000
"""From so few rows no guide can be learnt."""
PAYS = 0.5
"""A guide is kept that takes at most this share of the time of a scan."""
FILTERED = 0.99
"""Least recall with a filter."""
MARGIN = 1 / 3
"""How much less the queries may miss by which an effort is chosen: others may fare worse."""
SHARES = (1.0, 0.5, 0.1)
"""Shares of rows that pass filters for which an effort is looked for."""
TIMED = 25
"""Queries that are timed, one after the other."""

Progress = Callable[[str, int, int], None]
"""Called with the kind of a guide, the rows that are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries with the ids of the rows that are truly the best of them, (q, `MEASURED`).

    Attributes:
        queries: Unit rows.
        kinds: The kind of each, as a number.
        best: What is to be found.
        within: Only among these ids; None for all.
    """

    queries: Vectors
    kinds: npt.NDArray[np.int64]
    best: Ids
    within: Ids | None = None

    @classmethod
    def of(
        cls,
        index: FaissIndex,
        queries: Vectors,
        kinds: npt.NDArray[np.int64],
        share: float = 1.0,
    ) -> Asked:
        """Find out by comparing every row, or every one of a share of them that is drawn."""
        within = None if share == 1 else _drawn(index, share)
        return cls(queries, kinds, index.search_exactly(queries, MEASURED, within)[0], within)

    def among(self, index: FaissIndex, share: float) -> Asked:
        """Ask the same among a share of the rows."""
        return self if share == 1 else Asked.of(index, self.queries, self.kinds, share)

    def recall(self, index: FaissIndex, effort: int | None) -> float:
        """Return the share of the best rows that an index finds, of the kind that fares worst.

        Words lie farther from all pictures than pictures do, and need the greater effort.
        """
        found, _ = index.search_by(effort, self.queries, MEASURED, self.within)
        return min(
            recall(found[self.kinds == kind], self.best[self.kinds == kind])
            for kind in np.unique(self.kinds)
        )

    def milliseconds(self, index: FaissIndex, effort: int | None) -> float:
        """Return the median time of a query that is asked alone."""
        taken = []
        step = max(1, len(self.queries) // TIMED)
        for query in self.queries[::step]:
            began = time.perf_counter()
            index.search_by(effort, query[None], MEASURED, self.within)
            taken.append(1000 * (time.perf_counter() - began))
        return float(np.median(taken))


def recall(found: Ids, best: Ids) -> float:
    """Return the share of the best ids, rows padded with -1, that are among those found."""
    hits = sum(len(np.intersect1d(a[a >= 0], b)) for a, b in zip(best, found, strict=True))
    return hits / max(1, int((best >= 0).sum()))


def suits(about: Mapping[str, Any] | None, index: FaissIndex, budget: Budget) -> bool:
    """Whether what was decided of a guide was decided for this budget, and of these rows."""
    if about is None:
        return len(index.rows_of_file) < FEWEST and not _demands(budget)
    return bool(about.get("budget") == _entries(budget))


def build(
    index: FaissIndex,
    budget: Budget,
    queries: Sequence[Vectors],
    *,
    threads: int,
    progress: Progress | None = None,
    among: Collection[GuideKind] = KINDS,
) -> Mapping[str, Any]:
    """Make the guide that suits a budget, write it beside the rows, and follow it.

    Until it is whole, whoever searches does so as before; an interrupted build leaves everything as
    it was, and begins again the next time.

    Args:
        index: It has been flushed.
        budget: What the user asks for.
        queries: Unit rows as they may be asked, of each kind; every other one tunes.
        threads: How many compute.
        progress: Told how far it is.
        among: Kinds that are tried.

    Returns:
        What was decided and measured, as it stands in the files.

    Raises:
        OSError: The folder cannot be written.
    """
    index.try_guide(None)
    tuning, reported = (
        Asked.of(
            index,
            np.concatenate([part[start::2] for part in queries]),
            np.concatenate([np.full(len(p[start::2]), n) for n, p in enumerate(queries)]),
        )
        for start in (0, 1)
    )
    scan = reported.milliseconds(index, None)
    known = {"rows": len(index.rows_of_file), "scan_ms": round(scan, 2), "budget": _entries(budget)}
    kinds = [kind for kind in _kinds(index, budget, scan) if kind in among]
    refused = [] if kinds else [_flat_because(index, budget, scan)]
    for kind in kinds:
        began = time.perf_counter()

        def told(done: int, total: int, kind: GuideKind = kind) -> None:
            if progress is not None:
                progress(kind, done, total)

        flat = index.rows_of_file.flat
        guide = Guide.build(kind, flat, threads=threads, progress=told)
        built = time.perf_counter() - began
        index.try_guide(guide)
        found = _tuned(index, guide, budget, tuning, scan)
        if isinstance(found, str):
            refused.append(f"{kind}: {found}")
            continue
        about = known | {
            **found.entries(),
            "why": "; ".join(refused),
            "build_s": round(built, 1),
            **_report(index, found, reported),
        }
        index.keep_guide(guide, about)
        return about
    about = known | {"kind": "flat", "why": "; ".join(refused)}
    index.keep_guide(None, about)
    return about


def _kinds(index: FaissIndex, budget: Budget, scan: float) -> list[GuideKind]:
    """Return the kinds that are worth a trial, the most promising first."""
    count = len(index.rows_of_file)
    if budget.recall >= 1 or count < FEW:
        return []
    if _fits(index, budget, "flat"):
        is_fast = count < FEWEST if budget.latency is None else scan <= budget.latency
        if is_fast:
            return []
    return [kind for kind in KINDS if _fits(index, budget, kind)]


def _fits(index: FaissIndex, budget: Budget, kind: GuideKind | Literal["flat"]) -> bool:
    rows = index.rows_of_file
    return budget.memory is None or memory_of(kind, len(rows), rows.flat.d) <= budget.memory


def _flat_because(index: FaissIndex, budget: Budget, scan: float) -> str:
    told = f"comparing all {len(index):,} rows takes {scan:.1f} ms"
    if budget.recall >= 1:
        return f"only comparing every row has the recall of 1 that is asked for; {told}"
    if len(index.rows_of_file) >= FEW and not _fits(index, budget, "flat"):
        return f"no kind of index fits the memory that is asked for; {told}"
    return f"{told}, which is fast enough"


def _tuned(
    index: FaissIndex, guide: Guide, budget: Budget, asked: Asked, scan: float
) -> Tuning | str:
    """Return the efforts that find enough, or why the guide is of no use."""
    efforts: list[tuple[float, int]] = []
    taken = 0.0
    for share in SHARES:
        least = budget.recall if share == 1 else max(budget.recall, FILTERED)
        among = asked.among(index, share)
        goal = least + MARGIN * (1 - least)
        enough = next((one for one in guide.efforts if among.recall(index, one) >= goal), None)
        if share == 1:
            if enough is None:
                return f"never finds {least:.0%} of the ten best"
            taken = asked.milliseconds(index, enough)
            if budget.latency is not None and taken > budget.latency:
                return f"takes {taken:.1f} ms to find {least:.0%} of the ten best"
            if taken > PAYS * scan:
                return f"takes {taken:.1f} ms to find {least:.0%}, comparing all {scan:.1f} ms"
        if enough is None:
            break
        efforts.append((share, max(enough, efforts[-1][1] if efforts else 1)))
    return Tuning(guide.kind, tuple(efforts), _scanned(index, asked, efforts, taken))


def _scanned(
    index: FaissIndex, asked: Asked, efforts: Sequence[tuple[float, int]], taken: float
) -> int:
    """Return among how many rows that pass comparing each takes no longer than asking the guide."""
    count = len(index.rows_of_file)
    for share, effort in efforts[1:]:
        passing = asked.among(index, share)
        if passing.milliseconds(index, None) <= passing.milliseconds(index, effort):
            return int(share * count)
    if len(efforts) < len(SHARES):  # no effort is known for rarer rows
        return int(count * efforts[-1][0] / 2)
    for share in (0.3, 0.1, 0.03, 0.01):
        few = replace(asked, within=_drawn(index, share))
        if few.milliseconds(index, None) <= 1.5 * taken:
            return int(share * count)
    return int(0.001 * count)


def _drawn(index: FaissIndex, share: float) -> Ids:
    ids = index.rows_of_file.ids
    count = max(1, int(share * len(ids)))
    return np.sort(np.random.default_rng(2).choice(ids, count, replace=False))


def _report(index: FaissIndex, tuning: Tuning, asked: Asked) -> dict[str, Any]:
    """Measure a guide with queries that it was not tuned with."""
    flat = index.rows_of_file.flat
    effort = tuning.effort(1.0)
    return {
        "effort": effort,
        "recall": round(asked.recall(index, effort), 4),
        "recall_filtered": {
            f"{share:.0%}": round(asked.among(index, share).recall(index, effort), 4)
            for share, effort in tuning.efforts[1:]
        },
        "query_ms": round(asked.milliseconds(index, effort), 2),
        "queries": len(asked.queries),
        "memory": memory_of(tuning.kind, len(index.rows_of_file), flat.d),
    }


def _demands(budget: Budget) -> bool:
    return budget != Budget()


def _entries(budget: Budget) -> dict[str, Any]:
    return {"memory": budget.memory, "latency": budget.latency, "recall": budget.recall}
