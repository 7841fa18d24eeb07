"""`SearchCatalog`, the searches that were saved under a name.

No index depends on one, so these writes take no `seq`. What a search asks for is text that only
those who ask and answer it read.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import delete, insert, select, update

from searchengine.catalog.changes import Store
from searchengine.catalog.statements import AnySelect, columns_of
from searchengine.catalog.tables import SearchRow


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search and the name it was saved under."""

    id: int
    name: str
    question: str


class SearchCatalog(Store):
    """Read and write saved searches; `Catalog.searches` is one."""

    def all(self) -> list[SavedSearch]:
        """Return the searches, by name."""
        with self._reader.begin() as connection:
            return [SavedSearch(*row) for row in connection.execute(_SEARCHES)]

    def save(self, name: str, question: str) -> int:
        """Save a search in place of the one that has the name, if there is one; return its id."""
        with self._keeper.begin() as connection:
            known = connection.scalar(select(SearchRow.id).where(SearchRow.name == name))
            if known is not None:
                changed = update(SearchRow).where(SearchRow.id == known)
                connection.execute(changed.values(question=question))
                return int(known)
            added = connection.execute(insert(SearchRow).values(name=name, question=question))
            (id_,) = added.inserted_primary_key or (0,)
            return int(id_)

    def remove(self, id_: int) -> bool:
        """Remove a search; tell whether there was one."""
        with self._keeper.begin() as connection:
            return connection.execute(delete(SearchRow).where(SearchRow.id == id_)).rowcount > 0


_SEARCHES: AnySelect = select(*columns_of(SearchRow, SavedSearch)).order_by(
    sa.func.lower(SearchRow.name), SearchRow.id
)
