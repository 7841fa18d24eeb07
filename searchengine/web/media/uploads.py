"""Pictures that a client drops into a query: kept in memory, few and for a while."""

from __future__ import annotations

import io
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fastapi import HTTPException

from searchengine.images import read_photo
from searchengine.search.engine import Engine
from searchengine.search.resolve import KnownPicture
from searchengine.types import Term
from searchengine.web.media.decoding import Decoding
from searchengine.web.media.thumbs import thumbnail

PREFIX = "upload:"
"""What the value of a term begins with that stands for an upload."""

MAX_BYTES = 50 * 2**20
MAX_PIXELS = 60_000_000
MOST = 200
"""Uploads that are kept; the one that was not used longest goes first."""
LIFETIME = 3600.0
"""Seconds after its last use when an upload is forgotten."""
SIZE = 320
"""Pixels of the shorter side of its thumbnail."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What is kept of a dropped picture: its vector, its sides in pixels and a small JPEG."""

    token: str
    picture: KnownPicture
    width: int
    height: int
    thumb: bytes


class Uploads:
    """The pictures that clients have dropped.

    Args:
        decoding: Turns at decoding, and at whatever else needs the CNN.
        most: How many are kept.
        lifetime: Seconds after the last use.
        clock: Tells the seconds.
    """

    def __init__(
        self,
        decoding: Decoding,
        most: int = MOST,
        lifetime: float = LIFETIME,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.decoding, self._most, self._lifetime, self._clock = decoding, most, lifetime, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, Upload]] = OrderedDict()

    def add(self, engine: Engine, data: bytes) -> Upload:
        """Take a picture in.

        Args:
            engine: Gives it its vector.
            data: The bytes of its file.

        Raises:
            HTTPException: It is too large, 413, or too many are being decoded, 503.
            ImageError: It is no picture, or has too many pixels.
        """
        if len(data) > MAX_BYTES:
            raise too_large()
        token = secrets.token_urlsafe(12)
        file = io.BytesIO(data)
        with self.decoding.turn():
            photo = read_photo(file, size=SIZE, max_pixels=MAX_PIXELS)
            assert photo.pixels is not None
            known = engine.picture_in(file, PREFIX + token)
            upload = Upload(token, known, photo.width, photo.height, thumbnail(photo.pixels, SIZE))
        with self._lock:
            self._kept[token] = (self._clock(), upload)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return upload

    def forget_all(self) -> None:
        """Forget every upload: a vector of one model says nothing to another."""
        with self._lock:
            self._kept.clear()

    def get(self, token: str) -> Upload:
        """Return an upload.

        Raises:
            HTTPException: It is not there any more, 404.
        """
        with self._lock:
            self._forget_old()
            entry = self._kept.pop(token, None)
            if entry is not None:
                upload = entry[1]
                self._kept[token] = (self._clock(), upload)
                return upload
        raise HTTPException(
            404, f"upload {token!r}: not here, or not any more; drop the file into the page again"
        )

    def named_by(self, terms: Iterable[Term]) -> dict[str, KnownPicture]:
        """Return the pictures that terms of the kind picture stand for, by their values.

        Raises:
            HTTPException: A term names a file, 400, or an upload that is gone, 404.
        """
        pictures: dict[str, KnownPicture] = {}
        for term in terms:
            if term.kind != "picture":
                continue
            if not term.value.startswith(PREFIX):
                raise HTTPException(
                    400,
                    f"{term.value}: files are not read by their names here; drop the picture into "
                    'the page, or name one of the library by its number such as "#12"',
                )
            pictures[term.value] = self.get(term.value.removeprefix(PREFIX)).picture
        return pictures

    def _forget_old(self) -> None:
        oldest = self._clock() - self._lifetime
        while self._kept:
            token, (used, _) = next(iter(self._kept.items()))
            if used >= oldest:
                return
            del self._kept[token]


def too_large() -> HTTPException:
    """Return the error for a file with too many bytes."""
    return HTTPException(413, f"a picture may have {MAX_BYTES // 2**20} MB, this one has more")
