"""Many pictures that are gone at once are marked as missing only if somebody says yes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import indexer
from searchengine.search.engine import Engine
from searchengine.types import Failure, IndexReport
from tests.support.colour_library import open_engine, paint


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        yield engine


@pytest.fixture
def photos(tmp_path: Path, engine: Engine) -> Path:
    """A folder of 50 indexed pictures, no two alike."""
    for number in range(50):
        draw(tmp_path / "photos" / f"{number:02}.png", number)
    assert indexer.index(engine, tmp_path / "photos") == IndexReport(added=50)
    return tmp_path / "photos"


def draw(path: Path, number: int) -> None:
    with paint(path, "red", "blue").open("ab") as end:
        end.write(bytes([number]))


def remove(photos: Path, count: int) -> None:
    for path in sorted(photos.iterdir())[:count]:
        path.unlink()


def missing(engine: Engine) -> int:
    return engine.catalog.counts()["missing"]


def test_a_fifth_of_a_folder_is_marked_and_one_more_asks(engine: Engine, photos: Path) -> None:
    remove(photos, 10)
    assert indexer.index(engine, photos) == IndexReport(missing=10, unchanged=40)
    asked: list[indexer.Gone] = []

    def answer(gone: indexer.Gone, said: str) -> bool:
        asked.append(gone)
        return said == "yes"

    remove(photos, 10)  # of the 40 that were left, a quarter, but no more than ten
    report = indexer.index(engine, photos, confirm=lambda gone: answer(gone, "no"))
    assert (report, asked) == (IndexReport(missing=10, unchanged=30), [])
    remove(photos, 11)
    report = indexer.index(engine, photos, confirm=lambda gone: answer(gone, "no"))
    assert report == IndexReport(unconfirmed=11, unchanged=19)
    assert asked == [indexer.Gone(str(photos), 11, 30)]
    assert missing(engine) == 20
    report = indexer.index(engine, photos, confirm=lambda _gone: True)
    assert report == IndexReport(missing=11, unchanged=19)


def test_nobody_to_ask_leaves_what_is_gone_and_does_the_rest(engine: Engine, photos: Path) -> None:
    remove(photos, 30)
    draw(photos / "new.png", 99)
    told: list[Failure] = []
    report = indexer.index(engine, photos, on_failure=told.append)
    assert report == IndexReport(added=1, unconfirmed=30, unchanged=20)
    assert missing(engine) == 0
    assert [one.path for one in told] == [str(photos)]
    assert "30 of its 50 pictures are gone" in told[0].reason


def test_what_moved_is_not_gone(engine: Engine, photos: Path) -> None:
    (photos / "sub").mkdir()
    for path in sorted(photos.glob("*.png"))[:40]:
        path.rename(photos / "sub" / path.name)
    assert indexer.index(engine, photos) == IndexReport(moved=40, unchanged=10)


def test_a_root_that_was_renamed_and_lost_much_is_asked_about(engine: Engine, photos: Path) -> None:
    remove(photos, 12)
    renamed = photos.rename(photos.with_name("renamed"))
    assert indexer.index(engine, renamed) == IndexReport(moved=38, unconfirmed=12)
    asked: list[indexer.Gone] = []

    def agree(gone: indexer.Gone) -> bool:
        asked.append(gone)
        return True

    report = indexer.index(engine, renamed, confirm=agree)
    assert report == IndexReport(unchanged=38, missing=12)
    assert asked == [indexer.Gone(str(photos), 12, 12)]


def test_an_empty_folder_that_is_allowed_needs_no_other_yes(engine: Engine, photos: Path) -> None:
    shutil.rmtree(photos)
    assert indexer.index(engine, photos, allow_empty=True) == IndexReport(missing=50)


def test_allow_empty_is_no_yes_to_a_folder_with_something_in_it(
    engine: Engine, photos: Path
) -> None:
    remove(photos, 49)
    report = indexer.index(engine, photos, allow_empty=True)
    assert report == IndexReport(unconfirmed=49, unchanged=1)
