"""Pages of pictures: what a query and facets leave, by match or by date, with counts and shares.

Every answer with pictures to a query is made here, of `Engine.search` as of the web. Filters and
facets are applied before the ranking, so that they never lose a result.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from searchengine.catalog.selection import Selection
from searchengine.config import Settings
from searchengine.errors import ModelError, QueryError
from searchengine.language import query as grammar
from searchengine.models.calibration import matcher_of
from searchengine.models.loading import names_head
from searchengine.search.collapsing import collapsed, hits_of
from searchengine.search.columns import Columns
from searchengine.search.explain import Explainer
from searchengine.search.facets import Facet, FacetCounts, Facets
from searchengine.search.frames import SceneIndex
from searchengine.search.kept_facets import KeptFacets
from searchengine.search.matches import EncodedQuery, plan_of
from searchengine.search.ordering import Ordering
from searchengine.search.pages import Page, PageRequest
from searchengine.search.resolve import Resolver, refuse_excess
from searchengine.search.status import ids_within, require_pictures, require_vectors
from searchengine.search.tags import CALIBRATE, Tags
from searchengine.types import (
    Answer,
    Encoder,
    Hit,
    Ids,
    MinMatch,
    Query,
    SearchPlan,
    VectorIndex,
)

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog

ROUNDS = 5
"""How often more pictures are fetched at most until a page is full of different ones."""


class Pager:
    """Answer requests for pages of pictures.

    Args:
        settings: Name the model, and how many hits are wanted where nobody says.
        catalog: Knows the pictures.
        encoder: The model.
        index: Holds its vectors.
        scenes: The same, in which a film is found by the best of its frames.
        tags: Know which pictures pass the filters of a query.
        resolver: Finds the vectors of terms.
        explainer: Splits scores.
        kept: What is kept of columns and tags.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        encoder: Encoder,
        index: VectorIndex,
        scenes: SceneIndex,
        tags: Tags,
        resolver: Resolver,
        explainer: Explainer,
        kept: KeptFacets,
    ) -> None:
        self._settings, self._catalog, self._encoder = settings, catalog, encoder
        self._index, self._tags, self._resolver = index, tags, resolver
        self._scenes, self._explainer, self._kept = scenes, explainer, kept
        self._ordering = Ordering(settings, catalog, encoder, scenes)

    def page(self, request: PageRequest, facets: Facets | None = None) -> Page:
        """Answer a request.

        Args:
            request: What is asked for.
            facets: The library as the caller sees it; read if it is needed and None.

        Raises:
            QueryError, NothingIndexed, ModelError: As `Engine.search` does; but facets that leave
                nothing, and a library without pictures that is asked for all of them, are an
                answer.
        """
        started = time.perf_counter()
        query = request.query
        self._require_judged(request)
        if query is not None:
            self._require_answerable(query)
        if facets is None and request.needs_facets:
            facets = self.facets()
        passing = self._passing(request, facets)
        selected = passing if facets is None else facets.selected(passing, request.chosen)
        encoded = EncodedQuery.of(request, self._resolver)
        ranking = self._ordering.page(request, encoded, facets, passing, selected)
        copies = () if encoded is None else encoded.resolved.copies
        pictures = self._catalog.get([*(row.id for row in ranking.rows), *copies])
        hits = hits_of(ranking.rows, pictures)
        if request.collapse:
            hits = collapsed(self._catalog, self._encoder.fingerprint, hits, pictures)
            for _ in range(ROUNDS):
                left = self._ordering.limit(request) - len(hits)
                if left <= 0 or ranking.next is None:
                    break
                further = replace(request, after=ranking.next, limit=left)
                more = self._ordering.page(further, encoded, facets, passing, selected)
                pictures |= self._catalog.get(row.id for row in more.rows)
                hits += hits_of(more.rows, pictures)
                hits = collapsed(self._catalog, self._encoder.fingerprint, hits, pictures)
                ranking = replace(ranking, next=more.next)
        if not hits and query is not None and passing is not None and not query.filters:
            require_vectors(self._catalog, self._encoder, passing.ids, request.within)
        shares = counts = None
        if request.explain and encoded is not None:
            ids = [hit.id for hit in hits]
            frames = self._scenes.frames.answering(encoded.vector, ids)
            shares = self._explainer.shares(encoded.resolved.terms, ids, frames)
        if request.count and facets is not None:
            counts = self._counts(request, encoded, facets, passing, selected)
        answer = Answer(
            "" if query is None else grammar.format(query),
            hits,
            () if encoded is None else encoded.resolved.unknown,
            (time.perf_counter() - started) * 1000,
            ranking.nothing_like_that,
            calibrated=query is None or not query.terms or matcher_of(self._encoder) is not None,
            translated=() if query is None else self._resolver.translated(query),
            hints=() if query is None else (*query.hints, *self._tags.hints(query, passing)),
            names_pictures=encoded is not None and encoded.names_pictures,
            copies=tuple(Hit(i, pictures[i].path, None) for i in copies if i in pictures),
        )
        return Page(answer, pictures, ranking.next, ranking.total, counts, shares)

    def counts(
        self, request: PageRequest, facets: Facets, *, tag_prefix: str = ""
    ) -> Mapping[Facet, FacetCounts]:
        """Count the values of facets as the pages of a request would, without making one.

        Args:
            request: What is asked for; its limit and cursor say nothing here.
            facets: The library as the caller sees it.
            tag_prefix: Only tags of which a word begins so, and those that are chosen.

        Raises:
            QueryError, NothingIndexed, ModelError: As `page` does.
        """
        encoded, passing, selected = self._asked(request, facets)
        return self._counts(request, encoded, facets, passing, selected, tag_prefix=tag_prefix)

    def found(self, request: PageRequest, facets: Facets) -> Ids:
        """Return the sorted ids of the pictures on all pages of a request, without making one.

        Args:
            request: What is asked for; its limit and cursor say nothing here.
            facets: The library as the caller sees it.

        Raises:
            QueryError, NothingIndexed, ModelError: As `page` does.
        """
        encoded, passing, selected = self._asked(request, facets)
        shown = self._base(request, encoded, facets, passing, selected)
        chosen = facets.ids if selected is None else selected.ids
        return chosen if shown is None else np.intersect1d(shown, chosen)

    def facets(self) -> Facets:
        """Read what pictures can be narrowed down by, as the library is now."""
        roots = tuple(root.path for root in self._catalog.roots())
        vocabulary = self._tags.vocabulary
        if (kept := self._kept.current(vocabulary)) is not None:
            return Facets(kept.columns, kept.tags, roots, vocabulary)
        return Facets(Columns.of(self._catalog), self._tags.table(), roots, vocabulary)

    def plan(self, request: PageRequest) -> SearchPlan:
        """Say how the index would be asked for a page by match, and why.

        Raises:
            QueryError, NothingIndexed, ModelError: As `page` does.
        """
        if request.query is not None:
            self._require_answerable(request.query)
        passing, encoded = self._passing(request, None), EncodedQuery.of(request, self._resolver)
        width = self._ordering.width(request, encoded)
        return plan_of(self._scenes, encoded, width, None if passing is None else passing.ids)

    # What may be on the page

    def _asked(
        self, request: PageRequest, facets: Facets
    ) -> tuple[EncodedQuery | None, Selection | None, Selection | None]:
        """Return a request's query, who passes its filters, and who of them what is chosen."""
        self._require_judged(request)
        if request.query is not None:
            self._require_answerable(request.query)
        passing = self._passing(request, facets)
        selected = facets.selected(passing, request.chosen)
        return EncodedQuery.of(request, self._resolver), passing, selected

    def _passing(self, request: PageRequest, facets: Facets | None) -> Selection | None:
        """Return the pictures below a folder that pass the filters; None for all."""
        within = None if request.within is None else ids_within(self._catalog, request.within)
        if request.query is None or not request.query.filters:
            return None if within is None else Selection.certain(within)
        if facets is None:
            selected = self._tags.select(request.query.filters, within)
        else:
            among = facets.ids if within is None else within
            selected = self._tags.select(request.query.filters, among, facets.tags)
        if request.min_match is None or request.query.terms:
            return selected
        return selected.at_least(self._confidence(request.min_match))

    def _confidence(self, least: MinMatch) -> float:
        """Return how sure a filter must be of a picture for a least match."""
        if not isinstance(least, str):
            return least
        matcher = matcher_of(self._encoder)
        return 0.0 if matcher is None else matcher.bands["words"][least]

    def _counts(
        self,
        request: PageRequest,
        encoded: EncodedQuery | None,
        facets: Facets,
        passing: Selection | None,
        selected: Selection | None,
        *,
        tag_prefix: str = "",
    ) -> Mapping[Facet, FacetCounts]:
        """Count among the pictures that the pages of a request show if nothing is chosen."""
        shown = self._base(request, encoded, facets, passing, selected)
        base = None if shown is None else np.isin(facets.ids, shown)
        return facets.counts(base, request.chosen, tag_prefix=tag_prefix)

    def _base(
        self,
        request: PageRequest,
        encoded: EncodedQuery | None,
        facets: Facets,
        passing: Selection | None,
        selected: Selection | None,
    ) -> Ids | None:
        """Return the pictures of all pages if nothing is chosen of facets; None for all."""
        shown = among = None if passing is None else passing.ids
        if encoded is not None:
            if self._ordering.shows_matches_only(request):
                only = None if selected is None else selected.ids
                least = request.min_match
                shown = self._ordering.shown(encoded, facets, among, only, least).ids
            elif named := encoded.resolved.named:
                shown = np.setdiff1d(facets.ids if among is None else among, sorted(named))
        return shown

    def _require_judged(self, request: PageRequest) -> None:
        """Refuse a least match that is none, or that no picture can be judged by."""
        least = request.min_match
        if least is None:
            return
        if request.unlikely:
            raise QueryError("a least match and unlikely matches too: one of them")
        if least not in ("likely", "maybe") and not (
            isinstance(least, (int, float)) and 0 <= least <= 1
        ):
            raise QueryError(f"{least!r}: a least match is likely, maybe, or a number in 0..1")
        if matcher_of(self._encoder) is None and request.query is not None and request.query.terms:
            raise ModelError(
                f"model {self._encoder.name!r}: has no calibration, so no picture has a match; "
                f"{CALIBRATE}"
            )

    def _require_answerable(self, query: Query) -> None:
        if self._is_for_texts:
            raise ModelError(
                f"{self._settings.model}: answers by recipes, not by words; leave it out, or use: "
                "lexpix search --text-file FILE"
            )
        require_pictures(self._index, self._catalog, self._encoder, self._settings)
        refuse_excess(query)

    @cached_property
    def _is_for_texts(self) -> bool:
        # What the library chose for itself is a model of pictures.
        return "model" not in self._settings.yielding and names_head(self._settings.model)
