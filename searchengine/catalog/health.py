"""Examine the file of a catalog: is it whole, and does every row say what a row can say?

Nothing is written here, and nothing is asked of the rest of the library: it must work on a file
that nothing else can read.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import sqlalchemy as sa

from searchengine.catalog.column_types import FilePath, TextList
from searchengine.catalog.opening import HEAD, open_file
from searchengine.catalog.tables import Schema

Severity = Literal["ok", "warning", "damage"]

RESTORE = "lexpix restore FILE"
REPAIR = "lexpix doctor --repair"

MOST = 3
"""Most complaints of SQLite that are quoted."""

BATCH = 4096
"""Vectors that are looked at together."""

VECTORS = {"embeddings": "pictures", "frames": "scenes of films"}
"""Tables with vectors of pictures, and what these are of."""

UNIT = 0.02
"""How far the length of a stored vector may be from 1."""

COUNTERS = (
    ("seq", ("images.seq", "tombstones.seq")),
    ("texts_seq", ("texts.seq", "text_tombstones.seq")),
    ("tags_changes", ("tagged.number",)),
    ("places_changes", ("placed.number",)),
)
"""Numbers of the last write, and the columns of the numbers that rows bear."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        check: Its name.
        severity: Whether anything has to be done.
        message: What is so.
        remedy: A command, if there is anything to be done.
    """

    check: str
    severity: Severity
    message: str
    remedy: str = ""


def examine(path: Path, opened: Callable[[str], sqlite3.Connection] = open_file) -> list[Finding]:
    """Examine a catalog, opened in some way; what cannot be examined is damage, too."""
    try:
        connection = opened(os.fspath(path))
    except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
        return [Finding("file", "damage", f"{path}: cannot be opened ({error})", RESTORE)]
    with closing(connection):
        schema = _examined("schema", _schema, connection)
        if schema.severity == "damage":
            return [schema]
        found = [schema, *(_examined(name, check, connection) for name, check in BASIC)]
        if schema.severity == "ok":
            found += [_examined(name, check, connection) for name, check in ROWS]
        return found


def damage_in(path: Path) -> Finding | None:
    """Return the first damage of a catalog; None if there is no catalog, or it is sound."""
    if not path.is_file():
        return None
    return next((one for one in examine(path) if one.severity == "damage"), None)


def _examined(
    name: str, check: Callable[[sqlite3.Connection], Finding], connection: sqlite3.Connection
) -> Finding:
    try:
        return check(connection)
    except (sqlite3.Error, UnicodeDecodeError, ValueError) as error:
        return Finding(name, "damage", f"cannot be read ({error})", RESTORE)


def _schema(connection: sqlite3.Connection) -> Finding:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not {"alembic_version", "images", "meta"} <= tables:
        return Finding("schema", "damage", "the file is no catalog of lexpix", RESTORE)
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        return Finding("schema", "damage", "it names no version", RESTORE)
    (revision,) = row
    if revision == HEAD:
        return Finding("schema", "ok", f"version {revision}")
    if isinstance(revision, str) and revision.isdecimal() and len(revision) == len(HEAD):
        if revision < HEAD:
            message = f"version {revision}; it becomes {HEAD} when it is next opened"
            return Finding("schema", "warning", message)
        message = f"version {revision}, of a newer lexpix; this one knows {HEAD}"
        return Finding("schema", "damage", message, "pip install --upgrade lexpix")
    return Finding("schema", "damage", f"{revision!r} is no version", RESTORE)


def _integrity(connection: sqlite3.Connection) -> Finding:
    told = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({MOST + 1})")]
    if told == ["ok"]:
        return Finding("integrity", "ok", "the file is whole")
    more = ", and more" if len(told) > MOST else ""
    lines = " ".join("; ".join(told[:MOST]).split())
    # Indexes of SQLite are made of its tables, and can be made again.
    only_indexes = all("index" in one for one in told)
    return Finding("integrity", "damage", lines + more, REPAIR if only_indexes else RESTORE)


def _references(connection: sqlite3.Connection) -> Finding:
    broken: dict[str, int] = {}
    for table, *_ in connection.execute("PRAGMA foreign_key_check"):
        broken[table] = broken.get(table, 0) + 1
    if not broken:
        return Finding("references", "ok", "no row hangs on one that is gone")
    told = ", ".join(f"{count} in {table}" for table, count in sorted(broken.items()))
    return Finding("references", "damage", f"rows that hang on ones that are gone: {told}", REPAIR)


def _numbers(connection: sqlite3.Connection) -> Finding:
    facts = dict(connection.execute("SELECT key, value FROM meta"))
    if len(str(facts.get("uid", ""))) != 32:
        return Finding("numbers", "damage", "the library has no name of its own (uid)", RESTORE)
    for key, columns in COUNTERS:
        known, highest = int(facts.get(key) or 0), highest_number(connection, columns)
        if highest > known:
            message = f"{key} is {known}, but a row has {highest}"
            return Finding("numbers", "damage", message, REPAIR)
    for key in ("scan", "tags_noted", "places_noted"):
        for number in (facts.get(key) or "0").split():
            int(number)
    json.loads(facts.get("skipped") or "{}")
    return Finding("numbers", "ok", f"write {facts.get('seq') or 0}")


def highest_number(connection: sqlite3.Connection, columns: tuple[str, ...]) -> int:
    """Return the highest number of a write in some columns, each of a table that may be absent."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    named = [column.split(".") for column in columns]
    found = [
        connection.execute(f"SELECT max({name}) FROM {table}").fetchone()[0]
        for table, name in named
        if table in tables  # not in a library of an earlier schema
    ]
    return max((int(value or 0) for value in found), default=0)


