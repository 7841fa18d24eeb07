"""A catalog in PostgreSQL, which many machines write to: connections, locks, and what errors mean.

Tables and migrations are those of SQLite. One transaction writes at a time, as there, so that the
order of `seq` is the order of commits; readers never wait.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from searchengine.errors import ConfigError, LibraryError, MissingPlugin

WAIT = "30s"
"""How long a writer waits for another one; as with SQLite."""

CONNECT = 10
"""Seconds in which a server must take a connection."""

SILENCE = 60
"""Seconds after which a server that says nothing to a statement is given up: it was stopped, or its
machine is gone. A writer waits for another one for less, and a statement takes less."""

WRITING, INDEXING = "lexpix", "lexpix index"
"""Names of the two advisory locks of a database: of the catalog, and of indexes on servers."""

ADVICE = (
    ("lock timeout", "another lexpix is writing to it; try again when it is done"),
    ("password", "give the password in PGPASSWORD or ~/.pgpass, and check the user's name"),
    ("does not exist", "create it, or check its name in --catalog"),
    ("permission denied", "the user needs the right to create tables in the schema"),
)
"""What PostgreSQL says, and what a user can do."""

MEND = "see that it runs and can be reached from here; what was committed is safe"


def connect_postgres(address: str) -> Engine:
    """Return an engine for "postgresql+psycopg://user@host/database".

    Transactions read a snapshot; those with the execution option `writes=True` first wait until
    they are the only ones of it. A connection that broke is made anew for the next transaction.
    Errors of the server arrive as LibraryError, naming it without its password.

    Raises:
        ConfigError: The address is none, or of another database.
        MissingPlugin: The driver is not installed.
    """
    url = _url(address)
    try:
        engine = create_engine(
            url,
            isolation_level="REPEATABLE READ",
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT, "application_name": "lexpix"},
        )
    except ModuleNotFoundError as error:
        raise MissingPlugin("a catalog in PostgreSQL needs: pip install 'lexpix[postgres]'") from (
            error
        )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _explain)
    return engine


def _url(address: str) -> URL:
    try:
        url = make_url(address)
        if url.get_backend_name() != "postgresql":
            raise ArgumentError("of another database")
        # The driver that the extra installs, for whoever leaves it out.
        return url.set(drivername="postgresql+psycopg")
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ConfigError(
            "catalog: not the address of a PostgreSQL database; write "
            "postgresql+psycopg://USER@HOST/DATABASE"
        ) from error


def shown(url: URL) -> str:
    """Return an address for messages, without its password."""
    return url.render_as_string(hide_password=True)


def _connect(_dialect: Any, _record: Any, arguments: Any, named: Any) -> Any:
    """Connect in a way that no wait is for ever: the driver itself would wait for any answer."""
    import psycopg

    class Impatient(psycopg.Connection[Any]):
        def wait(self, gen: Any, *rest: Any, **more: Any) -> Any:
            return super().wait(self._heard(gen), *rest, **more)

        def _heard(self, gen: Any) -> Generator[Any, Any, Any]:
            """Go on as a generator of the driver does, which is told 0 while nothing comes."""
            last = time.monotonic()
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    if ready:
                        last = time.monotonic()
                    elif time.monotonic() - last > SILENCE:
                        self.close()
                        raise psycopg.OperationalError(f"no answer for {SILENCE} s")
                    wanted = gen.send(ready)
            except StopIteration as end:
                return end.value

    return Impatient.connect(*arguments, **named)


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("writes", False):
        # A snapshot would be of before the lock. Each statement sees what is committed, and nobody
        # else can commit.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        _lock(connection, WRITING, WAIT)


def _lock(connection: Connection, name: str, wait: str) -> None:
    """Hold an advisory lock until the transaction ends."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{wait}'")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(name))))


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Hold the right to write to indexes on servers; waits as long as another process does."""
    with engine.begin() as connection:
        _lock(connection, INDEXING, "0")
        yield


def order_as_bytes(connection: Connection) -> None:
    """Have every text sort and compare as SQLite does: by its bytes, whatever the server's locale.

    Migrations name no collation, as SQLite knows none of PostgreSQL's; so they are set after them.
    """
    columns = connection.exec_driver_sql(
        "SELECT table_name, column_name, udt_name, character_maximum_length"
        " FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND udt_name IN ('text', 'varchar')"
        " AND collation_name IS DISTINCT FROM 'C' AND table_name <> 'alembic_version'"
    ).all()
    for table, column, kind, length in columns:
        width = f"({length})" if length else ""
        connection.exec_driver_sql(
            f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE {kind}{width} COLLATE "C"'
        )


def _explain(context: ExceptionContext) -> None:
    import psycopg

    reason: Any = context.original_exception
    # Others are mistakes of the program.
    if context.is_pre_ping or not isinstance(
        reason,
        psycopg.OperationalError | psycopg.InterfaceError | psycopg.errors.InsufficientPrivilege,
    ):
        return
    said = " ".join(str(reason).split())
    advice = next((advice for part, advice in ADVICE if part in said), MEND)
    where = shown(context.engine.url) if context.engine else "PostgreSQL"
    raise LibraryError(f"{where}: cannot be used as a library ({said[:300]}); {advice}") from reason
