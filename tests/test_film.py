"""Films: one frame stands for each, read of every usual container."""

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchengine.errors import ImageError
from searchengine.formats import sniffed
from searchengine.images import format_in, open_image, read_photo
from searchengine.types import Exif
from tests.support.camera_files import write_film, xmp


def scene(colour: str, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture that is mostly of one colour, and has something on it."""
    picture = Image.new("RGB", size, colour)
    picture.paste("white", (20, 20, 80, 60))
    return picture


def colour_of(path: Path) -> tuple[int, ...]:
    return tuple(np.asarray(open_image(path))[100, 130].tolist())


BLACK = Image.new("RGB", (160, 120), "black")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "mpeg4"),
        ("a.mov", "mpeg4"),
        ("a.m4v", "mpeg4"),
        ("a.mkv", "mpeg4"),
        ("a.avi", "mpeg4"),
        ("a.webm", "libvpx"),
        ("a.3gp", "mpeg4"),
        ("a.mts", "mpeg2video"),
    ],
)
def test_the_longest_scene_stands_for_a_film(tmp_path: Path, name: str, codec: str) -> None:
    scenes = [(BLACK, 1.0), (scene("blue"), 1.0), (scene("red"), 4.0), (scene("blue"), 1.0)]
    size = (176, 144) if name == "a.3gp" else (160, 120)
    path = write_film(tmp_path / name, [(s.resize(size), t) for s, t in scenes], codec=codec)
    photo = read_photo(path)
    assert (photo.width, photo.height, photo.format) == (*size, "video")
    assert photo.at is not None
    assert 1.9 <= photo.at <= 6.1
    np.testing.assert_allclose(colour_of(path), (255, 0, 0), atol=20)
    with path.open("rb") as file:
        assert format_in(file) == "video"
    headers = read_photo(path, decode=False)
    assert (headers.width, headers.at, headers.pixels) == (photo.width, photo.at, None)


def test_a_black_beginning_never_stands_for_a_film(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", [(BLACK, 5.0), (scene("red"), 2.0)])
    np.testing.assert_allclose(colour_of(path), (255, 0, 0), atol=20)


def test_a_film_of_one_frame_and_a_black_one_are_read(tmp_path: Path) -> None:
    assert read_photo(write_film(tmp_path / "a.mp4", [(scene("red"), 0.1)])).at == 0.0
    black = write_film(tmp_path / "b.mp4", [(BLACK, 1.0)])
    np.testing.assert_allclose(colour_of(black), (0, 0, 0), atol=20)


def test_each_scene_that_looks_unlike_the_others_has_a_still(tmp_path: Path) -> None:
    """The flat one has none, that which comes again one, and the poster's is the poster."""
    scenes = [(scene("red"), 3.0), (scene("blue"), 1.0), (BLACK, 1.0), (scene("yellow"), 1.5)]
    path = write_film(tmp_path / "a.mp4", [*scenes, (scene("blue"), 1.0), (scene("red"), 1.0)])
    photo = read_photo(path, size=60, stills=True)
    assert photo.pixels is not None
    assert photo.at is not None
    shown = {
        at: np.asarray(one)[50, 65].tolist()
        for at, one in (*photo.stills, (photo.at, photo.pixels))
    }
    red, blue, yellow = (shown[at] for at in sorted(shown))
    wanted = [(255, 0, 0), (0, 0, 255), (255, 255, 0)]
    np.testing.assert_allclose([red, blue, yellow], wanted, atol=25)
    begins, ends = (0.0, 3.0, 5.0), (3.0, 4.0, 6.5)
    assert all(a <= at < b for a, at, b in zip(begins, sorted(shown), ends, strict=True))
    assert {one.size for _, one in photo.stills} == {(80, 60)}
    assert (photo.at, photo.pixels) == (read_photo(path).at, read_photo(path, size=60).pixels)
    for at, colour in shown.items():
        again = open_image(path, size=60, at=at)
        assert np.asarray(again)[50, 65].tolist() == colour
    assert read_photo(path).stills == ()


def test_scenes_make_no_film_unreadable(tmp_path: Path) -> None:
    """Whatever is damaged, a film that has a frame to stand for it has that one."""
    whole = write_film(tmp_path / "a.mkv", [(scene("red"), 3.0), (scene("blue"), 1.0)])
    content, rng = whole.read_bytes(), np.random.default_rng(3)
    read = []
    for share in (0.3, 0.6, 0.75, 0.85):
        start = int(share * len(content))
        path = tmp_path / f"{share}.mkv"
        path.write_bytes(content[:start] + rng.bytes(len(content) - start))
        try:
            at = read_photo(path).at
        except ImageError:
            continue
        assert read_photo(path, stills=True).at == at
        read.append(share)
    assert read


def test_a_film_says_when_and_where_it_was_taken(tmp_path: Path) -> None:
    path = write_film(
        tmp_path / "a.mp4",
        [(scene("red"), 1.0)],
        creation_time="2024-06-01T10:20:30Z",
        location="+47.3769+008.5417/",
    )
    taken = dt.datetime(2024, 6, 1, 10, 20, 30)
    assert read_photo(path).exif == Exif(taken, 0, lat=47.3769, lon=8.5417)
    assert read_photo(path, sidecar=xmp(xmp_Rating="4")).exif.rating == 4


def test_a_film_stands_as_the_phone_was_held(tmp_path: Path) -> None:
    picture = Image.new("RGB", (160, 120), "white")
    for colour, box in (("red", (0, 0)), ("lime", (80, 0)), ("blue", (0, 60))):
        picture.paste(colour, (*box, box[0] + 80, box[1] + 60))
    path = write_film(tmp_path / "a.mov", [(picture, 1.0)])
    # The matrix of the track header by the QuickTime specification: a quarter turn to the right.
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    header, track, body = path.read_bytes().partition(b"tkhd")
    path.write_bytes(header + track + body.replace(upright, turned, 1))
    photo = read_photo(path)
    assert (photo.width, photo.height) == (120, 160)
    pixels = np.asarray(photo.pixels).astype(int)
    corners = [pixels[y, x] for y in (40, 120) for x in (30, 90)]
    blue, red, white, lime = (0, 0, 255), (255, 0, 0), (255, 255, 255), (0, 255, 0)
    np.testing.assert_allclose(corners, [blue, red, white, lime], atol=30)


def test_a_film_is_read_by_its_content(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", [(scene("red"), 1.0)]).rename(tmp_path / "a.jpg")
    np.testing.assert_allclose(colour_of(path), (255, 0, 0), atol=20)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_film_without_its_end_is_read_or_an_error(tmp_path: Path, share: float) -> None:
    path = write_film(tmp_path / "a.mov", [(scene("red"), 2.0)])
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ImageError, match=rf"^{path}: not a readable image \(.+\)$"):
        open_image(path)


@pytest.mark.parametrize(
    "playlist", [b"#EXTM3U\n#EXTINF:1,\nother.ts\n", b"ffconcat version 1.0\nfile 'other.mp4'\n"]
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mts", "a.avi"])
def test_a_playlist_leads_nowhere(tmp_path: Path, playlist: bytes, name: str) -> None:
    write_film(tmp_path / "other.mp4", [(scene("red"), 1.0)])
    (tmp_path / name).write_bytes(playlist)
    with pytest.raises(ImageError):
        open_image(tmp_path / name)


def test_films_are_told_from_pictures_of_the_same_container() -> None:
    starts = {b"ftypqt  ": "video", b"ftypisom": "video", b"ftypheic": "heic", b"ftypavif": "avif"}
    assert {start: sniffed(b"\0\0\0\x18" + start) for start in starts} == starts
