"""What is written about files, and the statements that write it.

`Catalog` decides on transactions and on `seq`; here is what happens inside of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias, TypeVar

import numpy as np
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row, Select, delete, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from searchengine.catalog.tables import (
    CaptionRow,
    EmbeddingRow,
    EncoderRow,
    GuessedRow,
    ImageRow,
    MetaRow,
    TagRow,
    TombstoneRow,
)
from searchengine.types import Exif, FileStat, Ids, Vector, Vectors
from searchengine.vectors import unit_rows

T = TypeVar("T")
AnyRow: TypeAlias = Row[*tuple[Any, ...]]

CHUNK = 1000
"""Values in one IN list; databases limit the parameters of a statement."""


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """What is to be written about one file.

    Attributes:
        root: The indexed folder that the file was found in.
        sha256: Hex digest of the bytes that `vector` belongs to; None if they could not be read.
        vector: Shape (dim,), or None to keep what is stored for the same bytes.
        error: Why the file is no readable picture; it is then stored as `bad`, else as `ok`.
        id: The row to update, which may so move to another path; None for the row of this path,
            new if there is none.
    """

    stat: FileStat
    root: str
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    exif: Exif = field(default_factory=Exif)
    vector: Vector | None = None
    error: str | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredEncoder:
    """A model whose vectors the library holds."""

    fingerprint: str
    name: str
    dim: int


@dataclass(frozen=True, slots=True)
class Change:
    """A step of bringing an index up to date; each id is in one of the two arrays.

    Attributes:
        put_ids: Shape (n,).
        put_vectors: Shape (n, dim).
        drop_ids: Shape (m,); ids that the index may not know.
    """

    put_ids: Ids
    put_vectors: Vectors
    drop_ids: Ids


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield lists of at most CHUNK values."""
    iterator = iter(values)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def select_in(
    connection: Connection,
    query: Select[*tuple[Any, ...]],
    column: InstrumentedAttribute[Any],
    values: Iterable[Any],
) -> Iterator[AnyRow]:
    """Yield the rows whose column has one of any number of values."""
    for chunk in chunks(values):
        yield from connection.execute(query.where(column.in_(chunk)))


def storable(ids: Iterable[int]) -> Iterator[int]:
    """Leave out numbers that no row can have, because SQLite refuses to be asked for them."""
    return (one for one in map(int, ids) if 0 < one < 2**63)


def change_of(rows: Sequence[AnyRow]) -> Change:
    """Return the change that rows of `id` and packed `vector` make; those without are dropped."""
    put = [row for row in rows if row.vector is not None]
    drop = [row.id for row in rows if row.vector is None]
    vectors = unpack([row.vector for row in put])
    return Change(_ids(row.id for row in put), vectors, _ids(drop))


def _ids(values: Iterable[int]) -> Ids:
    return np.fromiter(values, dtype=np.int64)


def pack(vectors: Sequence[Vector], dim: int) -> list[bytes]:
    """Return unit vectors as little-endian float16."""
    if not vectors:
        return []
    return [row.tobytes() for row in unit_rows(np.stack(vectors), dim).astype("<f2")]


def unpack(packed: Sequence[bytes]) -> Vectors:
    """Return unit rows, shape (n, dim); (0, 0) for none.

    From some dozens of dimensions on, rounding the rows to float16 gives the stored numbers again:
    the errors cancel out, and the length is off one by far less than a float16 can tell. In fewer a
    number may move to its neighbour.
    """
    if not packed:
        return np.empty((0, 0), dtype=np.float32)
    return unit_rows(np.frombuffer(b"".join(packed), dtype="<f2").reshape(len(packed), -1))


def refuse_twice(values: Sequence[object]) -> None:
    """Raise ValueError if a value comes twice."""
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise ValueError(f"{twice!r} stands in two records of one batch")


def counter(connection: Connection, key: str) -> int:
    """Return a counter that the transaction is about to raise."""
    # FOR UPDATE is the write lock on databases that lock rows; SQLite has taken its own by now.
    value = connection.scalar(select(MetaRow.value).where(MetaRow.key == key).with_for_update())
    return int(value or 0)


def set_meta(connection: Connection, key: str, value: str) -> None:
    """Record a fact about the library."""
    known = update(MetaRow).where(MetaRow.key == key).values(value=value)
    if not connection.execute(known).rowcount:
        connection.execute(insert(MetaRow).values(key=key, value=value))


