"""Connections that cannot be held for nothing.

uvicorn bounds the time between two requests, but neither that in which the head of a request comes
nor that in which an answer is read, and an open connection counts whatever it does. So whoever
opens many and sends a byte now and then ("slowloris") shuts all others out. Here heads and reading
have time limits, and where there are too many connections, the one that has waited longest makes
room.

uvicorn offers no such limits, so this extends a class that it does not promise to keep. Therefore
pyproject.toml allows no version that the tests have not seen (`tests/web/test_safety.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)
_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of connections.

    Attributes:
        most: Open at once.
        head_seconds: How long the head of a request may take, from when the connection is there.
        read_seconds: How long a client may leave what was sent to it unread.
    """

    most: int = 512
    head_seconds: float = 10.0
    read_seconds: float = 30.0


def guarded(limits: ConnectionLimits) -> type[H11Protocol]:
    """Return a protocol for uvicorn whose connections keep within limits."""
    idle: dict[H11Protocol, None] = {}  # the one that has waited longest comes first

    class Guarded(H11Protocol):
        """A connection that must ask and read in time."""

        _is_refused = False
        _head_timer: asyncio.TimerHandle | None = None
        _read_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.most:
                oldest = next(iter(idle), None)
                if oldest is None:
                    self._is_refused = True
                    transport.write(_BUSY)
                    transport.close()
                    return
                idle.pop(oldest)
                oldest.transport.abort()
            self._wait_for_head()

        def data_received(self, data: bytes) -> None:
            if self._is_refused:
                return
            super().data_received(data)
            if self._is_busy():
                self._stop_waiting()
            elif self._head_timer is None:  # the first part of the next request
                self._wait_for_head()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.transport.is_closing():
                # Closing waits until all is read, which may be never.
                self.loop.call_later(limits.read_seconds, self.transport.abort)
            elif not self._is_busy():  # until more comes, uvicorn watches over it
                idle[self] = None

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            self._stop_timing()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stop_timing()
            self._read_timer = self.loop.call_later(limits.read_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            self._stop_timing()
            super().resume_writing()

        def _is_busy(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _wait_for_head(self) -> None:
            idle[self] = None
            self._head_timer = self.loop.call_later(limits.head_seconds, self._give_up)

        def _stop_waiting(self) -> None:
            idle.pop(self, None)
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _stop_timing(self) -> None:
            if self._read_timer is not None:
                self._read_timer.cancel()
                self._read_timer = None

        def _give_up(self) -> None:
            self._stop_waiting()
            if not self.transport.is_closing():
                self.transport.write(_SLOW)
                self.transport.close()

    return Guarded
