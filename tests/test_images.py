from __future__ import annotations

import contextlib
import datetime as dt
import io
import math
import os
import socket
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageDraw, features
from PIL.TiffImagePlugin import IFDRational
from skimage import data

from searchengine.errors import ImageError
from searchengine.formats import format_of
from searchengine.images import open_image, read_photo
from searchengine.reader import MAX_PIXELS
from searchengine.types import Exif

RED, GREEN, BLUE, WHITE = (230, 20, 30), (20, 180, 40), (20, 40, 220), (255, 255, 255)


def quarters(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    picture = Image.new("RGB", size, WHITE)
    draw = ImageDraw.Draw(picture)
    x, y = size[0] // 2, size[1] // 2
    draw.rectangle((0, 0, x - 1, y - 1), RED)
    draw.rectangle((x, 0, size[0], y - 1), GREEN)
    draw.rectangle((0, y, x - 1, size[1]), BLUE)
    return picture


def corners(picture: Image.Image) -> np.ndarray:
    """Colours of the middles of the four quarters, in reading order."""
    pixels = np.asarray(picture).astype(int)
    height, width = pixels.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return np.array([pixels[row, column] for row in rows for column in columns])


def assert_quarters(picture: Image.Image, tolerance: int = 12) -> None:
    assert picture.mode == "RGB"
    np.testing.assert_allclose(corners(picture), [RED, GREEN, BLUE, WHITE], atol=tolerance)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 95}),
        ("progressive.jpeg", {"quality": 95, "progressive": True}),
        ("a.png", {}),
        ("interlaced.png", {"bits": 8}),
        ("a.webp", {"quality": 95}),
        ("lossless.webp", {"lossless": True}),
        ("a.gif", {}),
        ("a.tif", {}),
        ("packed.tiff", {"compression": "tiff_lzw"}),
        ("a.bmp", {}),
        ("a.avif", {"quality": 95}),
        ("a.jp2", {}),
        ("a.ppm", {}),
    ],
)
def test_every_format_gives_its_colours(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = tmp_path / name
    quarters().save(path, **options)
    assert format_of(name) is not None
    assert_quarters(open_image(path))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_colour_modes_give_their_colours(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    (quarters().quantize(4) if mode == "P" else quarters().convert(mode)).save(path)
    with Image.open(path) as image:
        assert image.mode == mode
    assert_quarters(open_image(path))


def test_cmyk_jpeg_gives_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    quarters().convert("CMYK").save(path, quality=95)
    with Image.open(path) as image:
        assert image.mode == "CMYK"
    assert_quarters(open_image(path))


@pytest.mark.parametrize(
    ("mode", "name", "pixel"),
    [("1", "a.png", 1), ("L", "a.jpg", 200), ("L", "a.png", 200), ("LA", "a.png", (200, 255))],
)
def test_greys_stay_grey(
    tmp_path: Path, mode: str, name: str, pixel: float | tuple[float, ...]
) -> None:
    path = tmp_path / name
    Image.new(mode, (20, 10), pixel).save(path)
    grey = 255 if mode == "1" else 200
    np.testing.assert_allclose(np.asarray(open_image(path)), grey, atol=1)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_greys_are_scaled_and_not_cut_off(tmp_path: Path, name: str) -> None:
    levels = np.linspace(0, 65535, 256).round().astype(np.uint16)[None].repeat(8, axis=0)
    Image.fromarray(levels).save(tmp_path / name)
    shown = np.asarray(open_image(tmp_path / name))
    np.testing.assert_array_equal(shown[..., 0], np.arange(256)[None].repeat(8, axis=0))


def test_a_dark_16_bit_picture_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 200, np.uint16)).save(tmp_path / "night.png")
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "night.png")), 1)


