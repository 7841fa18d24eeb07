"""`FollowCatalog`: pictures that are other files by now, and what is theirs."""

from __future__ import annotations

import os

import sqlalchemy as sa
from sqlalchemy import Connection, delete, insert, select, update

from searchengine.catalog.changes import Store, bury
from searchengine.catalog.naming import follow_contents, follow_paths
from searchengine.catalog.pictures import PICTURE, picture_of, under
from searchengine.catalog.statements import raise_counter
from searchengine.catalog.tables import EmbeddingRow, FrameRow, ImageRow, TaggedRow, TagRow
from searchengine.catalog.touching import touch
from searchengine.catalog.undoing import note
from searchengine.types import Picture


class FollowCatalog(Store):
    """Find files that may be known pictures, and make them so; `Catalog.following` is one."""

    def newest_id(self) -> int:
        """Return the highest id of a picture, 0 if there is none."""
        return self._count(select(sa.func.max(ImageRow.id)))

    def not_found(self, folder: str, scan: int) -> dict[int, str]:
        """Return by id the paths below a folder that a scan has not seen, missing ones too."""
        query = select(ImageRow.id, ImageRow.path)
        query = query.where(under(ImageRow.path, folder), ImageRow.scan < scan)
        with self._reader.begin() as connection:
            return {row.id: row.path for row in connection.execute(query.order_by(ImageRow.id))}

    def namesakes(self, path: str, after: int) -> list[Picture]:
        """Return the present pictures above an id that differ from a path in the ending alone."""
        stem = os.path.splitext(path)[0]
        begin, end = os.fsencode(stem) + b".", os.fsencode(stem) + b"/"  # the sign behind "."
        query = PICTURE.where(
            ImageRow.path >= begin, ImageRow.path < end, ImageRow.id > after, ImageRow.state == "ok"
        )
        with self._reader.begin() as connection:
            pictures = [picture_of(row) for row in connection.execute(query.order_by(ImageRow.id))]
        return [one for one in pictures if os.path.splitext(one.path)[0] == stem]

    def succeed(self, old: int, new: int, run: int = 0) -> None:
        """Give a picture the file of a new one, which is the same in other bytes and goes."""
        with self._writer.begin() as connection:
            seq = raise_counter(connection, "seq")
            note(connection, ImageRow.id == old, run, seq)
            succeed(connection, old, new, seq)

    def inherit_tags(self, heir: int, from_: int) -> int:
        """Give a picture what the user said of another; return how many tags are new to it."""
        with self._writer.begin() as connection:
            inherited = inherit_tags(connection, heir, from_)
            if inherited:
                touch(connection, TaggedRow, [heir])
        return inherited


def succeed(connection: Connection, old: int, new: int, seq: int) -> None:
    """Give a row the file and the vectors of a new row, which goes; all else of it stays."""
    columns = [column for column in ImageRow.__table__.columns if column.name != "id"]
    (values,) = connection.execute(select(*columns).where(ImageRow.id == new)).mappings()
    was = connection.execute(select(ImageRow.path, ImageRow.sha256).where(ImageRow.id == old)).one()
    for table in (EmbeddingRow, FrameRow):
        connection.execute(delete(table).where(table.image_id == old))
        connection.execute(update(table).where(table.image_id == new).values(image_id=old))
    bury(connection, ImageRow, ImageRow.id == new, seq)
    row = update(ImageRow).where(ImageRow.id == old)
    connection.execute(row.values({**values, "seq": seq}))
    follow_paths(connection, {was.path: values["path"]})
    if was.sha256 is not None and values["sha256"] is not None:
        follow_contents(connection, {was.sha256: values["sha256"]})


def inherit_tags(connection: Connection, heir: int, from_: int) -> int:
    """Give a picture what the user said of another, unless it was said of it too; count it."""
    said = TagRow.source.in_(("user", "no"))
    query = select(TagRow.name, TagRow.source)
    own = {row.name for row in connection.execute(query.where(TagRow.image_id == heir, said))}
    rows = [
        {"image_id": heir, "name": row.name, "source": row.source}
        for row in connection.execute(query.where(TagRow.image_id == from_, said))
        if row.name not in own
    ]
    if rows:
        connection.execute(insert(TagRow), rows)
    return len(rows)
