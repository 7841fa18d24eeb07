"""Mend what is safe to mend in a catalog: what can be made again, never what a person typed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from searchengine.catalog.advice import unusable
from searchengine.catalog.health import COUNTERS, VECTORS, highest_number, wrong_vectors
from searchengine.catalog.opening import open_file

TYPED = "source IN ('user', 'no')"
"""Tags that are somebody's word."""


def mend(path: Path) -> list[str]:
    """Mend a catalog whose rows can be read; return what was done, in words.

    The indexes of SQLite are made anew from its tables. Rows that hang on ones that are gone are
    dropped unless a person wrote them, and vectors that are none; `lexpix index` makes these again.
    Numbers of writes are raised above every row.

    Raises:
        LibraryError: The file is damaged beyond that; it is as it was.
    """
    try:
        with closing(open_file(os.fspath(path))) as connection:
            return _mended(connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise unusable(path, error) from error


def _mended(connection: sqlite3.Connection) -> list[str]:
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("REINDEX")
        done = [*_drop_orphans(connection), *_drop_vectors(connection)]
        done += _raise_numbers(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return done


def _drop_orphans(connection: sqlite3.Connection) -> list[str]:
    broken: dict[str, list[int]] = {}
    for table, row, *_ in connection.execute("PRAGMA foreign_key_check").fetchall():
        if row is not None:
            broken.setdefault(table, []).append(row)
    done = []
    for table, rows in sorted(broken.items()):
        kept = f" AND NOT ({TYPED})" if table == "tags" else ""
        dropped = sum(
            connection.execute(f"DELETE FROM {table} WHERE rowid = ?{kept}", (row,)).rowcount
            for row in set(rows)
        )
        done += [f"dropped {dropped} rows of {table} that hung on nothing"] if dropped else []
        if left := len(set(rows)) - dropped:
            done.append(f"kept {left} rows of {table} that hang on nothing: somebody typed them")
    return done


def _drop_vectors(connection: sqlite3.Connection) -> list[str]:
    dropped = 0
    for table in VECTORS:
        wrong = set(wrong_vectors(connection, table))
        delete = f"DELETE FROM {table} WHERE image_id = ? AND encoder_id = ?"
        dropped += connection.executemany(delete, wrong).rowcount if wrong else 0
    return [f"dropped {dropped} vectors; lexpix index makes them again"] if dropped else []


def _raise_numbers(connection: sqlite3.Connection) -> list[str]:
    done = []
    for key, columns in COUNTERS:
        highest = highest_number(connection, columns)
        known = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if highest > int(known[0] if known else 0):
            connection.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, str(highest)),
            )
            done.append(f"raised {key} to {highest}")
    return done
