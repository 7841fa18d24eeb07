"""`Embeddings`: the vectors of several models beside each other, and which model a library uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy import Connection, delete, select

from searchengine.catalog.changes import Store
from searchengine.catalog.frames import Frames, by, lacks_frames, replace_frames
from searchengine.catalog.packed import pack
from searchengine.catalog.records import StoredEncoder, encoder_id, made_by, replace_vectors
from searchengine.catalog.statements import raise_counter, set_meta, unchanged
from searchengine.catalog.tables import EmbeddingRow, EncoderRow, FrameRow, ImageRow
from searchengine.types import Ids, State, Vector

CHOICE = "model"
"""Key of the fact which model a library uses: a name, or the absolute path of a folder."""


@dataclass(frozen=True, slots=True)
class Content:
    """A vector, of a film those of its scenes, and the hex digest of the bytes they belong to."""

    sha256: str
    vector: Vector
    frames: Frames = field(default_factory=dict)


class Embeddings(Store):
    """Read and write the vectors of any model; `Catalog.embeddings` is one."""

    def choice(self) -> str | None:
        """Return the model that the library uses, None if it never chose one."""
        return self.meta(CHOICE)

    def choose(self, model: str) -> None:
        """Make the library use a model, given by its name or the absolute path of its folder."""
        with self._keeper.begin() as connection:
            set_meta(connection, CHOICE, model)

    def counts(self) -> list[tuple[StoredEncoder, int]]:
        """Return each model with the number of present pictures that it has a vector of."""
        query = select(EncoderRow.fingerprint, EncoderRow.name, EncoderRow.dim)
        with self._reader.begin() as connection:
            encoders = [
                StoredEncoder(*r) for r in connection.execute(query.order_by(EncoderRow.id))
            ]
            return [(one, count_present(connection, one.fingerprint)) for one in encoders]

    def unembedded(self, fingerprint: str, state: State = "ok") -> Ids:
        """Return the sorted ids of the pictures of a state that a model has no vector of.

        So is a film of whose scenes it has none.
        """
        has = (
            select(EmbeddingRow.image_id)
            .where(EmbeddingRow.image_id == ImageRow.id, made_by(fingerprint))
            .exists()
        )
        lacks = sa.or_(~has, lacks_frames(fingerprint))
        query = select(ImageRow.id).where(ImageRow.state == state, lacks)
        return self._ids(query.order_by(ImageRow.id))

    def digests(self, fingerprint: str) -> npt.NDArray[np.uint64]:
        """Return the first 64 bits of the digests of all bytes with a model's vector, sorted."""
        query = select(ImageRow.sha256).distinct()
        query = query.join(EmbeddingRow, EmbeddingRow.image_id == ImageRow.id)
        with self._reader.begin() as connection:
            digests = connection.scalars(query.where(made_by(fingerprint)))
            starts = (int(one[:16], 16) for one in digests if one is not None)
            return np.sort(np.fromiter(starts, np.uint64))

    def add(self, encoder: StoredEncoder, contents: Mapping[int, Content]) -> set[int]:
        """Store vectors by image id in one transaction; those of other models stay.

        Returns:
            The ids that were written. A picture that was forgotten meanwhile, or whose row names
            other bytes by now, is left out.

        Raises:
            ValueError: A vector does not have as many numbers as the encoder says.
        """
        if not contents:
            return set()
        vectors = pack([content.vector for content in contents.values()], encoder.dim)
        packed = dict(zip(contents, vectors, strict=True))
        with self._writer.begin() as connection:
            digests = {id_: content.sha256 for id_, content in contents.items()}
            ids = unchanged(connection, ImageRow, digests)
            if ids:
                row = encoder_id(connection, encoder)
                replace_vectors(connection, row, {id_: packed[id_] for id_ in ids})
                frames = {id_: contents[id_].frames for id_ in ids if contents[id_].frames}
                replace_frames(connection, row, frames, encoder.dim)
                raise_counter(connection, "seq")
        return set(ids)

    def drop(self, fingerprint: str) -> int:
        """Remove all that a model has made; return the number of vectors."""
        with self._writer.begin() as connection:
            raise_counter(connection, "seq")
            dropped = connection.execute(delete(EmbeddingRow).where(made_by(fingerprint))).rowcount
            connection.execute(delete(FrameRow).where(by(fingerprint)))
            connection.execute(delete(EncoderRow).where(EncoderRow.fingerprint == fingerprint))
        return dropped


def count_present(connection: Connection, fingerprint: str) -> int:
    """Return the number of present pictures with a model's vector.

    An index counts the vectors without reading one; what is not present is little. Those of the
    only model are counted by the pages of the index, which takes a tenth of looking at each.
    """
    every = select(sa.func.count()).select_from(EmbeddingRow)
    models = connection.scalars(select(EncoderRow.fingerprint)).all()
    if models != [fingerprint]:
        every = every.where(made_by(fingerprint))
    absent = (
        every.where(made_by(fingerprint))
        .join(ImageRow, ImageRow.id == EmbeddingRow.image_id)
        .where(ImageRow.state.in_(("missing", "bad")))
    )
    return (connection.scalar(every) or 0) - (connection.scalar(absent) or 0)
