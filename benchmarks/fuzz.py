"""Feed readers of what strangers write with whatever atheris comes upon, for some minutes each.

    pip install atheris
    python benchmarks/fuzz.py query|xmp|picture|recipes|markdown|page|bodies -max_total_time=600

A reader may refuse its input in its own words; any other exception ends this, with the input in a
file `crash-...`. Options after the target are those of libFuzzer; `-timeout=10` ends an input that
takes longer. atheris is no dependency: it has wheels for few systems.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["searchengine", "indexer"]):
    from pydantic import ValidationError

    from indexer.library.xmp import XmpError, described
    from indexer.readers.documents import read_documents
    from searchengine.documents import Document
    from searchengine.errors import ImageError, QueryError
    from searchengine.images import read_photo
    from searchengine.language.query import format as written
    from searchengine.language.query import parse
    from searchengine.metadata import read_xmp
    from searchengine.types import Failure
    from searchengine.web.schemas import requests
    from searchengine.web.schemas.albums import AlbumRequest

FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)


def query(data: bytes) -> None:
    """Parse a query; what can be parsed reads the same when it is written out."""
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(QueryError):
        found = parse(text, exists=lambda _: False)
        assert parse(written(found), exists=lambda _: False) == found, text


def xmp(data: bytes) -> None:
    """Read XMP, and write a description into it."""
    read_xmp(data)
    with contextlib.suppress(XmpError):
        described(data, "a dog")


def picture(data: bytes) -> None:
    """Read a picture."""
    with contextlib.suppress(ImageError):
        read_photo(io.BytesIO(data), size=32, max_pixels=1_000_000)


def documents(ending: str, data: bytes) -> None:
    """Read texts of a file; what is wrong comes as failures."""
    path = Path(FOLDER.name, f"a{ending}")
    path.write_bytes(data)
    for one in read_documents(path):
        assert isinstance(one, Failure | Document)


def bodies(data: bytes) -> None:
    """Read bodies of requests."""
    for model in (
        requests.SearchRequest,
        requests.FacetsRequest,
        requests.TagsRequest,
        requests.ExportRequest,
        AlbumRequest,
    ):
        with contextlib.suppress(ValidationError):
            model.model_validate_json(data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "query": query,
    "xmp": xmp,
    "picture": picture,
    "recipes": partial(documents, ".jsonl"),
    "markdown": partial(documents, ".md"),
    "page": partial(documents, ".html"),
    "bodies": bodies,
}

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
