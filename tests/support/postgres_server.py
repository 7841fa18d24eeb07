"""A real PostgreSQL on this machine, which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
import uuid
import warnings
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

USER = "pgserver"
"""Whom the server runs as where the tests run as root, which it refuses."""


class RealPostgres:
    """A server with the programs of pgserver, which listens in the folder of its data only."""

    def __init__(self) -> None:
        # Not below the temporary folder of pytest: every other run of it shuts that to other users.
        self._top = Path(tempfile.mkdtemp(prefix="lexpix-"))
        self._folder = folder = self._top / "data"
        folder.mkdir()
        self._server: subprocess.Popen[bytes] | None = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of platformdirs, where nobody has logged in
            from pgserver import utils
            from pgserver._commands import POSTGRES_BIN_PATH
        self._programs = POSTGRES_BIN_PATH
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            utils.ensure_user_exists(USER)
            utils.ensure_prefix_permissions(folder)
            utils.ensure_prefix_permissions(self._programs)
            shutil.chown(folder, USER)
            self._as = {"user": USER}
        making = ["initdb", "-D", str(folder), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"]
        self._run(making).wait()

    def start(self) -> None:
        """Start it, with the data that it had."""
        lock = self._folder / "postmaster.pid"
        lock.unlink(missing_ok=True)  # of one that was killed
        running = ["postgres", "-D", str(self._folder), "-k", str(self._folder), "-h", ""]
        for _ in range(1200):
            if self._server is None or self._server.poll() is not None:
                # It ends by itself while a child of one that was killed is still there.
                self._server = self._run([*running, "-c", "fsync=off"])
            with contextlib.suppress(sa.exc.OperationalError):
                self._do("SELECT 1")
                return
            time.sleep(0.1)
        raise TimeoutError("PostgreSQL does not start")

    def new_database(self) -> str:
        """Return the address of an empty schema, which is made faster than a database."""
        name = f"test_{uuid.uuid4().hex}"
        self._do(f"CREATE SCHEMA {name}")
        return f"{self._address}&options=-csearch_path%3D{name}"

    def kill(self) -> None:
        """End it at once; its children see that it is gone, and end too."""
        assert self._server is not None, "it was started"
        self._server.kill()
        self._server.wait()

    def pause(self) -> None:
        """Stop it, and all its children, as a machine does that has no time for them."""
        for one in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
                one.suspend()

    def resume(self) -> None:
        """Have them go on."""
        for one in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):  # whoever goes on ends some
                one.resume()

    def _all(self) -> list[psutil.Process]:
        assert self._server is not None, "it was started"
        server = psutil.Process(self._server.pid)
        return [server, *server.children(recursive=True)]

    @property
    def socket(self) -> str:
        """Where it listens."""
        return str(self._folder / ".s.PGSQL.5432")

    def close(self) -> None:
        """End it, and delete its data."""
        self.kill()
        shutil.rmtree(self._top, ignore_errors=True)

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        with open(self._folder.parent / "postgres.log", "ab") as log:
            return subprocess.Popen(
                [self._programs / command[0], *command[1:]],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                **self._as,
            )

    def _do(self, statement: str) -> None:
        engine = sa.create_engine(self._address, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(statement)
        finally:
            engine.dispose()

    @property
    def _address(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self._folder}"
