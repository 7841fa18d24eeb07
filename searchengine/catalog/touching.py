"""Writes that no index has to learn of, and which pictures they were about.

Tags and names of places take no `seq`. Each such write raises a counter of its own, and notes the
number by picture: so whoever has read all of them asks for those of a few pictures, and needs not
read all again. What a picture had before its last write is not kept, so there is a row for each
picture at most, and it goes with the picture.

A version of lexpix from before these notes raises the counters too, and notes nothing. It may have
the library open while another one upgrades it. So it is recorded which numbers were noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from sqlalchemy import Connection, delete, select

from searchengine.catalog.changes import Store
from searchengine.catalog.inserting import insert_rows
from searchengine.catalog.statements import chunks, fact, raise_counter, set_meta
from searchengine.catalog.tables import PlacedRow, TaggedRow
from searchengine.types import Ids

Table: TypeAlias = type[TaggedRow] | type[PlacedRow]

COUNTERS: Mapping[Table, str] = {TaggedRow: "tags_changes", PlacedRow: "places_changes"}
"""Where the number of writes stands among the facts of a library."""
_NOTED: Mapping[Table, str] = {TaggedRow: "tags_noted", PlacedRow: "places_noted"}
"""Where two numbers stand: above the first, up to the second, each write has noted its pictures."""


def touch(connection: Connection, table: Table, ids: Iterable[int] = ()) -> None:
    """Number a write, and note which pictures it is about; all of them are in the library."""
    number = raise_counter(connection, COUNTERS[table])
    since, last = _parsed(fact(connection, _NOTED[table]))
    set_meta(connection, _NOTED[table], f"{since if last == number - 1 else number - 1} {number}")
    for chunk in chunks(dict.fromkeys(map(int, ids))):
        connection.execute(delete(table).where(table.image_id.in_(chunk)))
        insert_rows(connection, table, ("image_id", "number"), [(one, number) for one in chunk])


class TouchingStore(Store):
    """A store whose writes are numbered beside those of pictures.

    Attributes:
        touched: The table of the pictures that its writes were about.
    """

    touched: Table

    def changes(self) -> int:
        """Return a number that rises with every write."""
        return int(self.meta(COUNTERS[self.touched]) or 0)

    def changed(self, after: int, most: int) -> Ids | None:
        """Return the pictures that writes above a number were about; None if more than `most`.

        None too where one of these writes was by a version that notes none. Read `changes` first:
        what is committed in between is returned, harmlessly so once more.
        """
        now = self.changes()
        since, last = _parsed(self.meta(_NOTED[self.touched]))
        if now > after and (now > last or after < since):
            return None
        query = select(self.touched.image_id).where(self.touched.number > after)
        ids = self._ids(query.limit(most + 1))
        return None if len(ids) > most else ids


def _parsed(noted: str | None) -> tuple[int, int]:
    """Return the two numbers of a fact of `_NOTED`."""
    since, last = (noted or "0 0").split()
    return int(since), int(last)
