"""What is written about picture files, and the statements that write it in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from searchengine.catalog.changes import bury
from searchengine.catalog.frames import Frames
from searchengine.catalog.inserting import insert_rows, known_among, save_rows
from searchengine.catalog.naming import Seen, follow_contents, follow_paths
from searchengine.catalog.statements import AnyRow, AnySelect, chunks, select_in
from searchengine.catalog.tables import (
    CaptionRow,
    EmbeddingRow,
    EncoderRow,
    FrameRow,
    GuessedRow,
    ImageRow,
    TagRow,
)
from searchengine.catalog.undoing import note
from searchengine.look import Look
from searchengine.types import METADATA_VERSION, Exif, FileStat, Vector


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """What is to be written about one file.

    Attributes:
        root: The indexed folder that the file was found in.
        sha256: Hex digest of the bytes that `vector` belongs to; None if they could not be read.
        vector: Shape (dim,), or None to keep what is stored for the same bytes.
        format: As `formats.FORMATS` names it.
        damage: What is wrong with a file of which a part can be seen.
        at: Of a film, the time in seconds of the frame that stands for it.
        error: Why the file is no readable picture; it is then stored as `bad`, else as `ok`.
        look: What it looks like; None to keep what is stored for the same bytes.
        frames: Of a film with a vector, those of its scenes.
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
    format: str | None = None
    damage: str | None = None
    at: float | None = None
    look: Look | None = None
    frames: Frames = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredEncoder:
    """A model whose vectors the library holds."""

    fingerprint: str
    name: str
    dim: int


def write_rows(
    connection: Connection, records: Sequence[PictureRecord], scan: int, seq: int, run: int
) -> tuple[list[int], set[int]]:
    """Store records without their vectors; remove vectors of bytes that are no more.

    What moves is noted of the run, if it is not 0.

    Returns:
        The ids of the rows in the order of the records, and those that have been there before.
    """
    columns: AnySelect = select(
        ImageRow.id,
        ImageRow.path,
        ImageRow.sha256,
        ImageRow.scan,
        ImageRow.taken_at,
        ImageRow.phash,
        ImageRow.sharpness,
    )
    known = [record.id for record in records if record.id is not None]
    by_id = {row.id: row for row in select_in(connection, columns, ImageRow.id, known)}
    paths = [record.stat.path for record in records]
    taken = known_among(connection, ImageRow.path, paths)
    by_path = {row.path: row for row in select_in(connection, columns, ImageRow.path, taken)}

    updates: list[tuple[AnyRow, PictureRecord]] = []
    inserts: list[PictureRecord] = []
    superseded: list[int] = []
    for record in records:
        same_path = by_path.get(record.stat.path)
        if same_path is not None and same_path.id in by_id:
            same_path = None  # the row has a record of its own in this batch
        if record.id in by_id:
            updates.append((by_id[record.id], record))
            if same_path is not None:
                superseded.append(same_path.id)
        elif same_path is not None:
            updates.append((same_path, record))
        else:
            inserts.append(record)

    for chunk in chunks(superseded):
        bury(connection, ImageRow, ImageRow.id.in_(chunk), seq)
    # Paths are unique at every moment, and rows may trade theirs: those that move step aside first,
    # to names that no file can have.
    moved = [row.id for row, record in updates if row.path != record.stat.path]
    if moved:
        for chunk in chunks(moved):
            note(connection, ImageRow.id.in_(chunk), run, seq)
        aside = update(ImageRow).where(ImageRow.id == sa.bindparam("row"))
        connection.execute(aside, [{"row": one, "path": b"\0%d" % one} for one in moved])
        follow_paths(
            connection,
            {row.path: one.stat.path for row, one in updates if row.path != one.stat.path},
        )
    changed = {row.id: (row, one) for row, one in updates if row.sha256 != one.sha256}
    for chunk in chunks(changed):
        connection.execute(delete(EmbeddingRow).where(EmbeddingRow.image_id.in_(chunk)))
        connection.execute(delete(FrameRow).where(FrameRow.image_id.in_(chunk)))
    saved = {id_: pair for id_, pair in changed.items() if _is_saved_anew(*pair)}
    follow_contents(
        connection,
        {row.sha256: one.sha256 for row, one in saved.values() if row.sha256 and one.sha256},
    )
    for chunk in chunks(changed.keys() - saved.keys()):
        # What the user said of a picture stays when it is edited; what a model guessed does not.
        of_chunk = TagRow.image_id.in_(chunk)
        connection.execute(delete(TagRow).where(of_chunk, TagRow.source == "guess"))
        connection.execute(delete(GuessedRow).where(GuessedRow.image_id.in_(chunk)))
        connection.execute(delete(CaptionRow).where(CaptionRow.image_id.in_(chunk)))

    looks = _known_looks(connection, records)
    stored = {
        row.id: dict(zip(COLUMNS, _values(record, looks, max(scan, row.scan), seq), strict=True))
        for row, record in updates
    }
    new = [_values(record, looks, scan, seq) for record in inserts]
    added = save_rows(connection, ImageRow, stored, COLUMNS, new)
    ids = {record.stat.path: row.id for row, record in updates}
    ids |= zip((record.stat.path for record in inserts), added, strict=True)
    return [ids[path] for path in paths], set(stored)


