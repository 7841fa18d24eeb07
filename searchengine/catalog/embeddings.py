"""`Embeddings`: the vectors of several models beside each other, and which model a library uses.

Adding the vectors of another model changes no picture, so it takes the next `seq` but gives it to
no row: the index of the model in use has nothing to do, and one of the other model, if there is
any, notices by its count that it is behind (see `sync`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Engine, delete, select

from searchengine.catalog.records import (
    StoredEncoder,
    counter,
    encoder_id,
    made_by,
    pack,
    replace_vectors,
    select_in,
    set_meta,
)
from searchengine.catalog.tables import EmbeddingRow, EncoderRow, ImageRow, MetaRow
from searchengine.types import Ids, State, Vector

CHOICE = "model"
"""Key of the fact which model a library uses: a name, or the absolute path of a folder."""


@dataclass(frozen=True, slots=True)
class Content:
    """A vector, and the hex digest of the bytes that it belongs to."""

    sha256: str
    vector: Vector


class Embeddings:
    """Read and write the vectors of any model; safe to share between threads.

    Args:
        reader: The database.
        writer: The same; its transactions take the write lock when they begin.
    """

    def __init__(self, reader: Engine, writer: Engine) -> None:
        self._reader, self._writer = reader, writer

    def choice(self) -> str | None:
        """Return the model that the library uses, None if it never chose one."""
        with self._reader.begin() as connection:
            return connection.scalar(select(MetaRow.value).where(MetaRow.key == CHOICE))

    def choose(self, model: str) -> None:
        """Make the library use a model, given by its name or the absolute path of its folder."""
        with self._writer.begin() as connection:
            set_meta(connection, CHOICE, model)

    def counts(self) -> list[tuple[StoredEncoder, int]]:
        """Return each model with the number of present pictures that it has a vector of."""
        present = sa.case((ImageRow.state == "ok", EmbeddingRow.image_id))
        query = (
            select(EncoderRow.fingerprint, EncoderRow.name, EncoderRow.dim, sa.func.count(present))
            .outerjoin(EmbeddingRow, EmbeddingRow.encoder_id == EncoderRow.id)
            .outerjoin(ImageRow, ImageRow.id == EmbeddingRow.image_id)
            .group_by(EncoderRow.id)
            .order_by(EncoderRow.id)
        )
        with self._reader.begin() as connection:
            rows = connection.execute(query)
            return [(StoredEncoder(*row[:3]), row[3]) for row in rows]

    def lacking(self, fingerprint: str, state: State = "ok") -> Ids:
        """Return the sorted ids of the pictures of a state that a model has no vector of."""
        has = (
            select(EmbeddingRow.image_id)
            .where(EmbeddingRow.image_id == ImageRow.id, made_by(fingerprint))
            .exists()
        )
        query = select(ImageRow.id).where(ImageRow.state == state, ~has).order_by(ImageRow.id)
        with self._reader.begin() as connection:
            return np.fromiter(connection.scalars(query), dtype=np.int64)

    def add(self, encoder: StoredEncoder, found: Mapping[int, Content]) -> set[int]:
        """Store vectors by image id in one transaction; those of other models stay.

        Returns:
            The ids that were written. A picture that was forgotten meanwhile, or whose row names
            other bytes by now, is left out.

        Raises:
            ValueError: A vector does not have as many numbers as the encoder says.
        """
        if not found:
            return set()
        packed = pack([one.vector for one in found.values()], encoder.dim)
        with self._writer.begin() as connection:
            query = select(ImageRow.id, ImageRow.sha256)
            rows = list(select_in(connection, query, ImageRow.id, found))
            same = {row.id for row in rows if row.sha256 == found[row.id].sha256}
            vectors = {
                one: vector for one, vector in zip(found, packed, strict=True) if one in same
            }
            if vectors:
                replace_vectors(connection, encoder_id(connection, encoder), vectors)
                set_meta(connection, "seq", str(counter(connection, "seq") + 1))
        return same

    def drop(self, fingerprint: str) -> int:
        """Remove all that a model has made; return the number of vectors."""
        with self._writer.begin() as connection:
            seq = counter(connection, "seq") + 1
            dropped = connection.execute(delete(EmbeddingRow).where(made_by(fingerprint))).rowcount
            connection.execute(delete(EncoderRow).where(EncoderRow.fingerprint == fingerprint))
            set_meta(connection, "seq", str(seq))
        return dropped
