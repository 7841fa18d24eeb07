"""Create, verify and upgrade the database of a library.

Opening a library of the current schema imports SQLAlchemy and nothing else; Alembic is loaded only
to create or to upgrade.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import StaticPool

from searchengine.errors import LibraryError, NothingIndexed

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0007"
"""The newest revision in migrations/, a constant so that verifying a library needs no Alembic."""

FILE_NAME = "catalog.sqlite"
IN_MEMORY = ":memory:"
"""What SQLite calls a database without a file."""

BUSY_MS = 30_000
"""How long a connection waits for another process that is writing."""


def connect(url_or_path: str | os.PathLike[str]) -> Engine:
    """Return an engine for a database URL or for the path of an SQLite file.

    Transactions read a snapshot; those of an engine or connection with the execution option
    `writes=True` take the write lock before anything else (BEGIN IMMEDIATE), so they never lose a
    race halfway through. Errors of SQLite arrive as LibraryError, naming the file.
    """
    target = os.fspath(url_or_path)
    url = target if "://" in target else URL.create("sqlite", database=target)
    # Each connection to a database in memory would get one of its own.
    engine = create_engine(url, poolclass=StaticPool if target == IN_MEMORY else None)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "handle_error", _explain)
    return engine


def open_database(library: Path, *, create: bool) -> Engine:
    """Open the database of a library, upgraded to the schema of this version.

    An older schema is copied to `catalog.sqlite.bak` before it is upgraded.

    Args:
        library: The folder of the library.
        create: Make folder and database where there are none.

    Raises:
        NothingIndexed: There is no database and `create` is false.
        LibraryError: The file is no lexpix database, is damaged, or belongs to a newer version.
    """
    path = library / FILE_NAME
    if create:
        _make_folder(library)
    elif not path.exists():
        raise _nothing_indexed(library)
    engine = connect(path)
    try:
        revision = _revision(engine, path)
        if revision is None and not create:
            raise _nothing_indexed(library)
        if revision != HEAD:
            _upgrade(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


def empty_database() -> Engine:
    """Return a database of the current schema in memory; it holds nothing and dies when closed."""
    from searchengine.catalog.tables import Schema  # the ORM; opening a library must not pay for it

    engine = connect(IN_MEMORY)
    Schema.metadata.create_all(engine)
    return engine


def _nothing_indexed(library: Path) -> NothingIndexed:
    return NothingIndexed(f"{library}: nothing is indexed here yet; run: lexpix index FOLDER")


def _make_folder(library: Path) -> None:
    try:
        library.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"{library}: cannot be made into a library ({error.strerror}); "
            "choose another folder with --library"
        ) from error


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # Python's sqlite3 would begin transactions by itself, too late and never IMMEDIATE.
    connection.isolation_level = None
    # The time-out first: switching an empty file to WAL needs a lock that others may hold.
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # Two processes that switch a new file at once would wait for each other for ever: SQLite
    # refuses one of them at once instead, whatever the time-out is. It may try again.
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _explain(context: ExceptionContext) -> None:
    reason = context.original_exception
    # The subclasses of DatabaseError other than these two are mistakes of the program.
    if type(reason) not in (sqlite3.DatabaseError, sqlite3.OperationalError):
        return
    path = context.engine.url.database if context.engine else FILE_NAME
    if "locked" in str(reason):
        advice = "another lexpix is writing to it; try again when it is done"
    else:
        advice = "check the disk and the folder's permissions, or restore the file from a copy"
    raise LibraryError(f"{path}: cannot be used as a library ({reason}); {advice}") from reason


def _revision(engine: Engine, path: Path) -> str | None:
    """Return the schema's revision, or None for a database without any table.

    Raises:
        LibraryError: The database is damaged or not one of lexpix.
    """
    with engine.connect() as connection:
        return _revision_seen_by(connection, path)


def _revision_seen_by(connection: Connection, path: Path) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if not {"alembic_version", "images", "meta"} <= tables:
        raise LibraryError(
            f"{path}: a database, but not one of lexpix; choose another folder with --library"
        )
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is None:
        raise LibraryError(f"{path}: names no schema version; restore it from a copy")
    return revision


def _upgrade(engine: Engine, path: Path) -> None:
    """Bring the schema to HEAD under the write lock, after a copy of what was there."""
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _alembic_config()
    with _restructuring(engine) as connection:
        # Another process may have created or upgraded it while this one waited for the lock.
        revision = _revision_seen_by(connection, path)
        if revision == HEAD:
            return
        if revision is not None:
            scripts = ScriptDirectory.from_config(config)
            if revision not in {script.revision for script in scripts.walk_revisions()}:
                raise LibraryError(
                    f"{path}: made by a newer lexpix (schema {revision}, this version knows "
                    f"{HEAD}); upgrade: pip install --upgrade lexpix"
                )
            _copy(path, path.with_name(path.name + ".bak"))
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


def _alembic_config() -> Config:
    from alembic.config import Config

    config = Config()
    # Config interpolates like configparser, so a percent sign in the path must be doubled.
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    return config


def _migrations() -> Path:
    """Return the folder of the migration scripts: inside an installed package, else beside it."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


@contextlib.contextmanager
def _restructuring(engine: Engine) -> Iterator[Connection]:
    """Hold the write lock in one transaction during which foreign keys do not cascade.

    SQLite alters most things by building a table anew and dropping the old one, and dropping a
    table that others refer to would delete their rows with it.
    """
    with engine.connect().execution_options(writes=True) as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")  # ignored once a transaction has begun
        try:
            with connection.begin():
                yield connection
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _copy(source: Path, target: Path) -> None:
    """Copy a database that may be in use, consistently; replace the target only when complete."""
    unfinished = target.with_name(target.name + ".tmp")
    unfinished.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(unfinished)) as new,
    ):
        old.backup(new)
    os.replace(unfinished, target)