def test_16_bit_rgb_png_gives_its_colours(tmp_path: Path) -> None:
    # Pillow does not write this kind: a 2 x 1 picture, by the PNG specification.
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    pixels = b"\0" + struct.pack(">6H", 65535, 0, 32896, 257, 65535, 0)
    (tmp_path / "deep.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )
    shown = np.asarray(open_image(tmp_path / "deep.png"))
    np.testing.assert_allclose(shown, [[[255, 0, 128], [1, 255, 0]]], atol=1)


@pytest.mark.parametrize(("white", "dtype"), [(1.0, "f4"), (255.0, "f4"), (65535, "i4")])
def test_float_and_32_bit_tiffs_are_scaled_by_their_range(
    tmp_path: Path, white: float, dtype: str
) -> None:
    values = (np.array([[0, 0.5, 1.0]]) * white).astype(dtype)
    Image.fromarray(values).save(tmp_path / "a.tif")
    shown = np.asarray(open_image(tmp_path / "a.tif"))[..., 0]
    np.testing.assert_allclose(shown, [[0, 127.5, 255]], atol=0.6)


@pytest.mark.parametrize(
    ("mode", "name"),
    [("RGBA", "a.png"), ("RGBA", "a.webp"), ("LA", "a.png"), ("P", "a.gif"), ("P", "a.png")],
)
def test_transparent_parts_become_white(tmp_path: Path, mode: str, name: str) -> None:
    picture = Image.new(mode, (40, 40))
    if mode == "P":
        picture.putpalette([0, 0, 0, *RED])
        picture.paste(1, (20, 0, 40, 40))
        picture.save(tmp_path / name, transparency=0)
        opaque = RED
    else:
        opaque = (90, 90, 90)
        picture.paste((90, 255) if mode == "LA" else (*opaque, 255), (20, 0, 40, 40))
        options: dict[str, Any] = {"lossless": True} if name == "a.webp" else {}
        picture.save(tmp_path / name, **options)
    shown = corners(open_image(tmp_path / name))
    np.testing.assert_array_equal(shown, [WHITE, opaque, WHITE, opaque])


def test_palette_with_an_alpha_per_colour_is_laid_on_white(tmp_path: Path) -> None:
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([200, 0, 0])
    picture.save(tmp_path / "a.png", transparency=bytes([128]))
    shown = np.asarray(open_image(tmp_path / "a.png"))[0, 0]
    np.testing.assert_allclose(shown, [227, 127, 127], atol=1)  # half of it, half white


def test_rgb_with_one_transparent_colour_is_laid_on_white(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), RED).save(tmp_path / "a.png", transparency=RED)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.png")), 255)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_the_first_of_several_frames_counts(tmp_path: Path, name: str) -> None:
    others = [Image.new("RGB", (64, 48), colour) for colour in (BLUE, GREEN)]
    quarters().save(tmp_path / name, save_all=True, append_images=others)
    assert_quarters(open_image(tmp_path / name), tolerance=40)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path: Path, name: str, orientation: int) -> None:
    # What the camera stores so that turning it as the EXIF standard says gives `quarters`.
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = quarters()
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored.save(tmp_path / name, exif=exif, quality=95)
    photo = read_photo(tmp_path / name)
    assert photo.pixels is not None
    assert photo.pixels.size == (photo.width, photo.height) == (64, 48)
    assert_quarters(photo.pixels)
    header = read_photo(tmp_path / name, decode=False)
    assert (header.width, header.height, header.pixels) == (64, 48, None)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_scaled_decoding_looks_like_scaling_the_whole_picture(tmp_path: Path, name: str) -> None:
    photograph = Image.fromarray(data.chelsea()).resize((2000, 1500))
    photograph.save(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        expected = image.convert("RGB").resize((299, 224), Image.Resampling.BICUBIC)
    photo = read_photo(tmp_path / name, size=224)
    assert photo.pixels is not None
    assert photo.pixels.size == (299, 224)
    assert (photo.width, photo.height) == (2000, 1500)
    difference = np.asarray(photo.pixels, dtype=float) - np.asarray(expected, dtype=float)
    assert np.abs(difference).mean() < 1.0


def test_small_pictures_are_never_enlarged(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png", size=224).size == (64, 48)


def test_a_very_long_picture_keeps_its_shape(tmp_path: Path) -> None:
    Image.new("RGB", (4000, 40), RED).save(tmp_path / "a.jpg")
    assert open_image(tmp_path / "a.jpg", size=20).size == (2000, 20)


def test_an_open_file_is_read_and_named(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.png")
    with open(tmp_path / "a.png", "rb") as file:
        assert_quarters(open_image(file))
    with pytest.raises(ImageError, match=r"^picture: not a readable image \(.*no known format"):
        open_image(io.BytesIO(b"plain text"))


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif", "a.tif", "a.bmp", "a.avif", "a.heic"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_files_are_errors(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    Image.fromarray(data.chelsea()).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    for size in (None, 32):
        with pytest.raises(ImageError, match=rf"^{path}: not a readable image \(.+\)$"):
            open_image(path, size=size)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "the file is empty"), (b"<html>", "no known format"), (b"\xff\xd8\xff", "no known")],
)
def test_files_that_are_no_pictures_are_named_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"^{path}: not a readable image \(.*{reason}"):
        open_image(path)


@pytest.mark.parametrize(
    ("shape", "kind"), [((40, 60, 3), "float32"), ((40, 60), "float16"), ((40, 60), "float64")]
)
def test_a_tiff_of_odd_pixels_is_called_one(
    tmp_path: Path, shape: tuple[int, ...], kind: str
) -> None:
    pixels = np.linspace(0, 1, math.prod(shape)).reshape(shape).astype(kind)
    colours = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=colours)
    with pytest.raises(
        ImageError, match=r"a\.tif: not a readable image \(a TIFF that .*8 or 16 bits"
    ):
        open_image(tmp_path / "a.tif")


