"""What was said of a picture follows its file, wherever it goes and however it is saved anew."""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import indexer
from indexer.library.foresight import Foresight
from indexer.library.texts import add_texts
from searchengine.search.engine import Engine
from searchengine.types import Caption, IndexReport
from tests.support.colour_library import open_engine


def view(seed: int, size: int = 240) -> Image.Image:
    """Draw a picture with shapes and edges that no other seed gives."""
    fields = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(fields).resize((size, size), Image.Resampling.BICUBIC)


def save(
    picture: Image.Image, path: Path, taken: dt.datetime | None = None, quality: int = 90
) -> Path:
    exif = Image.Exif()
    if taken is not None:
        exif[306] = taken.strftime("%Y:%m:%d %H:%M:%S")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, exif=exif, quality=quality)
    return path


NOON = dt.datetime(2024, 6, 1, 12)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        yield engine


@pytest.fixture
def picture(tmp_path: Path, engine: Engine) -> Path:
    """An indexed picture with all that can hang on it, beside one that looks otherwise."""
    photos = tmp_path / "photos"
    path = save(view(1), photos / "a.png", NOON)
    save(view(2), photos / "z.png", NOON)
    indexer.index(engine, photos)
    engine.edit_tags(path, add=["mine"])
    engine.edit_tags(path, add=["wrong"])
    engine.edit_tags(path, remove=["wrong"])
    engine.teach("cabin", [path])
    (waiting,) = [one for one in engine.catalog.captions.waiting("c1") if one.path == str(path)]
    caption = Caption("a cabin in the snow", ("a",), (-1.0,), -1.0)
    engine.catalog.captions.write({waiting: caption}, "c1")
    texts = tmp_path / "texts.jsonl"
    texts.write_text(json.dumps({"id": "1", "title": "red", "text": "red", "image": str(path)}))
    add_texts(str(texts), engine.texts)
    return path


def said(engine: Engine, path: Path) -> dict[str, object]:
    """Return all that is known of the picture at a path, and where words and texts look for it."""
    row = engine.catalog.by_paths([str(path)])[str(path)]
    captions = engine.catalog.captions.get([row.id])
    with closing(sqlite3.connect(engine.settings.library / "catalog.sqlite")) as connection:
        tags = connection.execute(
            "SELECT name, source FROM tags WHERE image_id = ? AND source != 'guess' ORDER BY name",
            (row.id,),
        ).fetchall()
        taught = connection.execute("SELECT path, sha256 FROM taught_pictures").fetchall()
        linked = connection.execute("SELECT image FROM texts").fetchall()
    return {
        "id": row.id,
        "tags": tags,
        "caption": [one.text for one in captions.values()],
        "taught": [(os.fsdecode(where), digest == row.sha256) for where, digest in taught],
        "texts": [os.fsdecode(where) for (where,) in linked],
    }


def all_of(id_: int, path: Path) -> dict[str, object]:
    return {
        "id": id_,
        "tags": [("mine", "user"), ("wrong", "no")],
        "caption": ["a cabin in the snow"],
        "taught": [(str(path), True)],
        "texts": [str(path)],
    }


def check(engine: Engine, photos: Path, expected: IndexReport) -> None:
    """Index a folder and prove that it was foreseen."""
    with closing(Foresight(engine.settings, engine.encoder)) as foresight:
        foreseen = foresight.index(photos)
    assert (foreseen, indexer.index(engine, photos)) == (expected, expected)


def test_all_of_it_is_there_at_first(engine: Engine, picture: Path) -> None:
    assert said(engine, picture) == all_of(1, picture)


def test_a_moved_picture_keeps_it(engine: Engine, picture: Path) -> None:
    moved = picture.with_name("sub") / "b.png"
    moved.parent.mkdir()
    picture.rename(moved)
    check(engine, picture.parent, IndexReport(moved=1, unchanged=1))
    assert said(engine, moved) == all_of(1, moved)
    texts = picture.parent.parent / "texts.jsonl"
    assert add_texts(str(texts), engine.texts).unchanged == 1  # and its picture stays followed
    assert said(engine, moved)["texts"] == [str(moved)]
    indexer.undo(engine)
    assert said(engine, picture) == all_of(1, picture)


def test_pictures_that_trade_their_names_keep_each_its_own(engine: Engine, picture: Path) -> None:
    other = picture.with_name("z.png")
    engine.teach("lake", [other])
    folder = picture.with_name("sub")
    folder.mkdir()
    picture.rename(folder / "z.png")
    other.rename(folder / "a.png")
    check(engine, picture.parent, IndexReport(moved=2))
    with closing(sqlite3.connect(engine.settings.library / "catalog.sqlite")) as connection:
        taught = dict(connection.execute("SELECT name, path FROM taught_pictures").fetchall())
    assert {name: os.fsdecode(path) for name, path in taught.items()} == {
        "cabin": str(folder / "z.png"),
        "lake": str(folder / "a.png"),
    }


