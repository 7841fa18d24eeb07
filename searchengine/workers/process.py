"""What a worker does: decode the files that it is handed, one after the other, until nobody asks.

`pool` starts it, with one end of a pair of sockets as its standard input. Signals that end all
processes of a command or a service pass it by: it ends when the other side of the socket does.
"""

from __future__ import annotations

import dataclasses
import io
import os
import signal
import socket
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

from PIL import Image

from searchengine import bounds, reader
from searchengine.bounds import TooLarge, budget, give_back, limits
from searchengine.errors import ImageError, NotNow
from searchengine.reader import Photo, Reader, unreadable
from searchengine.workers.channel import Channel, Message, memory_file, strips
from searchengine.workers.pool import FILES, IDLE

_PROCESSOR = 2
"""How many times `file_seconds` a file may take of all processors: some decoders have threads."""


def main() -> None:
    """Answer until the other side ends, or nobody has asked for `IDLE` seconds."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    _leave_no_core()
    channel = Channel(socket.socket(fileno=os.dup(0)))
    budget.lender = _lender(channel)
    channel.send({"ready": True})
    for _ in range(FILES):
        channel.socket.settimeout(IDLE)
        try:
            order, descriptors = channel.receive()
            channel.socket.settimeout(None)
            with io.FileIO(descriptors[0]) as file:
                _answer(channel, order, file)
        except (EOFError, TimeoutError, ConnectionError):
            return


def _answer(channel: Channel, order: Message, raw: io.FileIO) -> None:
    """Do what is asked for, and tell it."""
    limits.file_size, limits.file_seconds = order["limits"]
    _end_after(_PROCESSOR * limits.file_seconds)
    os.lseek(raw.fileno(), 0, os.SEEK_SET)
    file = io.BufferedReader(raw)
    try:
        if order["call"] == "read":
            _read(channel, order, file)
        else:
            channel.send(_CALLS[order["call"]](file))
    except ImageError as error:
        channel.send({"error": str(error), "again": isinstance(error, NotNow)})


def _read(channel: Channel, order: Message, file: BinaryIO) -> None:
    sidecar = order["sidecar"]
    asked = Reader(
        size=order["size"],
        prepare=_as_it_is if order["unscaled"] else None,
        max_pixels=order["max_pixels"],
        decode=order["decode"],
        sidecar=None if sidecar is None else b64decode(sidecar),
        at=order["at"],
        stills=order["stills"],
    )
    photo = asked.read(file, order["path"])
    images = [image for image in (photo.pixels,) if image is not None]
    images += [image for _, image in photo.stills]
    answer = _told(photo) | {"sizes": [image.size for image in images]}
    try:
        with memory_file() as pixels:
            _write(images, pixels)
            channel.send(answer, *([pixels.fileno()] if images else ()))
    except (OSError, MemoryError) as error:
        if isinstance(error, ConnectionError):
            raise
        raise unreadable(order["path"], error) from error


def _as_it_is(image: Image.Image) -> Image.Image:
    """Stand for what another process does to a picture."""
    return image


def _told(photo: Photo) -> Message:
    said = dataclasses.asdict(photo.exif)
    taken = photo.exif.taken_at
    said["taken_at"] = None if taken is None else taken.isoformat()
    return {
        "width": photo.width,
        "height": photo.height,
        "exif": said,
        "decoded": photo.pixels is not None,
        "format": photo.format,
        "damage": photo.damage,
        "at": photo.at,
        "moments": [moment for moment, _ in photo.stills],
    }


def _write(images: Sequence[Image.Image], file: io.FileIO) -> None:
    """Write pixels one after the other, so that they are read from the beginning."""
    for image in images:
        for box in strips(*image.size):
            left = memoryview(image.crop(box).tobytes())
            while left:
                left = left[file.write(left) :]
    file.seek(0)


def _exposure(file: BinaryIO) -> Message:
    aperture, seconds = reader.exposure_in(file)
    return {"aperture": aperture, "seconds": seconds}


def _keywords(file: BinaryIO) -> Message:
    packet, keywords = reader.keywords_in(file)
    told = None if packet is None else b64encode(packet).decode("ascii")
    return {"packet": told, "keywords": keywords}


_CALLS = {
    "name_in": lambda file: {"name": reader.name_in(file)},
    "exposure_in": _exposure,
    "keywords_in": _keywords,
}


def _lender(channel: Channel) -> Callable[[int], AbstractContextManager[None]]:
    """Return what takes memory from the budget of the process that asks."""

    @contextmanager
    def lender(needed: int) -> Iterator[None]:
        channel.send({"needed": needed})
        answer, _ = channel.receive()
        if "refused" in answer:
            raise TooLarge(answer["refused"])
        yield
        if needed >= bounds.LARGE:
            give_back()

    return lender


def _leave_no_core() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_after(seconds: float) -> None:
    """Have this process end by SIGXCPU when it has worked for so long from now."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    if hard == resource.RLIM_INFINITY or soft < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
