"""`PlaceCatalog`, the names of where a library's pictures were taken."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import select, update

from searchengine.catalog.statements import select_in
from searchengine.catalog.tables import ImageRow, PlacedRow
from searchengine.catalog.touching import TouchingStore, touch


class PlaceCatalog(TouchingStore):
    """Read and write names of places; `Catalog.places` is one. No index has to learn of them."""

    touched = PlacedRow

    def unnamed(self) -> list[tuple[int, float, float]]:
        """Return ids, latitudes and longitudes of the present pictures whose place has no name."""
        query = select(ImageRow.id, ImageRow.lat, ImageRow.lon).where(
            ImageRow.state == "ok", ImageRow.lat.is_not(None), ImageRow.place.is_(None)
        )
        with self._reader.begin() as connection:
            rows = connection.execute(query).all()
        return [(row.id, float(row.lat or 0), float(row.lon or 0)) for row in rows]

    def name(self, names: Mapping[int, str]) -> None:
        """Store the names of places by picture; "" if nothing with a name is near."""
        if not names:
            return
        rows = [{"row": id_, "place": name} for id_, name in names.items()]
        with self._writer.begin() as connection:
            connection.execute(update(ImageRow).where(ImageRow.id == sa.bindparam("row")), rows)
            here = select_in(connection, select(ImageRow.id), ImageRow.id, names)
            touch(connection, PlacedRow, [row.id for row in here])