def test_random_damage_never_raises_anything_but_image_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for name in ("a.jpg", "a.png", "a.gif", "a.tif", "a.webp"):
        Image.fromarray(data.chelsea()).resize((90, 60)).save(tmp_path / name)
        content = np.frombuffer((tmp_path / name).read_bytes(), np.uint8)
        for _ in range(40):
            damaged = content.copy()
            places = rng.integers(0, min(len(damaged), 400), 8)
            damaged[places] = rng.integers(0, 256, 8)
            with contextlib.suppress(ImageError):
                open_image(io.BytesIO(damaged.tobytes()), size=32, max_pixels=10**6)


def bomb(path: Path, side: int) -> None:
    """Write a tiny PNG file whose header promises side x side pixels."""
    Image.new("1", (8, 8)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)


@pytest.mark.parametrize("side", [14_200, 60_000])  # 202 megapixels, and Pillow's own refusal
def test_bombs_are_refused_before_decoding(tmp_path: Path, side: int) -> None:
    bomb(tmp_path / "a.png", side)
    assert side * side > MAX_PIXELS
    with pytest.raises(ImageError, match="pixels"):
        open_image(tmp_path / "a.png")


def test_the_pixel_limit_can_be_set(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.png")
    assert_quarters(open_image(tmp_path / "a.png", max_pixels=64 * 48))
    with pytest.raises(ImageError, match=r"megapixels, the limit is"):
        open_image(tmp_path / "a.png", max_pixels=64 * 48 - 1)


def test_a_large_picture_below_the_limit_is_no_warning(tmp_path: Path) -> None:
    Image.new("1", (10_000, 9_500)).save(tmp_path / "scan.png")  # Pillow warns from 89 megapixels
    photo = read_photo(tmp_path / "scan.png", decode=False)
    assert (photo.width, photo.height) == (10_000, 9_500)


def test_fifos_sockets_devices_and_folders_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
        for name in ("fifo.jpg", "folder.jpg", "socket.jpg"):
            with pytest.raises(ImageError, match=name):
                open_image(tmp_path / name)
    with pytest.raises(ImageError, match="not a regular file"):
        open_image("/dev/zero")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: not a readable image \(No such file"):
        open_image(tmp_path / "gone.jpg")


def camera_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    exif[ExifTags.Base.Model] = "Canon EOS 5D\0\0"
    exif[ExifTags.Base.DateTime] = "2024:01:01 00:00:00"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "2023:07:14 18:05:59"
    details[ExifTags.Base.LensModel] = "EF 50mm f/1.8"
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitude] = (33.0, 51.0, IFDRational(3540, 100))
    place[ExifTags.GPS.GPSLatitudeRef] = "S"
    place[ExifTags.GPS.GPSLongitude] = (151.0, 12.0, 40.0)
    place[ExifTags.GPS.GPSLongitudeRef] = "E"
    return exif


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
def test_exif_is_read_from_every_format_that_has_it(tmp_path: Path, name: str) -> None:
    quarters().save(tmp_path / name, exif=camera_exif().tobytes())
    exif = read_photo(tmp_path / name).exif
    assert exif.taken_at == dt.datetime(2023, 7, 14, 18, 5, 59)
    assert (exif.camera, exif.lens) == ("Canon EOS 5D", "EF 50mm f/1.8")
    assert exif.lat == pytest.approx(-float(Fraction(33) + Fraction(51, 60) + Fraction(354, 36000)))
    assert exif.lon == pytest.approx(151 + 12 / 60 + 40 / 3600)


def test_nonsense_in_exif_reads_as_nothing(tmp_path: Path) -> None:
    exif = camera_exif()
    exif[ExifTags.Base.Make] = exif[ExifTags.Base.Model] = "\0 \0"
    exif[ExifTags.Base.DateTime] = "yesterday"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "0000:00:00 00:00:00"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] = ""
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (IFDRational(0, 0), 0.0, 0.0)
    quarters().save(tmp_path / "a.jpg", exif=exif)
    assert read_photo(tmp_path / "a.jpg").exif == Exif()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_a_broken_exif_block_costs_neither_picture_nor_run(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.jpg", quality=95, exif=b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x09broken")
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.exif == Exif()
    assert photo.pixels is not None
    assert_quarters(photo.pixels)


def test_pillow_here_reads_all_formats_of_the_tests() -> None:
    assert all(features.check(name) for name in ("jpg", "webp", "avif", "zlib", "libtiff"))
