"""Rows of an index in order, page by page, and which of them are worth showing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from searchengine.resolve import Resolved
from searchengine.types import Hit, Ids, UnknownWord, Vector, VectorIndex


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended, so that the next one begins behind it whatever is indexed meanwhile.

    Attributes:
        key: What the last row was ordered by, rising: of a ranking its negative score.
        tie: What decides between equal keys, rising: of a ranking its id.
        seen: About how many rows came up to there; a hint, which may be wrong.
    """

    key: float
    tie: int
    seen: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A page of a ranking.

    Attributes:
        hits: Best first.
        unknown_words: Words of the query that did not count.
        nothing_like_that: Every row that was looked at is an unlikely match.
        after: Where the next page begins; None if there is none.
        terms: The terms that counted, with their vectors; empty for a query of filters alone.
    """

    hits: tuple[Hit, ...]
    unknown_words: tuple[UnknownWord, ...] = ()
    nothing_like_that: bool = False
    after: Place | None = None
    terms: Resolved | None = None


def nearest(
    index: VectorIndex,
    vector: Vector,
    count: int,
    *,
    only: Ids | None = None,
    without: Collection[int] = (),
    after: Place | None = None,
) -> list[tuple[int, float]]:
    """Return ids and scores of the next rows by falling score, then by rising id.

    Args:
        index: Where to look.
        vector: The query's.
        count: Most rows, at least 1.
        only: Sorted ids of the rows that may be returned, None for all.
        without: Ids that are left out.
        after: Where the page before ended.
    """
    width = count + len(without) + (after.seen if after else 0)
    while True:
        width = min(width, max(len(index), 1))
        found, scores = index.search(vector[None], width, only)
        rows = [
            (int(id_), float(score))
            for id_, score in zip(found[0], scores[0], strict=True)
            if id_ >= 0 and int(id_) not in without
        ]
        if after is not None:
            rows = [row for row in rows if (-row[1], row[0]) > (after.key, after.tie)]
        if len(rows) >= count or width >= len(index) or found[0, -1] < 0:
            return rows[:count]
        width *= 2  # rows have come in before the place since the last page


def worth_showing(hits: Sequence[Hit]) -> int:
    """Return how many hits are left when the unlikely matches at the end are taken away."""
    worth = (place for place, hit in enumerate(hits, 1) if hit.band != "unlikely")
    return max(worth, default=0)


def place_of(hits: Sequence[Hit], before: Place | None, exhausted: bool) -> Place | None:
    """Return where the page behind these hits begins, None if there is none."""
    if exhausted or not hits:
        return None
    last, seen = hits[-1], before.seen if before else 0
    return Place(-last.score, last.id, seen + len(hits))
