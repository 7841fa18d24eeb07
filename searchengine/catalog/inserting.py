"""Many rows at once: statements that are made once, and rows that go to the driver as tuples.

SQLAlchemy binds each value of each row by itself, which takes three times as long as SQLite needs
to store them. Here a column is bound at a time, by the types of its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from searchengine.catalog.column_types import FilePath
from searchengine.catalog.statements import AnyTable, chunks, select_in
from searchengine.catalog.tables import Schema

Bind = Callable[[Sequence[Any]], Sequence[Any]]
"""Turns the values of a column into what the driver stores."""


def insert_all(
    connection: Connection, table: type[Schema], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert any number of rows, none too; all name the same columns."""
    if rows:
        names = tuple(rows[0])
        insert_rows(connection, table, names, [tuple(row[name] for name in names) for row in rows])


def insert_rows(
    connection: Connection,
    table: type[Schema],
    names: tuple[str, ...],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Insert any number of rows, none too, given by the values of the columns with these names."""
    if not rows:
        return
    if connection.dialect.name != "sqlite":
        values = [dict(zip(names, row, strict=True)) for row in rows]
        connection.execute(insert(table), values)
        return
    statement, order, binds = _insertion(table, names, connection.dialect)
    columns = list(zip(*rows, strict=True))
    for place, bind in binds:
        column = columns[place]
        if column.count(None) < len(column):
            columns[place] = tuple(bind(column))
    bound = list(zip(*order(columns), strict=True))
    connection.exec_driver_sql(statement, bound)


def _bind_of(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> Bind | None:
    """Return what binds the values of a column; None if they are stored as they are."""
    bind = kind.dialect_impl(dialect).bind_processor(dialect)
    if bind is None:
        return None

    def bound(values: Sequence[Any]) -> Sequence[Any]:
        if isinstance(values[0], str) and len(different := set(values)) * 2 <= len(values):
            once = {value: bind(value) for value in different}  # what comes often, once
            return [once[value] for value in values]
        if isinstance(kind, FilePath) and all(isinstance(value, str) for value in values):
            return kind.bind_all(values)
        return [bind(value) for value in values]

    return bound


def save_rows(
    connection: Connection,
    table: AnyTable,
    updates: Mapping[int, Mapping[str, Any]],
    names: tuple[str, ...],
    inserts: Sequence[Sequence[Any]],
) -> list[int]:
    """Set columns of rows by their ids, and insert others; return the ids of these, in order.

    Args:
        connection: Its transaction holds the write lock.
        table: Where the rows are.
        updates: Values by column, by id; all name the same columns.
        names: The columns of the rows that are inserted, but for their ids.
        inserts: The values of these columns.
    """
    if updates:
        changed = update(table).where(table.id == sa.bindparam("row"))
        values = [{"row": id_, **columns} for id_, columns in updates.items()]
        connection.execute(changed, values)
    ids = _new_ids(connection, table, len(inserts))
    rows = [(id_, *row) for id_, row in zip(ids, inserts, strict=True)]
    insert_rows(connection, table, ("id", *names), rows)
    return ids


def known_among(
    connection: Connection, column: InstrumentedAttribute[Any], values: Iterable[Any]
) -> list[Any]:
    """Return those of the values that a column has in any row; most often there are none."""
    if connection.dialect.name != "sqlite":
        query = select(column).distinct()
        return [row[0] for row in select_in(connection, query, column, values)]
    bind = _bind_of(column.type, connection.dialect)
    known: list[Any] = []
    for chunk in chunks(values):
        stored = tuple(bind(chunk) if bind and chunk else chunk)
        given = dict(zip(stored, chunk, strict=True))
        found = connection.exec_driver_sql(_asking(column, len(stored)), stored)
        known += [given[row[0]] for row in found]
    return known


def _new_ids(connection: Connection, table: AnyTable, count: int) -> list[int]:
    """Return ids that no row of a table has or ever had; the caller holds the write lock.

    So a row need not be returned to say which id it was given, nor be asked for.
    """
    if not count:
        return []
    name = table.__tablename__
    if connection.dialect.name != "sqlite":
        sequence = sa.func.pg_get_serial_sequence(name, "id")
        drawn = select(sa.func.nextval(sequence)).select_from(sa.func.generate_series(1, count))
        return sorted(connection.scalars(drawn))
    # As SQLite does for a column with AUTOINCREMENT; it takes note of ids that are given.
    last = connection.exec_driver_sql(
        "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0), "
        f"coalesce((SELECT max(id) FROM {name}), 0))",
        (name,),
    ).scalar_one()
    return list(range(last + 1, last + 1 + count))


@lru_cache(maxsize=64)
def _insertion(
    table: type[Schema], names: tuple[str, ...], dialect: Dialect
) -> tuple[str, Callable[[Sequence[Any]], Sequence[Any]], list[tuple[int, Bind]]]:
    """Return a statement, what puts columns into its order, and which of them are bound by what."""
    compiled = insert(table).compile(dialect=dialect, column_keys=list(names))
    order = [names.index(name) for name in compiled.positiontup or ()]
    assert len(order) == len(names), "every column has its place"
    pick = itemgetter(*order) if len(order) > 1 else lambda columns: (columns[order[0]],)
    types = table.__table__.c
    binds = (_bind_of(types[name].type, dialect) for name in names)
    return str(compiled), pick, [(place, bind) for place, bind in enumerate(binds) if bind]


@lru_cache(maxsize=256)
def _asking(column: InstrumentedAttribute[Any], count: int) -> str:
    places = ", ".join("?" * count)
    name, table = column.key, column.class_.__tablename__
    return f"SELECT DISTINCT {name} FROM {table} WHERE {name} IN ({places})"
