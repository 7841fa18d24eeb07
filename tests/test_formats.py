"""What phones and cameras write is read: HEIC, JPEG XL, RAW, pages, and JPEGs without their end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 - lets Pillow write JPEG XL
import pytest
import tifffile
from PIL import ExifTags, Image
from skimage import data

from searchengine.errors import ImageError
from searchengine.formats import FORMATS, format_of, readable_endings, sniffed
from searchengine.images import format_in, open_image, read_photo
from tests.support.camera_files import write_dng, write_film
from tests.support.fresh_interpreter import loaded_by

pillow_heif.register_heif_opener()

RED, GREEN, BLUE, WHITE = (230, 20, 30), (20, 180, 40), (20, 40, 220), (255, 255, 255)


def quarters(size: tuple[int, int] = (128, 96)) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    picture = Image.new("RGB", size, WHITE)
    x, y = size[0] // 2, size[1] // 2
    picture.paste(RED, (0, 0, x, y))
    picture.paste(GREEN, (x, 0, size[0], y))
    picture.paste(BLUE, (0, y, x, size[1]))
    return picture


def colours(picture: Image.Image) -> np.ndarray:
    """The middles of the four quarters, in reading order."""
    pixels = np.asarray(picture).astype(int)
    height, width = pixels.shape[:2]
    return np.array([pixels[y * height // 4, x * width // 4] for y in (1, 3) for x in (1, 3)])


def exif(orientation: int = 1) -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = orientation
    block[ExifTags.Base.Model] = "Phone 15"
    return block.tobytes()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.heic", {"quality": 95}),
        ("a.hif", {"format": "HEIF", "quality": 95}),
        ("a.jxl", {"quality": 95}),
        ("a.jxl", {"lossless": True}),
    ],
)
@pytest.mark.parametrize("size", [None, 32])
def test_phone_formats_give_their_colours_and_camera(
    tmp_path: Path, name: str, options: dict[str, Any], size: int | None
) -> None:
    path = tmp_path / name
    quarters().save(path, exif=exif(), **options)
    photo = read_photo(path, size=size)
    assert (photo.width, photo.height, photo.exif.camera) == (128, 96, "Phone 15")
    assert photo.format == format_of(name)
    assert photo.pixels is not None
    np.testing.assert_allclose(colours(photo.pixels), [RED, GREEN, BLUE, WHITE], atol=16)


def test_heic_is_turned_once_though_container_and_exif_both_say_so(tmp_path: Path) -> None:
    path = tmp_path / "held.heic"
    quarters().save(path, exif=exif(6), quality=95)
    assert b"irot" in path.read_bytes()
    photo = read_photo(path)
    assert (photo.width, photo.height) == (96, 128)
    assert photo.pixels is not None
    assert photo.pixels.size == (96, 128)
    np.testing.assert_allclose(colours(photo.pixels), [BLUE, RED, WHITE, GREEN], atol=16)


def test_a_jpeg_that_became_jpeg_xl_is_turned_as_it_was(tmp_path: Path) -> None:
    quarters().save(tmp_path / "held.jpg", exif=exif(6), quality=95)
    with Image.open(tmp_path / "held.jpg") as image:
        image.save(tmp_path / "held.jxl", lossless_jpeg=True)
    photo = read_photo(tmp_path / "held.jxl")
    assert (photo.width, photo.height) == (96, 128)
    assert photo.pixels is not None
    np.testing.assert_allclose(colours(photo.pixels), [BLUE, RED, WHITE, GREEN], atol=16)


@pytest.mark.parametrize("saved", ["JPEG", "PNG", "HEIF", "JXL", "WEBP", "AVIF"])
@pytest.mark.parametrize("name", ["a.heic", "a.jpg", "a.jxl", "a.cr3", "a.dng", "a.png"])
def test_a_file_is_read_by_its_content_whatever_its_name_says(
    tmp_path: Path, saved: str, name: str
) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        quarters().save(file, saved, quality=95)
    photo = read_photo(path)
    assert photo.pixels is not None
    np.testing.assert_allclose(colours(photo.pixels), [RED, GREEN, BLUE, WHITE], atol=24)
    expected = {"HEIF": "heic"}.get(saved, saved.lower())
    assert photo.format == expected
    with path.open("rb") as opened:
        assert format_in(opened) == expected
        assert opened.tell() == 0


def test_a_tiff_is_raw_by_its_name_only(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", quarters())
    head = (tmp_path / "a.dng").read_bytes()[:64]
    assert (sniffed(head, "a.dng"), sniffed(head, "a.tif")) == ("raw", None)


@pytest.mark.parametrize("size", [None, 32])
def test_raw_shows_its_preview(tmp_path: Path, size: int | None) -> None:
    photo = read_photo(write_dng(tmp_path / "a.dng", quarters()), size=size)
    assert (photo.width, photo.height, photo.format) == (128, 96, "raw")
    assert photo.pixels is not None
    np.testing.assert_allclose(colours(photo.pixels), [RED, GREEN, BLUE, WHITE], atol=16)
    assert photo.exif.camera == "Lexpix Drawn One"
    assert photo.exif.taken_at is not None
    assert photo.exif.taken_at.isoformat() == "2024-06-01T10:20:30"


def test_raw_without_a_preview_is_developed(tmp_path: Path) -> None:
    photo = read_photo(write_dng(tmp_path / "a.dng", quarters(), preview=False))
    assert photo.pixels is not None
    assert photo.pixels.size == (128, 96)
    # Developed by LibRaw, so bright colours come out brighter: which is which must hold.
    red, green, blue, white = colours(photo.pixels)
    assert [red.argmax(), green.argmax(), blue.argmax()] == [0, 1, 2]
    assert white.min() > 200


@pytest.mark.parametrize("preview", [True, False])
def test_raw_is_turned_as_the_camera_was_held(tmp_path: Path, preview: bool) -> None:
    path = write_dng(tmp_path / "a.dng", quarters(), preview=preview, orientation=6)
    photo = read_photo(path)
    assert (photo.width, photo.height) == (96, 128)
    assert photo.pixels is not None
    assert photo.pixels.size == (96, 128)
    blue, red, white, green = colours(photo.pixels)
    assert [blue.argmax(), red.argmax(), green.argmax()] == [2, 0, 1]
    assert white.min() > 200


def test_broken_raw_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.cr2"
    path.write_bytes(b"II*\0\x10\0\0\0CR\x02\0" + b"\0" * 100)
    with pytest.raises(ImageError, match=rf"^{path}: not a readable image \(.+\)$"):
        open_image(path)


def test_what_libraw_says_of_a_broken_file_is_told_as_text(tmp_path: Path) -> None:
    (tmp_path / "a.cr2").write_bytes(b"II*\0nothing")
    with pytest.raises(ImageError, match=r"\(LibRaw: [A-Z][^']+; is the file cut off\?\)"):
        read_photo(tmp_path / "a.cr2")


@pytest.mark.parametrize("kept", [13, 200])
def test_a_broken_jpeg_xl_is_told_in_words_for_users(tmp_path: Path, kept: int) -> None:
    quarters().save(tmp_path / "whole.jxl")
    path = tmp_path / "a.jxl"
    path.write_bytes((tmp_path / "whole.jxl").read_bytes()[:kept])
    with pytest.raises(ImageError, match=r"\(libjxl cannot decode it; is the file cut off\?\)$"):
        read_photo(path)


def test_a_reduced_first_page_is_not_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    small = Image.new("RGB", (16, 12), "black")
    with tifffile.TiffWriter(path) as file:
        file.write(np.asarray(small), subfiletype=1, photometric="rgb", metadata=None)
        file.write(np.asarray(quarters()), subfiletype=0, photometric="rgb", metadata=None)
        file.write(np.zeros((12, 16, 3), np.uint8), photometric="rgb", metadata=None)
    photo = read_photo(path)
    assert (photo.width, photo.height) == (128, 96)
    assert photo.pixels is not None
    np.testing.assert_array_equal(colours(photo.pixels), [RED, GREEN, BLUE, WHITE])


def test_of_pages_alike_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    pages = [quarters(), Image.new("RGB", (300, 200), "black")]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    photo = read_photo(path)
    assert (photo.width, photo.height) == (128, 96)
    assert photo.pixels is not None
    np.testing.assert_array_equal(colours(photo.pixels), [RED, GREEN, BLUE, WHITE])


# JPEGs that end too early


def photograph(progressive: bool = False) -> bytes:
    content = io.BytesIO()
    image = Image.fromarray(data.astronaut())
    image.save(content, "JPEG", quality=90, progressive=progressive)
    return content.getvalue()


@pytest.mark.parametrize("size", [None, 64])
def test_a_jpeg_without_its_last_two_bytes_is_whole_but_for_a_word(
    tmp_path: Path, size: int | None
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(photograph())
    whole = open_image(path, size=size)
    path.write_bytes(photograph()[:-2])
    photo = read_photo(path, size=size)
    assert photo.damage == "the file lacks its end"
    assert photo.pixels is not None
    np.testing.assert_array_equal(np.asarray(photo.pixels), np.asarray(whole))


@pytest.mark.parametrize("size", [None, 64])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_the_upper_part_of_a_jpeg_is_what_it_was(
    tmp_path: Path, share: float, size: int | None
) -> None:
    path, content = tmp_path / "a.jpg", photograph()
    path.write_bytes(content)
    whole = np.asarray(open_image(path, size=size))
    path.write_bytes(content[: int(share * len(content))])
    photo = read_photo(path, size=size)
    assert (photo.width, photo.height) == (512, 512)
    assert photo.damage is not None
    assert photo.damage.startswith("the file ends too early: only its upper ")
    assert photo.pixels is not None
    upper = np.asarray(photo.pixels)
    if size is None:
        rows = len(upper) - 32  # the last row of blocks is cut within, and colours run over
        assert 0.25 * 512 < len(upper) < 0.95 * 512
        np.testing.assert_allclose(upper[:rows].astype(int), whole[:rows], atol=2)
    else:
        assert min(photo.pixels.size) == size
    assert read_photo(path, decode=False).damage == read_photo(path).damage


def test_a_progressive_jpeg_without_its_last_scans_is_seen_whole(tmp_path: Path) -> None:
    path, content = tmp_path / "a.jpg", photograph(progressive=True)
    path.write_bytes(content)
    whole = np.asarray(open_image(path)).astype(int)
    path.write_bytes(content[: int(0.8 * len(content))])
    photo = read_photo(path)
    assert photo.damage == "the file lacks its end"
    assert np.abs(np.asarray(photo.pixels) - whole).mean() < 10


def test_a_jpeg_of_which_little_is_left_is_refused(tmp_path: Path) -> None:
    path, content = tmp_path / "a.jpg", photograph()
    path.write_bytes(content[: int(0.15 * len(content))])
    with pytest.raises(ImageError, match=r"it ends too early: only its upper \d+% can be decoded"):
        open_image(path)


@pytest.mark.parametrize("extra", [b"", b"\0" * 40, b"a thing that a phone wrote behind"])
def test_a_whole_jpeg_has_no_damage_whatever_stands_behind_it(tmp_path: Path, extra: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(photograph() + extra)
    assert read_photo(path).damage is None
    assert read_photo(path, decode=False).damage is None


# What it costs, and what is said where a reader is missing


@pytest.mark.parametrize("name", ["a.png", "a.heic", "a.mp4"])
def test_readers_of_rare_formats_are_imported_by_workers_alone(tmp_path: Path, name: str) -> None:
    if name.endswith("mp4"):
        write_film(tmp_path / name, [(quarters(), 0.5)])
    else:
        quarters().save(tmp_path / name)
    readers = {"pillow_heif", "pillow_jxl", "rawpy", "av"}
    read = f"from searchengine.images import open_image\nopen_image({str(tmp_path / name)!r})"
    assert loaded_by(read) & readers == set()


def test_endings_belong_to_one_format_each() -> None:
    endings = [ending for one in FORMATS for ending in one.endings]
    assert len(set(endings)) == len(endings)
    assert readable_endings() == set(endings)  # everything is installed for the tests
