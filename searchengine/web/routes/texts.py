"""Texts and recipes: `/texts`, `/recipes` and the texts of a picture."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from searchengine.catalog.texts import StoredText
from searchengine.documents import Kind
from searchengine.errors import QueryError
from searchengine.search.answers import hit_entry, translated_entries
from searchengine.search.texts import title_of
from searchengine.types import TextAnswer
from searchengine.web import answers, schemas
from searchengine.web.answers import AsciiJSON, LiveDep, UploadsDep
from searchengine.web.routes.pictures import PictureId

router = APIRouter(default_response_class=AsciiJSON)

TextId = Annotated[int, Path(ge=1, le=schemas.MAX_ID)]
Limit = Annotated[int, Query(ge=1, le=schemas.MAX_LIMIT)]
Foods = Annotated[list[Annotated[str, Query(max_length=200)]], Query(max_length=50)]


@router.get("/texts", operation_id="find_texts", response_model=schemas.TextsAnswer)
def texts(
    live: LiveDep,
    q: Annotated[str, Query(max_length=schemas.MAX_QUERY)] = "",
    kind: Kind | None = None,
    limit: Limit = 20,
) -> Response:
    """Find texts by words; without words list the first ones."""
    started = time.perf_counter()
    with live.texts() as found:
        if q.strip():
            return AsciiJSON(texts_entry(found.search(q, limit=limit, kind=kind)))
        listed = found.first(limit, kind=kind)
    return AsciiJSON(_listed_entry(listed, started))


@router.get("/texts/{id}", operation_id="get_text", response_model=schemas.TextOut)
def text(id: TextId, live: LiveDep) -> Response:
    """Return a text as it was added."""
    with live.texts() as found:
        one = found.get(id)
    document = one.document
    return AsciiJSON(
        {
            "id": one.id,
            "kind": document.kind,
            "title": title_of(document),
            "source": one.source,
            "body": list(document.body),
            "ingredients": list(document.ingredients),
            "ingredient_names": list(one.names),
            "key": document.key,
        }
    )


@router.get(
    "/texts/{id}/pictures",
    operation_id="find_images_of_text",
    response_model=schemas.PicturesOfText,
)
def pictures_of_text(
    id: TextId, live: LiveDep, limit: Limit = 60, unlikely: bool = False
) -> Response:
    """Find pictures that show what a text tells of; to a recipe, what shows no food is unlikely."""
    with live.reading() as view, live.texts():
        answer = view.engine.texts.pictures(id, limit=limit, unlikely=unlikely)
        rows = view.engine.catalog.get(hit.id for hit in answer.hits)
    hits = [hit_entry(hit) | answers.brief(rows[hit.id]) for hit in answer.hits if hit.id in rows]
    return AsciiJSON(
        {
            "query": answer.query,
            "unknown_words": answers.unknown_entries(answer.unknown_words),
            "hits": hits,
            "nothing_like_that": answer.nothing_like_that,
            "took_ms": round(answer.took_ms, 3),
        }
    )


@router.get(
    "/images/{id}/texts", operation_id="find_texts_of_image", response_model=schemas.TextsAnswer
)
def texts_of_picture(
    id: PictureId,
    live: LiveDep,
    kind: Kind | None = None,
    limit: Limit = 20,
    unlikely: bool = False,
) -> Response:
    """Find the texts nearest to a picture, recipes if it shows a dish; all kinds with `unlikely`.

    A library without texts has none.
    """
    picture = live.engine.picture(id)
    with live.texts() as found:
        counts = found.store.counts()
        if not (sum(counts.values()) if kind is None else counts[kind]):
            return AsciiJSON(texts_entry(TextAnswer(picture.path, (), (), 0.0)))
        return AsciiJSON(
            texts_entry(found.for_picture(id, limit=limit, kind=kind, unlikely=unlikely))
        )


@router.get("/recipes", operation_id="find_recipes", response_model=schemas.TextsAnswer)
def recipes(
    live: LiveDep,
    uploads: UploadsDep,
    image_id: Annotated[int | None, Query(ge=1, le=schemas.MAX_ID)] = None,
    upload: Annotated[str | None, Query(max_length=100)] = None,
    q: Annotated[str, Query(max_length=schemas.MAX_QUERY)] = "",
    having: Annotated[Foods, Query(alias="with")] = [],  # noqa: B006 - FastAPI copies defaults
    lacking: Annotated[Foods, Query(alias="without")] = [],  # noqa: B006
    limit: Limit = 20,
    unlikely: bool = False,
) -> Response:
    """Find recipes by a picture of a dish, or by words, and by what is in the kitchen.

    A picture of what is no dish has none, unless `unlikely` asks for the nearest. With neither
    picture nor words the first ones that can be cooked are listed.
    """
    started = time.perf_counter()
    if (image_id is not None) + (upload is not None) + bool(q.strip()) > 1:
        raise QueryError("ask by one thing: image_id, upload, or q")
    shown = image_id if upload is None else uploads.get(upload).picture
    with live.texts() as found:
        if shown is not None:
            answer = found.for_picture(
                shown,
                limit=limit,
                kind="recipe",
                having=having,
                lacking=lacking,
                unlikely=unlikely,
            )
        elif q.strip():
            answer = found.search(q, limit=limit, kind="recipe", having=having, lacking=lacking)
        else:
            listed = found.first(limit, kind="recipe", having=having, lacking=lacking)
            return AsciiJSON(_listed_entry(listed, started))
    return AsciiJSON(texts_entry(answer))


def _listed_entry(listed: Sequence[StoredText], started: float) -> dict[str, Any]:
    """Return the JSON form of texts that nobody has ranked."""
    hits = [
        _text_entry(one.id, one.document.kind, title_of(one.document), None, one.source)
        for one in listed
    ]
    took = round((time.perf_counter() - started) * 1000, 3)
    return {
        "query": "",
        "unknown_words": [],
        "translated": [],
        "hits": hits,
        "nothing_like_that": False,
        "took_ms": took,
    }


def texts_entry(answer: TextAnswer) -> dict[str, Any]:
    """Return the JSON form of an answer of texts."""
    return {
        "query": os.path.basename(answer.query) if os.path.isabs(answer.query) else answer.query,
        "unknown_words": answers.unknown_entries(answer.unknown_words),
        "translated": translated_entries(answer.translated),
        "hits": [
            _text_entry(hit.id, hit.kind, hit.title, round(hit.score, 6), hit.source)
            for hit in answer.hits
        ],
        "nothing_like_that": answer.nothing_like_that,
        "took_ms": round(answer.took_ms, 3),
    }


def _text_entry(
    id_: int, kind: Kind, title: str, score: float | None, source: str
) -> dict[str, Any]:
    return {"id": id_, "kind": kind, "title": title, "score": score, "source": source}
