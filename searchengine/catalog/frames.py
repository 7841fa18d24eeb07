"""`FrameCatalog`: the vectors of the scenes of films, by which each scene is found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, delete, select

from searchengine.catalog.changes import Store
from searchengine.catalog.inserting import insert_all
from searchengine.catalog.packed import pack, unpack
from searchengine.catalog.statements import AnySelect, chunks, select_in
from searchengine.catalog.tables import EncoderRow, FrameRow, ImageRow, TombstoneRow
from searchengine.types import Ids, Vector

FILM = "video"
"""The format of pictures that have frames."""

Frames: TypeAlias = Mapping[float, Vector]
"""The vectors of a film's frames by their times in seconds, that of the one that stands for it too.

A film of one scene has this one only. Where there is none, nobody has looked for scenes yet.
"""


class FrameCatalog(Store):
    """Read the frames of films; `Catalog.frames` is one."""

    def present(self, fingerprint: str) -> dict[int, dict[float, Vector]]:
        """Return the frames that a model has of present films with several, by rising id."""
        with self._reader.begin() as connection:
            return _several(connection, fingerprint)

    def count(self, fingerprint: str) -> int:
        """Return how many frames a model has of all films, whatever their state."""
        with self._reader.begin() as connection:
            query = select(sa.func.count()).select_from(FrameRow).where(by(fingerprint))
            return int(connection.scalar(query) or 0)

    def changes(self, fingerprint: str, after: int) -> tuple[dict[int, dict[float, Vector]], Ids]:
        """Return what has changed since seq `after`: such films, and all pictures and their ends.

        Read `seq` first: what is committed in between is returned, and harmlessly so once more.

        Returns:
            The frames of present films with several, and the ids of every picture that was written
            or removed, those films among them.
        """
        written = select(ImageRow.id).where(ImageRow.seq > after)
        buried = select(TombstoneRow.row_id).where(TombstoneRow.seq > after)
        with self._reader.begin() as connection:
            films = _several(connection, fingerprint, ImageRow.seq > after)
            ids = [*connection.scalars(written), *connection.scalars(buried)]
        return films, np.array(ids, dtype=np.int64)

    def of_content(self, sha256: str, fingerprint: str) -> dict[float, Vector]:
        """Return the frames that a model has of any film with these bytes; none if it has none."""
        some = (
            select(ImageRow.id)
            .join(FrameRow, FrameRow.image_id == ImageRow.id)
            .where(ImageRow.sha256 == sha256, by(fingerprint))
            .limit(1)
        )
        query: AnySelect = select(FrameRow.seconds, FrameRow.vector).where(
            by(fingerprint), FrameRow.image_id == some.scalar_subquery()
        )
        with self._reader.begin() as connection:
            rows = connection.execute(query.order_by(FrameRow.seconds)).all()
        vectors = unpack([row.vector for row in rows])
        return {row.seconds: vector for row, vector in zip(rows, vectors, strict=True)}

    def times(self, id_: int) -> set[float]:
        """Return the times of the frames that any model has of a film."""
        with self._reader.begin() as connection:
            query = select(FrameRow.seconds).where(FrameRow.image_id == id_)
            return set(connection.scalars(query))

    def lacking(self, ids: Iterable[int], fingerprint: str) -> set[int]:
        """Return those of the ids that are films of whose scenes a model has not been told yet."""
        query: AnySelect = select(ImageRow.id).where(lacks_frames(fingerprint))
        with self._reader.begin() as connection:
            return {row.id for row in select_in(connection, query, ImageRow.id, map(int, ids))}


def _several(
    connection: Connection, fingerprint: str, *conditions: ColumnElement[bool]
) -> dict[int, dict[float, Vector]]:
    """Return the frames of present films with several that meet conditions, by rising id."""
    # Films are few: an index of states would lead through all that is present to find them.
    is_present = (ImageRow.state + "") == "ok"
    several = (
        select(FrameRow.image_id)
        .join(ImageRow, ImageRow.id == FrameRow.image_id)
        .where(by(fingerprint), is_present, *conditions)
        .group_by(FrameRow.image_id)
        .having(sa.func.count() > 1)
        .order_by(FrameRow.image_id)
    )
    query: AnySelect = (
        select(FrameRow.image_id, FrameRow.seconds, FrameRow.vector)
        .where(by(fingerprint))
        .order_by(FrameRow.image_id, FrameRow.seconds)
    )
    films = connection.scalars(several).all()
    rows = list(select_in(connection, query, FrameRow.image_id, films))
    frames: dict[int, dict[float, Vector]] = {}
    for row, vector in zip(rows, unpack([row.vector for row in rows]), strict=True):
        frames.setdefault(row.image_id, {})[row.seconds] = vector
    return frames


def by(fingerprint: str) -> ColumnElement[bool]:
    """Match the frames of one encoder."""
    encoder = select(EncoderRow.id).where(EncoderRow.fingerprint == fingerprint)
    return FrameRow.encoder_id == encoder.scalar_subquery()


def lacks_frames(fingerprint: str) -> ColumnElement[bool]:
    """Match the pictures that are films without frames of an encoder."""
    has = select(FrameRow.image_id).where(FrameRow.image_id == ImageRow.id, by(fingerprint))
    return (ImageRow.format == FILM) & ~has.exists()


def replace_frames(
    connection: Connection, encoder: int, frames: Mapping[int, Frames], dim: int
) -> None:
    """Store the frames of films that one encoder has made, in place of those that are there."""
    for chunk in chunks(frames):
        old = FrameRow.image_id.in_(chunk) & (FrameRow.encoder_id == encoder)
        connection.execute(delete(FrameRow).where(old))
    keys = [(id_, seconds) for id_, film in frames.items() for seconds in film]
    packed = pack([vector for film in frames.values() for vector in film.values()], dim)
    rows = [
        {"image_id": id_, "encoder_id": encoder, "seconds": seconds, "vector": vector}
        for (id_, seconds), vector in zip(keys, packed, strict=True)
    ]
    insert_all(connection, FrameRow, rows)
