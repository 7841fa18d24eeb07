"""Read films: one frame that stands for the whole, its time, and what the container says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from searchengine.bounds import budget
from searchengine.metadata import camera_of, time_of
from searchengine.types import Exif

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

SAMPLES = 8
"""Frames, spread over a film, of which one is chosen."""

_FRAME = 24  # bytes of a pixel, with the frames that a decoder keeps and the copies in RGB
_SIDE = 16  # of the small copies that frames are compared by
_CUT = 24.0  # mean difference in grey levels between frames of two scenes
_FLAT = 6.0  # deviation of grey levels below which a frame shows nothing

# A file is opened as what its first bytes say, so that no playlist can lead to other files.
_CONTAINERS = ((4, b"ftyp", "mov"), (0, b"\x1aE\xdf\xa3", "matroska"), (8, b"AVI ", "avi"))
_ISO6709 = re.compile(r"([+-]\d+(?:\.\d+)?)([+-]\d+(?:\.\d+)?)")
_APPLE = "com.apple.quicktime."


@dataclass(frozen=True, slots=True)
class Film:
    """What a film holds.

    Attributes:
        width: Of the upright picture in pixels.
        height: Likewise.
        exif: What the container says.
        image: The frame, upright; None if no pixels were asked for.
        at: Its time in seconds from the beginning.
    """

    width: int
    height: int
    exif: Exif
    image: Image.Image | None
    at: float


def read_film(file: BinaryIO, head: bytes, *, max_pixels: int, decode: bool) -> Film:
    """Read a film.

    Args:
        file: The file, at its beginning.
        head: Its first bytes.
        max_pixels: Larger frames are refused.
        decode: Whether a frame is wanted.

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
            moment = _chosen(list(_samples(container, stream)))
            frame = next(_frames(container, stream, [moment]))
            image = None
            if decode:
                image = frame.to_image()  # type: ignore[no-untyped-call]
                image = image.rotate(frame.rotation, expand=True) if frame.rotation else image
        sides = frame.width, frame.height
        width, height = sides[::-1] if frame.rotation % 180 else sides
    return Film(width, height, exif, image, round(moment, 3))


def _samples(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[float, npt.NDArray[np.float32]]]:
    """Yield times of frames in seconds, and the frames as small pictures."""
    length = (container.duration or 0) / 1e6
    for frame in _frames(container, stream, [length * (n + 0.5) / SAMPLES for n in range(SAMPLES)]):
        small = frame.reformat(width=_SIDE, height=_SIDE, format="rgb24").to_ndarray()
        yield frame.time or 0.0, small.astype(np.float32)


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


def _chosen(samples: Sequence[tuple[float, npt.NDArray[np.float32]]]) -> float:
    """Return the time of the frame with most to see in the longest scene.

    Raises:
        ValueError: There is no frame.
    """
    if not samples:
        raise ValueError("no frame of the film can be decoded")
    detail = [float(small.std()) for _, small in samples]
    scenes: list[list[int]] = [[0]]
    for place in range(1, len(samples)):
        if np.abs(samples[place][1] - samples[place - 1][1]).mean() > _CUT:
            scenes.append([])
        scenes[-1].append(place)
    seen = [scene for scene in scenes if max(detail[place] for place in scene) >= _FLAT]
    longest = max(seen or scenes, key=len)
    return samples[max(longest, key=lambda place: detail[place])][0]


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
