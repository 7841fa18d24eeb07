"""Turn a picture file of any kind into upright 8-bit RGB, within limits.

Only here and in `reader`, `raw` and `film` pictures are opened. What Pillow decodes itself is read
in this process; what needs a decoder that can take a process down with it, by a worker, which is
one of its own (`workers`). Either way a broken file is an `ImageError` with its name and the reason
in words.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from typing import BinaryIO

from PIL import Image

from searchengine import reader
from searchengine.bounds import TooLarge, require_size
from searchengine.errors import ImageError
from searchengine.formats import HEAD, is_installed, sniffed
from searchengine.reader import MAX_PIXELS, Photo, Reader, message, reason_of
from searchengine.types import PathLike, Prepare, Preparing
from searchengine.workers import pool


def open_file(path: PathLike, opener: Callable[[str, int], int] | None = None) -> BufferedReader:
    """Open a regular file for reading.

    Args:
        path: The file.
        opener: As of `open`; it may wait for nothing.

    Raises:
        OSError: It cannot be opened, or it is a FIFO or a device; nothing is waited for.
    """
    opener = opener or _open_without_waiting
    file = open(path, "rb", opener=opener)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return file


def open_image(
    source: PathLike | BinaryIO,
    *,
    size: int | None = None,
    prepare: Prepare | None = None,
    max_pixels: int = MAX_PIXELS,
    at: float | None = None,
) -> Image.Image:
    """Decode the first frame of a picture as upright RGB; transparent parts become white.

    Args:
        source: A path, or a file opened in binary mode.
        size: Scale a larger picture down so that its shorter side has this many pixels, decoding no
            more of it than that takes; None keeps it whole.
        prepare: Applied to the upright picture, which is then at least as large as `size` asks,
            instead of scaling it: an encoder that scales anyway need not scale twice.
        max_pixels: Refuse larger pictures before decoding them.
        at: Of a film, the time in seconds of the frame, as `read_photo` told it; None for the one
            that stands for it.

    Raises:
        ImageError: The file cannot be read, or is no complete picture of a known kind.
    """
    pixels = read_photo(source, size=size, prepare=prepare, max_pixels=max_pixels, at=at).pixels
    assert pixels is not None
    return pixels


def open_for(
    model: Preparing, source: PathLike | BinaryIO | Image.Image, *, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Decode a picture as a model wants it; one that is opened already is only prepared.

    Arguments and errors are those of `open_image`.
    """
    size, prepare = model.decode_size, model.prepare
    if isinstance(source, Image.Image):
        return source if prepare is None else prepare(source)
    return open_image(source, size=size, prepare=prepare, max_pixels=max_pixels)


def read_photo(
    source: PathLike | BinaryIO,
    *,
    size: int | None = None,
    prepare: Prepare | None = None,
    max_pixels: int = MAX_PIXELS,
    decode: bool = True,
    sidecar: bytes | None = None,
    at: float | None = None,
    stills: bool = False,
) -> Photo:
    """Read a picture with what is said of it.

    Of a JPEG that ends too early the upper part is returned, and the damage told.

    Args:
        source: As of `open_image`, like `size`, `prepare`, `max_pixels` and `at`.
        size: Likewise.
        prepare: Likewise.
        max_pixels: Likewise.
        decode: False leaves out the pixels.
        sidecar: The content of the XMP file beside it.
        at: Likewise.
        stills: Have the other scenes of a film as well.

    Raises:
        ImageError: As `open_image`.
    """
    asked = Reader(size, prepare, max_pixels, decode, sidecar, at, stills)
    if not isinstance(source, (str, os.PathLike)):
        return _read(asked, source, str(getattr(source, "name", "picture")))
    path = os.fspath(source)
    try:
        with open_file(path) as file:
            return _read(asked, file, path)
    except OSError as error:
        raise ImageError(message(path, reason_of(error))) from error


def refuse_excess(file: BufferedReader) -> None:
    """Refuse an open file that has more bytes than any picture may; films may have them.

    The file is at its beginning before and after.

    Raises:
        ImageError: It has.
    """
    try:
        require_size(file)
    except TooLarge as error:
        path = str(file.name)
        kind = sniffed(file.read(HEAD), path)
        file.seek(0)
        if kind != "video":
            raise ImageError(message(path, str(error))) from error


def format_in(file: BinaryIO) -> str | None:
    """Return the format of an open picture by its content, in lower case; None if it is of none.

    The file is at its beginning before and after.
    """
    kind = _kind_of(file)
    if kind in ("raw", "video") or (kind is not None and not is_installed(kind)):
        return kind
    name = pool.name_in(file) if _is_apart(kind) else reader.name_in(file)
    file.seek(0)
    return name


def exposure_in(file: BinaryIO) -> tuple[float | None, float | None]:
    """Return f-number and seconds of an open picture, as `read_exposure`; of its head alone."""
    kind = _kind_of(file)
    if kind in ("raw", "video") or (kind is not None and not is_installed(kind)):
        return None, None
    return pool.exposure_in(file) if _is_apart(kind) else reader.exposure_in(file)


def keywords_in(file: BinaryIO) -> tuple[bytes | None, tuple[str, ...]]:
    """Return the packet of XMP and the keywords of IPTC in an open picture."""
    kind = _kind_of(file)
    if kind == "raw":
        from searchengine.raw import packet_in_raw

        return packet_in_raw(file), ()
    if kind == "video" or (kind is not None and not is_installed(kind)):
        return None, ()
    return pool.keywords_in(file) if _is_apart(kind) else reader.keywords_in(file)


def _read(asked: Reader, file: BinaryIO, path: str) -> Photo:
    apart = _is_apart(_kind_of(file, path))
    return pool.read(asked, file, path) if apart else asked.read(file, path)


def _kind_of(file: BinaryIO, path: str = "") -> str | None:
    """Return what of an open file is more than Pillow's own; it is at its beginning afterwards."""
    try:
        kind = sniffed(file.read(HEAD), path or str(getattr(file, "name", "")))
        file.seek(0)
    except OSError:  # whoever reads it next says so
        return None
    return kind


def _is_apart(kind: str | None) -> bool:
    """Tell whether pictures of a kind are decoded by a worker."""
    return kind is not None and pool.AVAILABLE and is_installed(kind)


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a FIFO waits for its writer, for ever if need be. Windows has no such flag.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
