"""Rows that go to the driver as tuples are those that SQLAlchemy would have written."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from searchengine.catalog.column_types import FilePath
from searchengine.catalog.database import empty_database
from searchengine.catalog.inserting import insert_all, known_among, save_rows
from searchengine.catalog.tables import ImageRow

texts = st.text(st.characters(codec="utf-8"), max_size=5)
rows = st.fixed_dictionaries(
    {
        "root": st.sampled_from(("/", "/r\udcff")),
        "sha256": st.none() | st.sampled_from(("a" * 64, "b" * 64)),
        "size": st.integers(0, 2**62),
        "mtime_ns": st.just(1),
        "ctime_ns": st.just(1),
        "taken_at": st.none() | st.datetimes(),
        "camera": st.none() | texts | st.just("odd \udcff"),
        "focal": st.none() | st.floats(0, 100),
        "keywords": st.none() | st.lists(texts, max_size=2).map(tuple),
        "state": st.just("ok"),
        "scan": st.just(1),
        "seq": st.just(1),
    }
)


def images(connection: sa.Connection) -> list[tuple[Any, ...]]:
    found = connection.exec_driver_sql("SELECT * FROM images ORDER BY path").all()
    return [tuple(row) for row in found]


@settings(deadline=None, max_examples=80)
@given(st.lists(rows, max_size=6))
def test_rows_are_stored_as_sqlalchemy_stores_them(some: list[dict[str, Any]]) -> None:
    named = [{"id": n + 1, "path": f"/p{n}\udc80", **row} for n, row in enumerate(some)]
    with empty_database().execution_options(writes=True).begin() as connection:
        for row in named:
            connection.execute(sa.insert(ImageRow), [row])
        expected = images(connection)
        connection.execute(sa.delete(ImageRow))
        insert_all(connection, ImageRow, named)
        assert images(connection) == expected
        asked = [*(row["path"] for row in named), "/nowhere"]
        assert sorted(known_among(connection, ImageRow.path, asked)) == sorted(asked[:-1])
        digests = {row["sha256"] for row in named} - {None}
        assert set(known_among(connection, ImageRow.sha256, {"a" * 64, "b" * 64})) == digests


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=6), max_size=5))
def test_paths_that_are_bound_at_once_are_those_that_the_system_knows(paths: list[str]) -> None:
    some = [path for path in paths if _is_known(path)]
    assert FilePath.bind_all(some) == [os.fsencode(path) for path in some]
    odd = [*some, "with\0nothing", ""]
    assert FilePath.bind_all(odd) == [os.fsencode(path) for path in odd]


def _is_known(path: str) -> bool:
    with contextlib.suppress(UnicodeEncodeError):
        os.fsencode(path)
        return True
    return False


def test_ids_that_were_forgotten_are_not_given_again() -> None:
    columns = ("path", "root", "size", "mtime_ns", "ctime_ns", "state", "scan", "seq")

    def row(name: str) -> tuple[Any, ...]:
        return (name, "/", 1, 1, 1, "ok", 1, 1)

    with empty_database().execution_options(writes=True).begin() as connection:
        first = save_rows(connection, ImageRow, {}, columns, [row("/a"), row("/b")])
        connection.execute(sa.delete(ImageRow))
        second = save_rows(connection, ImageRow, {}, columns, [row("/c")])
        assert second[0] > max(first)
        # SQLite itself goes on behind ids that were given.
        given = {"size": 1, "mtime_ns": 1, "ctime_ns": 1, "state": "ok", "scan": 1, "seq": 1}
        connection.execute(sa.insert(ImageRow), [{"path": "/d", "root": "/", **given}])
        [last] = connection.scalars(sa.select(ImageRow.id).where(ImageRow.path == "/d"))
        assert last > second[0]
        assert save_rows(connection, ImageRow, {}, columns, [row("/e")]) == [last + 1]
        assert save_rows(connection, ImageRow, {}, columns, []) == []