def _values(connection: sqlite3.Connection) -> Finding:
    wrong = [
        f"{count} of {table.name}.{column.name}"
        for table in Schema.metadata.sorted_tables
        for column in table.columns
        if (count := _wrong_values(connection, table.name, column))
    ]
    if wrong:
        message = f"values that are none of their kind: {', '.join(wrong)}"
        return Finding("values", "damage", message, RESTORE)
    return Finding("values", "ok", "every value is of its kind")


def _wrong_values(connection: sqlite3.Connection, table: str, column: sa.Column[object]) -> int:
    """Count the values of a column that cannot be read as what it holds."""
    kind = column.type.impl if isinstance(column.type, sa.TypeDecorator) else column.type
    if isinstance(kind, sa.LargeBinary):
        allowed = "'blob'"
    elif isinstance(kind, sa.Integer | sa.Boolean):
        allowed = "'integer'"
    elif isinstance(kind, sa.Float):
        allowed = "'integer', 'real'"
    else:
        allowed = "'text'"
    wrong = f"SELECT count(*) FROM {table} WHERE typeof({column.name}) NOT IN ('null', {allowed})"
    (count,) = connection.execute(wrong).fetchone()
    if allowed == "'text'":
        every = (
            f"SELECT CAST({column.name} AS BLOB) FROM {table} WHERE typeof({column.name})='text'"
        )
        read = _reader(column)
        count += sum(not _readable(read, value) for (value,) in connection.execute(every))
    elif isinstance(column.type, FilePath):
        empty = f"SELECT count(*) FROM {table} WHERE {column.name} = x''"
        count += connection.execute(empty).fetchone()[0]
    return int(count)


def _reader(column: sa.Column[object]) -> Callable[[str], object]:
    kind = column.type.impl if isinstance(column.type, sa.TypeDecorator) else column.type
    if isinstance(column.type, TextList):
        return json.loads
    return dt.datetime.fromisoformat if isinstance(kind, sa.DateTime) else str


def _readable(read: Callable[[str], object], value: bytes) -> bool:
    try:
        read(value.decode())
    except ValueError:
        return False
    return True


def _vectors(connection: sqlite3.Connection) -> Finding:
    wrong = [sum(1 for _ in wrong_vectors(connection, table)) for table in VECTORS]
    if any(wrong):
        message = " and ".join(
            f"{n} of {what}" for n, what in zip(wrong, VECTORS.values(), strict=True) if n
        )
        message += " are none"
        return Finding("vectors", "damage", message, REPAIR)
    (count,) = connection.execute("SELECT count(*) FROM embeddings").fetchone()
    return Finding("vectors", "ok", f"{count} of pictures, each of length 1")


def wrong_vectors(connection: sqlite3.Connection, table: str) -> Iterator[tuple[int, int]]:
    """Yield picture and encoder of each vector of a wrong size, or not of length 1.

    The table is one of `VECTORS`.
    """
    rows = connection.execute(
        f"SELECT image_id, encoder_id, vector, dim FROM {table} "
        f"JOIN encoders ON encoders.id = {table}.encoder_id"
    )
    while batch := rows.fetchmany(BATCH):
        sized = [row for row in batch if len(row[2]) == 2 * row[3]]
        yield from ((row[0], row[1]) for row in batch if len(row[2]) != 2 * row[3])
        for dim in {row[3] for row in sized}:
            same = [row for row in sized if row[3] == dim]
            packed = np.frombuffer(b"".join(row[2] for row in same), dtype="<f2")
            vectors = packed.reshape(len(same), dim).astype(np.float32)
            lengths = np.linalg.norm(np.nan_to_num(vectors, nan=9, posinf=9, neginf=9), axis=1)
            for place in np.flatnonzero(abs(lengths - 1) > UNIT):
                yield same[place][0], same[place][1]


BASIC = (("integrity", _integrity), ("references", _references))
"""Checks of any catalog."""

ROWS = (("numbers", _numbers), ("values", _values), ("vectors", _vectors))
"""Checks of one with the tables of this version."""
