"""What leaves a library: lists of pictures with what is known of them, and names for their files.

The command `export` and the API's `/exports` write the same lists.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from searchengine.errors import MissingPlugin
from searchengine.types import Hit, Picture

if TYPE_CHECKING:
    from searchengine.search.engine import Engine
    from searchengine.search.pages import PageRequest

PAGE = 500
"""Hits that are asked for at a time where all are wanted."""

COLUMNS = (
    "id",
    "path",
    "width",
    "height",
    "size",
    "taken_at",
    "camera",
    "lens",
    "lat",
    "lon",
    "sha256",
    "tags",
    "caption",
    "match",
)
"""What a list says of each picture: `tags` are the user's."""


def all_hits(engine: Engine, request: PageRequest) -> Iterator[Hit]:
    """Yield the hits of all pages of a request, or as many as its limit says.

    Raises:
        QueryError, NothingIndexed, ModelError: As `Engine.page` does.
    """
    left = request.limit
    while left is None or left > 0:
        page = engine.page(replace(request, limit=PAGE if left is None else min(left, PAGE)))
        yield from page.answer.hits
        if page.next is None or not page.answer.hits:
            return
        left = None if left is None else left - len(page.answer.hits)
        request = replace(request, after=page.next)


def entries_for(
    engine: Engine, pictures: Sequence[Picture], matches: Mapping[int, float | None]
) -> list[dict[str, Any]]:
    """Return what a list says of pictures, by the names of `COLUMNS`.

    Args:
        engine: Of the library that they are of.
        pictures: In the order of the list.
        matches: By id, of the search that found them.
    """
    tags: dict[int, list[str]] = {one.id: [] for one in pictures}
    for tag in engine.catalog.tags.get(tags, engine.encoder.fingerprint):
        if tag.source == "user":
            tags[tag.image_id].append(tag.name)
    captions = engine.catalog.captions.get(tags)
    return [
        _facts(one)
        | {
            "tags": tags[one.id],
            "caption": captions[one.id].text if one.id in captions else None,
            "match": matches.get(one.id),
        }
        for one in pictures
    ]


def _facts(picture: Picture) -> dict[str, Any]:
    exif = picture.exif
    values = (
        picture.id,
        picture.path,
        picture.width,
        picture.height,
        picture.size,
        None if exif.taken_at is None else exif.taken_at.isoformat(),
        exif.camera,
        exif.lens,
        exif.lat,
        exif.lon,
        picture.sha256,
    )
    return dict(zip(COLUMNS, values, strict=False))


def json_of(entries: Sequence[dict[str, Any]]) -> bytes:
    """Return a list in JSON, in ASCII, as file names may hold bytes that are no text."""
    return json.dumps({"pictures": list(entries)}, indent=1).encode("ascii")


def csv_of(entries: Sequence[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> bytes:
    """Return a list in CSV, tags with semicolons between them."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    for entry in entries:
        row = entry | {"tags": "; ".join(entry["tags"])}
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue().encode("utf-8", "surrogateescape")


def _cell(value: Any) -> Any:
    """Keep a spreadsheet from taking the text of a camera for a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def parquet_of(entries: Sequence[dict[str, Any]]) -> bytes:
    """Return a list in Parquet, tags as a list of strings.

    Bytes of paths that are no text become replacement characters, as Parquet has text only.

    Raises:
        MissingPlugin: PyArrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPlugin(
            "--format parquet: PyArrow is not installed; run: pip install 'lexpix[parquet]'"
        ) from error
    kinds = {
        **dict.fromkeys(("id", "width", "height", "size"), pa.int64()),
        **dict.fromkeys(("lat", "lon", "match"), pa.float64()),
        "taken_at": pa.timestamp("s"),
        "tags": pa.list_(pa.string()),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    rows = [
        {name: _plain(value) for name, value in entry.items()}
        | {"taken_at": entry["taken_at"] and dt.datetime.fromisoformat(entry["taken_at"])}
        for entry in entries
    ]
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    return sink.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value


def unique_names(paths: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """Return a name for each file in one folder, a number added where it is taken already.

    Args:
        paths: Of the files; what two systems may hold for the same name is the same.
        taken: Names that are there.
    """
    known = {name.casefold() for name in taken}
    names: list[str] = []
    for path in paths:
        name = os.path.basename(path)
        stem, ending = os.path.splitext(name)
        number = 1
        while name.casefold() in known:
            number += 1
            name = f"{stem} ({number}){ending}"
        known.add(name.casefold())
        names.append(name)
    return names
