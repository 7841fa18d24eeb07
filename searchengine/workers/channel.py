"""What two processes of one machine tell each other: messages, open files, and pixels in memory."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, TypeAlias

from PIL import Image

Message: TypeAlias = dict[str, Any]

_MOST_BYTES = 64_000_000  # of a message
_STRIP = 1_000_000  # pixels that are copied at a time
_LENGTH = struct.Struct("!I")


class Channel:
    """Messages and open files between two processes.

    Args:
        end: One end of a pair of sockets.
    """

    def __init__(self, end: socket.socket) -> None:
        self.socket = end

    def send(self, content: Message, *descriptors: int) -> None:
        """Send a message, and open files with it."""
        text = json.dumps(content).encode("ascii")
        socket.send_fds(self.socket, [_LENGTH.pack(len(text))], descriptors)
        self.socket.sendall(text)

    def receive(self) -> tuple[Message, list[int]]:
        """Return a message, and the open files that came with it.

        Raises:
            EOFError: The other side has ended.
            TimeoutError: Nothing came in the time that the socket allows.
            ValueError: It is no message.
        """
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        head, descriptors, _, _ = socket.recv_fds(self.socket, _LENGTH.size, 4, flags)
        (length,) = _LENGTH.unpack(head + self._bytes(_LENGTH.size - len(head), bool(head)))
        if length > _MOST_BYTES:
            raise ValueError("a message that is too long")
        content = json.loads(self._bytes(length, True))
        if not isinstance(content, dict):
            raise ValueError("no message")
        return content, descriptors

    def _bytes(self, length: int, begun: bool) -> bytes:
        content = bytearray()
        while len(content) < length:
            part = self.socket.recv(min(1 << 20, length - len(content))) if begun else b""
            if not part:
                raise EOFError
            content += part
        return bytes(content)


def memory_file() -> io.FileIO:
    """Return a new file that has no name, in memory where the system knows how."""
    if hasattr(os, "memfd_create"):
        return io.FileIO(os.memfd_create("lexpix"), "w+b")
    descriptor, name = tempfile.mkstemp()
    os.unlink(name)
    return io.FileIO(descriptor, "w+b")


def images_in(sizes: Sequence[Sequence[int]], descriptors: Sequence[int]) -> list[Image.Image]:
    """Return the pictures whose pixels a worker has written one after the other."""
    with ExitStack() as opened:
        files = [opened.enter_context(io.FileIO(one)) for one in descriptors]
        images = []
        for width, height in sizes:
            image = Image.new("RGB", (width, height))
            for box in strips(width, height):
                shape = (box[2], box[3] - box[1])
                part = Image.frombytes("RGB", shape, _exactly(files[0], 3 * shape[0] * shape[1]))
                image.paste(part, box[:2])
            images.append(image)
        return images


def _exactly(file: io.FileIO, length: int) -> bytes:
    content = file.read(length)
    while 0 < len(content) < length and (part := file.read(length - len(content))):
        content += part
    return content


def strips(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield boxes that cover a picture from top to bottom: pixels are handed over in these."""
    rows = max(1, _STRIP // max(1, width))
    for top in range(0, height, rows):
        yield 0, top, width, min(height, top + rows)
