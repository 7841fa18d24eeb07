"""`LookCatalog`: what pictures look like, and all else by which duplicates are told and ranked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import select, update

from searchengine.catalog.changes import Store
from searchengine.catalog.rows import Appearance
from searchengine.catalog.statements import (
    AnySelect,
    columns_of,
    raise_counter,
    select_in,
    unchanged,
)
from searchengine.catalog.tables import ImageRow, TagRow
from searchengine.look import Look
from searchengine.types import Ids


@dataclass(frozen=True, slots=True)
class Seen:
    """What the bytes with a hex digest look like."""

    sha256: str
    look: Look


class LookCatalog(Store):
    """Read and write what pictures look like; `Catalog.looks` is one."""

    def appearances(self, ids: Iterable[int] | None = None) -> list[Appearance]:
        """Return the present pictures by rising id; only these if ids are given."""
        query: AnySelect = select(*columns_of(ImageRow, Appearance)).where(ImageRow.state == "ok")
        with self._reader.begin() as connection:
            if ids is None:
                rows = list(connection.execute(query.order_by(ImageRow.id)))
            else:
                rows = sorted(select_in(connection, query, ImageRow.id, map(int, ids)))
        return [Appearance(*row) for row in rows]

    def unseen(self) -> Ids:
        """Return the sorted ids of the present pictures of which nobody knows the look."""
        unknown = ImageRow.phash.is_(None) | ImageRow.sharpness.is_(None)
        return self._ids(select(ImageRow.id).where(ImageRow.state == "ok", unknown))

    def add(self, looks: Mapping[int, Seen]) -> Collection[int]:
        """Store looks by image id in one transaction.

        Returns:
            The ids that were written. A picture that was forgotten meanwhile, or whose row names
            other bytes by now, is left out.
        """
        if not looks:
            return []
        with self._writer.begin() as connection:
            known = unchanged(connection, ImageRow, {id_: one.sha256 for id_, one in looks.items()})
            if known:
                raise_counter(connection, "seq")  # of no picture: no index depends on a look
                values = [
                    {
                        "row": id_,
                        "phash": looks[id_].look.phash,
                        "sharpness": looks[id_].look.sharpness,
                    }
                    for id_ in known
                ]
                changed = update(ImageRow).where(ImageRow.id == sa.bindparam("row"))
                connection.execute(changed, values)
        return known

    def own_tags(self, ids: Iterable[int]) -> dict[int, list[str]]:
        """Return the tags that the user gave to pictures, by name; ids without any are absent."""
        query = select(TagRow.image_id, TagRow.name).where(TagRow.source == "user")
        tags: dict[int, list[str]] = {}
        with self._reader.begin() as connection:
            for id_, name in select_in(connection, query, TagRow.image_id, map(int, ids)):
                tags.setdefault(id_, []).append(name)
        return {id_: sorted(names) for id_, names in tags.items()}