def test_an_edited_picture_keeps_what_the_user_said(engine: Engine, picture: Path) -> None:
    save(view(3), picture, NOON)
    check(engine, picture.parent, IndexReport(updated=1, unchanged=1))
    edited = all_of(1, picture) | {"caption": [], "taught": [(str(picture), False)]}
    assert said(engine, picture) == edited


@pytest.mark.parametrize("size", [240, 180])
def test_a_picture_saved_anew_in_its_place_keeps_it(
    engine: Engine, picture: Path, size: int
) -> None:
    save(view(1).resize((size, size)).filter(ImageFilter.SMOOTH), picture, NOON)
    check(engine, picture.parent, IndexReport(updated=1, unchanged=1))
    assert said(engine, picture) == all_of(1, picture)


@pytest.mark.parametrize("taken", [NOON, None])
def test_a_picture_saved_in_another_format_keeps_it(
    engine: Engine, picture: Path, taken: dt.datetime | None
) -> None:
    saved = save(view(1).resize((200, 200)), picture.with_suffix(".jpg"), taken, quality=60)
    picture.unlink()
    check(engine, picture.parent, IndexReport(moved=1, unchanged=1))
    assert said(engine, saved) == all_of(1, saved)
    found = {hit.path for hit in engine.search("red", limit=9).hits}
    assert found == {str(saved), str(picture.with_name("z.png"))}
    assert engine.catalog.counts() == {"ok": 2, "missing": 0, "bad": 0}
    check(engine, picture.parent, IndexReport(unchanged=2))


def test_a_picture_saved_in_another_format_after_it_was_missing_keeps_it(
    engine: Engine, picture: Path
) -> None:
    picture.unlink()
    check(engine, picture.parent, IndexReport(missing=1, unchanged=1))
    saved = save(view(1), picture.with_suffix(".jpg"), NOON, quality=80)
    check(engine, picture.parent, IndexReport(moved=1, unchanged=1))
    assert said(engine, saved) == all_of(1, saved)


@pytest.mark.parametrize("difference", ["look", "time", "name", "folder", "still there"])
def test_another_picture_in_another_format_takes_nothing(
    engine: Engine, picture: Path, difference: str
) -> None:
    other = view(3) if difference == "look" else view(1)
    taken = NOON + dt.timedelta(minutes=1) if difference == "time" else NOON
    target = picture.with_suffix(".jpg")
    if difference == "name":
        target = target.with_name("a.b.jpg")
    elif difference == "folder":
        target = target.with_name("sub") / "a.jpg"
    save(other, target, taken, quality=80)
    gone = 0
    if difference != "still there":
        picture.unlink()
        gone = 1
    check(engine, picture.parent, IndexReport(added=1, missing=gone, unchanged=2 - gone))
    assert said(engine, target)["tags"] == []
    assert said(engine, picture)["tags"] == [("mine", "user"), ("wrong", "no")]


def test_a_picture_that_moved_as_it_is_comes_before_one_saved_anew(
    engine: Engine, picture: Path
) -> None:
    moved = picture.with_name("sub") / "a.png"
    moved.parent.mkdir()
    save(view(1), picture.with_suffix(".jpg"), NOON, quality=80)
    picture.rename(moved)
    check(engine, picture.parent, IndexReport(added=1, moved=1, unchanged=1))
    assert said(engine, moved) == all_of(1, moved)


def test_pictures_that_show_next_to_nothing_are_not_taken_for_each_other(
    engine: Engine, tmp_path: Path
) -> None:
    photos = tmp_path / "flat"
    save(Image.new("RGB", (64, 64), "red"), photos / "a.png")
    indexer.index(engine, photos)
    (photos / "a.png").unlink()
    save(Image.new("RGB", (64, 64), "blue"), photos / "a.bmp")
    check(engine, photos, IndexReport(added=1, missing=1))


def test_a_link_that_was_a_picture_hands_its_tags_to_its_target(
    engine: Engine, picture: Path
) -> None:
    target = picture.with_name("z.png")
    picture.unlink()
    picture.symlink_to(target)
    check(engine, picture.parent, IndexReport(missing=1, unchanged=1))
    assert said(engine, target)["tags"] == [("mine", "user"), ("wrong", "no")]
    engine.edit_tags(target, remove=["mine"])
    check(engine, picture.parent, IndexReport(unchanged=1))
    assert said(engine, target)["tags"] == [("mine", "no"), ("wrong", "no")]
