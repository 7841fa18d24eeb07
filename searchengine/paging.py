"""Pages of pictures: what a query and facets leave, by match or by date, with counts.

A page of the best matches is what `Engine.search` answers. Without a query it is all pictures that
pass the facets, which are applied before the ranking, so that they never lose a result.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from searchengine import query
from searchengine.columns import Mask
from searchengine.engine import Engine
from searchengine.facets import Chosen, Count, Facet, Facets
from searchengine.ranking import Place, Ranked
from searchengine.resolve import KnownPicture, refuse_excess
from searchengine.types import Answer, Hit, Ids, Picture, Query

Sort = Literal["match", "newest", "oldest"]

LOOK_AHEAD = 500
"""Best matches that are looked at first where they are to be sorted by date."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question for a page of pictures.

    Attributes:
        query: What to look for; None for all pictures.
        chosen: Values of facets.
        sort: By match, or by date: of pictures that are no unlikely matches, those without a date
            last. All pictures have no match; they come the newest first.
        unlikely: Keep the unlikely matches.
        limit: Most hits.
        after: Where the page before ended.
        given: Pictures that stand for terms of the query, as `Ranker.rank` takes them.
        count: Count the values of facets.
        explain: Split the scores.
    """

    query: Query | None = None
    chosen: Chosen = field(default_factory=dict)
    sort: Sort = "match"
    unlikely: bool = False
    limit: int = 60
    after: Place | None = None
    given: Mapping[str, KnownPicture] = field(default_factory=dict)
    count: bool = False
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of pictures.

    Attributes:
        answer: The hits, as `Engine.search` gives them; its query is empty if there was none.
        pictures: What is known of the hits, by id.
        after: Where the next page begins; None if there is none.
        total: How many pictures there are on all pages; None if nobody counted.
        scored: The hits have a score; pictures that were not searched for have none.
        counts: The values of facets, if they were asked for.
        shares: What each part of the query gave to the score of each hit, if that was asked for.
    """

    answer: Answer
    pictures: Mapping[int, Picture]
    after: Place | None
    total: int | None
    scored: bool
    counts: Mapping[Facet, list[Count]] | None = None
    shares: Mapping[int, list[tuple[str, float]]] | None = None


def page_of(engine: Engine, facets: Facets, wanted: Wanted) -> Page:
    """Answer a question.

    Raises:
        QueryError, NothingIndexed, ModelError: As `Engine.search` does; but facets that leave
            nothing, and a library without pictures that is asked for all of them, are an answer.
    """
    started = time.perf_counter()
    asked = wanted.query
    passing = None
    base: Mask | None = None
    if asked is not None and asked.filters:
        refuse_excess(asked)
        passing = engine.labels.passing(asked.filters, facets.ids)
        base = np.isin(facets.ids, np.fromiter(passing, dtype=np.int64))
    allowed = base
    for mask in facets.masks(wanted.chosen).values():
        allowed = mask if allowed is None else allowed & mask
    total: int | None = None
    scored = True
    if asked is not None and asked.terms:
        ranked, total = _semantic(engine, facets, asked, allowed, wanted)
    else:
        rows = np.arange(len(facets.ids)) if allowed is None else np.flatnonzero(allowed)
        total = len(rows)
        if passing is not None and wanted.sort == "match":
            left = {id_: passing[id_] for id_ in facets.ids[rows].tolist()}
            ranked = engine.ranker.listed(left, wanted.limit, wanted.after)
        else:
            ranked, scored = _dated(facets, rows, wanted), False
    pictures = {
        **ranked.pictures,
        **engine.catalog.get(hit.id for hit in ranked.hits if hit.id not in ranked.pictures),
    }
    hits = tuple(
        replace(hit, path=pictures[hit.id].path) for hit in ranked.hits if hit.id in pictures
    )
    shares = None
    if wanted.explain and ranked.terms:
        shares = engine.explainer.shares(ranked.terms, [hit.id for hit in hits])
    answer = Answer(
        "" if asked is None else query.format(asked),
        hits,
        ranked.unknown_words,
        (time.perf_counter() - started) * 1000,
        ranked.nothing_like_that,
        calibrated=engine.is_calibrated,
        translated=() if asked is None else engine.translated(asked),
    )
    counts = facets.counts(base, wanted.chosen) if wanted.count else None
    return Page(answer, pictures, ranked.after, total, scored, counts, shares)


