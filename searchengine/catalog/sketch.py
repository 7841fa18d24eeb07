"""A catalog in memory that knows the files of a library, to try out on it what a run would do."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from searchengine.catalog.advice import unusable
from searchengine.catalog.database import FILE_NAME, empty_database
from searchengine.catalog.opening import open_to_read
from searchengine.catalog.store import Catalog
from searchengine.catalog.tables import (
    EmbeddingRow,
    EncoderRow,
    FrameRow,
    ImageRow,
    MetaRow,
    RootRow,
    Schema,
)

DIM = 1
"""Length of the vectors of a sketch, which say no more than that there are vectors."""

_SOME_VECTOR = np.ones(DIM, "<f2").tobytes()
_BATCH = 1000


class Sketch:
    """What a library knows of files, in memory; the library is only read.

    A picture takes some 500 bytes: there are no vectors, tags or captions. Close it like a catalog.

    Args:
        library: Its folder; there need be no library.

    Attributes:
        catalog: To be written to.

    Raises:
        LibraryError: The catalog of the library cannot be read.
    """

    def __init__(self, library: Path) -> None:
        self._path = library / FILE_NAME
        self._library: sqlite3.Connection | None = None
        self._database = empty_database()
        self.catalog = Catalog(self._database)
        try:
            if self._path.is_file():
                self._library = open_to_read(os.fspath(self._path))
                self._library.execute("BEGIN")  # all that is read is of one moment
            for table in (ImageRow, RootRow, MetaRow):
                self._copy(table)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self.close()
            raise unusable(self._path, error) from error

    def close(self) -> None:
        """Release both catalogs."""
        self.catalog.close()
        if self._library is not None:
            self._library.close()

    def note_vectors(self, fingerprint: str, name: str) -> None:
        """Have the catalog know which pictures have a vector of a model."""
        encoder = {"id": 1, "fingerprint": fingerprint, "name": name, "dim": DIM}
        ids = self._read(
            "SELECT image_id FROM embeddings JOIN encoders ON encoders.id = encoder_id "
            "WHERE fingerprint = ?",
            fingerprint,
        )
        films: list[tuple[object, ...]] = []
        if self._read("PRAGMA table_info(frames)"):  # which an older library has not
            films = self._read(
                "SELECT DISTINCT image_id FROM frames JOIN encoders ON encoders.id = encoder_id "
                "WHERE fingerprint = ?",
                fingerprint,
            )
        with self._database.begin() as connection:
            connection.execute(insert(EncoderRow), [encoder])
            for (id_,) in films:
                frame = {"image_id": id_, "encoder_id": 1, "seconds": 0.0, "vector": _SOME_VECTOR}
                connection.execute(insert(FrameRow), [frame])
            for start in range(0, len(ids), _BATCH):
                rows = [
                    {"image_id": id_, "encoder_id": 1, "vector": _SOME_VECTOR}
                    for (id_,) in ids[start : start + _BATCH]
                ]
                connection.execute(insert(EmbeddingRow), rows)

    def _copy(self, table: type[Schema]) -> None:
        """Copy the columns of a table that the library has too; an older one may lack some."""
        name = table.__tablename__
        here = set(table.__table__.columns.keys())
        columns = [one for _, one, *_ in self._read(f"PRAGMA table_info({name})") if one in here]
        if not columns:
            return
        quoted = ", ".join(f'"{one}"' for one in columns)
        places = ", ".join("?" * len(columns))
        rows = self._read(f"SELECT {quoted} FROM {name}")
        with self._database.begin() as connection:
            for start in range(0, len(rows), _BATCH):
                connection.exec_driver_sql(
                    f"INSERT INTO {name} ({quoted}) VALUES ({places})",
                    rows[start : start + _BATCH],
                )

    def _read(self, query: str, *values: str) -> list[tuple[object, ...]]:
        return [] if self._library is None else self._library.execute(query, values).fetchall()
