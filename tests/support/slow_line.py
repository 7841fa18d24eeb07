"""A line to a server that hands on what it is given only after a while."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

Place = tuple[str, int] | str
"""Host and port, or the path of a socket."""


class SlowLine:
    """Listen at one place and pass on to another.

    Args:
        to: Where the server listens.
        at: Where to listen.

    Attributes:
        delay: Seconds that each piece waits, either way.
    """

    def __init__(self, to: Place, at: Place) -> None:
        self.delay = 0.0
        self._to = to
        self._listening = _socket_for(at)
        self._listening.bind(at)
        self._listening.listen()
        self._ends: list[socket.socket] = []
        self._passing: list[threading.Thread] = []
        self._taking = threading.Thread(target=self._take)
        self._taking.start()

    def close(self) -> None:
        """Take no more, and end what is open."""
        for one in (self._listening, *self._ends):  # at which all threads end
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._taking.join()
        for thread in self._passing:
            thread.join()
        for one in (self._listening, *self._ends):
            one.close()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = _socket_for(self._to)
                self._ends += [client, server]
                server.connect(self._to)
                for ends in ((client, server), (server, client)):
                    thread = threading.Thread(target=self._pass, args=ends)
                    thread.start()
                    self._passing.append(thread)

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(1 << 16):
                time.sleep(self.delay)
                other.sendall(piece)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def slow_line(to: Place, at: Place) -> Iterator[SlowLine]:
    """Have a slow line as long as a block lasts."""
    line = SlowLine(to, at)
    try:
        yield line
    finally:
        line.close()


def _socket_for(place: Place) -> socket.socket:
    return socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET)
