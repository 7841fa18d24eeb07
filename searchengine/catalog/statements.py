"""What stores of a library do alike within a transaction: long lists, counters, rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Row, Select, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from searchengine.catalog.tables import ImageRow, MetaRow, Schema, TextRow

T = TypeVar("T")
AnyRow: TypeAlias = Row[*tuple[Any, ...]]
AnySelect: TypeAlias = Select[*tuple[Any, ...]]
AnyTable: TypeAlias = type[ImageRow] | type[TextRow]
"""A table whose rows an index finds."""


CHUNK = 1000
"""Values in one IN list; databases limit the parameters of a statement."""


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield lists of at most CHUNK values."""
    iterator = iter(values)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def select_in(
    connection: Connection,
    query: AnySelect,
    column: InstrumentedAttribute[Any],
    values: Iterable[Any],
    parameters: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[AnyRow]:
    """Yield the rows whose column has one of any number of values.

    A query that is made once, with its `bindparam` in `parameters`, is asked in half the time of
    one that is made anew.
    """
    statement = _among(query, column)
    for chunk in chunks(values):
        yield from connection.execute(statement, {**parameters, _VALUES: chunk}).all()


_VALUES = "values_in"


@lru_cache(maxsize=64)
def _among(query: AnySelect, column: InstrumentedAttribute[Any]) -> AnySelect:
    return query.where(column.in_(sa.bindparam(_VALUES, expanding=True)))


def columns_of(table: type[Schema], kind: type[Any]) -> list[InstrumentedAttribute[Any]]:
    """Return the columns that are called like the fields of a dataclass, in their order."""
    names = (field.name for field in dataclasses.fields(kind))
    return [getattr(table, name) for name in names if hasattr(table, name)]


def storable(ids: Iterable[int]) -> Iterator[int]:
    """Leave out numbers that no row can have, because databases refuse to be asked for them."""
    return (id_ for id_ in map(int, ids) if 0 < id_ < 2**31)


# Made once: a transaction of an indexer would spend more on making them than on running them.
_FACT = select(MetaRow.value).where(MetaRow.key == sa.bindparam("named")).with_for_update()
_CHANGED_FACT = (
    update(MetaRow).where(MetaRow.key == sa.bindparam("named")).values(value=sa.bindparam("value"))
)


def refuse_twice(values: Sequence[object]) -> None:
    """Raise ValueError if a value comes twice."""
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise ValueError(f"{twice!r} stands in two records of one batch")


def fact(connection: Connection, key: str) -> str | None:
    """Return a fact about the library that the transaction is about to change."""
    # FOR UPDATE is the write lock on databases that lock rows; SQLite has taken its own by now.
    return connection.scalar(_FACT, {"named": key})


def counter(connection: Connection, key: str) -> int:
    """Return a counter that the transaction is about to raise."""
    return int(fact(connection, key) or 0)


def raise_counter(connection: Connection, key: str) -> int:
    """Raise a counter by one; return what it is now."""
    value = counter(connection, key) + 1
    set_meta(connection, key, str(value))
    return value


def set_meta(connection: Connection, key: str, value: str) -> None:
    """Record a fact about the library."""
    if not connection.execute(_CHANGED_FACT, {"named": key, "value": value}).rowcount:
        connection.execute(insert(MetaRow).values(key=key, value=value))


def unchanged(
    connection: Connection,
    table: AnyTable,
    digests: Mapping[int, str | None],
) -> Collection[int]:
    """Return those of the ids whose rows still have these digests of their content."""
    rows = select_in(connection, select(table.id, table.sha256), table.id, digests)
    return [row.id for row in rows if row.sha256 == digests[row.id]]
