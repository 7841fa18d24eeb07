"""What every search reads of its hits, by plain SQL of SQLite and without SQLAlchemy.

Ten rows take SQLite 50 microseconds, and SQLAlchemy 200 more to ask for them. So what a search
reads stands here once more, as text, for whoever has a connection of `sqlite3`. It imports nothing
that a short process would wait for. A catalog on a server is read by `reading`; a test compares
both.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import sqlite3
from collections.abc import Iterable
from typing import Any

import numpy as np

from searchengine.catalog.packed import unpack
from searchengine.types import Exif, Ids, Picture, Vector

_EXIF = [field.name for field in dataclasses.fields(Exif)]
_NAMES = [field.name for field in dataclasses.fields(Picture)]
_COLUMNS = ", ".join([*(name for name in _NAMES if name != "exif"), *_EXIF])
_PATH, _ROOT, _PLACE_OF_EXIF = (_NAMES.index(name) for name in ("path", "root", "exif"))
_TAKEN, _KEYWORDS = _EXIF.index("taken_at"), _EXIF.index("keywords")
_PLAIN = Exif()

# One text whatever the number of ids, so that SQLite compiles it once.
_AMONG = "IN (SELECT value FROM json_each(?))"
_PICTURES = f"SELECT {_COLUMNS} FROM images WHERE id {_AMONG}"
_VECTORS = f"""
SELECT image_id, vector FROM embeddings
WHERE encoder_id = (SELECT id FROM encoders WHERE fingerprint = ?) AND image_id {_AMONG}
"""
# As `pictures.under` has it: siblings like "folder-2" sort into the range of a folder.
_UNDER = """
SELECT group_concat(id) FROM images
WHERE state = 'ok' AND path >= ? AND path < ? AND (path = ? OR path >= ?)
"""
_FACT = "SELECT value FROM meta WHERE key = ?"


def fact(connection: sqlite3.Connection, key: str) -> str | None:
    """Return a fact about the library, None if it is not recorded."""
    row = connection.execute(_FACT, (key,)).fetchone()
    return None if row is None else row[0]


def pictures(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Picture]:
    """Return the pictures with these ids; unknown ids are absent."""
    rows = connection.execute(_PICTURES, (_listed(ids),)).fetchall()
    return {row[0]: _picture(row) for row in rows}


def vectors(
    connection: sqlite3.Connection, ids: Iterable[int], fingerprint: str
) -> dict[int, Vector]:
    """Return the vectors that a model gave to these pictures; ids without one are absent."""
    rows = connection.execute(_VECTORS, (fingerprint, _listed(ids))).fetchall()
    unpacked = unpack([packed for _, packed in rows])
    return {id_: vector for (id_, _), vector in zip(rows, unpacked, strict=True)}


def ids_under(connection: sqlite3.Connection, folder: str) -> Ids:
    """Return the sorted ids of the present pictures at or under an absolute path."""
    separator = os.fsencode(os.sep)
    bare = os.fsencode(folder).rstrip(separator)
    behind = bare + bytes([separator[0] + 1])
    # One text, which is six times as fast as to bring each id as a row.
    (joined,) = connection.execute(_UNDER, (bare, behind, bare, bare + separator)).fetchone()
    return np.sort(np.fromstring(joined or "", dtype=np.int64, sep=","))


def _listed(ids: Iterable[int]) -> str:
    return json.dumps([int(id_) for id_ in ids])


def _picture(row: tuple[Any, ...]) -> Picture:
    """Return the picture of a row of `_PICTURES`."""
    own = list(row[: -len(_EXIF)])
    own[_PATH], own[_ROOT] = os.fsdecode(own[_PATH]), os.fsdecode(own[_ROOT])
    own.insert(_PLACE_OF_EXIF, _exif(row[-len(_EXIF) :]))
    return Picture(*own)


def _exif(columns: tuple[Any, ...]) -> Exif:
    if not any(columns) and columns.count(None) == len(columns):  # of most files nothing is known
        return _PLAIN
    values = list(columns)
    taken, keywords = values[_TAKEN], values[_KEYWORDS]
    values[_TAKEN] = None if taken is None else dt.datetime.fromisoformat(taken)
    values[_KEYWORDS] = () if keywords is None else tuple(json.loads(keywords))
    return Exif(*values)
