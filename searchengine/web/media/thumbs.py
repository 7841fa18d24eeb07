"""Small JPEGs of the pictures, kept on disk up to a size.

They are named by the bytes of the picture, so that copies share one and an edited picture gets
another. What has not been asked for longest goes first.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from searchengine.images import open_image
from searchengine.types import Picture
from searchengine.web.media.decoding import Decoding

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

SIZES = (160, 320, 640)
"""Pixels of the shorter side that a thumbnail may have; smaller pictures keep theirs."""

LONGEST = 4
"""Most times that the longer side is as long, so that a panorama stays small."""

QUALITY = 82
LIMIT = 512 * 2**20
"""Bytes that the thumbnails of a library may take on disk."""

KEPT = 0.9
"""Share of the limit that is left after clearing out."""

FRESH = 86400.0
"""Seconds after which asking for a thumbnail is noted again."""


class Thumbs:
    """The thumbnails of one library.

    Args:
        folder: Where they are kept; made when there is the first.
        decoding: Turns at decoding.
        limit: Bytes on disk.
    """

    def __init__(self, folder: Path, decoding: Decoding, limit: int = LIMIT) -> None:
        self._folder, self._decoding, self._limit = folder, decoding, limit
        self._lock = threading.Lock()
        self._total: int | None = None  # nobody has looked yet

    def of(
        self,
        picture: Picture,
        size: int,
        original: Callable[[Picture], BinaryIO],
        *,
        at: float | None = None,
    ) -> bytes:
        """Return a thumbnail, made now if there is none.

        Args:
            picture: Of the library.
            size: One of `SIZES`.
            original: Opens the file of a picture, as `Engine.original` does.
            at: Of a film, the time in seconds of the frame; None for the one that stands for it.

        Raises:
            ImageError, ChangedFile: What `original` raises, and there is no thumbnail of it.
        """
        path = None if picture.sha256 is None else self._path(picture.sha256, size, at)
        if path is not None and (stored := _read(path)) is not None:
            return stored
        with self._decoding.turn(), original(picture) as file:
            made = thumbnail(open_image(file, size=size, at=at), size)
        if path is not None:
            self._keep(path, made)
        return made

    def _path(self, sha256: str, size: int, at: float | None) -> Path:
        frame = "" if at is None else f"-{at}"
        return self._folder / sha256[:2] / f"{sha256}-{size}{frame}.jpg"

    def _keep(self, path: Path, made: bytes) -> None:
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(made)
            os.replace(unfinished, path)
        except OSError as error:  # such as a full disk: the next request makes it anew
            log.warning("%s: thumbnails cannot be kept (%s)", self._folder, error.strerror)
            with contextlib.suppress(OSError):
                unfinished.unlink()
            return
        with self._lock:
            if self._total is None:
                self._total = sum(size for _, size, _ in self._stored())
            else:
                self._total += len(made)
            if self._total > self._limit:
                self._total = self._clear_out()

    def _clear_out(self) -> int:
        """Remove what was not asked for longest; return the bytes that are left."""
        files = sorted(self._stored())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= KEPT * self._limit:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
            total -= size
        return total

    def _stored(self) -> list[tuple[float, int, str]]:
        """Return time, size and path of every file, those that a crash left too."""
        files = []
        for folder, _, names in os.walk(self._folder):
            for name in names:
                with contextlib.suppress(OSError):
                    status = os.stat(path := os.path.join(folder, name))
                    files.append((status.st_mtime, status.st_size, path))
        return files


def thumbnail(image: Image, size: int) -> bytes:
    """Return a picture as a JPEG whose shorter side has at most `size` pixels."""
    width, height = image.size
    longest = LONGEST * size
    scale = min(size / min(width, height), longest / max(width, height), 1.0)
    if scale < 1:
        image = image.resize(
            (max(1, round(width * scale)), max(1, round(height * scale))), reducing_gap=2.0
        )
    file = io.BytesIO()
    # Pillow would carry along what somebody wrote into the original as its comment.
    image.save(file, "JPEG", quality=QUALITY, optimize=True, comment=b"")
    return file.getvalue()


def _read(path: Path) -> bytes | None:
    try:
        stored = path.read_bytes()
        if abs(time.time() - path.stat().st_mtime) > FRESH:  # ahead, if the clock was wrong
            os.utime(path)
    except OSError:
        return None
    return stored
