"""What every search reads of a catalog, by plain SQL of SQLite and without SQLAlchemy.

Ten rows take SQLite 50 microseconds, and SQLAlchemy 200 more to ask for them. So what a search
reads stands here once more, as text, for whoever has a connection of `sqlite3`. It imports nothing
that a short process would wait for. A catalog on a server is read by `Catalog`, in whose words the
answers are; a test compares both.
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
_REVISION = "SELECT version_num FROM alembic_version"
_FRAMES = """
SELECT count(*) FROM frames WHERE encoder_id = (SELECT id FROM encoders WHERE fingerprint = ?)
"""
# Films are few: an index of states would lead through all that is present to find them.
_FILMS = """
SELECT image_id, seconds, vector FROM frames
WHERE encoder_id = (SELECT id FROM encoders WHERE fingerprint = :model) AND image_id IN (
    SELECT image_id FROM frames JOIN images ON images.id = frames.image_id
    WHERE encoder_id = (SELECT id FROM encoders WHERE fingerprint = :model) AND state || '' = 'ok'
    GROUP BY image_id HAVING count(*) > 1
)
ORDER BY image_id, seconds
"""
_TAUGHT = "SELECT name, sha256, path FROM taught_pictures ORDER BY name, path"
_TAUGHT_VECTORS = "SELECT name, vector FROM taught WHERE fingerprint = ?"


def revision(connection: sqlite3.Connection) -> str | None:
    """Return the revision of the schema, None if it names none.

    Raises:
        sqlite3.OperationalError: This is no database of lexpix.
    """
    row = connection.execute(_REVISION).fetchone()
    return None if row is None else row[0]


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


def count_frames(connection: sqlite3.Connection, fingerprint: str) -> int:
    """Return how many frames a model has of all films, whatever their state."""
    return int(connection.execute(_FRAMES, (fingerprint,)).fetchone()[0])


def films(connection: sqlite3.Connection, fingerprint: str) -> dict[int, dict[float, Vector]]:
    """Return the frames that a model has of present films with several, by rising id."""
    rows = connection.execute(_FILMS, {"model": fingerprint}).fetchall()
    frames: dict[int, dict[float, Vector]] = {}
    for row, vector in zip(rows, unpack([packed for *_, packed in rows]), strict=True):
        frames.setdefault(row[0], {})[row[1]] = vector
    return frames


def taught(connection: sqlite3.Connection) -> dict[str, dict[str, str]]:
    """Return the names of the taught words, and paths by sha256 of the pictures of each."""
    words: dict[str, dict[str, str]] = {}
    for name, digest, path in connection.execute(_TAUGHT):
        words.setdefault(name, {})[digest] = os.fsdecode(path)
    return words


def taught_vectors(connection: sqlite3.Connection, fingerprint: str) -> dict[str, Vector]:
    """Return the vectors of the taught words in the space of a model, by name."""
    rows = connection.execute(_TAUGHT_VECTORS, (fingerprint,)).fetchall()
    unpacked = unpack([packed for _, packed in rows])
    return {name: vector for (name, _), vector in zip(rows, unpacked, strict=True)}


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