def _semantic(
    engine: Engine, facets: Facets, asked: Query, allowed: Mask | None, wanted: Wanted
) -> tuple[Ranked, int | None]:
    """Answer a query with terms among the allowed pictures."""
    only = None if allowed is None else facets.ids[allowed]
    plain = replace(asked, filters=())  # they decided on who is allowed
    if wanted.sort == "match":
        ranked = engine.ranker.rank(
            plain,
            limit=wanted.limit,
            only=only,
            unlikely=wanted.unlikely,
            given=wanted.given,
            after=wanted.after,
        )
        return ranked, None
    if wanted.unlikely:
        return _all_by_date(engine, facets, plain, only, wanted), None
    key = (query.format(plain), None if allowed is None else allowed.tobytes())
    found = facets.remembered.get(key)
    if found is None:
        found = _matches(engine, plain, only, wanted)
        facets.remember(key, found)
    by_id = {hit.id: hit for hit in found.hits}
    rows, known = facets.columns.places(np.fromiter(by_id, dtype=np.int64))
    page = _dated(facets, np.sort(rows[known]), wanted)
    return replace(found, hits=tuple(by_id[hit.id] for hit in page.hits), after=page.after), int(
        known.sum()
    )


def _all_by_date(
    engine: Engine, facets: Facets, asked: Query, only: Ids | None, wanted: Wanted
) -> Ranked:
    """Return a page of all pictures by date, which are scored after they were chosen.

    Those that the query names, or that have no vector, are not on it.
    """
    rows = np.arange(len(facets.ids)) if only is None else facets.columns.places(only)[0]
    page = _dated(facets, rows, wanted)
    ids = np.sort(np.array([hit.id for hit in page.hits], dtype=np.int64))
    scored = engine.ranker.rank(
        asked,
        limit=max(len(ids), 1),
        only=ids,
        unlikely=True,
        given=wanted.given,
        searched=len(engine.index) if only is None else len(only),
    )
    by_id = {hit.id: hit for hit in scored.hits}
    hits = tuple(by_id[hit.id] for hit in page.hits if hit.id in by_id)
    return replace(scored, hits=hits, after=page.after, nothing_like_that=False)


def _matches(engine: Engine, asked: Query, only: Ids | None, wanted: Wanted) -> Ranked:
    """Return the pictures that are no unlikely matches, best first.

    A match may come after unlikely ones, so as many again are looked at behind the last one. Of a
    model that is not calibrated the best matches are all that anybody can tell apart.
    """
    limit = LOOK_AHEAD
    while True:
        ranked = engine.ranker.rank(asked, limit=limit, only=only, given=wanted.given)
        if len(ranked.hits) < limit // 2 or limit >= len(engine.index) or not engine.is_calibrated:
            break
        limit *= 4
    likely = tuple(hit for hit in ranked.hits if hit.band != "unlikely")
    return replace(ranked, hits=likely, pictures={})  # many, of which a page is a few


def _dated(facets: Facets, rows: npt.NDArray[np.int64], wanted: Wanted) -> Ranked:
    """Return a page of rows of the columns by date; its hits have no path yet."""
    order = facets.columns.by_date(newest=wanted.sort != "oldest")
    chosen = np.zeros(len(facets.ids), dtype=np.bool_)
    chosen[rows] = True
    if wanted.after is not None:
        place = wanted.after
        later = (order.keys > place.key) | ((order.keys == place.key) & (order.ties > place.tie))
        chosen &= later
    sequence = order.rows[chosen[order.rows]]
    page = sequence[: wanted.limit]
    hits = tuple(Hit(id_, "", 0.0) for id_ in facets.ids[page].tolist())
    after = None
    if len(sequence) > len(page):
        last = page[-1]
        after = Place(float(order.keys[last]), int(order.ties[last]), 0)
    return Ranked(hits, after=after)
