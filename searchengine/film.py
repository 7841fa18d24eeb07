"""Read films: the frame that stands for one, those of its scenes, what the container says."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from searchengine.bounds import budget, is_want_of_memory
from searchengine.metadata import camera_of, time_of
from searchengine.types import Exif

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

SAMPLES = 8
"""Frames, spread over a film, of which one is chosen."""

FURTHER = 16
"""Frames between those, in which more scenes are looked for where each is to have a frame."""

SCENES = 6
"""Most scenes that have a frame besides the one that stands for the film."""

LARGE = 9_000_000
"""From so many pixels on, scenes are looked for in the first samples only: frames take long."""

_FRAME = 24  # bytes of a pixel, with the frames that a decoder keeps and the copies in RGB
_SIDE = 16  # of the small copies that frames are compared by
_CUT = 24.0  # mean difference in grey levels between frames of two scenes
_FLAT = 6.0  # deviation of grey levels below which a frame shows nothing

# A file is opened as what its first bytes say, so that no playlist can lead to other files.
_CONTAINERS = ((4, b"ftyp", "mov"), (0, b"\x1aE\xdf\xa3", "matroska"), (8, b"AVI ", "avi"))
_SOON = 0.001  # seconds; times are rounded to that, and a seek must not miss its frame for it
_ISO6709 = re.compile(r"([+-]\d+(?:\.\d+)?)([+-]\d+(?:\.\d+)?)")
_APPLE = "com.apple.quicktime."


Finish = Callable[[Image.Image], Image.Image]
"""What is done to an upright frame before it is kept."""


class Still(NamedTuple):
    """A frame of a scene, and its time in seconds from the beginning."""

    seconds: float
    image: Image.Image


class _Sample(NamedTuple):
    """A key frame as a small picture, and its time in seconds."""

    seconds: float
    small: npt.NDArray[np.float32]

    @property
    def detail(self) -> float:
        return float(self.small.std())

    def is_like(self, other: _Sample) -> bool:
        return bool(np.abs(self.small - other.small).mean() <= _CUT)


@dataclass(frozen=True, slots=True)
class Film:
    """What a film holds.

    Attributes:
        width: Of the upright picture in pixels.
        height: Likewise.
        exif: What the container says.
        image: The frame, upright; None if no pixels were asked for.
        at: Its time in seconds from the beginning.
        stills: A frame of each scene that looks unlike it and each other, by their times; none if
            none was asked for.
    """

    width: int
    height: int
    exif: Exif
    image: Image.Image | None
    at: float
    stills: tuple[Still, ...] = ()


def read_film(
    file: BinaryIO,
    head: bytes,
    *,
    max_pixels: int,
    decode: bool,
    at: float | None = None,
    finish: Finish | None = None,
) -> Film:
    """Read a film.

    Args:
        file: The file, at its beginning.
        head: Its first bytes.
        max_pixels: Larger frames are refused.
        decode: Whether a frame is wanted.
        at: The time of the frame that is wanted, as an earlier reading told it; the one that
            stands for the film if None.
        finish: Has further scenes looked for, and makes of each of their frames what is kept.

    Raises:
        ValueError: It has no pictures, or too large ones.
        Exception: Whatever FFmpeg raises of a broken file.
    """
    import av

    kinds = (name for start, mark, name in _CONTAINERS if head[start:].startswith(mark))
    kind = next(kinds, "mpegts")
    with av.open(file, "r", format=kind, metadata_errors="replace") as container:
        if not container.streams.video:
            raise ValueError("a film without pictures")
        stream = container.streams.video[0]
        if stream.width * stream.height > max_pixels:
            raise ValueError(f"a film of {stream.width} x {stream.height} pixels is too large")
        stream.codec_context.skip_frame = "NONKEY"
        exif = _exif(container)
        with budget.taken(_FRAME * stream.width * stream.height):
            samples: list[_Sample] = []
            if at is None:
                length = (container.duration or 0) / 1e6
                moments = [length * (n + 0.5) / SAMPLES for n in range(SAMPLES)]
                samples = list(_samples(container, stream, moments))
                moment = _chosen(samples).seconds
            else:
                moment = at + _SOON
            frame = next(_frames(container, stream, [moment]), None)
            if frame is None:
                raise ValueError("no frame of the film can be decoded")
            image = _upright(frame) if decode else None
            sides = frame.width, frame.height
            width, height = sides[::-1] if frame.rotation % 180 else sides
            stills: tuple[Still, ...] = ()
            if finish is not None and samples:
                stills = _stills(container, stream, samples, moment, finish)
    return Film(width, height, exif, image, round(moment if at is None else at, 3), stills)


def _upright(frame: VideoFrame) -> Image.Image:
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def _samples(
    container: InputContainer, stream: VideoStream, moments: Sequence[float]
) -> Iterator[_Sample]:
    for frame in _frames(container, stream, moments):
        small = frame.reformat(width=_SIDE, height=_SIDE, format="rgb24").to_ndarray()
        yield _Sample(frame.time or 0.0, small.astype(np.float32))


def _stills(
    container: InputContainer,
    stream: VideoStream,
    samples: Sequence[_Sample],
    chosen: float,
    finish: Finish,
) -> tuple[Still, ...]:
    """Return a frame of each scene that looks unlike the chosen one, the longest scenes first.

    Nothing that goes wrong here makes a film unreadable that has a frame to stand for it.
    """
    known = {sample.seconds: sample for sample in samples}
    stills: dict[float, Image.Image] = {}
    try:
        if stream.width * stream.height < LARGE:
            length = (container.duration or 0) / 1e6
            places = (n for n in range(SAMPLES + FURTHER) if n % 3 != 1)  # the others are known
            moments = [length * (n + 0.5) / (SAMPLES + FURTHER) for n in places]
            for sample in _samples(container, stream, moments):
                known.setdefault(sample.seconds, sample)
    except Exception as error:  # a film may be damaged anywhere, or take too long
        _refuse_want_of_memory(error)
    kept = [known[chosen]]
    scenes = _scenes([known[time] for time in sorted(known)])
    for scene in sorted(scenes, key=len, reverse=True):
        best = max(scene, key=lambda sample: sample.detail)
        if best.detail >= _FLAT and not any(best.is_like(other) for other in kept):
            kept.append(best)
    try:
        for sample in kept[1 : 1 + SCENES]:
            for frame in _frames(container, stream, [sample.seconds + _SOON]):
                seconds = round(frame.time or 0.0, 3)
                if seconds != round(chosen, 3) and seconds not in stills:
                    stills[seconds] = finish(_upright(frame))
    except Exception as error:
        _refuse_want_of_memory(error)
    return tuple(Still(seconds, stills[seconds]) for seconds in sorted(stills))


def _refuse_want_of_memory(error: Exception) -> None:
    """Raise an error again if another day there may be more to see."""
    if is_want_of_memory(error):
        raise error
    _log.debug("scenes of a film are left out", exc_info=error)


def _scenes(samples: Sequence[_Sample]) -> list[list[_Sample]]:
    """Split samples, at least one and in order of time, where the picture changes at once."""
    scenes = [[samples[0]]]
    for before, sample in pairwise(samples):
        if not sample.is_like(before):
            scenes.append([])
        scenes[-1].append(sample)
    return scenes


def _frames(
    container: InputContainer, stream: VideoStream, moments: Sequence[float]
) -> Iterator[VideoFrame]:
    """Yield the key frames at or before moments in seconds, each once."""
    last: float | None = None
    for moment in moments:
        container.seek(int(moment * 1e6))
        frame = next(container.decode(stream), None)
        if frame is not None and (last is None or frame.time != last):
            last = frame.time
            yield frame


def _chosen(samples: Sequence[_Sample]) -> _Sample:
    """Return the frame with most to see in the longest scene.

    Raises:
        ValueError: There is no frame.
    """
    if not samples:
        raise ValueError("no frame of the film can be decoded")
    scenes = _scenes(samples)
    seen = [scene for scene in scenes if max(one.detail for one in scene) >= _FLAT]
    longest = max(seen or scenes, key=len)
    return max(longest, key=lambda one: one.detail)


def _exif(container: InputContainer) -> Exif:
    said = {key.lower(): text for key, text in container.metadata.items()}
    taken, offset = time_of(said.get(f"{_APPLE}creationdate"))
    if taken is None:
        taken, offset = time_of(said.get("creation_time"))
    where = _ISO6709.match(said.get(f"{_APPLE}location.iso6709") or said.get("location") or "")
    exif = Exif(
        taken_at=taken,
        taken_offset=offset,
        camera=camera_of(said.get(f"{_APPLE}make"), said.get(f"{_APPLE}model")),
    )
    if where is None or abs(float(where[1])) > 90 or abs(float(where[2])) > 180:
        return exif
    return replace(exif, lat=float(where[1]), lon=float(where[2]))
