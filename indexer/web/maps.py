"""The map of the library: `/map`, its pictures in the plane with words as landmarks.

A map is made once for a state of the library and kept as the bytes that are sent. While pictures
are being added it is not made anew each time: an older one is shown for a while.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from fastapi import APIRouter, FastAPI, Header, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from indexer.maps.layout import FEWEST
from indexer.maps.scene import LIMIT, map_pictures
from searchengine.config import Settings
from searchengine.errors import NothingIndexed
from searchengine.web.answers import API
from searchengine.web.live import Live
from searchengine.web.safety.limits import leave_place

FRESH = 30.0
"""Seconds for which a map is shown though pictures came since."""
WORDS = 200
"""Most words: the page shows more of them the closer somebody looks."""
PLACES = 5
"""Digits of a place: a hundred thousand steps along each side."""


class PlacedWord(BaseModel):
    """A word among the pictures."""

    word: str
    x: float
    y: float


class MapAnswer(BaseModel):
    """Places in 0..1, x to the right and y down."""

    points: list[tuple[int, float, float]] = Field(description="id, x and y of each picture")
    words: list[PlacedWord] = Field(description="the most important first")
    total: int = Field(description="pictures of the library; a map shows a sample of many")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A map as it is sent, and the state of the library that it shows."""

    seq: int
    made_at: float
    body: bytes
    tag: str


class Maps:
    """The map of one library.

    Args:
        live: The library.
        limit: Most pictures of a map.
        clock: Tells the seconds.
    """

    def __init__(
        self, live: Live, limit: int = LIMIT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._live, self._limit, self._clock = live, limit, clock
        self._last: Drawn | None = None
        self._lock = asyncio.Lock()
        live.on_move.append(self._forget)

    def _forget(self) -> None:
        self._last = None

    async def current(self) -> Drawn:
        """Return a map that is up to date, or nearly so.

        Raises:
            NothingIndexed: There are too few pictures.
        """
        async with self._lock:  # many ask at once, one makes it
            seq = await run_in_threadpool(self._live.engine.catalog.seq)
            last = self._last
            if last is None or (seq != last.seq and self._clock() - last.made_at > FRESH):
                last = self._last = await run_in_threadpool(self._drawn, seq)
            return last

    def _drawn(self, seq: int) -> Drawn:
        catalog, encoder = self._live.engine.catalog, self._live.engine.encoder
        present = catalog.present()
        if len(present) < FEWEST:
            raise NothingIndexed(
                f"a map needs at least {FEWEST} pictures; the library has {len(present)}"
            )
        ids = present
        if len(ids) > self._limit:
            # The same sample each time, so that the map stays what it was.
            ids = np.sort(np.random.default_rng(0).choice(ids, self._limit, replace=False))
        scene = map_pictures(catalog, encoder, ids, method="pca", landmarks=WORDS)
        places = np.round(scene.places, PLACES).tolist()
        entry = {
            "points": [[id_, *place] for id_, place in zip(scene.ids, places, strict=False)],
            "words": [
                {"word": scene.names[one], "x": places[one][0], "y": places[one][1]}
                for one in scene.words
            ],
            "total": len(present),
        }
        body = json.dumps(entry, separators=(",", ":")).encode("ascii")
        return Drawn(seq, self._clock(), body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def install(app: FastAPI, live: Live, settings: Settings) -> None:  # noqa: ARG001 - as all are called
    """Give an app the map."""
    maps = Maps(live)
    router = APIRouter()

    @router.get("/map", response_model=MapAnswer, operation_id="get_map")
    async def library_map(
        request: Request, if_none_match: Annotated[str | None, Header()] = None
    ) -> Response:
        """Return where pictures and words lie in the plane."""
        leave_place(request.scope)
        drawn = await maps.current()
        headers = {"ETag": drawn.tag, "Cache-Control": "private, no-cache"}
        if if_none_match is not None and drawn.tag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(drawn.body, media_type="application/json", headers=headers)

    app.include_router(router, prefix=API, tags=["library"])
