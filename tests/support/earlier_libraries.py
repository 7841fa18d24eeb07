"""Libraries as earlier versions made them, with rows in each of their tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config

from searchengine.catalog import database

MIGRATIONS = Path(__file__).parents[2] / "migrations"

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


def migrate(library: Path, revision: str = "head") -> Path:
    """Make a catalog by one revision after the other, up to this one, and return its path."""
    library.mkdir(parents=True, exist_ok=True)
    path = library / database.FILE_NAME
    engine = database.connect(path)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    return path


def make_earlier(library: Path, revision: str) -> Path:
    """Make a library of an earlier schema, fill it, and return its catalog."""
    path = migrate(library, revision)
    with closing(sqlite3.connect(path)) as old:
        fill(old)
    return path


def rows_in(library: Path) -> dict[str, list[str]]:
    """Return all rows of a library that is sound, by table."""
    with closing(sqlite3.connect(library / database.FILE_NAME)) as old:
        assert old.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert old.execute("PRAGMA foreign_key_check").fetchall() == []
        names = [*tables_of(old), "alembic_version", "meta"]
        return {name: sorted(map(repr, old.execute(f"SELECT * FROM {name}"))) for name in names}
