"""Pictures in order of a query: the nearest, what they are worth, and where a page ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from searchengine.catalog.selection import Selection
from searchengine.models.calibration import matcher_of
from searchengine.search.columns import Dated
from searchengine.search.frames import Frame, SceneIndex
from searchengine.types import (
    Approximate,
    Band,
    Encoder,
    Hit,
    Ids,
    Matcher,
    MinMatch,
    QueryKind,
    Vector,
    VectorIndex,
)

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog

Judged = TypeVar("Judged", "Ranked", Hit)
"""What has a band."""


@dataclass(frozen=True, slots=True)
class Cursor:
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
    """A picture in its place; the attributes are those of `Hit`.

    Of a film `at` is the time of the frame that answers; None if it is the one that stands for it.
    """

    id: int
    score: float | None = None
    match: float | None = None
    band: Band | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """A page of an order.

    Attributes:
        rows: The pictures.
        next: Where the next page begins; None if there is none.
        total: How many pictures there are on all pages; None if nobody counted.
        nothing_like_that: Every picture that was looked at is an unlikely match.
    """

    rows: tuple[Ranked, ...]
    next: Cursor | None = None
    total: int | None = None
    nothing_like_that: bool = False


def nearest(
    index: VectorIndex | SceneIndex,
    vector: Vector,
    count: int,
    *,
    only: Ids | None = None,
    without: Collection[int] = (),
    after: Cursor | None = None,
    exactly: bool = False,
) -> list[tuple[int, float]]:
    """Return ids and scores of the next rows by falling score, then by rising id.

    Args:
        index: Where to look.
        vector: The query's.
        count: Most rows, at least 1.
        only: Sorted ids of the rows that may be returned, None for all.
        without: Ids that are left out.
        after: Where the page before ended.
        exactly: Miss none, also if the index could be faster then.
    """
    ask = index.search_exactly if exactly and isinstance(index, Approximate) else index.search
    width = count + len(without) + (after.seen if after else 0)
    while True:
        width = min(width, max(len(index), 1))
        ids, scores = ask(vector[None], width, only)
        rows = [
            (int(id_), float(score))
            for id_, score in zip(ids[0], scores[0], strict=True)
            if id_ >= 0 and int(id_) not in without
        ]
        if after is not None:
            rows = [row for row in rows if (-row[1], row[0]) > (after.key, after.tie)]
        if len(rows) >= count or width >= len(index) or ids[0, -1] < 0:
            return rows[:count]
        width *= 2  # rows have come in before the cursor since the last page


def judged(
    rows: Sequence[tuple[int, float]],
    catalog: Catalog,
    encoder: Encoder,
    vector: Vector,
    kind: QueryKind,
    searched: int,
    frames: Mapping[int, Frame],
) -> list[Ranked]:
    """Give rows their match and band, none if the model is not calibrated.

    Args:
        rows: Ids and scores, best first.
        catalog: Has their vectors.
        encoder: The model.
        vector: The query's.
        kind: The query's.
        searched: How many pictures the rows are the best of.
        frames: Those that answer of films, by id.
    """
    matcher = matcher_of(encoder)
    if matcher is None:
        ranked = [Ranked(id_, score) for id_, score in rows]
    else:
        stored = catalog.vectors([id_ for id_, _ in rows], encoder.fingerprint)
        stored |= {id_: frame.vector for id_, frame in frames.items() if id_ in stored}
        ranked = with_matches(rows, stored, vector, kind, matcher, searched)
    return [replace(r, at=frames[r.id].seconds) if r.id in frames else r for r in ranked]


def with_matches(
    rows: Sequence[tuple[int, float]],
    stored: Mapping[int, Vector],
    vector: Vector,
    kind: QueryKind,
    matcher: Matcher,
    searched: int,
) -> list[Ranked]:
    """Give each row its match and band.

    Args:
        rows: Ids and scores, best first.
        stored: Vectors by id; a row without one was forgotten meanwhile, and goes.
        vector: The query's.
        kind: The query's.
        matcher: Tells what scores are worth.
        searched: How many pictures the rows are the best of.
    """
    present = [row for row in rows if row[0] in stored]
    if not present:
        return []
    vectors = np.stack([stored[id_] for id_, _ in present])
    matches = matcher.match(vector[None], vectors, [kind], searched)[0].tolist()
    return [
        Ranked(id_, score, match, matcher.band(match, kind))
        for (id_, score), match in zip(present, matches, strict=True)
    ]


def is_enough(row: Judged, least: MinMatch) -> bool:
    """Tell whether the match of a row is at least this one."""
    if isinstance(least, str):
        return row.band in ("likely", least)
    return row.match is not None and row.match >= least


def without_unlikely(rows: Iterable[Judged]) -> tuple[Judged, ...]:
    """Return all but the unlikely matches."""
    return tuple(row for row in rows if row.band != "unlikely")


def by_confidence(
    selected: Selection, count: int, after: Cursor | None, matcher: Matcher | None
) -> Ranking:
    """Return a page of the pictures that pass filters, the surest first, then by id.

    Without a matcher all that pass are likely.
    """
    order = np.lexsort((selected.ids, -selected.confidence))
    ids, keys = selected.ids[order], -selected.confidence[order]
    start = 0
    if after is not None:
        start = int(((keys < after.key) | ((keys == after.key) & (ids <= after.tie))).sum())
    end = start + count
    scores = (-keys[start:end]).tolist()
    rows = tuple(
        Ranked(id_, score, score, matcher.band(score) if matcher else "likely")
        for id_, score in zip(ids[start:end].tolist(), scores, strict=True)
    )
    seen = (after.seen if after else 0) + len(rows)
    more = end < len(ids)
    cursor = Cursor(-scores[-1], rows[-1].id, seen) if more else None
    return Ranking(rows, cursor, total=len(ids))


def by_date(
    dated: Dated, ids: Ids | None, count: int, after: Cursor | None, *, newest: bool
) -> Ranking:
    """Return a page of pictures in order of their dates, those without one last.

    Args:
        dated: These pictures, and more.
        ids: Sorted ids of the pictures, None for all.
        count: Most of them.
        after: Where the page before ended.
        newest: The newest first, else the oldest.
    """
    order = dated.by_date(newest=newest)
    chosen = np.ones(len(dated.ids), dtype=np.bool_)
    if ids is not None:
        places, known = dated.places(ids)
        chosen = np.zeros(len(dated.ids), dtype=np.bool_)
        chosen[places[known]] = True
    total = int(chosen.sum())
    if after is not None:
        chosen &= (order.keys > after.key) | ((order.keys == after.key) & (order.ties > after.tie))
    sequence = order.rows[chosen[order.rows]]
    page = sequence[:count]
    cursor = None
    if len(sequence) > len(page):
        last = page[-1]
        cursor = Cursor(float(order.keys[last]), int(order.ties[last]), 0)
    return Ranking(tuple(map(Ranked, dated.ids[page].tolist())), cursor, total)
