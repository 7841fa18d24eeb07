"""Numbered writes and tombstones: how an index learns what has changed, of pictures as of texts.

Every write that an index must learn of is one transaction that takes the write lock first and then
the next `seq`, so the order of seq is the order of commits, and "all rows above the seq I know" is
all that an index has missed. A row that is removed leaves a tombstone with the seq of its end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import ClassVar

import numpy as np
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select

from searchengine.catalog import plain
from searchengine.catalog.database import plain_connection
from searchengine.catalog.packed import unpack
from searchengine.catalog.rows import Change
from searchengine.catalog.statements import AnySelect, AnyTable, set_meta
from searchengine.catalog.tables import (
    ImageRow,
    MetaRow,
    TextRow,
    TextTombstoneRow,
    TombstoneRow,
)
from searchengine.types import Ids

TOMBSTONES: Mapping[AnyTable, type[TombstoneRow | TextTombstoneRow]] = {
    ImageRow: TombstoneRow,
    TextRow: TextTombstoneRow,
}


class Store:
    """A part of a library's database; safe to share between threads.

    Args:
        reader: The engine of the database, whose transactions read one snapshot.
        writer: The same, whose transactions take the write lock when they begin.
    """

    def __init__(self, reader: Engine, writer: Engine) -> None:
        self._reader, self._writer = reader, writer
        # For what a person has said, which nothing can compute again.
        self._keeper = writer.execution_options(durable=True)
        # Then what every search reads is read without SQLAlchemy.
        self._is_sqlite = reader.dialect.name == "sqlite"

    def meta(self, key: str) -> str | None:
        """Return a fact about the library, None if it is not recorded."""
        if self._is_sqlite:
            with plain_connection(self._reader) as plainly:
                return plain.fact(plainly, key)
        with self._reader.begin() as connection:
            return connection.scalar(select(MetaRow.value).where(MetaRow.key == key))

    def _count(self, query: AnySelect) -> int:
        with self._reader.begin() as connection:
            return connection.scalar(query) or 0

    def _ids(self, query: AnySelect) -> Ids:
        """Return the ids that a query selects, in its order."""
        with self._reader.begin() as connection:
            return np.fromiter(connection.scalars(query), dtype=np.int64)

    def _sorted_ids(self, query: AnySelect) -> Ids:
        """Return the ids that a query selects, rising.

        The database joins them into one text, which is six times as fast as to bring each as a row.
        """
        chosen = query.subquery()
        joining: ColumnElement[str] = sa.func.group_concat(*chosen.c)
        if self._reader.dialect.name == "postgresql":
            joining = sa.func.string_agg(sa.cast(next(iter(chosen.c)), sa.Text), ",")
        with self._reader.begin() as connection:
            joined = connection.scalar(select(joining))
        return np.sort(np.fromstring(joined or "", dtype=np.int64, sep=","))


class IndexedStore(Store, ABC):
    """A store whose rows an index finds by their vectors."""

    _seq: ClassVar[str]
    """Key of the number of the last write that an index must learn of."""
    _table: ClassVar[AnyTable]

    @cached_property
    def uid(self) -> str:
        """The random hex name of this library, made with it."""
        value = self.meta("uid")
        assert value is not None, "the first migration writes it"
        return value

    def seq(self) -> int:
        """Return the number of the last write that an index must learn of."""
        return int(self.meta(self._seq) or 0)

    def index_token(self, name: str) -> str | None:
        """Return what `remember_index` was last told of an index on a server."""
        return self.meta(f"index {name}")

    def remember_index(self, name: str, token: str | None) -> None:
        """Remember by a random token what an index on a server holds."""
        with self._writer.begin() as connection:
            set_meta(connection, f"index {name}", token or "")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the right to write to indexes on servers, which one process has at a time."""
        if self._reader.dialect.name == "postgresql":
            from searchengine.catalog.postgres import alone

            with alone(self._reader):
                yield
            return
        from filelock import FileLock

        with FileLock(f"{self._reader.url.database}.index-lock"):
            yield

    @abstractmethod
    def searchable(self, fingerprint: str) -> int:
        """Return the number of rows with a model's vector that can be found."""

    @abstractmethod
    def _vectors(self, fingerprint: str) -> AnySelect:
        """Select `id` and `vector` of every row; without one it is not to be found."""

    def changes(self, fingerprint: str, after: int, batch: int = 4096) -> Iterator[Change]:
        """Yield what an index of a model's vectors misses that reflects seq `after`.

        What can be found is put, everything else that changed is dropped; an id comes once.
        `after=0` gives all that a rebuild needs. Read `seq` before the first change: what is
        committed in between is part of the changes, and harmlessly so again the next time. Memory
        is bounded by `batch` rows.
        """
        table, tombstones = self._table, TOMBSTONES[self._table]
        rows = self._vectors(fingerprint).where(table.seq > after).order_by(table.seq, table.id)
        buried = (
            select(tombstones.row_id.label("id"), sa.null().label("vector"))
            .where(tombstones.seq > after)
            .order_by(tombstones.seq, tombstones.row_id)
        )
        # One transaction, so one snapshot: nothing is put that a later batch would have dropped.
        with self._reader.begin() as connection:
            for query in (rows, buried):
                result = connection.execute(query.execution_options(yield_per=batch))
                for part in result.partitions():
                    put = [row for row in part if row.vector is not None]
                    drop = [row.id for row in part if row.vector is None]
                    vectors = unpack([row.vector for row in put])
                    yield Change(_array([row.id for row in put]), vectors, _array(drop))


def bury(connection: Connection, table: AnyTable, condition: ColumnElement[bool], seq: int) -> int:
    """Delete rows, and by the foreign keys all that hangs on them; leave tombstones."""
    tombstones = TOMBSTONES[table]
    dead = select(table.id, sa.literal(seq)).where(condition)
    connection.execute(insert(tombstones).from_select([tombstones.row_id, tombstones.seq], dead))
    return connection.execute(delete(table).where(condition)).rowcount


def _array(ids: list[int]) -> Ids:
    return np.array(ids, dtype=np.int64)
