"""Open the file of a catalog: to write where that is possible, else to read what is there."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from pathlib import Path

log = logging.getLogger(__name__)

CATALOG_FILE = "catalog.sqlite"
"""The file of a catalog, in the folder of its library."""

INDEX_FOLDER = "index"
"""Where the index files of a library are, beside the catalog."""

HEAD = "0012"
"""The newest revision in migrations/, a constant so that verifying a library needs no Alembic."""

BUSY_MS = 30_000
"""How long a connection waits for another process that is writing."""

IN_MEMORY = ":memory:"
"""What SQLite calls a database without a file."""


def open_file(path: str) -> sqlite3.Connection:
    """Open a catalog, which is read only where its file, folder or disk cannot be written.

    Raises:
        sqlite3.Error: It cannot be opened, or is damaged.
    """
    try:
        return _opened(path)
    except sqlite3.OperationalError as error:
        if path == IN_MEMORY or "locked" in str(error) or not os.path.isfile(path):
            raise
        try:
            return open_to_read(path)
        except sqlite3.Error:
            raise error from None


def _opened(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        # Python's sqlite3 would begin transactions by itself, too late and never IMMEDIATE.
        connection.isolation_level = None
        # The time-out first: switching an empty file to WAL needs a lock that others may hold.
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        _switch_to_wal(connection)
        connection.execute("PRAGMA wal_autocheckpoint=4000")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # Two processes that switch a new file at once would wait for each other for ever: SQLite
    # refuses one of them at once instead, whatever the time-out is. It may try again.
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except UnicodeDecodeError as error:  # SQLite quotes the damaged schema in its message
            raise sqlite3.DatabaseError("its schema is not readable") from error
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def open_to_read(path: str) -> sqlite3.Connection:
    """Open a file that is not to be written, or cannot be.

    Sharing needs a file of SQLite's beside the catalog. Where it cannot be made, on a full disk or
    one that is mounted read only, nobody else can write either, and the file is read as it stands.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    address = Path(os.path.abspath(path)).as_uri()
    for mode in ("mode=ro", "mode=ro&immutable=1"):
        connection = sqlite3.connect(f"{address}?{mode}", uri=True, check_same_thread=False)
        try:
            connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            connection.close()
            reason = str(error) if isinstance(error, sqlite3.Error) else "its schema is damaged"
            continue
        if "immutable" in mode and _size(path + "-wal"):
            log.warning(
                "%s-wal: cannot be read without writing beside it, so what was written last is "
                "not seen",
                path,
            )
        return connection
    raise sqlite3.DatabaseError(reason)


def _size(path: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_size
    return 0
