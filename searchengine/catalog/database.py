"""Open the database of a library, a file or on a server, and say what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import StaticPool

from searchengine.catalog.advice import is_of_file, unusable
from searchengine.catalog.opening import CATALOG_FILE, IN_MEMORY, INDEX_FOLDER, open_file
from searchengine.catalog.upgrading import brought_up
from searchengine.errors import LibraryError, NothingIndexed

FILE_NAME = CATALOG_FILE


def connect(url_or_path: str | os.PathLike[str]) -> Engine:
    """Return an engine for a database URL or for the path of an SQLite file.

    Transactions read a snapshot; those of an engine or connection with the execution option
    `writes=True` take the write lock before anything else (BEGIN IMMEDIATE), so they never lose a
    race halfway through. With `durable=True` a commit is on the disk when it returns, also if the
    power fails a moment later (synchronous=FULL); others may then be lost, never torn (NORMAL).
    Errors of SQLite arrive as LibraryError, naming the file.
    """
    target = os.fspath(url_or_path)
    url = target if "://" in target else URL.create("sqlite", database=target)
    # Each connection to a database in memory would get one of its own.
    engine = create_engine(url, poolclass=StaticPool if target == IN_MEMORY else None)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", _open)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "handle_error", _explain)
    return engine


def open_database(library: Path, *, create: bool, address: str = "") -> Engine:
    """Open the database of a library, upgraded to the schema of this version.

    An older schema of a file is copied to `catalog.sqlite.bak` before it is upgraded.

    Args:
        library: The folder of the library.
        create: Make folder and database where there are none; a server's database must exist.
        address: Of a PostgreSQL database, which has the catalog then.

    Raises:
        NothingIndexed: There is no database and `create` is false.
        LibraryError: The file is no lexpix database, is damaged, or belongs to a newer version; or
            the server does not answer.
    """
    if address:
        if create:
            _make_folder(library)  # of the index files
        return _opened_on_server(address, create)
    path = library / FILE_NAME
    if create:
        _make_folder(library)
    elif not path.exists():
        raise _nothing_indexed(library)
    _refuse_emptied(path)
    engine = connect(path)
    try:
        if not brought_up(engine, path, create=create):
            raise _nothing_indexed(library)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _opened_on_server(address: str, create: bool) -> Engine:
    from searchengine.catalog.postgres import connect_postgres, shown

    engine = connect_postgres(address)
    try:
        name = shown(engine.url)
        if not brought_up(engine, name, create=create):
            raise _nothing_indexed(name)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def plain_connection(engine: Engine) -> Iterator[sqlite3.Connection]:
    """Lend SQLite's own connection, one of those of an engine of `connect`.

    Each statement by itself sees a snapshot; nothing is to be written. Errors are those of the
    engine.
    """
    try:
        pooled = engine.raw_connection()
        try:
            connection = pooled.driver_connection
            assert isinstance(connection, sqlite3.Connection), "whoever asks has looked"
            yield connection
        finally:
            pooled.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        _explain_error(error, engine)
        raise


def empty_database() -> Engine:
    """Return a database of the current schema in memory; it holds nothing and dies when closed."""
    from searchengine.catalog.tables import Schema  # the ORM; opening a library must not pay for it

    engine = connect(IN_MEMORY)
    Schema.metadata.create_all(engine)
    return engine


def _nothing_indexed(library: str | Path) -> NothingIndexed:
    return NothingIndexed(f"{library}: nothing is indexed here yet; run: lexpix index FOLDER")


def _refuse_emptied(path: Path) -> None:
    """Refuse an empty file beside an index: a new library would be taken for the one it was."""
    if not (path.is_file() and (path.parent / INDEX_FOLDER).is_dir()):
        return
    if not path.stat().st_size and not _size(path.with_name(path.name + "-wal")):
        raise unusable(path, "the file is empty, though there is an index of it")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _make_folder(library: Path) -> None:
    try:
        library.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"{library}: cannot be made into a library ({error.strerror}); "
            "choose another folder with --library"
        ) from error


def _open(
    _dialect: object, _record: object, arguments: list[str], _options: object
) -> sqlite3.Connection:
    return open_file(arguments[0])


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    writes = options.get("writes", False)
    if writes:
        level = "FULL" if options.get("durable", False) else "NORMAL"
        connection.exec_driver_sql(f"PRAGMA synchronous={level}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _explain(context: ExceptionContext) -> None:
    _explain_error(context.original_exception, context.engine)


def _explain_error(reason: BaseException, engine: Engine | None) -> None:
    if not is_of_file(reason):
        return
    path = engine.url.database if engine else FILE_NAME
    raise unusable(path or FILE_NAME, reason) from reason
