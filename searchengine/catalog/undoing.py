"""`UndoCatalog`: where the rows stood that the last run has marked or moved, to put them back.

A note is written in the transaction that changes the row. It holds for as long as nothing else
changes that row, which its `seq` tells.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from searchengine.catalog.changes import Store
from searchengine.catalog.naming import follow_paths
from searchengine.catalog.rows import Root
from searchengine.catalog.statements import (
    AnyRow,
    AnySelect,
    raise_counter,
    select_in,
    set_meta,
)
from searchengine.catalog.tables import ImageRow, MetaRow, RootRow, UndoRow

_META = "undo"  # in the catalog: JSON, the run that the notes are of, when, and roots it forgot


@dataclass(frozen=True, slots=True)
class Undone:
    """What was put back, in numbers of pictures.

    Attributes:
        at: When the run that did it began to change rows; None if there is none to take back.
        missing: Were marked as missing, and are as they were.
        moved: Were given another path, and have their former one.
        kept: Stay as they are, because they have changed since, another has taken the path, or the
            folder that they came from was forgotten.
    """

    at: dt.datetime | None = None
    missing: int = 0
    moved: int = 0
    kept: int = 0


class UndoCatalog(Store):
    """Note what a run does, and take it back; `Catalog.undo` is one."""

    def note_root(self, root: Root, run: int) -> None:
        """Note a root that is about to be forgotten, as all its pictures are elsewhere."""
        with self._writer.begin() as connection:
            entry = _begun(connection, run)
            entry["roots"].append([root.path, root.device, root.scanned_at.isoformat()])
            set_meta(connection, _META, json.dumps(entry))

    def take_back(self) -> Undone:
        """Put the rows back that the last run with any marks or moves has changed; once only."""
        with self._writer.begin() as connection:
            entry = _entry(connection)
            if entry is None:
                return Undone()
            noted = connection.scalar(select(sa.func.count()).select_from(UndoRow)) or 0
            _restore_roots(connection, entry["roots"])
            # A folder that was forgotten since is scanned no more, so nothing goes back there.
            roots = set(connection.scalars(select(RootRow.path)))
            rows = [row for row in connection.execute(_UNCHANGED_SINCE) if row.root in roots]
            free = _free(connection, rows)
            if free:
                seq = raise_counter(connection, "seq")
                _put_back(connection, free, seq)
            connection.execute(delete(UndoRow))
            connection.execute(delete(MetaRow).where(MetaRow.key == _META))
        moved = sum(row.path != row.now for row in free)
        at = dt.datetime.fromisoformat(entry["at"])
        return Undone(at, len(free) - moved, moved, noted - len(free))


_UNCHANGED_SINCE: AnySelect = select(
    UndoRow.image_id,
    UndoRow.path,
    UndoRow.root,
    UndoRow.state,
    UndoRow.error,
    ImageRow.path.label("now"),
).join(ImageRow, (ImageRow.id == UndoRow.image_id) & (ImageRow.seq == UndoRow.seq))


def note(connection: Connection, condition: ColumnElement[bool], run: int, seq: int) -> None:
    """Note how rows are before they are changed by a write with a seq; 0 is no run to note of."""
    if not run or connection.scalar(select(ImageRow.id).where(condition).limit(1)) is None:
        return
    _begun(connection, run)
    chosen = select(ImageRow.id).where(condition)
    # What this run has changed before goes back to where it was before that.
    again = update(UndoRow).where(UndoRow.image_id.in_(chosen)).values(seq=seq)
    connection.execute(again)
    known = select(UndoRow.image_id).where(UndoRow.image_id == ImageRow.id).exists()
    before = select(
        ImageRow.id,
        sa.literal(run),
        sa.literal(seq),
        ImageRow.path,
        ImageRow.root,
        ImageRow.state,
        ImageRow.error,
    ).where(condition, ~known)
    names = ["image_id", "run", "seq", "path", "root", "state", "error"]
    connection.execute(insert(UndoRow).from_select(names, before))


def _free(connection: Connection, rows: Sequence[AnyRow]) -> list[AnyRow]:
    """Return the rows whose former paths no other row has that stays where it is."""
    free = {row.image_id: row for row in rows}
    paths = select(ImageRow.id, ImageRow.path)
    holders = {
        row.path: row.id
        for row in select_in(connection, paths, ImageRow.path, [row.path for row in rows])
    }
    while True:
        taken = [id_ for id_, row in free.items() if holders.get(row.path, id_) not in free]
        if not taken:
            return list(free.values())
        for id_ in taken:
            del free[id_]


def _put_back(connection: Connection, rows: Sequence[AnyRow], seq: int) -> None:
    moved = [row.image_id for row in rows if row.path != row.now]
    here = update(ImageRow).where(ImageRow.id == sa.bindparam("row"))
    if moved:  # paths are unique at every moment: first all step aside
        connection.execute(here, [{"row": id_, "path": b"\0%d" % id_} for id_ in moved])
    follow_paths(connection, {row.now: row.path for row in rows if row.path != row.now})
    connection.execute(
        here,
        [
            {
                "row": row.image_id,
                "path": row.path,
                "root": row.root,
                "state": row.state,
                "error": row.error,
                "seq": seq,
            }
            for row in rows
        ],
    )


def _restore_roots(connection: Connection, roots: Sequence[Sequence[Any]]) -> None:
    for path, device, at in roots:
        if connection.scalar(select(RootRow.path).where(RootRow.path == path)) is None:
            scanned_at = dt.datetime.fromisoformat(at)
            values = {"path": path, "device": device, "scanned_at": scanned_at}
            connection.execute(insert(RootRow), [values])


def _entry(connection: Connection) -> dict[str, Any] | None:
    value = connection.scalar(select(MetaRow.value).where(MetaRow.key == _META))
    return None if value is None else dict(json.loads(value))


def _begun(connection: Connection, run: int) -> dict[str, Any]:
    """Return what is noted of a run; the notes of the run before go with the first of another."""
    entry = _entry(connection)
    if entry is None or entry["run"] != run:
        entry = {"run": run, "at": dt.datetime.now(dt.UTC).isoformat(), "roots": []}
        connection.execute(delete(UndoRow))
        set_meta(connection, _META, json.dumps(entry))
    return entry
