"""A look at a library that must not make anybody wait: nothing is written, upgraded or locked.

Completions are made of it while somebody types. So the file is read as it stands, by SQLite alone,
whatever its schema, and what takes too long is left out, as is what cannot be read.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

from searchengine.types import PathLike

Column: TypeAlias = Literal["camera", "lens", "place"]

SECONDS = 0.15
"""Seconds of processor time that the questions to one library may take together."""
WAIT = 1.0
"""Seconds that may pass meanwhile, as a disk may be slow."""
MOST = 50
"""Names that are looked at further, of those most pictures have."""
_STEPS = 2_000  # instructions of SQLite's machine between two looks at the clock
_LAST = chr(0x10FFFF)  # sorts behind all that begins with the same letters


class Glance:
    """What a library has, most frequent first; of one that cannot be read, nothing.

    Args:
        catalog: The file of its catalog, which need not exist; None for one on a server.
    """

    def __init__(self, catalog: PathLike | None) -> None:
        self._connection = None if catalog is None else _opened(os.fspath(catalog))
        if self._connection is not None:
            self._worked, self._began = time.thread_time(), time.monotonic()
            self._connection.set_progress_handler(self._is_too_late, _STEPS)

    def __enter__(self) -> Glance:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def tags(self, begun: str) -> list[tuple[str, int]]:
        """Return the tags that begin so, in lower case, and how many pictures have each."""
        rows = self._rows(
            "SELECT name, count(*) AS n FROM tags WHERE name >= ? AND name < ? "
            "GROUP BY name ORDER BY n DESC, name LIMIT ?",
            begun,
            begun + _LAST,
            MOST,
        )
        held = "SELECT 1 FROM tags WHERE name = ? AND source != 'no' LIMIT 1"
        return [(name, count) for name, count in rows if any(self._rows(held, name))]

    def caption_words(self, begun: str) -> list[tuple[str, int]]:
        """Return the words of captions that begin so, and in how many each is."""
        return self._counted(
            "SELECT word, count(*) AS n FROM caption_words WHERE word >= ? AND word < ? "
            "GROUP BY word ORDER BY n DESC, word LIMIT ?",
            begun,
            begun + _LAST,
            MOST,
        )

    def names(self, column: Column) -> list[tuple[str, int]]:
        """Return the cameras, lenses or places of present pictures, and how many each has."""
        return self._counted(
            f"SELECT {column}, count(*) AS n FROM images WHERE state = 'ok' AND {column} != '' "
            f"GROUP BY {column} ORDER BY n DESC, {column}"
        )

    def keywords(self) -> list[tuple[str, int]]:
        """Return the keywords of present pictures, and how many have each."""
        return self._counted(
            "SELECT value, count(*) AS n FROM images, json_each(images.keywords) "
            "WHERE state = 'ok' AND keywords IS NOT NULL GROUP BY value ORDER BY n DESC, value"
        )

    def years(self) -> list[tuple[str, int]]:
        """Return the years in which present pictures were taken, the last first."""
        return self._counted(
            "SELECT substr(taken_at, 1, 4) AS year, count(*) FROM images "
            "WHERE state = 'ok' AND taken_at IS NOT NULL GROUP BY year ORDER BY year DESC"
        )

    def folders(self) -> Counter[str]:
        """Return the folders that present pictures lie in, and how many in each."""
        rows = self._rows("SELECT path FROM images WHERE state = 'ok' ORDER BY path")
        separator = os.fsencode(os.sep)  # paths are decoded once a folder: there may be many
        counts = Counter(path.rpartition(separator)[0] or separator for (path,) in rows)
        return Counter({os.fsdecode(folder): count for folder, count in counts.items()})

    def roots(self) -> list[str]:
        """Return the folders that were indexed."""
        return [os.fsdecode(path) for (path,) in self._rows("SELECT path FROM roots ORDER BY path")]

    def taught(self) -> list[str]:
        """Return the words that were taught."""
        return [name for (name,) in self._rows("SELECT DISTINCT name FROM taught ORDER BY name")]

    def model(self) -> str | None:
        """Return the model that the library has chosen, None if it never chose one."""
        rows = self._rows("SELECT value FROM meta WHERE key = 'model'")
        return next((value for (value,) in rows), None)

    def _is_too_late(self) -> bool:
        worked, passed = time.thread_time() - self._worked, time.monotonic() - self._began
        return worked > SECONDS or passed > WAIT

    def _counted(self, query: str, *values: object) -> list[tuple[str, int]]:
        return [(str(name), int(count)) for name, count in self._rows(query, *values)]

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Yield rows until there are no more, the time is over, or the file is found damaged."""
        if self._connection is None:
            return
        # A schema of another time, damage, and the end of the time: what came so far is all.
        with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
            yield from self._connection.execute(query, values)


def _opened(path: str) -> sqlite3.Connection | None:
    """Open a catalog without leaving anything beside it."""
    # Sharing needs a file beside the catalog, which SQLite would make even to read. Without one
    # nobody writes, and the file is whole; with one the others' files are there to be shared.
    is_shared = os.path.exists(f"{path}-wal") and os.path.exists(f"{path}-shm")
    mode = "mode=ro" if is_shared else "mode=ro&immutable=1"
    try:
        address = Path(os.path.abspath(path)).as_uri()
        connection = sqlite3.connect(f"{address}?{mode}", uri=True, timeout=WAIT)
    except (sqlite3.Error, ValueError, OSError):
        return None
    connection.text_factory = lambda value: value.decode("utf-8", "replace")
    return connection
