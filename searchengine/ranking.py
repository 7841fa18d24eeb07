"""Pictures in order of a query, page by page, and which of them are worth showing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from searchengine.calibration import kind_of
from searchengine.catalog import Catalog
from searchengine.config import Settings
from searchengine.errors import ModelError, NothingIndexed
from searchengine.labels import Labels
from searchengine.loading import names_head
from searchengine.resolve import (
    NONE_GIVEN,
    KnownPicture,
    Resolved,
    Resolver,
    query_vector,
    refuse_excess,
)
from searchengine.status import why_empty
from searchengine.tagging import matcher_of
from searchengine.types import (
    Encoder,
    Hit,
    Ids,
    Matcher,
    Picture,
    Query,
    QueryKind,
    UnknownWord,
    Vector,
    VectorIndex,
)


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
        pictures: What the catalog knows of the hits, by id, as far as it was asked.
    """

    hits: tuple[Hit, ...]
    unknown_words: tuple[UnknownWord, ...] = ()
    nothing_like_that: bool = False
    after: Place | None = None
    terms: Resolved | None = None
    pictures: Mapping[int, Picture] = field(default_factory=dict)


class Ranker:
    """Rank the pictures of a library.

    Args:
        settings: Name the model, and how many hits are wanted where nobody says.
        catalog: Knows the pictures.
        encoder: The model.
        index: Holds its vectors.
        labels: Know which pictures pass the filters of a query.
        resolver: Finds the vectors of terms.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        encoder: Encoder,
        index: VectorIndex,
        labels: Labels,
        resolver: Resolver,
    ) -> None:
        self._settings, self._catalog, self._encoder = settings, catalog, encoder
        self._index, self._labels, self._resolver = index, labels, resolver

    def rank(
        self,
        asked: Query,
        *,
        limit: int | None = None,
        only: Ids | None = None,
        unlikely: bool = False,
        given: Mapping[str, KnownPicture] = NONE_GIVEN,
        after: Place | None = None,
        searched: int | None = None,
    ) -> Ranked:
        """Return a page of what `Engine.search` answers.

        Args:
            asked: The query.
            limit: Most hits to return; the settings decide if None.
            only: Sorted ids of the pictures that may be hits, None for all.
            unlikely: Keep the unlikely matches at the end of the page.
            given: Pictures that stand for terms of the kind picture, by their values; the others
                are files.
            after: Where the page before ended. Where unlikely matches were left out, the next page
                looks at them again, because a likely one may follow.
            searched: How many pictures the hits are the best of; those that may be hits if None.

        Raises:
            QueryError: As `Engine.search` does.
        """
        self.require_model_of_pictures()
        self.require_pictures()
        refuse_excess(asked)
        passing = self._labels.passing(asked.filters, only) if asked.filters else None
        count = self._settings.limit if limit is None else limit
        if not asked.terms:
            return self.listed(passing or {}, count, after)
        terms, used, unknown = self._resolver.resolve(asked, given)
        vector = query_vector(terms)
        if passing is not None:
            only = np.sort(np.fromiter(passing, dtype=np.int64))
        rows = nearest(self._index, vector, count, only=only, without=used, after=after)
        pictures = self._catalog.get(id_ for id_, _ in rows)
        found = [Hit(id_, pictures[id_].path, score) for id_, score in rows if id_ in pictures]
        if searched is None:
            searched = len(self._index) if only is None else len(only)
        hits = self._judge(found, asked, vector, searched)
        worth = worth_showing(hits)
        shown = hits if unlikely else hits[:worth]
        return Ranked(
            tuple(shown),
            unknown,
            nothing_like_that=bool(hits) and not worth and after is None,
            after=place_of(shown, after, exhausted=len(rows) < count),
            terms=terms,
            pictures=pictures,
        )

    def listed(self, passing: Mapping[int, float], count: int, after: Place | None) -> Ranked:
        """Answer a query of filters alone: the surest first, then by id.

        Args:
            passing: How sure it is that a picture passes, by id.
            count: Most hits.
            after: Where the page before ended.
        """
        ranked = sorted((-sure, id_) for id_, sure in passing.items())
        start = 0 if after is None else bisect_right(ranked, (after.key, after.tie))
        rows = ranked[start : start + count]
        pictures = self._catalog.get(id_ for _, id_ in rows)
        matcher = matcher_of(self._encoder)
        hits = tuple(
            Hit(i, pictures[i].path, -less, -less, matcher.band(-less) if matcher else "likely")
            for less, i in rows
            if i in pictures
        )
        place = place_of(hits, after, exhausted=start + count >= len(ranked))
        return Ranked(hits, after=place, pictures=pictures)

    def require_pictures(self) -> None:
        """Raise NothingIndexed if the library has no picture."""
        if not len(self._index):
            raise NothingIndexed(why_empty(self._catalog, self._encoder, self._settings))

    def require_model_of_pictures(self) -> None:
        """Raise ModelError if the settings name a model that answers by texts only."""
        if self._is_for_texts:
            raise ModelError(
                f"{self._settings.model}: answers by recipes, not by words; leave it out, or use: "
                "lexpix search --text-file FILE"
            )

    @cached_property
    def _is_for_texts(self) -> bool:
        # What the library chose for itself is a model of pictures.
        return "model" not in self._settings.yielding and names_head(self._settings.model)

    def _judge(self, hits: list[Hit], asked: Query, vector: Vector, searched: int) -> list[Hit]:
        """Give hits their match and band, as they are if the model is not calibrated.

        Args:
            hits: Best first; one that was forgotten meanwhile is left out.
            asked: The query.
            vector: The query's.
            searched: How many pictures the hits are the best of.
        """
        matcher = matcher_of(self._encoder)
        if matcher is None or not hits:
            return hits
        stored = self._catalog.vectors([hit.id for hit in hits], self._encoder.fingerprint)
        return judged(
            hits, stored, vector, kind_of(self._resolver.in_english(asked)), matcher, searched
        )


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


def judged(
    hits: Sequence[Hit],
    stored: Mapping[int, Vector],
    vector: Vector,
    kind: QueryKind,
    matcher: Matcher,
    searched: int,
) -> list[Hit]:
    """Give each hit its match and band.

    Args:
        hits: Best first.
        stored: Vectors of the hits by id; a hit without one was forgotten meanwhile, and goes.
        vector: The query's.
        kind: The query's.
        matcher: Tells what scores are worth.
        searched: How many pictures the hits are the best of.
    """
    present = [hit for hit in hits if hit.id in stored]
    if not present:
        return []
    rows = np.stack([stored[hit.id] for hit in present])
    matches = matcher.match(vector[None], rows, [kind], searched)[0].tolist()
    return [
        replace(hit, match=match, band=matcher.band(match, kind))
        for hit, match in zip(present, matches, strict=True)
    ]
