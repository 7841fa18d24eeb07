"""Bring the tables of a library to this version's schema: made at once, or revision by revision.

A database of the current schema needs nothing but SQLAlchemy; Alembic is loaded only to upgrade,
and on a server. A file gets the tables of this version at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    text,
)

from searchengine.catalog.advice import unusable
from searchengine.errors import LibraryError
from searchengine.unfinished import renamed

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)

HEAD = "0012"
"""The newest revision in migrations/, a constant so that verifying a library needs no Alembic."""

PATIENCE = 2.0
"""Seconds without a word, for those who wait until a library is upgraded."""

_PAGES = 4096
"""How many pages are copied at a time."""


def brought_up(engine: Engine, where: str | Path, *, create: bool) -> bool:
    """Bring a database to the schema of this version; return if there is one.

    Args:
        engine: Of the database.
        where: Its file, which is copied beside itself before it is changed, or a server's address.
        create: Make the tables where there are none.

    Raises:
        LibraryError: It is no lexpix database, is damaged, or belongs to a newer version.
    """
    with engine.connect() as connection:
        revision = _revision(connection, where)
    if revision is None and not create:
        return False
    if revision != HEAD:
        _upgrade(engine, where)
    return True


def _revision(connection: Connection, path: str | Path) -> str | None:
    """Return the schema's revision, or None for a database without any table."""
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


class _Progress:
    """Tells those who wait how far an upgrade is, each `PATIENCE` seconds."""

    def __init__(self, where: str | Path) -> None:
        self._where, self._said = where, time.monotonic()

    def __call__(self, done: str) -> None:
        now = time.monotonic()
        if now - self._said >= PATIENCE:
            self._said = now
            log.warning("%s: being brought to this version of lexpix: %s", self._where, done)

    def copied(self, _status: int, remaining: int, total: int) -> None:
        """Take what SQLite says after each part of a copy."""
        self(f"copied, {100 * (total - remaining) // max(total, 1)} %")

    def applied(self, step: Any, **_: object) -> None:
        """Take what Alembic says after each revision."""
        self(f"schema {step.up_revision_id} of {HEAD}")


def _upgrade(engine: Engine, where: str | Path) -> None:
    """Bring the schema to HEAD under the write lock, after a copy of what was in a file."""
    progress = _Progress(where)
    with _restructuring(engine) as connection:
        # Another process may have created or upgraded it while this one waited for the lock.
        revision = _revision(connection, where)
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
                    f"{where}: made by a newer lexpix (schema {revision}, this version knows "
                    f"{HEAD}); upgrade: pip install --upgrade lexpix"
                )
            if isinstance(where, Path):
                _copy(where, where.with_name(where.name + ".bak"), progress)
        config.attributes["connection"] = connection
        config.attributes["applied"] = progress.applied
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


def _copy(source: Path, target: Path, progress: _Progress) -> None:
    """Copy a database that may be in use, consistently; replace the target only when complete."""
    unfinished = target.with_name(target.name + ".tmp")
    unfinished.unlink(missing_ok=True)
    try:
        with (
            contextlib.closing(sqlite3.connect(source)) as old,
            contextlib.closing(sqlite3.connect(unfinished)) as new,
        ):
            old.backup(new, pages=_PAGES, progress=progress.copied)
        os.replace(unfinished, target)
        renamed(target.parent)
    except sqlite3.Error as error:
        unfinished.unlink(missing_ok=True)
        raise unusable(target, error) from error
