"""Serve the page and the API: addresses, the token, and uvicorn."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI
from threadpoolctl import threadpool_limits

from searchengine.errors import ConfigError
from searchengine.web.safety.access import LOOPBACK_NAMES, Safety, is_loopback, new_token
from searchengine.web.safety.connections import ConnectionLimits, guarded
from searchengine.web.safety.limits import Limits
from searchengine.web.safety.problems import AbortedResponse, one_line

GRACE_SECONDS = 5
"""How long answers that have begun may take when the server is stopped."""
IDLE_SECONDS = 75
"""How long a connection is kept for the next request. Clients and proxies give up theirs after 5 to
60 seconds; a server that closes first does so now and then while they ask, and breaks it off."""
_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Serving:
    """Where a server listens, and who may ask.

    Attributes:
        host: Name or address to listen at.
        port: 0 for any that is free.
        token: What clients must know; for others than this machine one is made if None.
        names: Further names that clients may know this server by.
        limits, connections: How much clients may ask for.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    names: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)

    @property
    def is_public(self) -> bool:
        """Whether others than this machine can reach it."""
        return not is_loopback(self.host)

    def safety(self) -> Safety:
        """Return the checks that fit."""
        token = self.token
        if token is None and self.is_public:
            token = new_token()
        names = {name.lower().rstrip(".") for name in (*self.names, self.host)}
        if self.is_public:
            own = socket.gethostname().lower()
            names |= {own, f"{own}.local"}
        return Safety(frozenset(LOOPBACK_NAMES | names), self.is_public, token, self.limits)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        ConfigError: The host is unknown or not this machine's, or the port is taken.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--host {host}: cannot be found ({error}); try 127.0.0.1") from error
    family, kind, protocol, _, address = addresses[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name != "nt":  # there it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{host}:{port}: cannot be listened at ({error.strerror}); is another lexpix serve "
            "running? Choose another --port, or 0 for any"
        ) from error
    return listener


def url_of(listener: socket.socket, host: str, token: str | None) -> str:
    """Return the address to open in a browser."""
    port = listener.getsockname()[1]
    if host in ("0.0.0.0", "::", ""):  # everywhere; a browser needs one place
        host = own_address()
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={quote(token, safe='')}" if token else "")


def own_address() -> str:
    """Return the address by which others of the local network reach this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address of nobody; nothing is sent
        except OSError:  # no network
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address


class Server(uvicorn.Server):
    """uvicorn, with limits on connections, quiet, and telling when it is ready.

    Args:
        app: What is served.
        connections: Their limits.
        on_ready: Called once, in a thread of its own, when requests are answered.
    """

    def __init__(
        self,
        app: FastAPI,
        connections: ConnectionLimits | None = None,
        on_ready: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=guarded(connections or ConnectionLimits()),
                ws="none",
                lifespan="on",
                log_config=None,
                log_level=logging.ERROR,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # who asks decides who may index; nobody may make that up
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_keep_alive=IDLE_SECONDS,
            )
        )
        self._on_ready = on_ready
        _quiet()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            threading.Thread(target=self._on_ready, daemon=True).start()


def serve(
    app: FastAPI,
    listener: socket.socket,
    serving: Serving,
    on_ready: Callable[[], object] | None = None,
) -> None:
    """Answer requests until the process is told to stop."""
    server = Server(app, serving.connections, on_ready)
    try:
        # Requests run beside each other, and their matrices are small: threads of one would only
        # wait for those of another.
        with threadpool_limits(limits=1, user_api="blas"):
            asyncio.run(server.serve([listener]))
    finally:
        listener.close()


def open_browser(url: str) -> None:
    """Show an address in the user's browser, if there is one."""
    try:
        webbrowser.open(url)
    except webbrowser.Error as error:
        logging.getLogger(__name__).warning("no browser can be opened (%s); open %s", error, url)


def _quiet() -> None:
    """Let uvicorn report what goes wrong in one line, as everything else here does."""
    logger = logging.getLogger("uvicorn.error")
    if not any(isinstance(one, _OneLine) for one in logger.filters):
        logger.addFilter(_OneLine())


class _OneLine(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Put the error into the line; drop what has been reported where it happened."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, AbortedResponse):
            return False
        if error is not None:
            record.msg, record.args = f"{str(record.msg).strip()}: {one_line(error)}", ()
            record.exc_info = None
        return True
