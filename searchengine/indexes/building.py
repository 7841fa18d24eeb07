"""Make a guide for an index, of the kind that suits a budget, and measure what it is worth.

What is chosen is chosen by measuring: a guide is made, the least effort that finds enough is looked
for with one half of the queries, and what it is worth is measured with the other. A guide that does
not find enough, or hardly saves time, is dropped, and every row is compared as before.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.guides import KINDS, Guide, GuideKind, memory_of
from searchengine.indexes.measuring import Asked
from searchengine.indexes.plans import Tuning
from searchengine.types import Budget, Vectors

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
SHARES = (1.0, 0.5, 0.1, 0.01)
"""Shares of rows that pass filters for which an effort is looked for."""
Progress = Callable[[str, int, int], None]
"""Called with the kind of a guide, the rows that are done, and how many there are."""


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

    Until it is whole, whoever searches does so as before. A build that is interrupted leaves that
    as it was, and goes on the next time where it stopped.

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
    known: dict[str, Any] = {"rows": len(index.rows_of_file), "budget": _entries(budget)}
    if known["rows"] < FEW:  # too few to measure anything with
        about = known | {"kind": "flat", "why": "few pictures"}
        index.keep_guide(None, about)
        return about
    kinds_of_queries = np.concatenate([np.full(len(one), n) for n, one in enumerate(queries)])
    asked = Asked.of(index, np.concatenate(queries), kinds_of_queries, SHARES)
    tuning, reported = ([one.part(slice(start, None, 2)) for one in asked] for start in (0, 1))
    scan = reported[0].milliseconds(index, None)
    known["scan_ms"] = round(scan, 2)
    kinds = [kind for kind in _kinds(index, budget, scan) if kind in among]
    refused = [] if kinds else [_flat_because(index, budget, scan)]
    for kind in kinds:
        began = time.perf_counter()

        def told(done: int, total: int, kind: GuideKind = kind) -> None:
            if progress is not None:
                progress(kind, done, total)

        with index.journal(kind) as journal:
            flat = index.rows_of_file.flat
            guide = Guide.build(kind, flat, threads=threads, progress=told, journal=journal)
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
    if budget.recall >= 1:
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
    if not _fits(index, budget, "flat"):
        return f"no kind of index fits the memory that is asked for; {told}"
    return f"{told}, which is fast enough"


def _tuned(
    index: FaissIndex, guide: Guide, budget: Budget, asked: Sequence[Asked], scan: float
) -> Tuning | str:
    """Return the efforts that find enough, or why the guide is of no use.

    Args:
        index: It tries the guide.
        guide: Is tried.
        budget: What the user asks for.
        asked: The queries that tune, among each of `SHARES`.
        scan: Milliseconds in which all rows are compared.
    """
    efforts: list[tuple[float, int]] = []
    taken = 0.0
    for share, among in zip(SHARES, asked, strict=True):
        least = budget.recall if share == 1 else max(budget.recall, FILTERED)
        goal = least + MARGIN * (1 - least)
        from_here = efforts[-1][1] if efforts else 1
        harder = [one for one in guide.efforts if one >= from_here]
        place = bisect.bisect_left(harder, goal, key=partial(among.recall, index))
        enough = harder[place] if place < len(harder) else None
        if share == 1:
            if enough is None:
                return f"never finds {least:.0%} of the ten best"
            taken = among.milliseconds(index, enough)
            if budget.latency is not None and taken > budget.latency:
                return f"takes {taken:.1f} ms to find {least:.0%} of the ten best"
            if taken > PAYS * scan:
                return f"takes {taken:.1f} ms to find {least:.0%}, comparing all {scan:.1f} ms"
        if enough is None:
            break
        efforts.append((share, enough))
    return Tuning(guide.kind, tuple(efforts), _scanned(index, asked, efforts))


def _scanned(
    index: FaissIndex, asked: Sequence[Asked], efforts: Sequence[tuple[float, int]]
) -> int:
    """Return among how many rows that pass comparing each takes no longer than asking the guide."""
    count = len(index.rows_of_file)
    for (share, effort), passing in zip(efforts[1:], asked[1:], strict=False):
        if passing.milliseconds(index, None) <= passing.milliseconds(index, effort):
            return int(share * count)
    if len(efforts) < len(SHARES):  # no effort is known for rarer rows
        return int(count * efforts[-1][0] / 2)
    return int(count * SHARES[-1] / 10)


def _report(index: FaissIndex, tuning: Tuning, asked: Sequence[Asked]) -> dict[str, Any]:
    """Measure a guide with queries that it was not tuned with."""
    flat = index.rows_of_file.flat
    effort = tuning.effort(1.0)
    shares = zip(tuning.efforts, asked, strict=False)
    return {
        "effort": effort,
        "recall": round(asked[0].recall(index, effort), 4),
        "recall_filtered": {
            f"{share:.0%}": round(among.recall(index, one), 4)
            for (share, one), among in shares
            if share < 1
        },
        "query_ms": round(asked[0].milliseconds(index, effort), 2),
        "queries": len(asked[0].queries),
        "memory": memory_of(tuning.kind, len(index.rows_of_file), flat.d),
    }


def _demands(budget: Budget) -> bool:
    return budget != Budget()


def _entries(budget: Budget) -> dict[str, Any]:
    return {"memory": budget.memory, "latency": budget.latency, "recall": budget.recall}
