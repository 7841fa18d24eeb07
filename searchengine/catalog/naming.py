"""What was said of a picture follows its file: to another path, another format, other bytes.

Tags, guesses and captions hang on the row, which stays. Taught words and texts name their pictures
by path and content, so these names are brought up to date.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, delete, insert, select, update

from searchengine.catalog.statements import select_in
from searchengine.catalog.tables import (
    TaughtPictureRow,
    TextRow,
)
from searchengine.look import bits_apart

SAME_BITS = 10
"""Two pictures whose perceptual hashes differ in no more bits are one that was saved anew, if path
and time agree as well."""

FLAT = 1.0
"""Up to this sharpness a picture shows next to nothing, and then its hash says nothing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """When a picture was taken, and its look, as far as they are known."""

    taken_at: dt.datetime | None
    phash: int | None
    sharpness: float | None

    def is_saved_anew(self, other: Seen) -> bool:
        """Tell whether another picture, at the same place, is this one in other bytes."""
        if self.taken_at and other.taken_at and self.taken_at != other.taken_at:
            return False
        if self.phash is None or other.phash is None:
            return False
        flat = min(self.sharpness or 0.0, other.sharpness or 0.0) <= FLAT
        return not flat and bits_apart(self.phash, other.phash) <= SAME_BITS


def follow_paths(connection: Connection, moved: Mapping[str, str]) -> None:
    """Have taught words and texts name pictures where they are now, given by where they were."""
    # All are read before one is written, as files may trade their paths.
    taught = select(TaughtPictureRow.name, TaughtPictureRow.sha256, TaughtPictureRow.path)
    of_words = list(select_in(connection, taught, TaughtPictureRow.path, moved))
    texts = select(TextRow.id, TextRow.image)
    of_texts = list(select_in(connection, texts, TextRow.image, moved))
    if of_words:
        key = (TaughtPictureRow.name == sa.bindparam("word")) & (
            TaughtPictureRow.sha256 == sa.bindparam("content")
        )
        connection.execute(
            update(TaughtPictureRow).where(key),
            [
                {"word": row.name, "content": row.sha256, "path": moved[row.path]}
                for row in of_words
            ],
        )
    if of_texts:  # their digest stays: their file says what it said before
        connection.execute(
            update(TextRow).where(TextRow.id == sa.bindparam("row")),
            [{"row": row.id, "image": moved[row.image]} for row in of_texts],
        )


def follow_contents(connection: Connection, saved: Mapping[str, str]) -> None:
    """Have taught words name the new bytes of pictures that were saved anew, by the old ones."""
    known = select(TaughtPictureRow.name, TaughtPictureRow.sha256, TaughtPictureRow.path)
    for row in list(select_in(connection, known, TaughtPictureRow.sha256, saved)):
        this = (TaughtPictureRow.name == row.name) & (TaughtPictureRow.sha256 == row.sha256)
        connection.execute(delete(TaughtPictureRow).where(this))
        new = saved[row.sha256]
        has = (TaughtPictureRow.name == row.name) & (TaughtPictureRow.sha256 == new)
        if connection.scalar(select(TaughtPictureRow.name).where(has)) is None:
            values = {"name": row.name, "sha256": new, "path": row.path}
            connection.execute(insert(TaughtPictureRow), [values])
