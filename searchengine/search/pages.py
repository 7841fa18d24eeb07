"""What a page of pictures is asked for by, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from searchengine.search.facets import Chosen, Facet, FacetCounts
from searchengine.search.ranking import Cursor
from searchengine.search.resolve import KnownPicture
from searchengine.search.tags import UNSURE
from searchengine.types import Answer, MinMatch, PathLike, Picture, Query

Sort = Literal["match", "newest", "oldest"]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a page of pictures is asked for by.

    Attributes:
        query: What to look for; None for all pictures.
        chosen: Values of facets.
        within: Only pictures at or under this path.
        sort: By match, or by date: of pictures that are no unlikely matches, those without a date
            last. All pictures have no match; they come the newest first.
        unlikely: Keep the unlikely matches at the end.
        min_match: Only pictures with at least this match, wherever they stand, in place of all but
            the unlikely ones. It says nothing of pictures by date that only exact filters chose.
        limit: Most hits; the settings decide if None.
        after: Where the page before ended. Where unlikely matches were left out, the next page
            looks at them again, because a likely one may follow.
        uploads: Pictures that stand for terms of the kind picture, by their values; the others
            are files.
        count: Count the values of facets among the pictures of all pages: of a ranking those that
            are no unlikely matches, or all if these are kept.
        explain: Split the scores.
        collapse: Have one picture stand for those that are the same, where the order has them on
            one page; `limit` counts what is left, and everything else counts all of them.
    """

    query: Query | None = None
    chosen: Chosen = field(default_factory=dict)
    within: PathLike | None = None
    sort: Sort = "match"
    unlikely: bool = False
    min_match: MinMatch | None = None
    limit: int | None = None
    after: Cursor | None = None
    uploads: Mapping[str, KnownPicture] = field(default_factory=dict)
    count: bool = False
    explain: bool = False
    collapse: bool = False

    @property
    def needs_facets(self) -> bool:
        """Whether it can be answered from the columns and the tags of all pictures only."""
        return self.query is None or self.sort != "match" or self.count or any(self.chosen.values())

    @property
    def is_by_date(self) -> bool:
        """Whether pictures come in order of their dates, also because nothing else orders them."""
        if self.sort != "match" or self.query is None:
            return True
        return not self.query.terms and all(
            one.excluded or one.kind not in UNSURE for one in self.query.filters
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A page of pictures.

    Attributes:
        answer: The hits; its query is empty if there was none.
        pictures: What is known of the hits, by id.
        next: Where the next page begins; None if there is none.
        total: How many pictures there are on all pages; None if nobody counted.
        counts: The values of facets, if they were asked for.
        shares: What each part of the query gave to the score of each hit, if that was asked for.
    """

    answer: Answer
    pictures: Mapping[int, Picture]
    next: Cursor | None
    total: int | None
    counts: Mapping[Facet, FacetCounts] | None = None
    shares: Mapping[int, list[tuple[str, float]]] | None = None
