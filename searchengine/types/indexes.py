"""What is said of an index: what it reflects, how it searches, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an index reflects: the model's fingerprint and the catalog's seq."""

    fingerprint: str
    seq: int


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How an index goes about a search, and why.

    Attributes:
        kind: Of the index: flat, or that of its guide.
        effort: How hard the guide looks (`nprobe` of an inverted file, `efSearch` of a graph); None
            if every row that passes is compared, so that the answer is exact.
        rows: How many rows there are to choose from.
        passing: How many of them pass the filters.
        why: The reason, in words.
    """

    kind: str
    effort: int | None
    rows: int
    passing: int
    why: str


@dataclass(frozen=True, slots=True)
class Budget:
    """What a user is ready to pay for searches, and what they must be worth.

    Attributes:
        memory: Bytes that searches may touch again and again, mapped or not; None for any number.
        latency: Milliseconds that the index may take for a query; None for what pays.
        recall: Least share of the ten best rows that is found, in 0..1; 1 compares every row.
    """

    memory: int | None = None
    latency: float | None = None
    recall: float = 0.97
