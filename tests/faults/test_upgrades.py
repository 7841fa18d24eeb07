"""Libraries of every earlier schema, with rows in each of their tables, keep every value."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from searchengine.catalog import database
from searchengine.catalog.store import Catalog

REVISIONS = [f"{number:04}" for number in range(1, int(database.HEAD) + 1)]
_BOUND = {"state": "ok", "error": None, "source": "user", "kind": "recipe"}
"""Values of columns that take some texts only."""


def tables_of(connection: sqlite3.Connection) -> list[str]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return sorted({name for (name,) in names} - {"alembic_version", "meta", "sqlite_sequence"})


def columns_of(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    return {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({table})")}


def value(column: str, kind: str, row: int) -> Any:
    """Return something that fits a column; keys of other tables are 1 and 2, as those are."""
    if column in _BOUND:
        return _BOUND[column]
    if kind.startswith(("INT", "BIGINT", "SMALLINT", "BOOLEAN")):
        return row
    if kind.startswith(("FLOAT", "REAL", "NUMERIC")):
        return row / 8
    if kind.startswith("DATETIME"):
        return f"2024-01-0{row} 10:00:00.000000"
    return f"/{column}/{row}".encode() if kind.startswith("BLOB") else f"{column} {row}"


def fill(connection: sqlite3.Connection) -> None:
    """Write two rows into every table."""
    for table in tables_of(connection):
        columns = columns_of(connection, table)
        for row in (1, 2):
            values = [value(column, kind, row) for column, kind in columns.items()]
            places = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO {table} VALUES ({places})", values)
    connection.commit()


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_library_of_an_earlier_schema_keeps_every_value(
    tmp_path: Path, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(database, "HEAD", revision)
        database.open_database(tmp_path, create=True).dispose()
    path = tmp_path / database.FILE_NAME
    with closing(sqlite3.connect(path)) as old:
        fill(old)
        assert old.execute("PRAGMA foreign_key_check").fetchall() == []
        before = {table: columns_of(old, table) for table in tables_of(old)}
        rows = {
            table: old.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
            for table, columns in before.items()
        }
        uid = old.execute("SELECT value FROM meta WHERE key = 'uid'").fetchone()
    assert {len(kept) for kept in rows.values()} == {2}

    with closing(Catalog(database.open_database(tmp_path, create=False))) as catalog:
        assert catalog.uid == uid[0]
        assert len(catalog.present()) == 2
    with closing(sqlite3.connect(path)) as new:
        assert new.execute("SELECT version_num FROM alembic_version").fetchone() == (database.HEAD,)
        assert new.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert new.execute("PRAGMA foreign_key_check").fetchall() == []
        for table, columns in before.items():
            kept = [one for one in columns if one in columns_of(new, table)]
            assert kept == list(columns), f"{table} has lost a column"
            told = new.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
            assert sorted(told, key=repr) == sorted(rows[table], key=repr), table
