"""A real Ray cluster on this machine, and encoders that tell, wait and die on its workers."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from searchengine.types import PathLike, Vectors
from tests.support.colour_encoder import ColourEncoder

# Ray reads these when it is imported. With a token of its own it writes none into the user's home.
os.environ |= {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_RECORD_TASK_LOGGING": "0",
    "RAY_enable_metrics_collection": "0",
}
STORE = 80 * 2**20
"""Bytes of the object store of a node, about the least that Ray allows."""


class RealCluster:
    """Nodes with a processor each, which can be killed; the first one has the head."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self._second = self.add_node()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add_node(self) -> Any:
        return self._cluster.add_node(num_cpus=1, object_store_memory=STORE)

    def kill_second(self) -> None:
        """Kill every process of the second node."""
        self._cluster.remove_node(self._second, allow_graceful=False)

    def stop(self) -> None:
        import ray

        ray.shutdown()
        self._cluster.shutdown()


@contextlib.contextmanager
def started_by_command(folder: Path) -> Iterator[tuple[int, int]]:
    """Start a head as a user does; yield its port for nodes and that for clients."""
    ports = free_port(), free_port()
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += [f"--port={ports[0]}", f"--ray-client-server-port={ports[1]}", "--num-cpus=1"]
    command += [f"--object-store-memory={STORE}", "--include-dashboard=false"]
    command += ["--node-ip-address=127.0.0.1", f"--temp-dir={folder}"]
    log = folder / "log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as ray:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", ports[1]), 1).close()
                    break
                assert ray.poll() is None, log.read_text()
                time.sleep(0.1)
            yield ports
        finally:
            ray.terminate()  # which ends the processes that it has started


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LoggedEncoder(ColourEncoder):
    """Notes the process and the number of pictures of each call in a file, and takes its time."""

    def __init__(self, log: Path, seconds: float = 0.0) -> None:
        super().__init__()
        self._log, self._seconds = log, seconds

    def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
        with self._log.open("a", encoding="ascii") as log:
            log.write(f"{os.getpid()} {len(images)}\n")
        time.sleep(self._seconds * len(images))
        return super().encode_images(images)

    def calls(self) -> list[tuple[int, int]]:
        """Return the processes and numbers so far."""
        if not self._log.exists():
            return []
        lines = self._log.read_text(encoding="ascii").splitlines()
        return [(int(pid), int(number)) for pid, number in map(str.split, lines)]


class FatalEncoder(ColourEncoder):
    """Ends its process, as a decoder with a bug may, at a picture of one colour."""

    FATAL = (255, 0, 255)

    def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
        for image in images:
            assert isinstance(image, Image.Image)
            if image.getcolors(1) == [(image.width * image.height, self.FATAL)]:
                os._exit(1)
        return super().encode_images(images)
