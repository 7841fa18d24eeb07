"""One picture: what is known of it, its file, thumbnail, tags, neighbours and explanation."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from searchengine.errors import ChangedFile, ImageError, ModelError
from searchengine.formats import format_of
from searchengine.images import exposure_in, format_in
from searchengine.language.query import parse
from searchengine.search.answers import translated_entries
from searchengine.search.duplicates import copies, near_duplicates
from searchengine.search.engine import Engine
from searchengine.types import Tag, Vector
from searchengine.web import answers, schemas
from searchengine.web.answers import API, AsciiJSON, LiveDep, ThumbsDep, UploadsDep, sent_type
from searchengine.web.media.originals import OpenFile
from searchengine.web.routes.search import search

router = APIRouter(prefix="/images", default_response_class=AsciiJSON)

MOST_SECONDS = 10**7
"""Four months: no film has a later frame."""

PictureId = Annotated[int, Path(ge=1, le=schemas.MAX_ID)]

MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
    "avif": "image/avif",
    "jpeg2000": "image/jp2",
    "pnm": "image/x-portable-anymap",
    "heic": "image/heic",
    "jxl": "image/jxl",
    "raw": "application/octet-stream",
}
"""What a file is sent as, by its content. Nothing here is a page that a browser would run."""

FOR_EVER = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"


@router.get("/{id}", operation_id="get_image", response_model=schemas.ImageAnswer)
def image(id: PictureId, live: LiveDep) -> Response:
    """Return all that is known of a picture."""
    aperture, shutter = _exposure(live.engine, id)  # before the lock: a disk may be slow
    with live.reading() as view:
        engine = view.engine
        picture = engine.picture(id)
        exif = picture.exif
        vector = _vector(engine, id)
        same = [one.id for one in copies(engine.catalog, picture)]
        near: list[tuple[int, float]] = []
        if vector is not None:
            fingerprint = engine.encoder.fingerprint
            near = near_duplicates(engine.catalog, fingerprint, engine.index, id, vector)
        there = engine.catalog.get(id_ for id_, _ in near)
        entry = {
            "id": picture.id,
            "path": picture.path,
            "folder": os.path.dirname(picture.path),
            "name": os.path.basename(picture.path),
            "size": picture.size,
            **answers.brief(picture),
            "taken_offset": exif.taken_offset,
            "camera": exif.camera,
            "lens": exif.lens,
            "lat": exif.lat,
            "lon": exif.lon,
            "format": picture.format or format_of(picture.path),
            "aperture": aperture,
            "shutter": shutter,
            "focal": exif.focal,
            "iso": exif.iso,
            "rating": exif.rating,
            "description": exif.description,
            "keywords": list(exif.keywords),
            "place": picture.place or None,
            "damage": picture.damage,
            "state": picture.state,
            "file": f"{API}/images/{picture.id}/file",
            "tags": _tags(engine, id, vector),
            "copies": same,
            "near_duplicates": [
                {"id": id_, "score": round(score, 6), "thumb": answers.thumb_url(there[id_])}
                for id_, score in near
                if id_ in there
            ],
        }
    return AsciiJSON(entry)


@router.get(
    "/{id}/file",
    operation_id="get_file",
    response_class=Response,
    responses=schemas.sent_as(*MEDIA_TYPES.values())
    | {
        206: {"description": "The range that was asked for"},
        304: {"description": "The client has it"},
    },
)
def file(id: PictureId, live: LiveDep, request: Request) -> Response:
    """Return the file of a picture as it was indexed; a range of its bytes may be asked for."""
    picture = live.engine.picture(id)
    try:
        opened = live.engine.original(picture)
    except ImageError as error:
        raise HTTPException(404, str(error)) from error
    media_type = MEDIA_TYPES.get(format_in(opened) or "")
    if media_type is None:
        opened.close()
        raise HTTPException(415, f"{picture.path}: not of a format that is shown")
    tag = f'"{picture.sha256}"'
    headers = {
        "ETag": tag,
        "Cache-Control": ASK_AGAIN,
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": _disposition(picture.path),
    }
    if _is_known(request, tag):
        opened.close()
        return Response(status_code=304, headers=headers)
    return OpenFile(opened, picture.size, request, sent_type(request, media_type), headers)


@router.get(
    "/{id}/thumb",
    operation_id="get_thumb",
    response_class=Response,
    responses=schemas.sent_as("image/jpeg") | {304: {"description": "The client has it"}},
)
def thumb(
    id: PictureId,
    live: LiveDep,
    thumbs: ThumbsDep,
    request: Request,
    size: Literal["160", "320", "640"] = "320",
    v: Annotated[str | None, Query(max_length=64)] = None,
    at: Annotated[float | None, Query(ge=0, le=MOST_SECONDS)] = None,
) -> Response:
    """Return a small JPEG; with the right `v` it may be kept for ever.

    Of a film `at` is the time of the frame, as a hit told it.
    """
    picture = live.engine.picture(id)
    if at is not None and at not in live.engine.catalog.frames.times(id):
        raise HTTPException(404, f"#{id}: no frame of it at {at:g} s")
    digest = picture.sha256
    is_current = v is not None and digest is not None and digest[:8] == v
    headers = {"Cache-Control": FOR_EVER if is_current else ASK_AGAIN, "Vary": "Accept"}
    if digest is not None:
        frame = "" if at is None else f"-{at}"
        headers["ETag"] = tag = f'"{digest[:32]}-{size}{frame}"'
        if _is_known(request, tag):
            return Response(status_code=304, headers=headers)
    try:
        made = thumbs.of(picture, int(size), live.engine.original, at=at)
    except ImageError as error:
        raise HTTPException(404, str(error)) from error
    return Response(made, media_type=sent_type(request, "image/jpeg"), headers=headers)


@router.get(
    "/{id}/similar",
    operation_id="find_similar",
    response_model=schemas.SearchAnswer,
    response_model_exclude_unset=True,
)
def similar(
    id: PictureId,
    live: LiveDep,
    uploads: UploadsDep,
    limit: Annotated[int, Query(ge=1, le=schemas.MAX_LIMIT)] = 60,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    unlikely: bool = False,
) -> Response:
    """Find pictures that look like one."""
    terms = [schemas.TermIn(image_id=id)]
    request = schemas.SearchRequest(terms=terms, limit=limit, cursor=cursor, unlikely=unlikely)
    return search(request, live, uploads)


@router.get("/{id}/explain", response_model=schemas.ExplainAnswer)
def explain(
    id: PictureId,
    live: LiveDep,
    uploads: UploadsDep,
    q: Annotated[str, Query(max_length=schemas.MAX_QUERY)],
) -> Response:
    """Split the score of a picture exactly into the words of a query and its own places."""
    query = parse(q, exists=lambda _: False)
    named = uploads.named_by(query.terms)
    engine = live.engine
    engine.picture(id)  # there is one
    with uploads.decoding.turn():
        found = engine.explain(query, id, named)
    rows, columns = found.parts[0].grid.shape
    return AsciiJSON(
        {
            "score": found.score,
            "at": found.at,
            "rows": rows,
            "columns": columns,
            "parts": [
                {"label": part.label, "share": part.share, "grid": part.grid.tolist()}
                for part in found.parts
            ],
            "unknown_words": answers.unknown_entries(found.unknown_words),
            "translated": translated_entries(found.translated),
        }
    )


@router.get("/{id}/caption", operation_id="get_caption", response_model=schemas.CaptionAnswer)
def caption(id: PictureId, live: LiveDep, uploads: UploadsDep) -> Response:
    """Return a sentence about a picture, with where each of its words looks.

    A sentence that is stored comes without words if there is no captioner now.
    """
    engine = live.engine
    engine.picture(id)  # there is one
    try:
        with uploads.decoding.turn():
            found = engine.caption(id)
    except ImageError as error:
        raise HTTPException(404, str(error)) from error
    except ModelError:
        stored = engine.catalog.captions.get([id]).get(id)
        if stored is None:
            raise
        return AsciiJSON(
            {
                "text": stored.text,
                "sure": stored.sure,
                "confidence": stored.confidence,
                "logprob": stored.logprob,
                "words": [],
            }
        )
    grids = [None] * len(found.words) if found.attention is None else found.attention.tolist()
    return AsciiJSON(
        {
            "text": found.text,
            "sure": found.sure,
            "confidence": found.confidence,
            "logprob": found.logprob,
            "words": [
                {"word": word, "logprob": logprob, "attention": grid}
                for word, logprob, grid in zip(found.words, found.logprobs, grids, strict=True)
            ],
        }
    )


@router.put("/{id}/tags", operation_id="edit_tags", response_model=schemas.TagsAnswer)
def put_tags(id: PictureId, said: schemas.TagsRequest, live: LiveDep) -> Response:
    """Take the user's word on the tags of a picture."""
    engine = live.engine
    engine.picture(id)  # there is one
    try:
        engine.edit_tags(id, add=said.add, remove=said.remove, accept=said.accept)
    finally:  # what was said before an error was found counts
        live.tagged(id)
    return AsciiJSON({"tags": _tags(engine, id, _vector(engine, id))})


