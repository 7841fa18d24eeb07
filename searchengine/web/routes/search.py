"""Searching for pictures: `/search`, its `/facets`, `/timeline` and `/places`, and `/uploads`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response, UploadFile

from searchengine.errors import QueryError
from searchengine.language import query as grammar
from searchengine.language.filters import FilterError, read_filter
from searchengine.search.answers import hit_entry, translated_entries
from searchengine.search.facets import Count, Facet, FacetCounts
from searchengine.search.pages import Page, PageRequest
from searchengine.search.whereabouts import months_of, spots_of
from searchengine.types import Filter, Hit, Term
from searchengine.types import Query as ParsedQuery
from searchengine.web import answers, schemas
from searchengine.web.answers import AsciiJSON, LiveDep, UploadsDep, sent_type
from searchengine.web.media.uploads import MAX_BYTES, PREFIX, Uploads, too_large

router = APIRouter(default_response_class=AsciiJSON)

DECIMALS = 4
"""Of degrees: 11 metres."""


def query_in(text: str) -> ParsedQuery | None:
    """Read a query; None if it is blank, which asks for all pictures.

    Raises:
        QuerySyntaxError: It does not parse.
    """
    return grammar.parse(text, exists=lambda _: False) if text.strip() else None


def query_of(request: schemas.Question) -> ParsedQuery | None:
    """Return the query of a request, as text or as terms; None if it asks for all pictures.

    Raises:
        QueryError: It has both, or does not parse.
    """
    if request.terms is not None and request.query is not None:
        raise QueryError("give a query or terms, not both")
    filters = tuple(_filter(one) for one in request.filters_in_query)
    if request.terms is None:
        query = query_in(request.query or "")
        return grammar.with_filters(query, filters) if filters else query
    terms = tuple(_term(term) for term in request.terms)
    return ParsedQuery(terms, filters) if terms or filters else None


def ids_named(query: ParsedQuery | None) -> list[int]:
    """Return the numbers of the pictures of the library that a query names."""
    return [int(term.value) for term in query.terms if term.kind == "id"] if query else []


@router.post("/search", response_model=schemas.SearchAnswer, response_model_exclude_unset=True)
def search(request: schemas.SearchRequest, live: LiveDep, uploads: UploadsDep) -> Response:
    """Find pictures by a query or its terms, and by facets; without a query list all of them."""
    asked = replace(
        _page_request(request, uploads),
        limit=request.limit,
        after=answers.decoded_cursor(request.cursor, request.sort),
        count="facets" in request.with_,
        collapse=request.collapse,
        explain="explain" in request.with_,
    )
    query = asked.query
    with live.reading() as view:
        page = view.engine.page(asked, view.facets)
        pictures = view.engine.catalog.get(ids_named(query))
    return AsciiJSON(
        {
            "query": page.answer.query,
            **parts_entry(query, pictures),
            **page_entry(page, request.facet_values),
            "next_cursor": answers.encoded_cursor(page.next, request.sort),
            "took_ms": round(page.answer.took_ms, 3),
        }
    )


@router.get("/search", response_model=schemas.SearchAnswer, response_model_exclude_unset=True)
def search_by_address(
    address: Annotated[schemas.SearchParams, Query()], live: LiveDep, uploads: UploadsDep
) -> Response:
    """Find pictures as `POST /search` does, for people who type addresses."""
    request = schemas.SearchRequest.model_validate(address.question())
    return search(request, live, uploads)


@router.post("/facets", response_model=schemas.FacetsOut, response_model_exclude_unset=True)
def facets(request: schemas.FacetsRequest, live: LiveDep, uploads: UploadsDep) -> Response:
    """Count the values of the facets among the pictures that `/search` finds."""
    asked = _page_request(request, uploads)
    with live.reading() as view:
        counts = view.engine.counts(asked, view.facets, tag_prefix=request.tag_prefix)
    return AsciiJSON(facets_entry(counts))


@router.get("/facets", response_model=schemas.FacetsOut, response_model_exclude_unset=True)
def facets_by_address(
    address: Annotated[schemas.FacetsParams, Query()], live: LiveDep, uploads: UploadsDep
) -> Response:
    """Count as `POST /facets` does; without a query among all pictures."""
    request = schemas.FacetsRequest.model_validate(address.question())
    return facets(request, live, uploads)


@router.post("/timeline", response_model=schemas.TimelineAnswer)
def timeline(request: schemas.Question, live: LiveDep, uploads: UploadsDep) -> Response:
    """Count the pictures that `/search` finds by the month they were taken in."""
    asked = _page_request(request, uploads)
    with live.reading() as view:
        months = months_of(view.facets.columns, view.engine.found(asked, view.facets))
    undated = months.pop(None, 0)
    entries = [{"month": month, "count": count} for month, count in months.items()]
    return AsciiJSON({"months": entries, "undated": undated})


@router.post("/places", response_model=schemas.PlacesAnswer)
def places(request: schemas.Question, live: LiveDep, uploads: UploadsDep) -> Response:
    """Say where the pictures that `/search` finds were taken."""
    asked = _page_request(request, uploads)
    with live.reading() as view:
        ids = view.engine.found(asked, view.facets)
        spots = spots_of(view.facets.columns, ids)
    where = np.round(spots.where, DECIMALS)
    columns = (spots.ids.tolist(), *where.T.tolist(), spots.names.tolist())
    points = list(zip(*columns, strict=True))
    return AsciiJSON(
        {"points": points, "names": list(spots.called), "elsewhere": len(ids) - len(points)}
    )


@router.get("/parse", response_model=schemas.ParseAnswer, response_model_exclude_unset=True)
def parse_query(
    live: LiveDep,
    uploads: UploadsDep,
    q: Annotated[str, Query(max_length=schemas.MAX_QUERY)],
) -> Response:
    """Read a query without answering it."""
    query = grammar.parse(q, exists=lambda _: False)
    uploads.named_by(query.terms)  # they are there
    with live.reading() as view:
        pictures = view.engine.catalog.get(ids_named(query))
        unknown, translated = view.engine.understood(query)
    parts = parts_entry(query, pictures)
    return AsciiJSON(
        {
            "query": grammar.format(query),
            "terms": parts["terms"],
            "filters": parts["filters_in_query"],
            "unknown_words": answers.unknown_entries(unknown),
            "translated": translated_entries(translated),
            "hints": list(query.hints),
        }
    )


@router.post("/uploads", operation_id="upload_image", response_model=schemas.UploadAnswer)
def upload(file: UploadFile, live: LiveDep, uploads: UploadsDep) -> Response:
    """Take in a picture for queries; it is kept in memory, for a while."""
    data = file.file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise too_large()
    taken = uploads.add(live.engine, data)
    return AsciiJSON(
        {
            "upload": taken.token,
            "width": taken.width,
            "height": taken.height,
            "thumb": answers.upload_thumb_url(taken.token),
        }
    )


@router.get(
    "/uploads/{token}/thumb",
    operation_id="get_upload_thumb",
    response_class=Response,
    responses=schemas.sent_as("image/jpeg"),
)
def upload_thumb(token: str, uploads: UploadsDep, request: Request) -> Response:
    """Return the thumbnail of an upload."""
    headers = {"Cache-Control": "private, max-age=3600, immutable", "Vary": "Accept"}
    media_type = sent_type(request, "image/jpeg")
    return Response(uploads.get(token).thumb, media_type=media_type, headers=headers)


def page_entry(page: Page, facet_values: int) -> dict[str, Any]:
    """Return the JSON form of a page, without its query.

    Args:
        page: What was found.
        facet_values: Most values of each facet that are listed, beside those that are chosen.
    """

    def brief(hit: Hit) -> dict[str, Any]:
        return {"id": hit.id, "path": hit.path, **answers.brief(page.pictures[hit.id], hit.at)}

    hits = []
    for hit in page.answer.hits:
        entry = hit_entry(hit) | answers.brief(page.pictures[hit.id], hit.at)
        if page.shares is not None:
            entry["explain"] = [
                {"label": label, "share": round(share, 6)}
                for label, share in page.shares.get(hit.id, [])
            ]
        entry["duplicates"] = [brief(one) for one in hit.duplicates]
        hits.append(entry)
    copies = [brief(one) for one in page.answer.copies]
    entries: dict[str, Any] = {"copies": copies, "hits": hits}
    if page.counts is not None:
        first = {f: _first(f, one, facet_values) for f, one in page.counts.items()}
        entries["facets"] = facets_entry(first)
    return entries | {
        "total": page.total,
        "unknown_words": answers.unknown_entries(page.answer.unknown_words),
        "translated": translated_entries(page.answer.translated),
        "nothing_like_that": page.answer.nothing_like_that,
        "hints": list(page.answer.hints),
    }


def parts_entry(query: ParsedQuery | None, pictures: Any) -> dict[str, Any]:
    """Return the JSON form of the terms and the filters of a query."""
    terms, filters = ((), ()) if query is None else (query.terms, query.filters)
    return {
        "terms": [answers.term_entry(term, pictures) for term in terms],
        "filters_in_query": [
            {"kind": one.kind, "name": one.name, "excluded": one.excluded} for one in filters
        ],
    }


def facets_entry(counts: Mapping[Facet, FacetCounts]) -> dict[str, Any]:
    """Return the JSON form of counted facets."""

    def entry(facet: Facet, one: Count) -> dict[str, Any]:
        plain = {"value": one.value, "label": one.label, "count": one.count}
        return plain | ({"own": one.own} if facet == "tag" else {})

    listed: dict[str, Any] = {
        f: [entry(f, one) for one in counted.values] for f, counted in counts.items()
    }
    return {**listed, "in_all": {f: counted.in_all for f, counted in counts.items()}}


def _first(facet: Facet, counted: FacetCounts, most: int) -> FacetCounts:
    """Return a facet with its first values, in the order they had; all of them are counted."""
    if len(counted.values) <= most:
        return counted
    # Tags stand in the order of their worth; a folder has at least as many as those in it.
    places = list(range(len(counted.values)))
    if facet != "tag":
        places.sort(key=lambda at: -counted.values[at].count)
    kept, chosen = set(places[:most]), counted.chosen
    values = [one for at, one in enumerate(counted.values) if at in kept or one.value in chosen]
    return replace(counted, values=values)


def _page_request(request: schemas.Question, uploads: Uploads) -> PageRequest:
    query = query_of(request)
    return PageRequest(
        query,
        request.filters.chosen(),
        sort=request.sort,
        unlikely=request.unlikely,
        min_match=request.min_match,
        uploads=uploads.named_by(query.terms if query else ()),
    )


def _filter(one: schemas.FilterIn) -> Filter:
    try:
        return read_filter(one.kind, one.name, one.excluded)
    except FilterError as error:
        raise QueryError(f"{one.kind}:{one.name}: {error}") from error


def _term(term: schemas.TermIn) -> Term:
    if term.text is not None:
        return Term(term.weight, "words", " ".join(term.text.split()))
    if term.image_id is not None:
        return Term(term.weight, "id", str(term.image_id))
    return Term(term.weight, "picture", f"{PREFIX}{term.upload}")
