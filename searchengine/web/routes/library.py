"""The library as a whole: `/status`, `/revision`, `/failures`, and `/exports` of pictures."""

from __future__ import annotations

import dataclasses
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, HTTPException, Query, Request, Response
from starlette.responses import StreamingResponse

from searchengine.errors import ChangedFile, ImageError, UnknownPicture
from searchengine.formats import remedy
from searchengine.search.exports import COLUMNS, csv_of, entries_for, json_of, unique_names
from searchengine.types import Picture
from searchengine.web import schemas
from searchengine.web.answers import AsciiJSON, LiveDep, sent_type
from searchengine.web.safety.access import is_local

router = APIRouter(default_response_class=AsciiJSON)

MAX_ZIP = 8 * 2**30
"""Most bytes of pictures in one zip."""
BLOCK = 2**20
LISTS = ("pictures.csv", "pictures.json")
UNREAD = "not-readable.txt"
"""What a zip has beside the pictures."""


@router.get("/status", operation_id="get_status", response_model=schemas.StatusAnswer)
def status(live: LiveDep, request: Request) -> Response:
    """Describe the library."""
    with live.reading() as view:
        found = view.engine.status()
        failures = view.engine.catalog.counts()["bad"]
    entries = dataclasses.asdict(found)
    del entries["models"]
    remedies = {end: hint for end in found.skipped if (hint := remedy(end)) is not None}
    roots = [{"path": path, "scanned_at": at.isoformat()} for path, at in found.roots]
    return AsciiJSON(
        entries
        | {"roots": roots, "failures": failures, "remedies": remedies}
        | {"local": is_local(request.scope)}
    )


@router.get("/revision", operation_id="get_revision", response_model=schemas.Revision)
def revision(live: LiveDep) -> Response:
    """Say which state of the library is searched: a number that rises with every change.

    It is cheap to ask for, so a client may do so every second to learn that others have indexed.
    """
    with live.reading() as view:
        seq, pictures = view.facets.columns.seq, len(view.engine.index)
    return AsciiJSON({"revision": seq, "pictures": pictures, "server": live.id})


@router.get("/failures", operation_id="list_failures", response_model=schemas.FailuresAnswer)
def failures(
    live: LiveDep,
    limit: Annotated[int, Query(ge=1, le=schemas.MAX_LIMIT)] = 60,
    cursor: Annotated[int | None, Query(ge=1, le=schemas.MAX_ID)] = None,
) -> Response:
    """List the files that could not be read, or only in part, and why.

    A job of the kind retry reads them again: of those seen in part the ones that have changed.
    """
    catalog = live.engine.catalog
    found = [(one, False) for one in catalog.failures()] + [
        (one, True) for one in catalog.damaged()
    ]
    after = None if cursor is None else os.fsencode(live.engine.picture(cursor).path)
    # The catalog orders by the bytes of paths.
    found.sort(key=lambda told: os.fsencode(told[0].path))
    rest = [told for told in found if after is None or os.fsencode(told[0].path) > after]
    page = rest[:limit]
    last = None
    if len(rest) > limit:
        path = page[-1][0].path
        last = catalog.by_paths([path])[path].id
    return AsciiJSON(
        {
            "failures": [
                {"path": one.path, "reason": one.reason, "partial": partial}
                for one, partial in page
            ],
            "total": len(found),
            "next_cursor": last,
        }
    )


@router.post(
    "/exports",
    operation_id="export_images",
    response_class=Response,
    responses=schemas.sent_as("application/json", "text/csv", "application/zip"),
)
def export(asked: schemas.ExportRequest, live: LiveDep, request: Request) -> Response:
    """Return pictures as a list in JSON or CSV, or their files in a zip with both lists.

    The lists have the user's tags, the caption if one is stored, and the match if it was given.
    """
    ids = list(dict.fromkeys(asked.ids))
    with live.reading() as view:
        rows = view.engine.catalog.get(ids)
        pictures = [rows[id_] for id_ in ids if id_ in rows]
        matches = dict(zip(asked.ids, asked.matches, strict=False))
        entries = entries_for(view.engine, pictures, matches)
    missing = [id_ for id_ in ids if id_ not in rows]
    if missing:
        named = ", ".join(f"#{id_}" for id_ in missing[:10])
        raise UnknownPicture(f"{named}: no picture of the library has this number")
    headers = {"Content-Disposition": f'attachment; filename="pictures.{asked.form}"'}
    if asked.form == "json":
        media_type = sent_type(request, "application/json")
        return Response(json_of(entries), media_type=media_type, headers=headers)
    if asked.form == "csv":
        return Response(
            csv_of(entries),
            media_type=sent_type(request, "text/csv; charset=utf-8"),
            headers=headers,
        )
    total = sum(one.size for one in pictures)
    if total > MAX_ZIP:
        raise HTTPException(
            413,
            f"these pictures have {total / 2**30:.1f} GB, a zip may have {MAX_ZIP // 2**30}; "
            "select fewer, or export a list of paths",
        )
    packed = _zip(pictures, entries, live.engine.original)
    return StreamingResponse(
        packed, media_type=sent_type(request, "application/zip"), headers=headers
    )


class _Pipe(io.RawIOBase):
    """What a zip is written to: it hands on what has come in, and cannot go back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _zip(
    pictures: Sequence[Picture],
    entries: Sequence[dict[str, Any]],
    original: Callable[[Picture], BinaryIO],
) -> Iterator[bytes]:
    """Yield a zip piece by piece; a file that cannot be read is named in one of its own."""
    pipe = _Pipe()
    unread: list[str] = []
    packed: dict[int, str] = {}
    paths = [one.path.encode("utf-8", "replace").decode() for one in pictures]
    names = unique_names(paths, {*LISTS, UNREAD})
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for picture, name in zip(pictures, names, strict=True):
            try:
                file = original(picture)
            except (ImageError, ChangedFile) as error:
                unread.append(str(error))
                continue
            packed[picture.id] = name
            with file, archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
                left = picture.size  # what was appended since it was opened is not of the picture
                while block := file.read(min(BLOCK, left)):
                    entry.write(block)
                    left -= len(block)
                    yield pipe.taken()
        listed = [{"file": packed.get(one["id"])} | one for one in entries]
        lists = csv_of(listed, ("file", *COLUMNS)), json_of(listed)
        for name, data in zip(LISTS, lists, strict=True):
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        if unread:
            told = "\n".join(unread).encode("utf-8", "surrogateescape")
            archive.writestr(zipfile.ZipInfo(UNREAD), told)
    yield pipe.taken()
