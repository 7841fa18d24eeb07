"""What searches ask of the database: never a whole table, by the plans of SQLite itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from searchengine.search.engine import Engine
from tests.support.colour_library import open_engine, photograph_all, scan

SMALL = ("taught_pictures", "roots", "meta", "encoders", "json_each")
"""Tables whose rows are few in any library, and numbers that are asked for."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("library")
    photograph_all(folder / "photos")
    with open_engine(folder / "library") as engine:
        scan(engine, folder / "photos")
        engine.tags.add([3, 4], "holiday")
        yield engine


def plans_of(engine: Engine, search: Callable[[], object]) -> list[str]:
    """Return the lines of SQLite's plans for all that a search asks."""
    database = engine.catalog._reader
    asked: list[str] = []
    listening: list[sqlite3.Connection] = []

    # By SQLite itself, as not all is asked through SQLAlchemy.
    def listen(connection: sqlite3.Connection, *_: object) -> None:
        connection.set_trace_callback(asked.append)
        listening.append(connection)

    sa.event.listen(database, "checkout", listen)
    try:
        search()
    finally:
        sa.event.remove(database, "checkout", listen)
        for connection in listening:
            connection.set_trace_callback(None)
    selects = [one for one in asked if one.lstrip().upper().startswith(("SELECT", "WITH"))]
    assert selects, "nothing was asked"
    with database.connect() as reader:
        return [
            str(row[3])
            for statement in selects
            for row in reader.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
        ]


def reads_all(line: str) -> bool:
    """Return whether a line of a plan goes through all pictures, or another table that grows."""
    if line.startswith("SCAN "):
        return line.split()[1] not in SMALL
    if "INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in line:  # a part of all, one after the other
        return True
    # All present pictures are all pictures, whatever index leads to them.
    return line.startswith("SEARCH images USING") and line.endswith("(state=?)")


@pytest.mark.parametrize(
    "query",
    [
        "red",
        "red - green + 2*pink",
        "#3",
        "red + #4",
        "tag:holiday",
        "red tag:holiday",
        "tag:holiday tag:nothing",
        "tag:holiday -tag:nothing",
        "caption:dog",
        "red caption:dog -tag:holiday",
        "year:2024",
        "red year:2022-2023",
        "after:2024-06-01 before:2024-07",
    ],
)
def test_search_reads_no_table_from_end_to_end(engine: Engine, query: str) -> None:
    plans = plans_of(engine, lambda: engine.search(query))
    assert [line for line in plans if reads_all(line)] == []


def test_search_in_a_folder_reads_that_folder(engine: Engine, tmp_path: Path) -> None:
    [root] = engine.catalog.roots()
    plans = plans_of(engine, lambda: engine.search("red", within=f"{root.path}/green"))
    assert [line for line in plans if reads_all(line)] == []
    assert any(line.endswith("(state=? AND path>? AND path<?)") for line in plans)


def test_what_would_read_all_is_noticed(engine: Engine) -> None:
    plans = plans_of(engine, engine.catalog.present)
    assert list(map(reads_all, plans)) == [True]
    plans = plans_of(engine, engine.tags.table)
    assert any(map(reads_all, plans))
