"""`indexer.undo` puts back what the last run has marked and moved, and nothing else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import indexer
from searchengine.catalog.undoing import Undone
from searchengine.search.engine import Engine
from searchengine.types import IndexReport
from tests.support.colour_library import open_engine, paint
from tests.support.command import lexpix


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        yield engine


@pytest.fixture
def photos(tmp_path: Path, engine: Engine) -> Path:
    """Three indexed pictures; the red one has a tag of the user."""
    for colour in ("red", "green", "blue"):
        paint(tmp_path / "photos" / f"{colour}.png", colour, colour)
    indexer.index(engine, tmp_path / "photos")
    engine.edit_tags(tmp_path / "photos/red.png", add=["mine"])
    return tmp_path / "photos"


def rows(engine: Engine) -> dict[int, tuple[str, str, str]]:
    """Return path, root and state of every row by its id."""
    path = engine.settings.library / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT id, path, root, state FROM images").fetchall()
    return {id_: (os.fsdecode(p), os.fsdecode(r), state) for id_, p, r, state in found}


def counts(undone: Undone) -> tuple[int, int, int]:
    return undone.missing, undone.moved, undone.kept


def test_marks_and_moves_are_taken_back_once(engine: Engine, photos: Path) -> None:
    before = rows(engine)
    (photos / "red.png").unlink()
    (photos / "green.png").rename(photos / "grass.png")
    assert indexer.index(engine, photos) == IndexReport(moved=1, missing=1, unchanged=1)
    undone = indexer.undo(engine)
    assert counts(undone) == (1, 1, 0)
    assert undone.at is not None
    assert rows(engine) == before
    assert {hit.path for hit in engine.search("red", limit=1).hits} == {str(photos / "red.png")}
    assert [tag.name for tag in engine.tag(3) if tag.source == "user"] == ["mine"]
    assert indexer.undo(engine) == Undone()
    # Files are looked at again, so what is gone for good is marked again.
    assert indexer.index(engine, photos) == IndexReport(moved=1, missing=1, unchanged=1)


def test_nothing_goes_back_to_a_folder_that_was_forgotten_since(
    engine: Engine, photos: Path
) -> None:
    (photos / "red.png").unlink()
    indexer.index(engine, photos)  # what is missing keeps the folder in the library
    renamed = photos.rename(photos.with_name("renamed"))
    assert indexer.index(engine, renamed).moved == 2
    assert engine.forget(photos) == 1
    before = rows(engine)
    assert counts(indexer.undo(engine)) == (0, 0, 2)
    assert rows(engine) == before
    assert indexer.index(engine, renamed) == IndexReport(unchanged=2)


def test_a_run_that_did_neither_leaves_the_one_before_to_be_taken_back(
    engine: Engine, photos: Path
) -> None:
    before = rows(engine)
    content = (photos / "red.png").read_bytes()
    (photos / "red.png").unlink()
    indexer.index(engine, photos)
    paint(photos / "pink.png", "pink", "pink")
    assert indexer.index(engine, photos) == IndexReport(added=1, unchanged=2)
    assert counts(indexer.undo(engine)) == (1, 0, 0)
    (photos / "red.png").write_bytes(content)
    after = rows(engine)
    assert {id_: after[id_] for id_ in before} == before
    assert after.keys() - before.keys() == {4}  # what was added stays


def test_only_the_last_run_is_taken_back(engine: Engine, photos: Path) -> None:
    (photos / "red.png").unlink()
    indexer.index(engine, photos)
    before = rows(engine)
    (photos / "green.png").unlink()
    indexer.index(engine, photos)
    assert counts(indexer.undo(engine)) == (1, 0, 0)
    assert rows(engine) == before


def test_what_moved_and_then_went_in_one_run_goes_back_to_the_start(
    engine: Engine, photos: Path, tmp_path: Path
) -> None:
    before = rows(engine)
    (tmp_path / "other").mkdir()
    (photos / "red.png").rename(tmp_path / "other/red.png")
    with indexer.running(engine) as run:
        assert indexer.index(engine, tmp_path / "other", run=run) == IndexReport(moved=1)
        (tmp_path / "other/red.png").unlink()
        report = indexer.index(engine, tmp_path / "other", run=run, allow_empty=True)
        assert report == IndexReport(missing=1)
    assert counts(indexer.undo(engine)) == (0, 1, 0)
    assert rows(engine) == before


def test_swapped_rows_change_places_again(engine: Engine, photos: Path, tmp_path: Path) -> None:
    before = rows(engine)
    other = tmp_path / "other"
    other.mkdir()
    (photos / "red.png").rename(other / "blue.png")
    (photos / "blue.png").rename(other / "red.png")
    assert indexer.index(engine, other) == IndexReport(moved=2)
    assert counts(indexer.undo(engine)) == (0, 2, 0)
    assert rows(engine) == before


def test_what_has_changed_since_stays(engine: Engine, photos: Path) -> None:
    content = (photos / "red.png").read_bytes()
    (photos / "red.png").unlink()
    (photos / "green.png").unlink()
    indexer.index(engine, photos)
    (photos / "red.png").write_bytes(content)
    assert indexer.index(engine, photos) == IndexReport(restored=1, unchanged=1)
    assert counts(indexer.undo(engine)) == (1, 0, 1)
    assert [state for _, _, state in rows(engine).values()] == ["ok", "ok", "ok"]


def test_a_path_that_another_picture_has_by_now_is_not_taken_from_it(
    engine: Engine, photos: Path
) -> None:
    (photos / "red.png").rename(photos / "rose.png")
    indexer.index(engine, photos)
    paint(photos / "red.png", "yellow", "yellow")
    assert indexer.index(engine, photos) == IndexReport(added=1, unchanged=3)
    before = rows(engine)
    assert counts(indexer.undo(engine)) == (0, 0, 1)
    assert rows(engine) == before


def test_the_root_that_was_renamed_is_known_again(engine: Engine, photos: Path) -> None:
    roots, before = engine.catalog.roots(), rows(engine)
    renamed = photos.rename(photos.with_name("renamed"))
    assert indexer.index(engine, renamed) == IndexReport(moved=3)
    assert counts(indexer.undo(engine)) == (0, 3, 0)
    assert rows(engine) == before
    assert [one for one in engine.catalog.roots() if one.path == str(photos)] == roots
    assert indexer.index(engine, renamed) == IndexReport(moved=3)


def test_what_is_forgotten_is_not_brought_back(engine: Engine, photos: Path) -> None:
    (photos / "red.png").unlink()
    indexer.index(engine, photos)
    engine.forget(photos / "red.png")
    assert counts(indexer.undo(engine)) == (0, 0, 0)
    assert len(rows(engine)) == 2


def test_the_command_says_what_it_took_back(tmp_path: Path) -> None:
    library = tmp_path / "library"
    for colour in ("red", "green"):
        paint(tmp_path / "photos" / f"{colour}.png", colour, colour)
    lexpix("index", tmp_path / "photos", library=library)
    nothing = lexpix("undo", library=library)
    assert (nothing.stdout, nothing.stderr.startswith("nothing to take back")) == ("", True)
    (tmp_path / "photos/red.png").unlink()
    lexpix("index", library=library)
    assert "took back 1 missing, 0 moved of the run of 2" in lexpix("undo", library=library).stdout
    assert "2 ok, 0 missing" in lexpix("status", library=library).stdout
