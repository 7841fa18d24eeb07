"""Groups of duplicates: what belongs together, what does not, and which to keep."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

import indexer
from searchengine.language.query import parsed
from searchengine.search.duplicates import Group, find_groups
from searchengine.search.engine import Engine
from searchengine.search.keeping import Kind
from searchengine.search.pages import PageRequest, Sort
from searchengine.types import Hit
from tests.support.camera_files import write_film
from tests.support.colour_library import open_engine

PHOTOS = {name: Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee")}
NOON = dt.datetime(2024, 6, 1, 12)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        yield engine


def save(
    path: Path, picture: Image.Image, taken: dt.datetime | None = None, **options: Any
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if taken is not None:
        exif = Image.Exif()
        exif[306], exif[272] = taken.strftime("%Y:%m:%d %H:%M:%S"), "X-T3"
        options["exif"] = exif
    picture.save(path, **options)
    return path


def groups(engine: Engine, *kinds: Kind) -> list[Group]:
    indexer.index(engine, engine.settings.library.parent / "photos")
    found = find_groups(engine.catalog, engine.encoder.fingerprint, kinds or ("exact", "near"))
    return [group for some in found.values() for group in some]


def names(group: Group) -> list[str]:
    return [os.path.basename(one.path) for one in (group.keeper, *group.others)]


def test_a_picture_in_many_forms_is_one_group_with_the_largest_to_keep(
    engine: Engine, tmp_path: Path
) -> None:
    photo, photos = PHOTOS["coffee"], tmp_path / "photos"
    save(photos / "small.jpg", photo.resize((240, 160)))
    save(photos / "q50.jpg", photo, quality=50)
    save(photos / "web.webp", photo, quality=80)
    save(photos / "cut.jpg", photo.crop((15, 10, photo.width - 15, photo.height - 10)))
    save(photos / "whole.jpg", photo, quality=95)
    save(photos / "other.jpg", PHOTOS["astronaut"], quality=95)
    [group] = groups(engine)
    assert group.kind == "near"
    assert set(names(group)) == {"whole.jpg", "q50.jpg", "web.webp", "cut.jpg", "small.jpg"}
    assert names(group)[0] == "whole.jpg"
    assert names(group)[-1] == "small.jpg"
    assert group.reasons == ("resolution", "size")
    assert group.bytes == sum(os.path.getsize(one.path) for one in group.others)


def test_of_the_same_bytes_the_tagged_file_is_kept_and_stands_for_the_others(
    engine: Engine, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    first = save(photos / "a.jpg", PHOTOS["coffee"])
    shutil.copy(first, photos / "b.jpg")
    shutil.copy(first, photos / "c.jpg")
    save(photos / "small.jpg", PHOTOS["coffee"].resize((240, 160)))
    indexer.index(engine, photos)
    engine.edit_tags(str(photos / "b.jpg"), add=["breakfast"])
    exact, near = groups(engine)
    assert names(exact)[0] == "b.jpg"
    assert set(names(exact)) == {"a.jpg", "b.jpg", "c.jpg"}
    assert exact.reasons == ("tags",)
    assert dict(exact.tags) == {exact.keeper.id: ["breakfast"]}
    assert names(near) == ["b.jpg", "small.jpg"]
    # Asked for by itself, a kind is the same: copies are none of its business.
    assert [names(one) for one in groups(engine, "near")] == [names(near)]


def test_what_was_taken_at_another_time_is_another_picture(engine: Engine, tmp_path: Path) -> None:
    photo, photos = PHOTOS["coffee"], tmp_path / "photos"
    save(photos / "a.jpg", photo, NOON, quality=90)
    save(photos / "later.jpg", photo, NOON + dt.timedelta(seconds=2), quality=80)
    save(photos / "zone.jpg", photo, NOON + dt.timedelta(hours=2), quality=70)
    save(photos / "undated.jpg", photo, quality=60)
    [group] = groups(engine)
    assert names(group) == ["a.jpg", "zone.jpg", "undated.jpg"]
    assert group.reasons == ("metadata", "size")


def test_a_film_is_never_the_same_as_a_picture_only_as_another_film(
    engine: Engine, tmp_path: Path
) -> None:
    still, photos = PHOTOS["coffee"].resize((320, 240)), tmp_path / "photos"
    save(photos / "still.png", still)
    for name, codec in (("a.mp4", "mpeg4"), ("again.mov", "h264")):
        write_film(photos / name, [(still, 2.0)], codec=codec)
    [group] = groups(engine)
    assert sorted(names(group)) == ["a.mp4", "again.mov"]
    answer = engine.search("red", collapse=True, unlikely=True)
    standing = [{hit.path, *(one.path for one in hit.duplicates)} for hit in answer.hits]
    assert sorted(len(paths) for paths in standing) == [1, 2]
    assert {str(photos / "still.png")} in standing


def test_a_burst_is_one_camera_soon_after_and_alike_and_its_sharpest_is_kept(
    engine: Engine, tmp_path: Path
) -> None:
    photo, photos = PHOTOS["astronaut"], tmp_path / "photos"
    for second, blur in ((0, 5), (1, 0), (3, 4)):
        moved = photo.crop((8 * second, 0, 488 + 8 * second, 488))
        moved = moved.filter(ImageFilter.GaussianBlur(blur))
        save(photos / f"{second}.jpg", moved, NOON + dt.timedelta(seconds=second), quality=92)
    save(photos / "unlike.jpg", PHOTOS["coffee"].resize((488, 488)), NOON)
    save(photos / "late.jpg", photo.resize((488, 488)), NOON + dt.timedelta(seconds=30))
    [group] = groups(engine, "burst")
    assert names(group)[0] == "1.jpg"
    assert set(names(group)) == {"0.jpg", "1.jpg", "3.jpg"}
    assert group.reasons[0] == "sharpness"
    assert groups(engine) == []


def test_pictures_of_next_to_nothing_are_not_the_same_because_of_their_hash(
    engine: Engine, tmp_path: Path
) -> None:
    for colour in ("red", "navy", "gold"):
        save(tmp_path / "photos" / f"{colour}.png", Image.new("RGB", (300, 200), colour))
    save(tmp_path / "photos" / "red.jpg", Image.new("RGB", (300, 200), "red"))
    [group] = groups(engine)
    assert set(names(group)) == {"red.png", "red.jpg"}


def test_only_the_pictures_asked_for_are_compared(engine: Engine, tmp_path: Path) -> None:
    first = save(tmp_path / "photos/one/a.jpg", PHOTOS["coffee"])
    shutil.copy(first, tmp_path / "photos/one/b.jpg")
    (tmp_path / "photos/two").mkdir()
    shutil.copy(first, tmp_path / "photos/two/c.jpg")
    groups(engine)
    ids = engine.catalog.ids_under(str(tmp_path / "photos/one"))
    found = find_groups(engine.catalog, engine.encoder.fingerprint, ids=ids)
    assert [set(names(one)) for one in found["exact"]] == [{"a.jpg", "b.jpg"}]
    assert found["near"] == found["burst"] == []


def test_a_search_shows_one_picture_for_those_that_are_the_same(
    engine: Engine, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    for name, photo in PHOTOS.items():
        for place, share in enumerate((1.0, 0.7, 0.5)):
            shape = (round(share * photo.width), round(share * photo.height))
            save(photos / f"{name}-{place}.jpg", photo.resize(shape))
        shutil.copy(photos / f"{name}-0.jpg", photos / f"{name}-copy.jpg")
    indexer.index(engine, photos)
    every = engine.search("red", limit=100, unlikely=True).hits
    assert len(every) == 8
    for limit in (1, 2, 100):
        answer = engine.search("red", limit=limit, unlikely=True, collapse=True)
        assert len(answer.hits) == min(limit, 2)
        for hit in answer.hits:
            alike = [one for one in every if name_of(one) == name_of(hit)]
            assert hit.id == alike[0].id
            assert [one.id for one in hit.duplicates] == [one.id for one in alike[1:]]
            assert [one.score for one in hit.duplicates] == [one.score for one in alike[1:]]


def name_of(hit: Hit) -> str:
    return os.path.basename(hit.path).partition("-")[0]


@pytest.mark.parametrize("sort", ["match", "newest"])
def test_pages_of_different_pictures_are_full_and_leave_none_out(
    engine: Engine, tmp_path: Path, sort: Sort
) -> None:
    for number in range(12):
        rng = np.random.default_rng(number)
        photo = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
        first = save(tmp_path / f"photos/{number:02}a.png", photo.resize((240, 180)))
        for letter in "bc"[: number % 3]:
            shutil.copy(first, first.with_name(f"{number:02}{letter}.png"))
    indexer.index(engine, tmp_path / "photos")
    request = PageRequest(
        parsed("red") if sort == "match" else None,
        sort=sort,
        unlikely=True,
        collapse=True,
        limit=3,
    )
    seen: list[int] = []
    while True:
        page = engine.page(request)
        assert 1 <= len(page.answer.hits) <= 3
        assert len(page.answer.hits) == 3 or page.next is None
        ids = [one.id for hit in page.answer.hits for one in (hit, *hit.duplicates)]
        assert set(ids) <= set(page.pictures)
        seen += ids
        if page.next is None:
            break
        request = replace(request, after=page.next)
    assert sorted(seen) == engine.catalog.present().tolist()
    numbers = [path[-7:-5] for path in (engine.picture(id_).path for id_ in seen)]
    assert [one for one, _ in groupby(numbers)] == list(dict.fromkeys(numbers))
