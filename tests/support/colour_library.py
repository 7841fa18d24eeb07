"""Pictures of two colours, and an engine that sees colours over a library of them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from PIL import Image

import indexer
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.sync import open_index
from searchengine.search.engine import Engine
from tests.support.colour_encoder import COLOURS, ColourEncoder

USED = ("black", "red", "green", "yellow", "pink")
"""The colours of `photograph_all`."""


def paint(path: Path, top: str, bottom: str) -> Path:
    """Draw a picture of two colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (64, 64), COLOURS[top])
    picture.paste(COLOURS[bottom], (0, 32, 64, 64))
    picture.save(path)
    return path


def photograph(path: Path, top: str, bottom: str, taken: dt.datetime | None = None) -> Path:
    """Draw a picture of two colours as a JPEG that a camera has dated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (60, 40), COLOURS[top])
    picture.paste(COLOURS[bottom], (0, 20, 60, 40))
    exif = Image.Exif()
    if taken is not None:
        exif[306], exif[272] = taken.strftime("%Y:%m:%d %H:%M:%S"), f"Camera {taken.year % 2}"
    picture.save(path, quality=95, exif=exif)
    return path


def photograph_all(folder: Path) -> None:
    """Draw every pair of the colours that are used, in a folder for each colour on top."""
    for row, top in enumerate(USED):
        for column, bottom in enumerate(USED):
            # Some share a date to the second, and every fifth has none.
            taken = None if column == 2 else dt.datetime(2020 + row % 3, 1 + column, 5, 12)
            photograph(folder / top / f"{top}-{bottom}.jpg", top, bottom, taken)


def open_engine(library: Path) -> Engine:
    """Open an engine that sees colours, over the exact index."""
    catalog = Catalog(open_database(library, create=True))
    encoder = ColourEncoder()
    index = open_index(catalog, encoder.fingerprint, encoder.dim, library / "index", ExactIndex)
    return Engine(Settings(library=library), catalog, encoder, index)


def scan(engine: Engine, folder: Path) -> None:
    """Index a folder."""
    indexer.index(engine, folder)
