"""Apps served for real: uvicorn on a port of this machine, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from fastapi import FastAPI

from searchengine.web.safety.connections import ConnectionLimits
from searchengine.web.serving import Server, listen

PATIENCE = 120.0
"""Seconds that tests wait for an answer: the machine may be busy with something else."""


def request(method: str, url: str, **options: Any) -> httpx.Response:
    return httpx.request(method, url, timeout=PATIENCE, **options)


get = partial(request, "GET")
post = partial(request, "POST")
delete = partial(request, "DELETE")


@dataclass(frozen=True)
class Served:
    """An app that answers at a port."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are; return all that comes until the server closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)


@contextmanager
def served(app: FastAPI, connections: ConnectionLimits | None = None) -> Iterator[Served]:
    """Serve an app until the block ends."""
    ready = threading.Event()
    listener = listen("127.0.0.1", 0)
    server = Server(app, connections, ready.set)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        assert ready.wait(PATIENCE), "the server did not start"
        yield Served(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"
