"""The order of a page: by match, by date, or by how sure a filter is of its pictures."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from searchengine.catalog.selection import Selection
from searchengine.config import Settings
from searchengine.models.calibration import follows_scores, matcher_of
from searchengine.search.columns import Dated
from searchengine.search.facets import Facets
from searchengine.search.frames import SceneIndex
from searchengine.search.matches import (
    LEAST_LOOK,
    LOOK_AHEAD,
    NEAREST,
    EncodedQuery,
    Matches,
    in_order_of,
    merged,
    page_of,
    place,
)
from searchengine.search.pages import PageRequest
from searchengine.search.ranking import (
    Cursor,
    Ranked,
    Ranking,
    by_confidence,
    by_date,
    is_enough,
    judged,
    nearest,
    without_unlikely,
)
from searchengine.types import Encoder, Ids, MinMatch

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog


class Ordering:
    """Put the pictures that pass filters in order.

    Args:
        settings: Say how many hits are wanted where nobody does.
        catalog: Knows the pictures.
        encoder: The model.
        index: Holds its vectors, of films those of their scenes.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        encoder: Encoder,
        index: SceneIndex,
    ) -> None:
        self._settings, self._catalog, self._encoder = settings, catalog, encoder
        self._index = index

    def page(
        self,
        request: PageRequest,
        encoded: EncodedQuery | None,
        facets: Facets | None,
        passing: Selection | None,
        selected: Selection | None,
    ) -> Ranking:
        """Return a page of the pictures that pass, in the order of a request.

        Args:
            request: What is asked for.
            encoded: Its query, None if it has no terms.
            facets: The library as the caller sees it, if it is needed.
            passing: Who passes the filters, None for all.
            selected: Who of them is chosen by facets, None for all.
        """
        only = None if selected is None else selected.ids
        among = None if passing is None else passing.ids
        if encoded is not None:
            if facets is None or request.sort == "match":
                return self._page_by_match(encoded, request, facets, among, only)
            by_date = self._all_by_date if request.unlikely else self._matches_by_date
            return by_date(encoded, request, facets, among, only)
        if request.query is not None and selected is not None and not request.is_by_date:
            return by_confidence(
                selected, self.limit(request), request.after, matcher_of(self._encoder)
            )
        return self._by_date(request, facets, only)

    def _number(self, among: Ids | None) -> int:
        """Return how many pictures are searched; facets, which only narrow down, do not count.

        So a picture stays a likely match whatever values are chosen, and counts hold.
        """
        return len(self._index) if among is None else len(among)

    def limit(self, request: PageRequest) -> int:
        """Return how many rows a page has at most."""
        return self._settings.limit if request.limit is None else request.limit

    def width(self, request: PageRequest, encoded: EncodedQuery | None) -> int:
        """Return how many best rows the index is first asked for, for a page by match."""
        if encoded is None or not self.shows_matches_only(request):
            return self.limit(request)
        if _needs_all(request, encoded):
            return LOOK_AHEAD
        return self._look(encoded, self.limit(request))

    def _look(self, encoded: EncodedQuery, limit: int) -> int:
        """Return how many best rows tell a page of matches, and whether there is another one."""
        if limit < LEAST_LOOK and follows_scores(self._encoder, encoded.kind):
            return limit + 1
        return max(limit, LEAST_LOOK)

    def shows_matches_only(self, request: PageRequest) -> bool:
        """Whether pages leave unlikely matches out: a ranking without calibration knows of none."""
        is_calibrated = matcher_of(self._encoder) is not None
        return not request.unlikely and (is_calibrated or request.sort != "match")

    def _page_by_match(
        self,
        encoded: EncodedQuery,
        request: PageRequest,
        facets: Facets | None,
        among: Ids | None,
        only: Ids | None,
    ) -> Ranking:
        limit, after = self.limit(request), request.after
        if not self.shows_matches_only(request):
            # Whoever sees the nearest, whatever they are worth, is content with those of a guide.
            return self._by_match(
                encoded, only, limit, after=after, searched=self._number(among), surely=False
            )
        least = request.min_match
        if not _needs_all(request, encoded) and not self._is_remembered(encoded, facets, among):
            return self._matches_after(encoded, only, limit, after, self._number(among))
        found = self.shown(encoded, facets, among, only, least)
        page = page_of(found.within(only), limit, after)
        is_nearest = encoded.names_pictures and least is None
        nothing = not page.rows and not is_nearest and after is None and self._number(only) > 0
        return replace(page, nothing_like_that=nothing)

    def _matches_after(
        self,
        encoded: EncodedQuery,
        only: Ids | None,
        limit: int,
        after: Cursor | None,
        searched: int,
    ) -> Ranking:
        """Return a page of all but the unlikely matches without ranking those of other pages."""
        rows: list[Ranked] = []
        width, nothing, ended, start = self._look(encoded, limit), False, False, after
        # Where matches follow scores there is no other behind one that is none. Elsewhere a match
        # may come after worse ones, so as many again are looked at behind the last.
        follows = follows_scores(self._encoder, encoded.kind)
        tail = slice(-1 if follows else width // 2, None)
        while len(rows) <= limit and not ended:
            look = self._by_match(encoded, only, width, after=start, searched=searched)
            rows += without_unlikely(look.rows)
            ended = look.next is None or not without_unlikely(look.rows[tail])
            nothing = nothing or look.nothing_like_that
            start = look.next
        page = page_of(Ranking(tuple(rows)), limit, after)
        return replace(page, total=None, nothing_like_that=nothing)

    def _by_match(
        self,
        encoded: EncodedQuery,
        only: Ids | None,
        limit: int,
        *,
        after: Cursor | None = None,
        searched: int,
        surely: bool = True,
    ) -> Ranking:
        """Return the pictures nearest to the terms of a query, whatever they are worth.

        Args:
            encoded: The query.
            only: Sorted ids of the pictures that may be hits, None for all.
            limit: Most rows.
            after: Where the page before ended.
            searched: How many pictures the rows are the best of.
            surely: That nothing looks like that is said only when every picture was looked at.
        """
        named = encoded.resolved.named
        vector, kind = encoded.vector, encoded.kind
        look = partial(nearest, self._index, vector, limit, only=only, without=named)
        for exactly in (False, True):
            rows = look(after=after, exactly=exactly)
            frames = self._index.frames.answering(vector, (id_ for id_, _ in rows))
            ranked = judged(rows, self._catalog, self._encoder, vector, kind, searched, frames)
            matches = without_unlikely(ranked)
            # Behind the first page nobody says that nothing looks like that.
            if matches or after is not None or self._index.is_exact or not surely:
                break
        cursor = None
        if ranked and len(rows) == limit:
            seen = (after.seen if after else 0) + len(ranked)
            cursor = Cursor(*place(ranked[-1]), seen)
        nothing = bool(ranked) and not matches and after is None and not encoded.names_pictures
        return Ranking(tuple(ranked), cursor, nothing_like_that=nothing)

    def _by_date(self, request: PageRequest, facets: Facets | None, ids: Ids | None) -> Ranking:
        dated: Dated
        if facets is not None:
            dated = facets.columns
        else:
            assert ids is not None, "who lists all pictures has read what they are"
            dated = Dated(*self._catalog.filters.taken(ids))
        newest = request.sort != "oldest"
        return by_date(dated, ids, self.limit(request), request.after, newest=newest)

    def _all_by_date(
        self,
        encoded: EncodedQuery,
        request: PageRequest,
        facets: Facets,
        among: Ids | None,
        only: Ids | None,
    ) -> Ranking:
        """Return a page of all pictures by date, which are scored after they were chosen.

        Those that the query names, or that have no vector, are not on it.
        """
        page = self._by_date(request, facets, only)
        ids = np.sort(np.array([row.id for row in page.rows], dtype=np.int64))
        scored = self._by_match(encoded, ids, max(len(ids), 1), searched=self._number(among))
        return in_order_of(page, replace(scored, nothing_like_that=False, total=None))

    def _matches_by_date(
        self,
        encoded: EncodedQuery,
        request: PageRequest,
        facets: Facets,
        among: Ids | None,
        only: Ids | None,
    ) -> Ranking:
        matches = self.shown(encoded, facets, among, only, request.min_match)
        ids = matches.ids if only is None else np.intersect1d(matches.ids, only)
        page = self._by_date(request, facets, ids)
        return in_order_of(page, replace(matches.ranking, total=page.total))

    def _is_remembered(
        self, encoded: EncodedQuery, facets: Facets | None, among: Ids | None
    ) -> bool:
        return facets is not None and _key(encoded, among, None) in facets.remembered

    def shown(
        self,
        encoded: EncodedQuery,
        facets: Facets | None,
        among: Ids | None,
        only: Ids | None,
        least: MinMatch | None = None,
    ) -> Matches:
        """Return what a query finds among the pictures that pass the filters, or remember it.

        What is chosen of facets only takes away from it, except that of a query with a picture it
        never takes all, unless a least match is wanted: then the nearest of what is chosen belong
        to it too.
        """
        key = _key(encoded, among, least)
        matches: Matches | None = None if facets is None else facets.remembered.get(key)
        if matches is None:
            matches = self._matches(encoded, among, least)
            if facets is not None:
                facets.remember(key, matches)
        if not encoded.names_pictures or only is None or least is not None:
            return matches
        if matches.within(only).rows:
            return matches
        more = self._by_match(encoded, only, NEAREST, searched=self._number(among))
        return Matches(replace(matches.ranking, rows=merged(matches.ranking.rows, more.rows)))

    def _matches(
        self, encoded: EncodedQuery, among: Ids | None, wanted: MinMatch | None
    ) -> Matches:
        """Return all but the unlikely matches, best first; to a picture the nearest whatever else.

        Where a match is wanted, it takes the place of both. A match may come after worse ones, so
        as many again are looked at behind the last one. Of a model that is not calibrated the best
        matches are all that anybody can tell apart.
        """

        def is_match(row: Ranked) -> bool:
            return row.band != "unlikely" if wanted is None else is_enough(row, wanted)

        limit, searched = LOOK_AHEAD, self._number(among)
        while True:
            ranking = self._by_match(encoded, among, limit, searched=searched)
            matching = max((n for n, row in enumerate(ranking.rows, 1) if is_match(row)), default=0)
            is_all = limit >= len(self._index)
            if is_all or matching < limit // 2 or matcher_of(self._encoder) is None:
                break
            limit *= 4
        least = NEAREST if encoded.names_pictures and wanted is None else 0
        rows = (row for n, row in enumerate(ranking.rows) if n < least or is_match(row))
        found = replace(ranking, rows=tuple(rows), next=None)
        return Matches(found)


def _needs_all(request: PageRequest, encoded: EncodedQuery) -> bool:
    """Tell whether a page by match needs the matches of all pages."""
    return request.count or request.min_match is not None or encoded.names_pictures


def _key(encoded: EncodedQuery, among: Ids | None, least: MinMatch | None) -> Hashable:
    """Return what the matches of a query are remembered by."""
    return encoded.query.terms, None if among is None else among.tobytes(), least
