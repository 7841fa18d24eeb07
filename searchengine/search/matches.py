"""What a query finds, all of it at once, and pages of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from searchengine.models.calibration import kind_of
from searchengine.search.frames import SceneIndex
from searchengine.search.pages import PageRequest
from searchengine.search.ranking import Cursor, Ranked, Ranking
from searchengine.search.resolve import Resolved, Resolver, query_vector
from searchengine.types import Ids, Query, QueryKind, SearchPlan, Vector

LOOK_AHEAD = 200
"""Best matches that are looked at first where all of them are wanted."""
LEAST_LOOK = 40
"""Best matches that are looked at for a page, however short: a match may come after worse ones.

Where matches follow the scores, as those of words do, one more than the page has is enough.
"""

NEAREST = 24
"""Pictures that a query with a picture finds at least, whatever they are worth.

Words may ask for what is not there, but something is always nearest to a picture. With the bundled
model and 1,500 pictures with names, the first answer to a picture is of the same kind in 74 of 100
cases if it is likely, in 51 if it is maybe, and in 38 if it is neither (docs/models.md).
"""


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """A query with terms, what they stand for, its unit vector, and of what kind it is."""

    query: Query
    resolved: Resolved
    vector: Vector
    kind: QueryKind

    @classmethod
    def of(cls, request: PageRequest, resolver: Resolver) -> EncodedQuery | None:
        """Read the terms of a request; None if it has none."""
        if request.query is None or not request.query.terms:
            return None
        resolved = resolver.resolve(request.query, request.uploads)
        kind = kind_of(resolver.in_english(request.query))
        return cls(request.query, resolved, query_vector(resolved.terms), kind)

    @property
    def names_pictures(self) -> bool:
        """Whether it asks by pictures, to which something is always nearest."""
        return any(term.kind != "words" for term in self.query.terms)


@dataclass(frozen=True)
class Matches:
    """The pictures that a query finds, best first, and their ids, rising.

    Attributes:
        ranking: They alone.
    """

    ranking: Ranking

    @cached_property
    def ids(self) -> Ids:
        """Shape (n,)."""
        return np.sort(np.array([row.id for row in self.ranking.rows], dtype=np.int64))

    def within(self, only: Ids | None) -> Ranking:
        """Return the ranking of those among the sorted ids of some pictures; of all if None."""
        if only is None:
            return self.ranking
        kept = set(np.intersect1d(self.ids, only).tolist())
        rows = tuple(row for row in self.ranking.rows if row.id in kept)
        return replace(self.ranking, rows=rows)


def page_of(ranking: Ranking, limit: int, after: Cursor | None) -> Ranking:
    """Return a page of a ranking that is known to its end, with how long that is."""
    rows: Sequence[Ranked] = ranking.rows
    if after is not None:
        rows = [row for row in rows if place(row) > (after.key, after.tie)]
    page = tuple(rows[:limit])
    cursor = None
    if len(rows) > limit:
        cursor = Cursor(*place(page[-1]), (after.seen if after else 0) + limit)
    return replace(ranking, rows=page, next=cursor, total=len(ranking.rows))


def place(row: Ranked) -> tuple[float, int]:
    """Return where a row stands in a ranking."""
    assert row.score is not None, "it was ranked by it"
    return -row.score, row.id


def merged(*parts: Sequence[Ranked]) -> tuple[Ranked, ...]:
    """Return the rows of parts of one ranking, each once, best first."""
    return tuple(sorted({row.id: row for part in parts for row in part}.values(), key=place))


def in_order_of(page: Ranking, scored: Ranking) -> Ranking:
    """Return the rows of a page as they were scored, without those that were not."""
    by_id = {row.id: row for row in scored.rows}
    rows = tuple(by_id[row.id] for row in page.rows if row.id in by_id)
    return replace(scored, rows=rows, next=page.next)


def plan_of(
    index: SceneIndex, encoded: EncodedQuery | None, count: int, only: Ids | None
) -> SearchPlan:
    """Say how an index finds so many best rows for a query, and why.

    Args:
        index: It is asked.
        encoded: The query; None if it has no terms.
        count: How many are wanted.
        only: Sorted ids of the pictures that pass the filters, None for all.
    """
    rows = len(index)
    passing = rows if only is None else len(only)
    if encoded is None:
        return SearchPlan("none", None, rows, passing, "no term asks by what pictures show")
    return index.plan(count + len(encoded.resolved.named), only)
