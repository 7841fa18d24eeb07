"""All pictures and all tags of a library at once, for the columns that a server keeps in memory.

Only of SQLite, which is in the same process: what is read of millions of rows is bound by how many
objects Python makes of them, so tags come as a few long texts, and pictures without the classes
that one of them would deserve.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from searchengine.catalog.changes import Store
from searchengine.catalog.holders import OWN, REFUSED
from searchengine.catalog.selection import Confidences
from searchengine.types import Ids

PICTURES = 50_000
"""Pictures that are read at a time."""
TAGS = 100_000
"""Tags that are read at a time."""

_PICTURES = """
SELECT id, path, taken_at, camera, width, height, format, place, lat, lon
FROM images NOT INDEXED WHERE state = 'ok' ORDER BY id
"""  # in the order of the table: an index would lead to each row by itself
_TAGS = """
SELECT group_concat(image_id), json_group_array(name), group_concat(
    CASE source WHEN 'guess' THEN coalesce(confidence, 0.0) WHEN 'user' THEN ? ELSE ? END
)
FROM tags WHERE rowid > ? AND rowid <= ? AND (source <> 'guess' OR fingerprint = ?)
"""


@dataclass(frozen=True, slots=True)
class StoredTags:
    """Some rows of the tags.

    Attributes:
        ids: Of the pictures, shape (n,).
        names: The tags, n of them.
        confidence: Of guesses, shape (n,).
        said: Whether the user has given the tag, shape (n,).
        refused: Whether the user has taken it away, shape (n,).
    """

    ids: Ids
    names: list[str]
    confidence: Confidences
    said: npt.NDArray[np.bool_]
    refused: npt.NDArray[np.bool_]


class BulkCatalog(Store):
    """Read everything, from one snapshot; `Catalog.bulk` is one."""

    @property
    def is_possible(self) -> bool:
        """Whether the database is one that can be read so."""
        return self._reader.dialect.name == "sqlite"

    def pictures(self) -> Iterator[tuple[tuple[Any, ...], ...]]:
        """Yield columns of the present pictures, as SQLite has them, by rising id.

        They are id, path, taken_at, camera, width, height, format, place, lat and lon: the path as
        bytes, the date as text, None where nobody knows.
        """
        with self._reader.begin() as connection:
            result = connection.exec_driver_sql(_PICTURES)
            while rows := result.fetchmany(PICTURES):
                yield tuple(zip(*rows, strict=True))

    def tags(self, fingerprint: str) -> Iterator[StoredTags]:
        """Yield what the user said of tags, and the guesses of a model, in any order."""
        with self._reader.begin() as connection:
            last = connection.exec_driver_sql("SELECT max(rowid) FROM tags").scalar() or 0
            for first in range(0, last, TAGS):
                among = (OWN, REFUSED, first, first + TAGS, fingerprint)
                ids, names, sure = connection.exec_driver_sql(_TAGS, among).one()
                if ids is None:
                    continue
                confidence = np.fromstring(sure, sep=",")
                yield StoredTags(
                    np.fromstring(ids, dtype=np.int64, sep=","),
                    json.loads(names),
                    confidence,
                    confidence == OWN,
                    confidence == REFUSED,
                )