def describe_rows(
    connection: Connection, records: Sequence[PictureRecord], scan: int, seq: int
) -> None:
    """Store what was read anew of files whose bytes and paths are as they were."""
    connection.execute(
        update(ImageRow)
        .where(ImageRow.id == sa.bindparam("row"), ImageRow.path == sa.bindparam("where"))
        .values(scan=sa.case((ImageRow.scan < scan, scan), else_=ImageRow.scan)),
        [
            {
                "row": one.id,
                "where": one.stat.path,
                "seq": seq,
                **dict(zip(DESCRIBED, _description(one), strict=True)),
            }
            for one in records
        ],
    )


def _is_saved_anew(row: AnyRow, record: PictureRecord) -> bool:
    """Tell whether other bytes in the place of a picture show the same picture."""
    if record.look is None or record.error is not None:
        return False
    look = Seen(record.exif.taken_at, record.look.phash, record.look.sharpness)
    return Seen(row.taken_at, row.phash, row.sharpness).is_saved_anew(look)


def _known_looks(connection: Connection, records: Sequence[PictureRecord]) -> dict[str, Look]:
    """Return by content what pictures look like that nobody has looked at now."""
    contents = {one.sha256 for one in records if one.look is None and one.error is None}
    known = known_among(connection, ImageRow.sha256, contents - {None})
    query = select(ImageRow.sha256, ImageRow.phash, ImageRow.sharpness)
    query = query.where(ImageRow.phash.is_not(None), ImageRow.sharpness.is_not(None))
    rows = select_in(connection, query, ImageRow.sha256, known)
    return {row.sha256: Look(row.phash, row.sharpness) for row in rows}


_EXIF = tuple(one.name for one in fields(Exif) if one.name != "keywords")
_exif_of: Callable[[Exif], tuple[Any, ...]] = attrgetter(*_EXIF)

DESCRIBED = (
    *("size", "mtime_ns", "ctime_ns", "sidecar_ns"),
    *("keywords", "place", "width", "height", "format", "damage", "at", "metadata_version"),
    *_EXIF,
)
"""The columns that depend on how a file is read, and on its times."""
COLUMNS = (
    *("path", "root", "sha256", "state", "error"),
    *("phash", "sharpness", "scan", "seq"),
    *DESCRIBED,
)
"""All columns of a picture but its id."""


def _values(
    record: PictureRecord, looks: Mapping[str, Look], scan: int, seq: int
) -> tuple[Any, ...]:
    """Return the values of `COLUMNS`."""
    look = record.look or looks.get(record.sha256 or "")
    return (
        record.stat.path,
        record.root,
        record.sha256,
        "ok" if record.error is None else "bad",
        record.error,
        None if look is None else look.phash,
        None if look is None else look.sharpness,
        scan,
        seq,
        *_description(record),
    )


def _description(record: PictureRecord) -> tuple[Any, ...]:
    """Return the values of `DESCRIBED`."""
    stat = record.stat
    return (
        stat.size,
        stat.mtime_ns,
        stat.ctime_ns,
        stat.sidecar_ns,
        record.exif.keywords or None,
        None,  # the place is found by where it was taken, once that is stored
        record.width,
        record.height,
        record.format,
        record.damage,
        record.at,
        METADATA_VERSION,
        *_exif_of(record.exif),
    )


_ENCODER: AnySelect = select(EncoderRow.id, EncoderRow.dim).where(
    EncoderRow.fingerprint == sa.bindparam("fingerprint")
)


def encoder_id(connection: Connection, encoder: StoredEncoder) -> int:
    """Return the id of an encoder, recorded at its first use."""
    known = connection.execute(_ENCODER, {"fingerprint": encoder.fingerprint}).first()
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


def made_by(fingerprint: str | sa.BindParameter[str]) -> ColumnElement[bool]:
    """Match the vectors of one encoder."""
    encoder = select(EncoderRow.id).where(EncoderRow.fingerprint == fingerprint)
    return EmbeddingRow.encoder_id == encoder.scalar_subquery()


def replace_vectors(
    connection: Connection,
    encoder: int,
    packed: Mapping[int, bytes],
    known: Collection[int] | None = None,
) -> None:
    """Store the packed vectors of one encoder by image id, in place of those that are there.

    Only the ids that are `known` can have any; all if None.
    """
    old = packed.keys() if known is None else packed.keys() & known
    for chunk in chunks(old):
        connection.execute(
            delete(EmbeddingRow).where(
                EmbeddingRow.image_id.in_(chunk), EmbeddingRow.encoder_id == encoder
            )
        )
    rows = [(one, encoder, vector) for one, vector in packed.items()]
    insert_rows(connection, EmbeddingRow, ("image_id", "encoder_id", "vector"), rows)
