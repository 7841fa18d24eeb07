"""Libraries of every earlier schema, with rows in each of their tables, keep every value."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from searchengine.catalog import database
from searchengine.catalog.store import Catalog
from tests.support.earlier_libraries import columns_of, make_earlier, tables_of

REVISIONS = [f"{number:04}" for number in range(1, int(database.HEAD) + 1)]


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_library_of_an_earlier_schema_keeps_every_value(tmp_path: Path, revision: str) -> None:
    path = make_earlier(tmp_path, revision)
    with closing(sqlite3.connect(path)) as old:
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
