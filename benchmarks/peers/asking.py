"""Series of queries: what they found, and in what time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from contract import K, Store


class Series(NamedTuple):
    """Queries that were asked one after the other.

    Attributes:
        hits: Numbers of the pictures that each found.
        clock: Milliseconds of each.
        cpu: Milliseconds of processor time of each.
        nothing: Whether each was told that nothing looks like that.
    """

    hits: list[list[int]]
    clock: list[float]
    cpu: list[float]
    nothing: list[bool]

    def told(self, best: Any) -> dict[str, Any]:
        """Return recall and times; apart, what queries cost for which nothing looks like that."""
        found = {
            "asked": len(self.hits),
            "recall": round(recall(self.hits, best), 4),
            **{
                f"p{part}": round(float(np.percentile(self.clock, part)), 2)
                for part in (50, 95, 99)
            },
            "cpu": _mean(self.cpu),
        }
        if not any(self.nothing):
            return found
        pairs = list(zip(self.cpu, self.nothing, strict=True))
        return found | {
            "nothing": round(sum(self.nothing) / len(pairs), 3),
            "cpu_nothing": _mean([cpu for cpu, nothing in pairs if nothing]),
            "cpu_something": _mean([cpu for cpu, nothing in pairs if not nothing]),
        }


def timed(
    store: Store, find: Callable[[int], list[int]], places: Sequence[int], most: float
) -> Series:
    """Ask a store for words by their places, as many as end in so many seconds of the processor."""
    series = Series([], [], [], [])
    until = time.process_time() + most
    for place in places:
        began, worked = time.perf_counter(), time.process_time()
        series.hits.append(find(place))
        series.clock.append(1000 * (time.perf_counter() - began))
        series.cpu.append(1000 * (time.process_time() - worked))
        series.nothing.append(store.nothing)
        if time.process_time() > until:
            break
    return series


def recall(answers: Iterable[list[int]], best: Any) -> float:
    """Return the mean share of the best that answers have; there may be fewer answers."""
    shares = [
        len(set(answer) & set(wanted.tolist())) / K
        for answer, wanted in zip(answers, best, strict=False)
    ]
    return float(np.mean(shares))


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 2) if values else None
