"""Saved searches: a name, a question, and how many pictures it finds now."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Response

from searchengine.catalog.searches import SavedSearch
from searchengine.errors import LexpixError
from searchengine.search.pages import PageRequest
from searchengine.web import schemas
from searchengine.web.answers import AsciiJSON, LiveDep
from searchengine.web.live import Live
from searchengine.web.routes.search import query_in

router = APIRouter(prefix="/albums", default_response_class=AsciiJSON)

MOST = 200
"""Most searches that are kept: each is asked whenever the list is."""

AlbumId = Annotated[int, Path(ge=1, le=schemas.MAX_ID)]


@router.get("", operation_id="list_albums", response_model=schemas.AlbumsAnswer)
def list_albums(live: LiveDep) -> Response:
    """List the saved searches, each with the number of pictures that it finds now."""
    saved = live.engine.catalog.searches.all()
    return AsciiJSON({"albums": [_entry(live, one) for one in saved]})


@router.put("", operation_id="save_album", response_model=schemas.AlbumOut)
def save_album(asked: schemas.AlbumRequest, live: LiveDep) -> Response:
    """Save a search under a name, in place of another one of that name."""
    name = " ".join(asked.name.split())
    if "@upload:" in asked.query:
        raise HTTPException(
            422,
            "query: a picture that was dropped is forgotten after a while, so a search with it "
            "cannot be kept; add the picture to the library, and ask by its number",
        )
    query_in(asked.query)  # it can be read
    searches = live.engine.catalog.searches
    saved = searches.all()
    if len(saved) >= MOST and name not in {one.name for one in saved}:
        raise HTTPException(409, f"there are {MOST} saved searches; remove one of them first")
    question = json.dumps(asked.model_dump(exclude={"name"}))
    id_ = searches.save(name, question)
    return AsciiJSON(_entry(live, SavedSearch(id_, name, question)))


@router.delete("/{id}", operation_id="remove_album", response_model=schemas.AlbumsAnswer)
def remove_album(id: AlbumId, live: LiveDep) -> Response:
    """Forget a saved search, not its pictures, and list the others."""
    if not live.engine.catalog.searches.remove(id):
        raise HTTPException(404, f"{id}: no saved search has this number")
    return list_albums(live)


def _entry(live: Live, saved: SavedSearch) -> dict[str, Any]:
    asked = schemas.AlbumRequest.model_validate(json.loads(saved.question) | {"name": saved.name})
    entry = asked.model_dump() | {"id": saved.id}
    try:
        return entry | {"count": _count(live, asked), "problem": None}
    except LexpixError as error:  # a picture that it names was forgotten, say
        return entry | {"count": None, "problem": str(error)}


def _count(live: Live, asked: schemas.AlbumRequest) -> int:
    request = PageRequest(
        query_in(asked.query),
        asked.filters.chosen(),
        sort=asked.sort,
        unlikely=asked.unlikely,
    )
    with live.reading() as view:
        counts = view.engine.counts(request, view.facets)
    # Every picture has one shape or none, so these are all that the search finds; of other facets
    # a picture may have many values, or there may be too many to be counted out.
    chosen = asked.filters.shape
    return sum(one.count for one in counts["shape"].values if not chosen or one.value in chosen)
