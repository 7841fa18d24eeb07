"""Decode a picture file in this process: `images` decides whether that is done here.

Whatever a broken file makes a decoder raise leaves as `ImageError` with the file's name and the
reason in words.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, TypeAlias, cast

from PIL import Image, UnidentifiedImageError

from searchengine.bounds import (
    BoundedFile,
    TooLarge,
    TooSlow,
    budget,
    is_want_of_disk,
    is_want_of_memory,
    require_size,
)
from searchengine.errors import ImageError, NotNow
from searchengine.formats import HEAD, TIFF_STARTS, is_installed, sniffed, titled
from searchengine.metadata import (
    merged,
    packet_of,
    read_exposure,
    read_iptc,
    read_metadata,
    read_xmp,
)
from searchengine.openers import formats_of, leave_small_copies, name_of, orientation
from searchengine.pixels import (
    END_OF_JPEG,
    bytes_needed,
    draft,
    reduced_rgb,
    shrunk,
    upper_part,
)
from searchengine.types import Exif, Prepare

Check: TypeAlias = Callable[[], None]
"""Raises if reading a file takes too long."""

MAX_PIXELS = 200_000_000
"""Pictures with more pixels are refused before a pixel is decoded."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED_ON_ITS_SIDE = frozenset({5, 6, 7, 8})

# Pillow warns at 89 MP and refuses at twice that. A warning cannot be silenced per thread, so its
# threshold moves to our limit; the refusal of larger ones stays in force for the whole process.
if Image.MAX_IMAGE_PIXELS is not None:
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, MAX_PIXELS)


