"""A catalog that loads SQLAlchemy only when it is asked for more than a plain search needs.

To import it, and to map the tables, takes a process as long as all else of a search for words. So
of a catalog in a file what every search asks is asked in plain SQL, until something else is wanted:
then the whole `Catalog` is opened, and answers everything from there on.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from searchengine.catalog import plain
from searchengine.catalog.advice import is_of_file, unusable
from searchengine.catalog.opening import CATALOG_FILE, HEAD, open_file
from searchengine.types import Ids, Picture, Vector

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog

T = TypeVar("T")


def open_catalog(library: Path, *, create: bool, address: str = "") -> Catalog:
    """Open the catalog of a library, as `database.open_database` does; see there."""
    quick = None if address else _opened(library / CATALOG_FILE)
    if quick is not None:
        return cast("Catalog", QuickCatalog(library, quick))
    return _whole(library, create=create, address=address)


def _whole(library: Path, *, create: bool = False, address: str = "") -> Catalog:
    from searchengine.catalog.database import open_database
    from searchengine.catalog.store import Catalog

    return Catalog(open_database(library, create=create, address=address))


def _opened(path: Path) -> sqlite3.Connection | None:
    """Open a file of this version's schema; None for any other, and for what cannot be read.

    Whoever opens it as a whole makes, upgrades or refuses it, and says why.
    """
    with contextlib.suppress(OSError, sqlite3.Error, UnicodeDecodeError):
        if not path.stat().st_size:
            return None
        connection = open_file(str(path))
        try:
            if plain.revision(connection) == HEAD:
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
    return None


class QuickCatalog:
    """A `Catalog` by all that it can be asked; what is not here is the whole one's.

    Args:
        library: The folder.
        connection: To its catalog; closed when the whole one is opened, and by `close`.
    """

    def __init__(self, library: Path, connection: sqlite3.Connection) -> None:
        self._library, self._connection = library, connection
        self._lock = threading.RLock()
        self._opened: Catalog | None = None
        self.frames, self.tags = _Frames(self, "frames"), _Tags(self, "tags")
        self.captions, self.embeddings = _Part(self, "captions"), _Embeddings(self, "embeddings")

    def __getattr__(self, name: str) -> Any:
        """Return what only the whole catalog has."""
        if name.startswith("__"):  # asked for by copy, pickle and the like
            raise AttributeError(name)
        return getattr(self.whole, name)

    @property
    def whole(self) -> Catalog:
        """The whole catalog, opened when it is first asked for.

        Raises:
            LibraryError: As `database.open_database` does.
        """
        with self._lock:
            if self._opened is None:
                self._opened = _whole(self._library)
                self._connection.close()  # it has its own
            return self._opened

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            self._connection.close()
            if self._opened is not None:
                self._opened.close()

    # What a search asks

    @property
    def uid(self) -> str:
        """The random hex name of this library, made with it."""
        return self.ask(lambda catalog: catalog.uid, lambda c: plain.fact(c, "uid") or "")

    def meta(self, key: str) -> str | None:
        """Return a fact about the library, None if it is not recorded."""
        return self.ask(lambda catalog: catalog.meta(key), lambda c: plain.fact(c, key))

    def seq(self) -> int:
        """Return the number of the last write that an index must learn of."""
        return int(self.meta("seq") or 0)

    def get(self, ids: Iterable[int]) -> dict[int, Picture]:
        """Return the pictures with these ids; unknown ids are absent."""
        wanted = list(ids)
        return self.ask(lambda catalog: catalog.get(wanted), lambda c: plain.pictures(c, wanted))

    def vectors(self, ids: Iterable[int], fingerprint: str) -> dict[int, Vector]:
        """Return the vectors that a model gave to these pictures; ids without one are absent."""
        wanted = list(ids)
        return self.ask(
            lambda catalog: catalog.vectors(wanted, fingerprint),
            lambda c: plain.vectors(c, wanted, fingerprint),
        )

    def ids_under(self, folder: str) -> Ids:
        """Return the sorted ids of the present pictures at or under an absolute path."""
        return self.ask(
            lambda catalog: catalog.ids_under(folder), lambda c: plain.ids_under(c, folder)
        )

    def ask(self, whole: Callable[[Catalog], T], plainly: Callable[[sqlite3.Connection], T]) -> T:
        """Ask the whole catalog if it is open, else the file, by one who asks alone.

        Raises:
            LibraryError: SQLite cannot read it.
        """
        with self._lock:
            if self._opened is None:
                return self._from_file(plainly)
        return whole(self._opened)

    def _from_file(self, plainly: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return plainly(self._connection)  # one statement, which sees one snapshot by itself
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_of_file(error):
                raise
            raise unusable(self._library / CATALOG_FILE, error) from error


class _Part:
    """A part of a catalog, such as `Catalog.tags`; what is not here is that of the whole one."""

    def __init__(self, catalog: QuickCatalog, name: str) -> None:
        self._catalog, self._name = catalog, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(getattr(self._catalog.whole, self._name), name)


class _Embeddings(_Part):
    def choice(self) -> str | None:
        """Return the model that the library uses, None if it never chose one."""
        return self._catalog.meta("model")


class _Frames(_Part):
    def count(self, fingerprint: str) -> int:
        """Return how many frames a model has of all films, whatever their state."""
        return self._catalog.ask(
            lambda catalog: catalog.frames.count(fingerprint),
            lambda c: plain.count_frames(c, fingerprint),
        )

    def present(self, fingerprint: str) -> dict[int, dict[float, Vector]]:
        """Return the frames that a model has of present films with several, by rising id."""
        return self._catalog.ask(
            lambda catalog: catalog.frames.present(fingerprint),
            lambda c: plain.films(c, fingerprint),
        )


class _Tags(_Part):
    def taught(self) -> dict[str, dict[str, str]]:
        """Return the names of the taught words, and paths by sha256 of the pictures of each."""
        return self._catalog.ask(lambda catalog: catalog.tags.taught(), plain.taught)

    def taught_vectors(self, fingerprint: str) -> dict[str, Vector]:
        """Return the vectors of the taught words in the space of a model, by name."""
        return self._catalog.ask(
            lambda catalog: catalog.tags.taught_vectors(fingerprint),
            lambda c: plain.taught_vectors(c, fingerprint),
        )
