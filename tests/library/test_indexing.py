"""`indexer.index` and `indexer.retry`: from files to a search that finds them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import indexer
from searchengine.errors import RootError
from searchengine.look import look_of
from searchengine.search.engine import Engine
from searchengine.types import Failure, IndexReport
from tests.support.colour_library import open_engine, paint


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        yield engine


def found(engine: Engine, words: str) -> list[str]:
    return [os.path.basename(hit.path) for hit in engine.search(words).hits]


def test_indexed_pictures_are_found_at_once_and_read_only_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for colour in ("red", "green", "blue"):
        paint(tmp_path / "photos" / f"{colour}.png", colour, colour)
    seen: list[indexer.Progress] = []
    assert indexer.index(engine, "~/photos", progress=seen.append) == IndexReport(added=3)
    assert seen[-1] == indexer.Progress(3, 3)
    assert found(engine, "green")[0] == "green.png"
    os.rename(tmp_path / "photos/red.png", tmp_path / "photos/rose.png")
    again = indexer.index(engine, tmp_path / "photos")
    assert again == IndexReport(moved=1, unchanged=2)
    assert found(engine, "red")[0] == "rose.png"


def test_what_was_written_before_an_interruption_is_found(engine: Engine, tmp_path: Path) -> None:
    for number in range(40):
        paint(tmp_path / "photos" / f"{number:02}.png", "red", "green")
        os.utime(tmp_path / "photos" / f"{number:02}.png", (number, number))
        with (tmp_path / "photos" / f"{number:02}.png").open("ab") as file:
            file.write(bytes([number]))  # no two alike, so that each is a picture of its own

    def interrupt(at: indexer.Progress) -> None:
        if at.done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        indexer.index(engine, tmp_path / "photos", progress=interrupt)
    written = set(engine.catalog.present().tolist())
    assert 16 <= len(written) < 40
    assert {hit.id for hit in engine.search("red", limit=40).hits} == written
    assert indexer.index(engine, tmp_path / "photos").added == 40 - len(written)


def test_refused_folder_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    paint(tmp_path / "photos/red.png", "red", "red")
    indexer.index(engine, tmp_path / "photos")
    (tmp_path / "photos/red.png").unlink()
    with pytest.raises(RootError, match="has no pictures"):
        indexer.index(engine, tmp_path / "photos")
    assert found(engine, "red") == ["red.png"]
    assert indexer.index(engine, tmp_path / "photos", allow_empty=True) == IndexReport(missing=1)


def test_retried_failure_is_found(engine: Engine, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        paint(tmp_path / "photos" / folder / "red.png", "red", "blue" if folder == "one" else "red")
        (tmp_path / "photos" / folder / "bad.png").write_bytes(b"no picture")
    failures: list[Failure] = []
    report = indexer.index(engine, tmp_path / "photos", on_failure=failures.append)
    assert (report.added, report.failed) == (2, 2)
    bad = [str(tmp_path / "photos" / folder / "bad.png") for folder in ("one", "two")]
    assert sorted(failure.path for failure in failures) == bad
    for path in bad:
        paint(Path(path), "yellow", "yellow")
    assert indexer.retry(engine, tmp_path / "photos/two") == IndexReport(updated=1)
    assert [hit.path for hit in engine.search("yellow", limit=1).hits] == bad[1:]
    assert indexer.retry(engine) == IndexReport(updated=1)


def test_public_names_are_there_and_others_are_not() -> None:
    assert {name for name in dir(indexer) if name in indexer.__all__} == set(indexer.__all__)
    assert all(callable(getattr(indexer, name)) for name in indexer.__all__)
    with pytest.raises(AttributeError, match="no attribute 'reindex'"):
        indexer.reindex  # noqa: B018


def test_what_pictures_look_like_is_stored_and_follows_their_bytes(
    engine: Engine, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    first = paint(photos / "first.png", "red", "green")
    paint(photos / "other.png", "blue", "yellow")
    indexer.index(engine, photos)
    rows = engine.catalog.by_paths([str(first), str(photos / "other.png")])
    phash, sharpness = rows[str(first)].phash, rows[str(first)].sharpness
    with Image.open(first) as picture:
        assert (phash, sharpness) == (look_of(picture).phash, look_of(picture).sharpness)
    # Nothing of a copy, or of a picture that took the bytes of another one, is decoded again.
    shutil.copy(first, photos / "copy.png")
    shutil.copy(first, photos / "other.png")
    assert indexer.index(engine, photos) == IndexReport(added=1, updated=1, unchanged=1)
    os.utime(first, (1, 1))
    os.rename(first, photos / "moved.png")
    assert indexer.index(engine, photos) == IndexReport(moved=1, unchanged=2)
    names = ("copy.png", "other.png", "moved.png")
    for row in engine.catalog.by_paths(str(photos / name) for name in names).values():
        assert (row.phash, row.sharpness) == (phash, sharpness)
