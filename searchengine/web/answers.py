"""What routers share: answers in JSON, links, cursors, and the engine of a request."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import JSONResponse

from searchengine.errors import QueryError
from searchengine.search.keeping import Kind
from searchengine.search.pages import Sort
from searchengine.search.ranking import Cursor
from searchengine.types import Picture, Term, UnknownWord
from searchengine.web.groups import Groups
from searchengine.web.live import Live
from searchengine.web.media.thumbs import Thumbs
from searchengine.web.media.uploads import PREFIX, Uploads

API = "/api/v1"
THUMB = 320
"""Pixels of the thumbnails that answers link to."""


class AsciiJSON(JSONResponse):
    """JSON in ASCII, because file names may hold bytes that are no text in UTF-8."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


OCTETS = "application/octet-stream"


def sent_type(request: Request, media_type: str) -> str:
    """Return what a file is sent as: its own type, unless the client takes bytes only."""
    return OCTETS if request.headers.get("accept") == OCTETS else media_type


def live_of(request: Request) -> Live:
    """Return the library that an app serves."""
    live: Live = request.app.state.live
    return live


def uploads_of(request: Request) -> Uploads:
    """Return the pictures that clients have dropped."""
    uploads: Uploads = request.app.state.uploads
    return uploads


def thumbs_of(request: Request) -> Thumbs:
    """Return the thumbnails."""
    thumbs: Thumbs = request.app.state.thumbs
    return thumbs


def groups_of(request: Request) -> Groups:
    """Return the groups of duplicates."""
    groups: Groups = request.app.state.groups
    return groups


LiveDep = Annotated[Live, Depends(live_of)]
GroupsDep = Annotated[Groups, Depends(groups_of)]
UploadsDep = Annotated[Uploads, Depends(uploads_of)]
ThumbsDep = Annotated[Thumbs, Depends(thumbs_of)]


def thumb_url(picture: Picture, at: float | None = None) -> str:
    """Return the link to a thumbnail; it changes with the bytes, so it may be cached for ever.

    Of a film it is of the frame at a time in seconds, if that is not the one that stands for it.
    """
    version = f"&v={picture.sha256[:8]}" if picture.sha256 else ""
    frame = "" if at is None or at == picture.at else f"&at={at}"
    return f"{API}/images/{picture.id}/thumb?size={THUMB}{version}{frame}"


def upload_thumb_url(token: str) -> str:
    """Return the link to the thumbnail of an upload."""
    return f"{API}/uploads/{token}/thumb"


def brief(picture: Picture, at: float | None = None) -> dict[str, Any]:
    """Return what a grid shows of a picture, of a film at a time in seconds."""
    taken = picture.exif.taken_at
    return {
        "thumb": thumb_url(picture, at),
        "width": picture.width,
        "height": picture.height,
        "taken_at": None if taken is None else taken.isoformat(),
    }


def term_entry(term: Term, pictures: dict[int, Picture]) -> dict[str, Any]:
    """Return the JSON form of a term of a query."""
    if term.kind == "words":
        return {"text": term.value, "weight": term.weight}
    if term.kind == "id":
        picture = pictures.get(int(term.value))
        thumb = {} if picture is None else {"thumb": thumb_url(picture)}
        return {"image_id": int(term.value), "weight": term.weight, **thumb}
    token = term.value.removeprefix(PREFIX)
    return {"upload": token, "weight": term.weight, "thumb": upload_thumb_url(token)}


def unknown_entries(words: Sequence[UnknownWord]) -> list[dict[str, Any]]:
    """Return the JSON form of unknown words."""
    return [{"word": one.word, "suggestion": one.suggestion} for one in words]


def encoded_cursor(cursor: Cursor | None, sort: Sort | Kind) -> str | None:
    """Write a cursor as text that a client hands back."""
    if cursor is None:
        return None
    text = f"{sort}:{cursor.key.hex()}:{cursor.tie}:{cursor.seen}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decoded_cursor(text: str | None, sort: Sort | Kind) -> Cursor | None:
    """Read what `encoded_cursor` wrote.

    Raises:
        QueryError: It is no cursor, or one of another order.
    """
    if text is None:
        return None
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        order, key, tie, seen = plain.decode("ascii").split(":")
        cursor = Cursor(float.fromhex(key), int(tie), int(seen))
        if order != sort or cursor.key != cursor.key or not 0 <= cursor.seen < 2**40:
            raise ValueError(order)
        if not -(2**63) <= cursor.tie < 2**63:
            raise ValueError(tie)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise QueryError(
            "cursor: not one that a page of this order has ended with; begin without one"
        ) from error
    return cursor
