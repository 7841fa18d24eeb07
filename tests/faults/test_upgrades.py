"""Libraries of every earlier schema, with rows in each of their tables, keep every value."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from searchengine.catalog import database, opening
from searchengine.catalog.store import Catalog
from tests.support.command import LEXPIX, environment
from tests.support.earlier_libraries import columns_of, make_earlier, migrate, tables_of

REVISIONS = [f"{number:04}" for number in range(1, int(opening.HEAD) + 1)]


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
        version = new.execute("SELECT version_num FROM alembic_version").fetchone()
        assert version == (opening.HEAD,)
        assert new.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert new.execute("PRAGMA foreign_key_check").fetchall() == []
        for table, columns in before.items():
            kept = [one for one in columns if one in columns_of(new, table)]
            assert kept == list(columns), f"{table} has lost a column"
            told = new.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
            assert sorted(told, key=repr) == sorted(rows[table], key=repr), table


PICTURES = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :pictures)
INSERT INTO images(
    id, path, root, sha256, size, mtime_ns, ctime_ns, width, height, taken_at, state, scan, seq
)
SELECT n, CAST(printf('/photos/%04d/%07d.jpg', n / 1000, n) AS BLOB), CAST('/photos' AS BLOB),
    printf('%064x', n), n, n, n, 4000, 3000, '2024-01-01 10:00:00.000000', 'ok', 1, n
FROM numbers
"""


def earlier_of(library: Path, pictures: int) -> None:
    """Make a library of the first schema, with a vector of 1 kB and a tag for each picture."""
    with closing(sqlite3.connect(migrate(library, "0001"))) as old:
        old.execute(PICTURES, {"pictures": pictures})
        old.execute("INSERT INTO encoders VALUES (1, 'f', 'm', 512)")
        old.execute("INSERT INTO embeddings SELECT id, 1, randomblob(1024) FROM images")
        old.execute("INSERT INTO tags SELECT id, 'tag ' || id % 100, 'user' FROM images")
        old.commit()


def upgraded(library: Path) -> tuple[int, str]:
    """Have a command upgrade a library; return the kilobytes that it took, and what it said."""
    with open(library / "said", "wb") as said:
        command = subprocess.Popen(
            [LEXPIX, "status"],
            env=environment(library),
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, used = os.wait4(command.pid, 0)
        command.returncode = os.waitstatus_to_exitcode(status)
    assert command.returncode == 0
    return used.ru_maxrss, (library / "said").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_million_pictures_are_upgraded_in_bounded_memory_and_it_is_said_how_far(
    tmp_path: Path,
) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    earlier_of(few, 1000)
    earlier_of(many, 1_000_000)
    least, quiet = upgraded(few)
    started = time.monotonic()
    most, said = upgraded(many)
    took = time.monotonic() - started
    print(f"{least / 1000:.0f} and {most / 1000:.0f} MB, {took:.0f} s:\n{said}")  # noqa: T201 - docs
    assert quiet == ""
    assert "being brought to this version of lexpix: copied, " in said
    assert most < least + 64_000
    with closing(sqlite3.connect(many / database.FILE_NAME)) as new:
        new.execute("ATTACH ? AS old", (str(many / database.FILE_NAME) + ".bak",))
        assert new.execute("SELECT count(*) FROM old.images").fetchone() == (1_000_000,)
        for table in ("images", "embeddings", "tags"):
            columns = [row[1] for row in new.execute(f"PRAGMA old.table_info({table})")]
            chosen = f"SELECT {', '.join(columns)} FROM"
            differ = f"{chosen} old.{table} EXCEPT {chosen} main.{table}"
            assert new.execute(f"SELECT count(*) FROM ({differ})").fetchone() == (0,)
