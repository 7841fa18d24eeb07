"""What is read of pictures: the kinds of answers, and the statements that are asked often."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from searchengine.catalog.rows import Description, KnownFile
from searchengine.catalog.statements import AnyRow, AnySelect, columns_of
from searchengine.catalog.tables import EmbeddingRow, EncoderRow, ImageRow
from searchengine.types import Exif, Picture

DESCRIPTION: AnySelect = select(*columns_of(ImageRow, Description), ImageRow.state)
KNOWN_FILE: AnySelect = select(*columns_of(ImageRow, KnownFile))
EXIF = columns_of(ImageRow, Exif)
PICTURE: AnySelect = select(*columns_of(ImageRow, Picture), *EXIF)
_BEFORE_EXIF = [field.name for field in dataclasses.fields(Picture)].index("exif")

# Asked once for every file of a scan: building the statement anew would cost more than running it.
COPIES = PICTURE.where(ImageRow.sha256 == sa.bindparam("digest")).order_by(ImageRow.id)
VECTOR: AnySelect = select(EmbeddingRow.image_id, EmbeddingRow.vector).where(
    EmbeddingRow.encoder_id
    == select(EncoderRow.id)
    .where(EncoderRow.fingerprint == sa.bindparam("fingerprint"))
    .scalar_subquery()
)
VECTOR_OF_CONTENT = (
    select(EmbeddingRow.vector)
    .join(ImageRow, ImageRow.id == EmbeddingRow.image_id)
    .join(EncoderRow, EncoderRow.id == EmbeddingRow.encoder_id)
    .where(
        ImageRow.sha256 == sa.bindparam("digest"),
        EncoderRow.fingerprint == sa.bindparam("fingerprint"),
    )
    .limit(1)
)


def picture_of(row: AnyRow) -> Picture:
    """Return the picture of a row of `PICTURE`."""
    fields: list[Any] = [*row[:_BEFORE_EXIF], _exif(row), *row[_BEFORE_EXIF : -len(EXIF)]]
    return Picture(*fields)


def _exif(row: AnyRow) -> Exif:
    fields: list[Any] = list(row[-len(EXIF) :])
    fields[-1] = fields[-1] or ()
    return Exif(*fields)


def under(path: InstrumentedAttribute[str], folder: str) -> ColumnElement[bool]:
    """Match a folder and all below it; no sibling whose name only begins like it."""
    separator = os.fsencode(os.sep)
    bare = os.fsencode(folder).rstrip(separator)
    behind = bare + bytes([separator[0] + 1])
    # One range for the index; siblings like "folder-2" sort into it and are taken out again.
    here_or_inside = sa.or_(path == bare, path >= bare + separator)
    return sa.and_(path >= bare, path < behind, here_or_inside)
