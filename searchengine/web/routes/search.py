"""Searching for pictures: `/search`, `/facets`, `/parse`, `/suggest` and `/uploads`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response, UploadFile
from pydantic import StringConstraints

from searchengine.errors import QueryError
from searchengine.language import query as grammar
from searchengine.search.answers import hit_entry, translated_entries
from searchengine.search.facets import Count, Facet
from searchengine.search.paging import Page, PageRequest
from searchengine.types import Filter, Term
from searchengine.types import Query as ParsedQuery
from searchengine.web import answers, schemas
from searchengine.web.answers import AsciiJSON, TheLibrary, TheUploads
from searchengine.web.media.uploads import MAX_BYTES, PREFIX, too_large

router = APIRouter(default_response_class=AsciiJSON)

Values = Annotated[list[str], Query(max_length=schemas.MAX_VALUES)]
"""Values of a facet in an address; an empty one stands for the pictures that have none."""

Year = Annotated[str, StringConstraints(pattern=r"^[0-9]{0,4}$")]


def query_in(text: str) -> ParsedQuery | None:
    """Read a query; None if it is blank, which asks for all pictures.

    Raises:
        QuerySyntaxError: It does not parse.
    """
    return grammar.parse(text, exists=lambda _: False) if text.strip() else None


def query_of(request: schemas.SearchRequest) -> ParsedQuery | None:
    """Return the query of a request, as text or as terms; None if it asks for all pictures.

    Raises:
        QueryError: It has both, or does not parse.
    """
    if request.terms is not None and request.query is not None:
        raise QueryError("give a query or terms, not both")
    if request.terms is None and request.filters_in_query:
        raise QueryError("filters_in_query belong to terms; write them into the query")
    if request.terms is None:
        return query_in(request.query or "")
    terms = tuple(_term(term) for term in request.terms)
    filters = tuple(Filter(f.name, f.excluded, f.kind) for f in request.filters_in_query)
    return ParsedQuery(terms, filters) if terms or filters else None


def ids_named(query: ParsedQuery | None) -> list[int]:
    """Return the numbers of the pictures of the library that a query names."""
    return [int(term.value) for term in query.terms if term.kind == "id"] if query else []


@router.post("/search", response_model=schemas.SearchAnswer, response_model_exclude_unset=True)
def search(request: schemas.SearchRequest, live: TheLibrary, uploads: TheUploads) -> Response:
    """Find pictures by a query or its terms, and by facets; without a query list all of them."""
    query = query_of(request)
    page_request = PageRequest(
        query,
        request.filters.chosen(),
        sort=request.sort,
        unlikely=request.unlikely,
        limit=request.limit,
        after=answers.decoded_cursor(request.cursor, request.sort),
        uploads=uploads.named_by(query.terms if query else ()),
        count="facets" in request.with_,
        explain="explain" in request.with_,
    )
    with live.reading() as view:
        page = view.engine.page(page_request, view.facets)
        pictures = view.engine.catalog.get(ids_named(query))
    return AsciiJSON(
        {
            "query": page.answer.query,
            **parts_entry(query, pictures),
            **page_entry(page),
            "next_cursor": answers.encoded_cursor(page.next, request.sort),
            "took_ms": round(page.answer.took_ms, 3),
        }
    )


@router.get("/search", response_model=schemas.SearchAnswer, response_model_exclude_unset=True)
def search_by_address(
    live: TheLibrary,
    uploads: TheUploads,
    q: Annotated[str, Query(max_length=schemas.MAX_QUERY)] = "",
    limit: Annotated[int, Query(ge=1, le=schemas.MAX_LIMIT)] = 60,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    sort: Literal["match", "newest", "oldest"] = "match",
    unlikely: bool = False,
    folder: Values = [],  # noqa: B006 - FastAPI copies defaults
    year: Annotated[list[Year], Query(max_length=schemas.MAX_VALUES)] = [],  # noqa: B006
    month: Values = [],  # noqa: B006
    camera: Values = [],  # noqa: B006
    tag: Values = [],  # noqa: B006
    shape: Annotated[
        list[Literal["landscape", "portrait", "square", "panorama", ""]],
        Query(max_length=schemas.MAX_VALUES),
    ] = [],  # noqa: B006
    format: Values = [],  # noqa: B006
    with_: Annotated[list[Literal["explain", "facets"]], Query(alias="with")] = [],  # noqa: B006
) -> Response:
    """Find pictures as `POST /search` does, for people who type addresses."""
    filters: dict[str, Sequence[Any]] = {
        "folder": folder,
        "year": [value and int(value) for value in year],
        "month": month,
        "camera": camera,
        "tag": tag,
        "shape": shape,
        "format": format,
    }
    request = schemas.SearchRequest.model_validate(
        {
            "query": q,
            "filters": {
                name: [None if value == "" else value for value in values]
                for name, values in filters.items()
            },
            "sort": sort,
            "unlikely": unlikely,
            "limit": limit,
            "cursor": cursor,
            "with": with_,
        }
    )
    return search(request, live, uploads)


@router.get("/facets", response_model=schemas.FacetsOut)
def facets(live: TheLibrary) -> Response:
    """Count the values of the facets among all pictures."""
    with live.reading() as view:
        counts = view.facets.counts(None, {})
    return AsciiJSON(facets_entry(counts))


@router.get("/parse", response_model=schemas.ParseAnswer, response_model_exclude_unset=True)
def parse_query(
    live: TheLibrary,
    uploads: TheUploads,
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
        }
    )


@router.post("/uploads", response_model=schemas.UploadAnswer)
def upload(file: UploadFile, live: TheLibrary, uploads: TheUploads) -> Response:
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


@router.get("/uploads/{token}/thumb", response_class=Response)
def upload_thumb(token: str, uploads: TheUploads) -> Response:
    """Return the thumbnail of an upload."""
    headers = {"Cache-Control": "private, max-age=3600, immutable"}
    return Response(uploads.get(token).thumb, media_type="image/jpeg", headers=headers)


def page_entry(page: Page) -> dict[str, Any]:
    """Return the JSON form of a page, without its query."""
    hits = []
    for hit in page.answer.hits:
        entry = hit_entry(hit) | answers.brief(page.pictures[hit.id])
        if page.shares is not None:
            entry["explain"] = [
                {"label": label, "share": round(share, 6)}
                for label, share in page.shares.get(hit.id, [])
            ]
        hits.append(entry)
    entries: dict[str, Any] = {"hits": hits}
    if page.counts is not None:
        entries["facets"] = facets_entry(page.counts)
    return entries | {
        "total": page.total,
        "unknown_words": answers.unknown_entries(page.answer.unknown_words),
        "translated": translated_entries(page.answer.translated),
        "nothing_like_that": page.answer.nothing_like_that,
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


def facets_entry(counts: Any) -> dict[Facet, list[dict[str, Any]]]:
    """Return the JSON form of counted facets."""

    def entry(one: Count) -> dict[str, Any]:
        return {"value": one.value, "label": one.label, "count": one.count}

    return {facet: [entry(one) for one in values] for facet, values in counts.items()}


def _term(term: schemas.TermIn) -> Term:
    if term.text is not None:
        return Term(term.weight, "words", " ".join(term.text.split()))
    if term.image_id is not None:
        return Term(term.weight, "id", str(term.image_id))
    return Term(term.weight, "picture", f"{PREFIX}{term.upload}")
