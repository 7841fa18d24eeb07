"""Filters from the command line: real files with dates and cameras, found and listed by them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from tests.support.command import lexpix


def photograph(path: Path, taken: dt.datetime | None, camera: str, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = camera
    if taken is not None:
        exif[ExifTags.Base.DateTime] = f"{taken:%Y:%m:%d %H:%M:%S}"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise(size, 60).convert("RGB").save(path, exif=exif.tobytes())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filters")
    photos = folder / "photos"
    photograph(photos / "2023/IMG_1.jpg", dt.datetime(2023, 5, 1), "X-T3", (60, 40))
    photograph(photos / "2024/Summer/IMG_2.jpg", dt.datetime(2024, 7, 1), "X-T3", (40, 60))
    photograph(photos / "2024/Summer/IMG_3.png", dt.datetime(2024, 8, 1), "Phone", (60, 40))
    photograph(photos / "2024/IMG_4.jpg", None, "Phone", (50, 50))
    lexpix("index", photos, library=folder / "library")
    return folder / "library"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("after:2023", ["IMG_3.png", "IMG_2.jpg", "IMG_1.jpg"]),
        ("before:2024-08 camera:x-t3", ["IMG_2.jpg", "IMG_1.jpg"]),
        ("in:2024/Summer", ["IMG_3.png", "IMG_2.jpg"]),
        ("-after:2023", ["IMG_4.jpg"]),
        ("camera:phone", ["IMG_3.png", "IMG_4.jpg"]),
        ("type:png", ["IMG_3.png"]),
        ("camera:x-t3 portrait", ["IMG_2.jpg"]),
        ("name:img_* -tag:people -year:2024", ["IMG_1.jpg", "IMG_4.jpg"]),
    ],
)
def test_filters_alone_list_pictures_the_newest_first(
    library: Path, query: str, names: list[str]
) -> None:
    answer = json.loads(lexpix("search", query, "--json", library=library).stdout)
    assert [Path(hit["path"]).name for hit in answer["hits"]] == names
    assert {hit["score"] for hit in answer["hits"]} == {None}


def test_filters_narrow_down_what_words_rank(library: Path) -> None:
    every = json.loads(lexpix("search", "noise", "--all", "--json", library=library).stdout)
    some = json.loads(
        lexpix("search", "noise", "-camera:phone", "--all", "--json", library=library).stdout
    )
    kept = [hit["path"] for hit in every["hits"] if Path(hit["path"]).name < "IMG_3"]
    assert [hit["path"] for hit in some["hits"]] == kept
    assert len(every["hits"]) == 4


def test_hints_go_to_standard_error_and_into_json(library: Path) -> None:
    ran = lexpix("search", "noise without a dog", "--all", "--json", library=library)
    [hint] = json.loads(ran.stdout)["hints"]
    assert hint.endswith("a minus does: noise - dog")
    assert f"lexpix: {hint}\n" in ran.stderr


def test_a_minus_that_touches_its_word_is_no_option(library: Path) -> None:
    said = lexpix("search", "noise", "-cat", library=library, code=2).stderr
    assert "-cat is no option; to take a word away, put spaces around the minus: - cat" in said


def test_a_query_can_be_explained_without_a_library(tmp_path: Path) -> None:
    said = lexpix("search", "--explain-query", "2*dog - cat iso:>400 -year:2024", library=tmp_path)
    assert said.stdout == (
        "+2  looks like dog\n"
        "-1  looks like cat\n"
        "only  with ISO over 400\n"
        "only  not taken in the year 2024\n"
    )
    assert lexpix("search", "--explain-query", "after:2024", library=tmp_path).stdout == (
        "only  taken from 2024-01-01 on\nin order of their dates\n"
    )
