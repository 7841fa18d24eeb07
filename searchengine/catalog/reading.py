"""`PictureReading`, what a catalog tells of picture files: rows, states, ids, vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import sqlalchemy as sa
from sqlalchemy import ColumnElement, select

from searchengine.catalog import plain
from searchengine.catalog.changes import IndexedStore
from searchengine.catalog.database import plain_connection
from searchengine.catalog.embeddings import count_present
from searchengine.catalog.packed import unpack
from searchengine.catalog.pictures import (
    COPIES,
    DESCRIPTION,
    KNOWN_FILE,
    PICTURE,
    VECTOR,
    VECTOR_OF_CONTENT,
    picture_of,
    under,
)
from searchengine.catalog.records import (
    made_by,
)
from searchengine.catalog.rows import Description, KnownFile, Root
from searchengine.catalog.statements import AnyRow, AnySelect, columns_of, select_in, storable
from searchengine.catalog.tables import (
    EmbeddingRow,
    ImageRow,
    RootRow,
    TombstoneRow,
)
from searchengine.types import Failure, Ids, Picture, State, Vector

_STATES: AnySelect = select(ImageRow.id, ImageRow.state)
MANY = 10_000
"""Ids from which on the few rows that are not present are read faster than each is looked up."""


class PictureReading(IndexedStore):
    """Read the rows of pictures; `Catalog` is one, and writes them too."""

    _seq, _table = "seq", ImageRow

    def counts(self) -> dict[State, int]:
        """Return the number of pictures in each state, zeros included."""
        absent = (
            select(ImageRow.state, sa.func.count())
            .where(ImageRow.state.in_(("missing", "bad")))
            .group_by(ImageRow.state)
        )
        with self._reader.begin() as connection:
            total = connection.scalar(select(sa.func.count()).select_from(ImageRow)) or 0
            counted: dict[State, int] = {row[0]: row[1] for row in connection.execute(absent)}
        missing, bad = counted.get("missing", 0), counted.get("bad", 0)
        return {"ok": total - missing - bad, "missing": missing, "bad": bad}

    def get(self, ids: Iterable[int]) -> dict[int, Picture]:
        """Return the pictures with these ids; unknown ids are absent."""
        if self._is_sqlite:
            with plain_connection(self._reader) as plainly:
                return plain.pictures(plainly, ids)
        with self._reader.begin() as connection:
            rows = select_in(connection, PICTURE, ImageRow.id, storable(ids))
            return {row.id: picture_of(row) for row in rows}

    def by_paths(self, paths: Iterable[str]) -> dict[str, Picture]:
        """Return the pictures at these paths; unknown paths are absent."""
        with self._reader.begin() as connection:
            rows = select_in(connection, PICTURE, ImageRow.path, paths)
            return {row.path: picture_of(row) for row in rows}

    def known_files(self, paths: Iterable[str]) -> dict[str, KnownFile]:
        """Return what a scan has to know of these paths, faster than `by_paths`."""
        with self._reader.begin() as connection:
            rows = select_in(connection, KNOWN_FILE, ImageRow.path, paths)
            return {row.path: KnownFile(*row) for row in rows}

    def by_sha256(self, digest: str) -> list[Picture]:
        """Return the pictures of any state with these bytes, by rising id."""
        with self._reader.begin() as connection:
            return [picture_of(row) for row in connection.execute(COPIES, {"digest": digest})]

    def ids_under(self, folder: str) -> Ids:
        """Return the sorted ids of the present pictures at or under an absolute path."""
        if self._is_sqlite:
            with plain_connection(self._reader) as plainly:
                return plain.ids_under(plainly, folder)
        query = select(ImageRow.id).where(under(ImageRow.path, folder), ImageRow.state == "ok")
        return self._sorted_ids(query)

    def listed_under(self, folder: str) -> int:
        """Return how many rows at or under an absolute path are not missing."""
        known = under(ImageRow.path, folder) & (ImageRow.state != "missing")
        return self._count(select(sa.func.count()).select_from(ImageRow).where(known))

    def unseen(self, folder: str, scan: int) -> int:
        """Return how many rows at or under a folder `sweep` would mark as missing."""
        return self._count(
            select(sa.func.count()).select_from(ImageRow).where(unseen(folder, scan))
        )

    def sizes(self) -> set[int]:
        """Return the sizes of all files whose bytes are known by their hash."""
        query = select(ImageRow.size).where(ImageRow.sha256.is_not(None)).distinct()
        with self._reader.begin() as connection:
            return set(connection.scalars(query))

    def present(self, among: Ids | None = None) -> Ids:
        """Return the sorted ids of all present pictures, or of those among some that have rows."""
        if among is None:
            return self._sorted_ids(select(ImageRow.id).where(ImageRow.state == "ok"))
        if len(among) > MANY:
            absent = select(ImageRow.id).where(ImageRow.state.in_(("missing", "bad")))
            return among[~np.isin(among, self._ids(absent))]
        with self._reader.begin() as connection:
            # Were the state asked for, SQLite would go through all that are present.
            rows = select_in(connection, _STATES, ImageRow.id, among.tolist())
            return np.sort(np.array([row.id for row in rows if row.state == "ok"], np.int64))

    def knows(self, folder: str) -> bool:
        """Return whether any row, of whatever state, is at or under an absolute path."""
        query = select(ImageRow.id).where(under(ImageRow.path, folder)).limit(1)
        with self._reader.begin() as connection:
            return connection.scalar(query) is not None

    def failures(self, folder: str | None = None) -> list[Failure]:
        """Return the files that could not be read, by path; only those at or under `folder`."""
        bad = ImageRow.state == "bad"
        return [Failure(row.path, row.error or "") for row in self._reports(bad, folder)]

    def damaged(self, folder: str | None = None) -> list[Failure]:
        """Return the present files of which only a part can be seen, by path."""
        rows = self._reports(ImageRow.damage.is_not(None), folder)  # by an index of them
        return [Failure(row.path, row.damage or "") for row in rows if row.state == "ok"]

    def _reports(self, condition: ColumnElement[bool], folder: str | None) -> Sequence[AnyRow]:
        query = select(ImageRow.path, ImageRow.state, ImageRow.error, ImageRow.damage)
        query = query.where(condition).order_by(ImageRow.path)
        if folder is not None:
            query = query.where(under(ImageRow.path, folder))
        with self._reader.begin() as connection:
            return connection.execute(query).all()

    def roots(self) -> list[Root]:
        """Return the indexed folders, by path."""
        query: AnySelect = select(*columns_of(RootRow, Root)).order_by(RootRow.path)
        with self._reader.begin() as connection:
            return [Root(*row) for row in connection.execute(query)]

    def vectors(self, ids: Iterable[int], fingerprint: str) -> dict[int, Vector]:
        """Return the vectors that a model gave to these pictures; ids without one are absent."""
        if self._is_sqlite:
            with plain_connection(self._reader) as plainly:
                return plain.vectors(plainly, ids, fingerprint)
        model = {"fingerprint": fingerprint}
        with self._reader.begin() as connection:
            wanted = select_in(connection, VECTOR, EmbeddingRow.image_id, storable(ids), model)
            rows = list(wanted)
        unpacked = unpack([row.vector for row in rows])
        return {row.image_id: vector for row, vector in zip(rows, unpacked, strict=True)}

    def vector_of_content(self, sha256: str, fingerprint: str) -> Vector | None:
        """Return the vector that a model gave to any picture with these bytes, missing ones too."""
        content = {"digest": sha256, "fingerprint": fingerprint}
        with self._reader.begin() as connection:
            packed = connection.scalar(VECTOR_OF_CONTENT, content)
        return None if packed is None else unpack([packed])[0]

    def without_vector(self, ids: Iterable[int], fingerprint: str) -> set[int]:
        """Return those of the ids for which a model's vector is not stored."""
        missing = {int(id_) for id_ in ids}
        query = select(EmbeddingRow.image_id).where(made_by(fingerprint))
        with self._reader.begin() as connection:
            rows = list(select_in(connection, query, EmbeddingRow.image_id, missing))
        return missing - {row.image_id for row in rows}

    def has_vector(self, ids: Iterable[int], fingerprint: str) -> bool:
        """Return whether a model's vector is stored for any of the ids."""
        query = select(EmbeddingRow.image_id).where(made_by(fingerprint)).limit(1)
        with self._reader.begin() as connection:
            return any(select_in(connection, query, EmbeddingRow.image_id, storable(ids)))

    def searchable(self, fingerprint: str) -> int:
        """Return the number of present pictures with a model's vector."""
        with self._reader.begin() as connection:
            return count_present(connection, fingerprint)

    def _vectors(self, fingerprint: str) -> AnySelect:
        present = sa.case((ImageRow.state == "ok", EmbeddingRow.vector))
        mine = (EmbeddingRow.image_id == ImageRow.id) & made_by(fingerprint)
        return select(ImageRow.id, present.label("vector")).outerjoin(EmbeddingRow, mine)

    def descriptions(self, after: int) -> tuple[list[Description], Ids]:
        """Return the present pictures that have changed since seq `after`, and who is gone since.

        Read `seq` first: what is committed in between is returned, and harmlessly so once more.
        """
        changed = DESCRIPTION.where(ImageRow.seq > after)
        buried = select(TombstoneRow.row_id).where(TombstoneRow.seq > after)
        present: list[Description] = []
        gone: list[int] = []
        with self._reader.begin() as connection:
            for row in connection.execute(changed):
                if row.state == "ok":
                    present.append(Description(*row[:-1]))
                else:
                    gone.append(row.id)
            gone += connection.scalars(buried)
        return present, np.array(gone, dtype=np.int64)

    def described(self, ids: Ids) -> list[Description]:
        """Return those of some pictures that are present."""
        with self._reader.begin() as connection:
            rows = select_in(connection, DESCRIPTION, ImageRow.id, ids.tolist())
            return [Description(*row[:-1]) for row in rows if row.state == "ok"]

    def changed(self, after: int, most: int) -> int:
        """Return how many rows have changed since seq `after`; at most `most` + 1."""
        changed = select(ImageRow.id).where(ImageRow.seq > after).limit(most + 1).subquery()
        return self._count(select(sa.func.count()).select_from(changed))

    def changed_ids(self, after: int) -> Ids:
        """Return the pictures that have changed since seq `after`, and those that are gone."""
        changed = select(ImageRow.id).where(ImageRow.seq > after)
        buried = select(TombstoneRow.row_id).where(TombstoneRow.seq > after)
        return np.concatenate([self._ids(changed), self._ids(buried)])


def unseen(folder: str, scan: int) -> ColumnElement[bool]:
    """Match the rows at or under a folder that a scan did not see and that are not missing yet."""
    return under(ImageRow.path, folder) & (ImageRow.scan < scan) & (ImageRow.state != "missing")
