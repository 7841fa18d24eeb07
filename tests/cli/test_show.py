"""Pictures in a terminal, as a person sees them: on an emulated one that is read by its cells."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.support.command import LEXPIX, environment, lexpix
from tests.support.screen import Screen, on_screen

SIXEL = {b"\x1b[c": b"\x1b[?62;4c"}
"""What a terminal answers that draws Sixel: 4 is among what it can."""
KITTY = {b"\x1b[c": b"\x1b[?62c", b"a=q": b"\x1b_Gi=1;OK\x1b\\"}
"""What one answers that has the graphics protocol of kitty, and no Sixel."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Its path is short, so that no line of the screen is broken, whoever runs the tests.
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        photograph(Path(short))
        yield Path(short)


def photograph(folder: Path) -> None:
    photos = folder / "photos"
    photos.mkdir()
    Image.new("RGB", (60, 40), "#ff0000").save(photos / "a-red.png")
    # A standing picture, green above blue, as a camera that lay on its side has saved it.
    upright = Image.new("RGB", (80, 160), "#00ff00")
    ImageDraw.Draw(upright).rectangle((0, 80, 80, 160), "#0000ff")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(
        photos / "b-turned.jpg", exif=exif, quality=100
    )
    film = np.full((48, 64, 3), (255, 255, 0), np.uint8)
    with av.open(photos / "c-film.mp4", "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(film, format="rgb24")))
        container.mux(stream.encode())
    Image.new("RGB", (40, 40), "#ffffff").save(photos / "d-gone\x1b[31m.png")
    lexpix("index", photos, library=folder / "library")
    os.unlink(photos / "d-gone\x1b[31m.png")


def near(colour: str, red: int, green: int, blue: int) -> bool:
    """Tell whether a colour is another, as far as a JPEG or a film keeps it."""
    seen = [int(colour[at : at + 2], 16) for at in (0, 2, 4)]
    return max(abs(a - b) for a, b in zip(seen, (red, green, blue), strict=True)) < 40


def row_of(screen: Screen, text: str) -> int:
    return next(row for row, line in enumerate(screen.lines) if text in line)


def ended(screen: Screen, code: int = 0) -> Screen:
    assert screen.end() == code, screen.text
    return screen


def test_half_blocks_have_the_colours_of_pictures_turned_upright(folder: Path) -> None:
    command = [LEXPIX, "search", "name:*", "--no-collapse", "--show"]
    with on_screen(command, environment(folder / "library"), size=(110, 60)) as screen:
        ended(screen)
        names = row_of(screen, "a-red.png")
        column = {
            name: screen.lines[names].index(name)
            for name in ("a-red.png", "b-turned", "c-film.mp4")
        }
        assert screen.colours(names - 2, column["a-red.png"] + 23) == ("ff0000", "ff0000")
        assert screen.colours(names - 10, column["a-red.png"])[0] == "default"  # 8 rows high
        top, bottom = names - 12, names - 3
        turned = column["b-turned"]
        assert near(screen.colours(top, turned)[0], 0, 255, 0)
        assert near(screen.colours(bottom, turned + 11)[1], 0, 0, 255)
        assert screen.colours(bottom, turned + 12)[0] == "default"  # half as wide as high
        assert near(screen.colours(names - 3, column["c-film.mp4"])[0], 255, 255, 0)
        assert "no picture" in screen.text
        assert r"d-gone\x1b[31m.png: cannot be read" in screen.text
        # The table stands below, as without pictures.
        plain = lexpix("search", "name:*", "--no-collapse", library=folder / "library").stdout
        assert all(line.strip() in screen.text for line in plain.splitlines())


def test_sheet_is_as_wide_as_the_terminal(folder: Path) -> None:
    command = [LEXPIX, "similar", str(folder / "photos/a-red.png"), "--show"]
    with on_screen(command, environment(folder / "library"), size=(30, 90)) as screen:
        ended(screen)
        names = [row_of(screen, name) for name in ("b-turned.jpg", "c-film.mp4")]
        assert names[0] != names[1]


@pytest.mark.parametrize(
    ("answers", "begins"), [(SIXEL, b"\x1bP"), (KITTY, b"\x1b_G"), ({}, "▀".encode())]
)
def test_terminal_gets_what_it_says_it_can(
    folder: Path, answers: dict[bytes, bytes], begins: bytes
) -> None:
    command = [LEXPIX, "search", "name:a-red", "--show"]
    with on_screen(command, environment(folder / "library"), answers=answers) as screen:
        drawn = ended(screen).sent.partition(b"\x1b[K")[2]  # behind the questions
        others = {b"\x1bP", b"\x1b_G", "▀".encode()} - {begins}
        assert begins in drawn
        assert not any(other in drawn for other in others)


def test_sixel_has_the_red_of_the_picture(folder: Path) -> None:
    command = [LEXPIX, "search", "name:a-red", "--show"]
    with on_screen(command, environment(folder / "library"), answers=SIXEL) as screen:
        assert b";2;100;0;0" in ended(screen).sent  # a colour in percent of red, green and blue


def test_no_terminal_no_pictures(folder: Path) -> None:
    library = folder / "library"
    ran = lexpix("search", "name:a-red", "--show", library=library, code=2)
    assert "--show needs a terminal" in ran.stderr
    assert ran.stdout == ""
    with on_screen(
        [LEXPIX, "search", "name:a", "--show", "--json"], environment(library)
    ) as screen:
        assert "--show is for people" in ended(screen, code=2).text
    dumb = environment(library) | {"TERM": "dumb"}
    with on_screen([LEXPIX, "search", "name:a", "--show"], dumb) as screen:
        assert "knows colours" in ended(screen, code=2).text


def test_dupes_are_seen_side_by_side(folder: Path, tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        Image.new("RGB", (50, 50), "#ff00ff").save(tmp_path / name)
    lexpix("index", tmp_path, library=tmp_path / "library")
    command = [LEXPIX, "dupes", "--exact", "--show"]
    with on_screen(command, environment(tmp_path / "library")) as screen:
        ended(screen)
        row = row_of(screen, "keep")
        assert screen.colours(row - 1, 0) == screen.colours(row - 1, 26) == ("ff00ff", "ff00ff")


def test_recipes_are_seen_by_the_pictures_that_they_name(folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (50, 50), "#ff00ff").save(tmp_path / "soup.png")
    recipes = [
        {"id": "1", "title": "Soup", "ingredients": ["1 onion"], "image": "soup.png"},
        {"id": "2", "title": "Bread", "ingredients": ["flour"]},
        {"id": "3", "title": "Stew", "ingredients": ["2 carrots"], "image": "gone.png"},
    ]
    lines = "".join(f"{json.dumps(one)}\n" for one in recipes)
    (tmp_path / "recipes.jsonl").write_text(lines, encoding="utf-8")
    lexpix("texts", "add", tmp_path / "recipes.jsonl", library=folder / "library")
    command = [LEXPIX, "recipes", "from", str(tmp_path / "soup.png"), "--all"]
    with on_screen([*command, "--show"], environment(folder / "library"), size=(160, 40)) as screen:
        ended(screen)
        row, column = row_of(screen, "Soup"), screen.lines[row_of(screen, "Soup")].index("Soup")
        assert screen.colours(row - 2, column) == ("ff00ff", "ff00ff")
        assert f"{tmp_path}/gone.png: " in screen.text.replace("\n", "")
        assert "Bread" not in screen.lines[row]
        table = lexpix(*command[1:], library=folder / "library").stdout
        assert all(line.strip() in screen.text for line in table.splitlines())
    with on_screen([*command, "--show", "--json"], environment(folder / "library")) as screen:
        assert "--show is for people" in ended(screen, code=2).text
