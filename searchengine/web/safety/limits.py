"""How much clients may ask for: bytes and time of bodies, and requests that are worked on at once.

A request waits for one of a few places before it is worked on, and gives it back when its answer
begins. So a slow client never holds one: its body is awaited before, and what it reads slowly is
sent after. Pages, files of the page and health checks need none.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from searchengine.web.safety.problems import problem

RETRY_AFTER = "1"
_PLACE = "lexpix.place"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of requests.

    Attributes:
        json_bytes: Most bytes of a body that is no upload; a list of 100,000 ids has less.
        upload_bytes: Most bytes of an upload.
        body_seconds: How long a body may take.
        pause_seconds: How long nothing may come of a body that is not complete.
        grace_seconds: How long a body may come as slowly as it likes.
        least_rate: Bytes a second that must have come of it after that.
        running: Requests of the API that are worked on at once.
        waiting: Requests that wait for that; more are sent away.
        queue_seconds: How long one waits before it is sent away.
    """

    json_bytes: int = 2_000_000
    upload_bytes: int = 64_000_000
    body_seconds: float = 60.0
    pause_seconds: float = 10.0
    grace_seconds: float = 10.0
    least_rate: int = 20_000
    running: int = 8
    waiting: int = 256
    queue_seconds: float = 10.0


def leave_place(scope: Scope) -> None:
    """Give the place of a request back before it is answered.

    For work that many may wait for at once while one does it: they must not hold up others.
    """
    place: _Place | None = scope.get(_PLACE)
    if place is not None:
        place.leave()


class Limited:
    """Keep requests within limits: 413 too large, 408 too slow, 503 too many."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self._running = asyncio.Semaphore(limits.running)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        most = self._most_bytes(headers)
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > most:
            await _too_large(scope, most)(scope, receive, send)
            return
        place = _Place(self)
        scope[_PLACE] = place
        needs_place = scope["path"].startswith("/api/")
        has_body = declared != "0" or "transfer-encoding" in headers
        waits_for_body = has_body and scope["method"] in ("POST", "PUT", "PATCH")
        body = _Body(receive, most, self.limits)

        async def receiving() -> Message:
            message = await body.receive()
            if needs_place and body.is_complete and message["type"] == "http.request":
                await place.take()
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                place.leave()
            await send(message)

        try:
            if needs_place and not waits_for_body:
                await place.take()
            await self.app(scope, receiving, sending)
        except Refused as error:
            await problem(scope, error.status_code, error.detail, headers=error.headers)(
                scope, receive, send
            )
        finally:
            place.leave()

    def _most_bytes(self, headers: Headers) -> int:
        is_upload = headers.get("content-type", "").lower().startswith("multipart/")
        return self.limits.upload_bytes if is_upload else self.limits.json_bytes

    async def enter(self) -> None:
        """Wait for a place.

        Raises:
            Refused: Too many wait already, or it took too long.
        """
        if self._waiting >= self.limits.waiting:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(self.limits.queue_seconds):
                await self._running.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1

    def exit(self) -> None:
        """Give a place back."""
        self._running.release()


class Refused(HTTPException):
    """Refuse a request while it is read; the framework turns it into a problem like any other."""


class _Place:
    """The place of one request: taken once, given back once."""

    def __init__(self, limited: Limited) -> None:
        self._limited = limited
        self._state = "none"

    async def take(self) -> None:
        if self._state == "none":
            await self._limited.enter()
            self._state = "taken"

    def leave(self) -> None:
        if self._state == "taken":
            self._limited.exit()
        self._state = "left"


class _Body:
    """A body that is read within its limits."""

    def __init__(self, receive: Receive, most: int, limits: Limits) -> None:
        self._receive, self._most, self._limits = receive, most, limits
        self._read = 0
        self._began: float | None = None
        self.is_complete = False

    async def receive(self) -> Message:
        if self.is_complete:  # what comes now is the end of the connection, whenever that is
            return await self._receive()
        now, limits = time.monotonic(), self._limits
        if self._began is None:
            self._began = now
        allowed = max(limits.grace_seconds, self._read / limits.least_rate)
        left = self._began + min(limits.body_seconds, allowed) - now
        try:
            async with asyncio.timeout(min(limits.pause_seconds, left)):
                message = await self._receive()
        except TimeoutError:
            raise Refused(
                408,
                f"the body came too slowly; it may take {limits.body_seconds:.0f} s in all, with "
                f"pauses of {limits.pause_seconds:.0f} s, and after {limits.grace_seconds:.0f} s "
                f"{limits.least_rate:,} bytes a second",
                {"Connection": "close"},
            ) from None
        self._read += len(message.get("body", b""))
        if self._read > self._most:
            raise Refused(413, _too_large_detail(self._most), {"Connection": "close"})
        self.is_complete = not message.get("more_body", False)
        return message


def _busy() -> Refused:
    detail = f"the server is busy; try again in {RETRY_AFTER} s"
    return Refused(503, detail, {"Retry-After": RETRY_AFTER})


def _too_large_detail(most: int) -> str:
    return f"the body is larger than the {most:,} bytes that are taken"


def _too_large(scope: Scope, most: int) -> ASGIApp:
    return problem(scope, 413, _too_large_detail(most), headers={"Connection": "close"})