def _exposure(engine: Engine, id_: int) -> tuple[float | None, float | None]:
    """Return f-number and seconds, read from the file of a picture if that is as it was indexed."""
    try:
        with engine.original(engine.picture(id_)) as file:
            return exposure_in(file)
    except (ChangedFile, ImageError):
        return None, None


def _vector(engine: Engine, id_: int) -> Vector | None:
    return engine.catalog.vectors([id_], engine.encoder.fingerprint).get(id_)


def _tags(engine: Engine, id_: int, vector: Vector | None, limit: int = 10) -> list[dict[str, Any]]:
    """Return the tags of a picture as `Engine.tag` does; none if it has no vector."""
    return [] if vector is None else tag_entries(engine.tags.for_picture(vector, [id_], limit))


def tag_entries(tags: list[Tag]) -> list[dict[str, Any]]:
    """Return the JSON form of tags."""
    return [
        {
            "name": tag.name,
            "source": tag.source,
            "confidence": None if tag.confidence is None else round(tag.confidence, 4),
        }
        for tag in tags
    ]


def _disposition(path: str) -> str:
    name = quote(os.fsencode(os.path.basename(path)), safe="")
    return f"inline; filename*=UTF-8''{name}"


def _is_known(request: Request, tag: str) -> bool:
    """Tell whether the client says that it has what a tag names."""
    known = request.headers.get("if-none-match")
    if known is None:
        return False
    return known.strip() == "*" or tag in (
        one.strip().removeprefix("W/") for one in known.split(",")
    )
