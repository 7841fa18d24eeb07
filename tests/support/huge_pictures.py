"""Files that are small on disk and huge in memory, or slow to read."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

_CHANNELS = {0: 1, 2: 3, 6: 4}


def write_png(path: Path, width: int, height: int, depth: int = 8, colour: int = 2) -> Path:
    """Write a black PNG of a depth and a colour type (0 grey, 2 RGB, 6 RGBA), a row at a time."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    row = bytes(1 + width * _CHANNELS[colour] * depth // 8)
    deflate = zlib.compressobj(6)
    pixels = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )
    return path


def many_scans(side: int, scans: int) -> bytes:
    """Return a progressive JPEG whose last scan, a few bytes, comes many times over."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(file, "JPEG", progressive=True, quality=30)
    content = file.getvalue()
    last = content[content.rfind(b"\xff\xda") : -2]
    return content[:-2] + scans * last + b"\xff\xd9"


def header_and_zeros(length: int) -> bytes:
    """Return the beginning of a JPEG and so many zeros, in which no marker is ever found."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG")
    return file.getvalue()[:20] + bytes(length)
