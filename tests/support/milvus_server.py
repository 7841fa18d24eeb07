"""A real Milvus on this machine, which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import patch

ETCD = """\
name: lexpix
data-dir: {folder}/data/etcd
listen-client-urls: http://127.0.0.1:{client}
advertise-client-urls: http://127.0.0.1:{client}
listen-peer-urls: http://127.0.0.1:{peer}
initial-advertise-peer-urls: http://127.0.0.1:{peer}
initial-cluster: lexpix=http://127.0.0.1:{peer}
"""


class RealMilvus:
    """A standalone server, with its data in a folder.

    Args:
        folder: Where the program is unpacked, and its data live.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: Any = None
        self._port = free_port()
        self._etcd = folder / "etcd.yaml"
        # Its etcd would listen at fixed ports, so that there could be one server on a machine.
        self._etcd.write_text(ETCD.format(folder=folder, client=free_port(), peer=free_port()))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it where it was, with the data that it had."""
        with warnings.catch_warnings(), patch.dict(os.environ, self._settings()):
            warnings.simplefilter("ignore")  # it leaves sockets to the garbage collector
            from milvus import MilvusServer

            self._server = MilvusServer(wait_for_started=False)
            self._server.set_base_dir(str(self._folder))
            self._server.start()
            self._server.wait_started(180_000)
        for _ in range(600):  # it says so before it listens
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"Milvus does not listen at {self.url}")

    def _settings(self) -> dict[str, str]:
        """Listen where it did before; its parts forget soon what they were when it was killed."""
        return {
            "ETCD_CONFIG_PATH": str(self._etcd),
            "PROXY_PORT": str(self._port),
            "COMMON_SESSION_TTL": "2",
        }

    @property
    def place(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self._port

    def pause(self) -> None:
        """Stop it, as a machine does that has no time for it."""
        self._server.server_proc.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on; one that ends, as it was away for too long, is started again."""
        self._server.server_proc.send_signal(signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.server_proc.wait(5)
            self.kill()
            self.start()

    def kill(self) -> None:
        """End it at once, as the kernel would."""
        self._server.server_proc.kill()
        self._server.server_proc.wait()
        for file in self._server.proc_fds.values():
            file.close()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
