"""What saved searches look like, in requests and answers of the REST API."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from searchengine.search.pages import Sort
from searchengine.web.schemas.requests import MAX_QUERY, Filters, Strict


class AlbumRequest(Strict):
    """A search to be saved: a query, values of facets, or both."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
    query: Annotated[str, Field(max_length=MAX_QUERY)] = ""
    filters: Filters = Filters()
    sort: Sort = "match"
    unlikely: bool = Field(default=False, description="keep unlikely matches")


class AlbumOut(AlbumRequest):
    """A saved search, and what it finds now."""

    id: int
    count: int | None = Field(description="pictures that it finds; null if it has no answer")
    problem: str | None = Field(description="why it has no answer, if it has none")


class AlbumsAnswer(BaseModel):
    """The saved searches, by name."""

    albums: list[AlbumOut]
