"""An open file as an answer: sent from what was checked, not from what lies at its path later."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from io import BufferedReader

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

BLOCK = 2**18

# What it has read it never reads again (++): a header may have 60,000 spaces.
_RANGE = re.compile(r"\s*+bytes\s*+=\s*+(\d*+)\s*+-\s*+(\d*+)\s*+", re.IGNORECASE | re.ASCII)


class OpenFile(StreamingResponse):
    """Send the bytes of an open file, or the range that was asked for, and close it.

    Several ranges at once are answered with the whole, as RFC 9110 allows.

    Args:
        file: Belongs to the answer from now on.
        size: How many bytes it has; more are not sent.
        request: May ask for a range.
        media_type: Of the file.
        headers: Further ones, with an `ETag`.
    """

    def __init__(
        self,
        file: BufferedReader,
        size: int,
        request: Request,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        start, stop, status = 0, size, 200
        more = {"Accept-Ranges": "bytes"}
        range_header = request.headers.get("range")
        if request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
            range_header = None  # the client has the beginning of another file
        if range_header is not None and (places := range_of(range_header, size)) is not None:
            start, stop = places
            status = 206 if start < stop else 416
            there = f"{start}-{stop - 1}" if status == 206 else "*"
            more["Content-Range"] = f"bytes {there}/{size}"
        more["Content-Length"] = str(stop - start)
        self._file = file
        blocks = _blocks(file, start, stop)
        super().__init__(blocks, status, {**headers, **more}, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def range_of(header: str, size: int) -> tuple[int, int] | None:
    """Return where a range begins and ends, an empty one if there is no such; None if not one."""
    match = _RANGE.fullmatch(header)
    if match is None or max(len(match[1]), len(match[2])) > 18 or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size
    start, stop = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
    if match[2] and int(match[2]) < start:
        return None
    return (start, stop) if start < size else (0, 0)


async def _blocks(file: BufferedReader, start: int, stop: int) -> AsyncIterator[bytes]:
    await run_in_threadpool(file.seek, start)
    while start < stop:
        block = await run_in_threadpool(file.read, min(BLOCK, stop - start))
        if not block:
            raise OSError(f"{file.name}: was cut while it was sent")
        start += len(block)
        yield block
