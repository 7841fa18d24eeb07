"""Create, verify and upgrade the database of a library.

Opening a library of the current schema imports SQLAlchemy and nothing else; Alembic is loaded only
to upgrade, and on a server. A file gets the tables of this version at once.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    text,
)
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import StaticPool

from searchengine.catalog.opening import CATALOG_FILE, IN_MEMORY, open_file
from searchengine.errors import LibraryError, NothingIndexed
from searchengine.unfinished import renamed

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0011"
"""The newest revision in migrations/, a constant so that verifying a library needs no Alembic."""

FILE_NAME = CATALOG_FILE
INDEX_FOLDER = "index"
"""Where the index files of a library are, beside the catalog."""


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
        revision = _revision(engine, path)
        if revision is None and not create:
            raise _nothing_indexed(library)
        if revision != HEAD:
            _upgrade(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _opened_on_server(address: str, create: bool) -> Engine:
    from searchengine.catalog.postgres import connect_postgres, shown

    engine = connect_postgres(address)
    try:
        name = shown(engine.url)
        revision = _revision(engine, name)
        if revision is None and not create:
            raise _nothing_indexed(name)
        if revision != HEAD:
            _upgrade(engine, name)
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
    reason = context.original_exception
    # The subclasses of DatabaseError other than these two are mistakes of the program. SQLite
    # quotes a damaged schema in its messages, which Python then cannot decode.
    if type(reason) not in (sqlite3.DatabaseError, sqlite3.OperationalError, UnicodeDecodeError):
        return
    path = context.engine.url.database if context.engine else FILE_NAME
    raise unusable(path or FILE_NAME, reason) from reason


def unusable(path: str | os.PathLike[str], reason: object) -> LibraryError:
    """Return the error for a catalog that SQLite cannot use: why, and what to do about it."""
    said = "it is damaged" if isinstance(reason, UnicodeDecodeError) else str(reason)
    advice = next((advice for part, advice in ADVICE if part in said), MEND)
    if ("readonly" in said or "unable to open" in said) and _takes_no_file(path):
        advice = "its disk takes no more files, whatever room it has: remove some (see: df -i)"
    return LibraryError(f"{os.fspath(path)}: cannot be used as a library ({said}); {advice}")


def _takes_no_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether the disk of a file has no place for the name of another one."""
    try:
        disk = os.statvfs(os.path.dirname(os.path.abspath(path)))
    except (OSError, AttributeError):  # Windows
        return False
    return disk.f_files > 0 and disk.f_favail == 0


MEND = "see what is wrong: lexpix doctor; take back a copy: lexpix restore FILE"
ADVICE = (
    ("locked", "another lexpix is writing to it; try again when it is done"),
    ("readonly", "it can only be read here; check its owner, its permissions and the disk"),
    ("unable to open", "check its owner, its permissions and the disk; see: lexpix doctor"),
    ("full", "free some space on its disk"),
)
"""What SQLite says, and what a user can do."""


def _revision(engine: Engine, path: str | Path) -> str | None:
    """Return the schema's revision, or None for a database without any table.

    Raises:
        LibraryError: The database is damaged or not one of lexpix.
    """
    with engine.connect() as connection:
        return _revision_seen_by(connection, path)


def _revision_seen_by(connection: Connection, path: str | Path) -> str | None:
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


def _upgrade(engine: Engine, path: str | Path) -> None:
    """Bring the schema to HEAD under the write lock, after a copy of what was in a file."""
    with _restructuring(engine) as connection:
        # Another process may have created or upgraded it while this one waited for the lock.
        revision = _revision_seen_by(connection, path)
        if revision == HEAD:
            return
        if revision is None and connection.dialect.name == "sqlite":
            _create(connection)
            return
        from alembic import command
        from alembic.script import ScriptDirectory

        config = _alembic_config()
        if revision is not None:
            scripts = ScriptDirectory.from_config(config)
            if revision not in {script.revision for script in scripts.walk_revisions()}:
                raise LibraryError(
                    f"{path}: made by a newer lexpix (schema {revision}, this version knows "
                    f"{HEAD}); upgrade: pip install --upgrade lexpix"
                )
            if isinstance(path, Path):
                _copy(path, path.with_name(path.name + ".bak"))
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
        if connection.dialect.name == "postgresql":
            from searchengine.catalog.postgres import order_as_bytes

            order_as_bytes(connection)


def _create(connection: Connection) -> None:
    """Make the tables of HEAD, and what the first revision says of a library.

    The revisions, one after the other, take longer than all else that a new library needs.
    """
    from searchengine.catalog.tables import MetaRow, Schema

    Schema.metadata.create_all(connection)
    facts = {"uid": uuid.uuid4().hex, "seq": "0", "scan": "0"}
    connection.execute(insert(MetaRow), [{"key": key, "value": facts[key]} for key in facts])
    version = Column("version_num", String(32), nullable=False)  # as Alembic makes it
    table = Table(
        "alembic_version",
        MetaData(),
        version,
        PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    table.create(connection)
    connection.execute(table.insert(), {"version_num": HEAD})


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
    if engine.dialect.name != "sqlite":
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection
        return
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
    renamed(target.parent)