def write_rows(
    connection: Connection, records: Sequence[PictureRecord], scan: int, seq: int
) -> list[int]:
    """Store records without their vectors; remove vectors of bytes that are no more."""
    columns = select(ImageRow.id, ImageRow.path, ImageRow.sha256, ImageRow.scan)
    named = [record.id for record in records if record.id is not None]
    by_id = {row.id: row for row in select_in(connection, columns, ImageRow.id, named)}
    paths = [record.stat.path for record in records]
    by_path = {row.path: row for row in select_in(connection, columns, ImageRow.path, paths)}

    updates: list[tuple[AnyRow, PictureRecord]] = []
    inserts: list[PictureRecord] = []
    superseded: list[int] = []
    for record in records:
        there = by_path.get(record.stat.path)
        if there is not None and there.id in by_id:
            there = None  # the row has a record of its own in this batch
        if record.id in by_id:
            updates.append((by_id[record.id], record))
            if there is not None:
                superseded.append(there.id)
        elif there is not None:
            updates.append((there, record))
        else:
            inserts.append(record)

    for chunk in chunks(superseded):
        bury(connection, ImageRow.id.in_(chunk), seq)
    # Paths are unique at every moment, and rows may trade theirs: those that move step aside first,
    # to names that no file can have.
    moved = [row.id for row, record in updates if row.path != record.stat.path]
    if moved:
        aside = update(ImageRow).where(ImageRow.id == sa.bindparam("row"))
        connection.execute(aside, [{"row": one, "path": b"\0%d" % one} for one in moved])
    changed = [row.id for row, record in updates if row.sha256 != record.sha256]
    for chunk in chunks(changed):
        connection.execute(delete(EmbeddingRow).where(EmbeddingRow.image_id.in_(chunk)))
        # What the user said of a picture stays when it is edited; what a model guessed does not.
        of_chunk = TagRow.image_id.in_(chunk)
        connection.execute(delete(TagRow).where(of_chunk, TagRow.source == "guess"))
        connection.execute(delete(GuessedRow).where(GuessedRow.image_id.in_(chunk)))
        connection.execute(delete(CaptionRow).where(CaptionRow.image_id.in_(chunk)))

    if updates:
        values = [
            {"row": row.id, **_columns(record, max(scan, row.scan), seq)} for row, record in updates
        ]
        connection.execute(update(ImageRow).where(ImageRow.id == sa.bindparam("row")), values)
    ids = {record.stat.path: row.id for row, record in updates}
    if inserts:
        added = insert(ImageRow).returning(ImageRow.path, ImageRow.id)
        new = connection.execute(added, [_columns(record, scan, seq) for record in inserts])
        ids.update((row.path, row.id) for row in new)
    return [ids[path] for path in paths]


def _columns(record: PictureRecord, scan: int, seq: int) -> dict[str, Any]:
    stat, exif = record.stat, record.exif
    return {
        "path": stat.path,
        "root": record.root,
        "sha256": record.sha256,
        "size": stat.size,
        "mtime_ns": stat.mtime_ns,
        "ctime_ns": stat.ctime_ns,
        "width": record.width,
        "height": record.height,
        "taken_at": exif.taken_at,
        "camera": exif.camera,
        "lens": exif.lens,
        "lat": exif.lat,
        "lon": exif.lon,
        "state": "ok" if record.error is None else "bad",
        "error": record.error,
        "scan": scan,
        "seq": seq,
    }


def encoder_id(connection: Connection, encoder: StoredEncoder) -> int:
    """Return the id of an encoder, recorded at its first use."""
    query = select(EncoderRow.id, EncoderRow.dim)
    known = connection.execute(query.where(EncoderRow.fingerprint == encoder.fingerprint)).first()
    if known is None:
        added = insert(EncoderRow).values(
            fingerprint=encoder.fingerprint, name=encoder.name, dim=encoder.dim
        )
        return connection.execute(added.returning(EncoderRow.id)).scalar_one()
    if known.dim != encoder.dim:
        raise ValueError(
            f"vectors of {encoder.dim} numbers, but those of {encoder.fingerprint} have {known.dim}"
        )
    return int(known.id)


def made_by(fingerprint: str) -> ColumnElement[bool]:
    """Match the vectors of one encoder."""
    encoder = select(EncoderRow.id).where(EncoderRow.fingerprint == fingerprint)
    return EmbeddingRow.encoder_id == encoder.scalar_subquery()


def replace_vectors(connection: Connection, encoder: int, packed: Mapping[int, bytes]) -> None:
    """Store the packed vectors of one encoder by image id, in place of those that are there."""
    for chunk in chunks(packed):
        connection.execute(
            delete(EmbeddingRow).where(
                EmbeddingRow.image_id.in_(chunk), EmbeddingRow.encoder_id == encoder
            )
        )
    rows = [
        {"image_id": one, "encoder_id": encoder, "vector": vector} for one, vector in packed.items()
    ]
    connection.execute(insert(EmbeddingRow), rows)


def bury(connection: Connection, condition: ColumnElement[bool], seq: int) -> int:
    """Delete rows, and by the foreign keys all that hangs on them; leave tombstones."""
    dead = select(ImageRow.id, sa.literal(seq)).where(condition)
    connection.execute(insert(TombstoneRow).from_select(["image_id", "seq"], dead))
    return connection.execute(delete(ImageRow).where(condition)).rowcount