@dataclass(frozen=True, slots=True)
class Photo:
    """What a picture file holds.

    Attributes:
        width: Of the whole picture in pixels, after the EXIF turn.
        height: Likewise.
        exif: What the file, and the XMP file beside it, say of it.
        pixels: Upright RGB, or None if they were not asked for.
        format: As `formats.FORMATS` names it; by the content.
        damage: What is wrong with a file of which a part can be seen; None if nothing is.
        at: Of a film, the time of the frame in seconds.
        stills: Of a film, a frame of each of its other scenes with its time, treated like
            `pixels`; none if they were not asked for.
    """

    width: int
    height: int
    exif: Exif
    pixels: Image.Image | None
    format: str
    damage: str | None = None
    at: float | None = None
    stills: tuple[tuple[float, Image.Image], ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Read pictures as `images.read_photo` was asked to; the attributes are its arguments."""

    size: int | None = None
    prepare: Prepare | None = None
    max_pixels: int = MAX_PIXELS
    decode: bool = True
    sidecar: bytes | None = field(default=None, repr=False)
    at: float | None = None
    stills: bool = False

    def read(self, file: BinaryIO, path: str) -> Photo:
        """Return what a file holds that stands at its beginning.

        Args:
            file: The file, opened in binary mode.
            path: What errors call it; its ending tells some formats.

        Raises:
            ImageError: As `images.open_image`.
        """
        head = b""
        try:
            head = file.read(HEAD)
            if not head:
                raise ImageError(message(path, "the file is empty"))
            kind = sniffed(head, path)
            if kind is not None and not is_installed(kind):
                known = titled(kind)
                remedy = f"{known.title}, which needs: pip install 'lexpix[{known.extra}]'"
                raise ImageError(message(path, remedy))
            if kind != "video":  # of which only some frames are read
                require_size(file)
            file.seek(0)
            bounded = BoundedFile(file)
            file = cast(BinaryIO, bounded)
            if kind == "raw":
                return self._raw(file, path, bounded.check)
            if kind == "video":
                return self._film(file, head)
            return self._picture(file, path, kind, bounded.check)
        except ImageError:
            raise
        except Exception as error:  # a broken file can make a decoder raise nearly anything
            raise unreadable(path, error, head) from error

    def _picture(self, file: BinaryIO, path: str, kind: str | None, check: Check) -> Photo:
        with Image.open(file, formats=formats_of(kind)) as image:
            leave_small_copies(image)
            width, height = image.size
            self._require_size(width, height, path)
            turn = orientation(image)
            name = name_of(image)
            exif = read_metadata(image, self.sidecar)
            pixels, damage = None, None
            if self.decode:
                pixels, damage = self._decoded(image, file, path, turn, check)
            elif name == "jpeg" and not _has_end(file):
                damage = self._damage(file, image, path)
        if turn in _TURNED_ON_ITS_SIDE:
            width, height = height, width
        return Photo(width, height, exif, pixels, name, damage)

    def _decoded(
        self, image: Image.Image, file: BinaryIO, path: str, turn: int, check: Check
    ) -> tuple[Image.Image, str | None]:
        """Return the pixels of an open picture, and what is wrong with its file."""
        name = name_of(image)
        draft(image, self.size)
        with budget.taken(bytes_needed(image, self.size)):
            try:
                return self._pixels(image, turn, check), None
            except OSError as error:
                if name != "jpeg" or "truncated" not in str(error):
                    raise
                upper, damage = self._upper_part(file, image, path)
                return self._upright(upper, turn), damage

    def _raw(self, file: BinaryIO, path: str, check: Check) -> Photo:
        from searchengine.raw import read_raw

        raw = read_raw(
            file,
            size=self.size,
            sidecar=self.sidecar,
            max_pixels=self.max_pixels,
            decode=self.decode,
        )
        self._require_size(raw.width, raw.height, path)
        pixels = None
        if raw.image is not None:
            draft(raw.image, self.size)
            with budget.taken(bytes_needed(raw.image, self.size)):
                pixels = self._pixels(raw.image, raw.turn, check)
        return Photo(raw.width, raw.height, raw.exif, pixels, "raw")

    def _film(self, file: BinaryIO, head: bytes) -> Photo:
        from searchengine.film import read_film

        # The stills come before the one that stands for all, which a `prepare` may remember.
        finish = partial(self._upright, turn=1) if self.stills else None
        film = read_film(
            file,
            head,
            max_pixels=self.max_pixels,
            decode=self.decode,
            at=self.at,
            finish=finish,
        )
        exif = film.exif if self.sidecar is None else merged(read_xmp(self.sidecar), film.exif)
        pixels = None if film.image is None else self._upright(film.image, 1)
        return Photo(film.width, film.height, exif, pixels, "video", at=film.at, stills=film.stills)

    def _require_size(self, width: int, height: int, path: str) -> None:
        if width * height > self.max_pixels:
            megapixels = f"{width * height / 1e6:.0f} megapixels"
            limit = f"{self.max_pixels / 1e6:.0f}"
            raise ImageError(message(path, f"{megapixels}, the limit is {limit}"))

    def _pixels(self, image: Image.Image, turn: int, check: Check) -> Image.Image:
        return self._upright(reduced_rgb(image, self.size, check), turn)

    def _upright(self, pixels: Image.Image, turn: int) -> Image.Image:
        if self.size is not None and self.prepare is None:
            pixels = shrunk(pixels, self.size)
        method = _UPRIGHT.get(turn)
        upright = pixels if method is None else pixels.transpose(method)
        return upright if self.prepare is None else self.prepare(upright)

    def _upper_part(
        self, file: BinaryIO, failed: Image.Image, path: str
    ) -> tuple[Image.Image, str]:
        """Return what there is of a JPEG that ends too early, and what is wrong with it."""
        upper, share = upper_part(file, failed, self.size)
        if upper is None:
            reason = f"it ends too early: only its upper {share:.0%} can be decoded"
            raise ImageError(message(path, reason))
        if share > 0.99:
            return upper, "the file lacks its end"
        return upper, f"the file ends too early: only its upper {share:.0%} can be seen"

    def _damage(self, file: BinaryIO, image: Image.Image, path: str) -> str | None:
        """Return what is wrong with a JPEG of which no pixels were asked for."""
        draft(image, 1)
        try:
            with budget.taken(bytes_needed(image, 1)):
                image.load()
        except OSError as error:
            return self._upper_part(file, image, path)[1] if "truncated" in str(error) else None
        return None


def _has_end(file: BinaryIO) -> bool:
    file.seek(-len(END_OF_JPEG), os.SEEK_END)
    return file.read() == END_OF_JPEG


_ODD_TIFF = (
    "a TIFF that is damaged or has pixels that are not read, such as floating-point numbers of 16 "
    "or 64 bits or in several channels; save it with 8 or 16 bits as whole numbers"
)


def unreadable(path: str, error: Exception, head: bytes = b"") -> ImageError:
    """Return what is raised of a file that begins so and made a decoder raise this."""
    if is_want_of_memory(error):
        return NotNow(message(path, "not enough memory to decode it"))
    kind = NotNow if is_want_of_disk(error) else ImageError
    return kind(message(path, reason_of(error, head)))


def message(path: str, reason: str) -> str:
    """Return what an error says of a file that cannot be read."""
    return f"{path}: not a readable image ({reason})"


def reason_of(error: Exception, head: bytes = b"") -> str:
    """Return why a file cannot be read, by what a decoder raised and by its first bytes."""
    if isinstance(error, UnidentifiedImageError):
        return _ODD_TIFF if head.startswith(TIFF_STARTS) else "its content is of no known format"
    if isinstance(error, TooLarge | TooSlow):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if error.args and isinstance(error.args[0], bytes):
        return f"LibRaw: {error.args[0].decode(errors='replace')}; is the file cut off?"
    if "`libjxl`" in str(error):  # it tells programmers how to build it
        return "libjxl cannot decode it; is the file cut off?"
    return " ".join(str(error).split()) or type(error).__name__


def name_in(file: BinaryIO) -> str | None:
    """Return the format of a picture that Pillow opens, in lower case; None if it is of none."""
    try:
        with Image.open(file, formats=formats_of(_kind_of(file))) as image:
            return name_of(image)
    except Exception:  # as in `Reader.read`
        return None


def exposure_in(file: BinaryIO) -> tuple[float | None, float | None]:
    """Return f-number and seconds of a picture that Pillow opens, as `read_exposure`."""
    try:
        with Image.open(file, formats=formats_of(_kind_of(file))) as image:
            return read_exposure(image)
    except Exception:  # as in `Reader.read`
        return None, None


def keywords_in(file: BinaryIO) -> tuple[bytes | None, tuple[str, ...]]:
    """Return the packet of XMP and the keywords of IPTC of a picture that Pillow opens."""
    try:
        with Image.open(file, formats=formats_of(_kind_of(file))) as image:
            return packet_of(image), tuple(read_iptc(image).keywords)
    except Exception:  # as in `Reader.read`
        return None, ()


def _kind_of(file: BinaryIO) -> str | None:
    kind = sniffed(file.read(HEAD))
    file.seek(0)
    return kind
