"""A root under another name: its pictures moved, whatever is indexed first, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import indexer
from searchengine.search.engine import Engine
from searchengine.types import IndexReport
from tests.support.colour_library import open_engine, paint


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        yield engine


@pytest.fixture
def pictures(tmp_path: Path, engine: Engine) -> Path:
    """Three indexed pictures, one of them in a folder; the red one has a tag of the user."""
    folder = tmp_path / "Pictures"
    paint(folder / "red.png", "red", "red")
    paint(folder / "blue.png", "blue", "blue")
    paint(folder / "2024" / "green.png", "green", "green")
    assert indexer.index(engine, folder) == IndexReport(added=3)
    engine.edit_tags(folder / "red.png", add=["mine"])
    return folder


def paths(engine: Engine) -> dict[int, str]:
    ids = engine.catalog.present().tolist()
    return {id_: picture.path for id_, picture in engine.catalog.get(ids).items()}


def own_tags(engine: Engine, path: Path) -> list[str]:
    return [tag.name for tag in engine.tag(path) if tag.source != "guess"]


def test_all_pictures_of_a_renamed_root_are_moved(engine: Engine, pictures: Path) -> None:
    before = paths(engine)
    photos = pictures.rename(pictures.with_name("Photos"))
    assert indexer.index(engine, photos) == IndexReport(moved=3)
    assert paths(engine) == {
        id_: path.replace("/Pictures/", "/Photos/") for id_, path in before.items()
    }
    assert own_tags(engine, photos / "red.png") == ["mine"]
    assert [root.path for root in engine.catalog.roots()] == [str(photos)]


def test_the_order_does_not_matter(engine: Engine, pictures: Path) -> None:
    photos = pictures.rename(pictures.with_name("Photos"))
    assert indexer.index(engine, pictures, allow_empty=True) == IndexReport(missing=3)
    assert indexer.index(engine, photos) == IndexReport(moved=3)
    assert own_tags(engine, photos / "red.png") == ["mine"]
    assert {os.path.dirname(path) for path in paths(engine).values()} == {
        str(photos),
        str(photos / "2024"),
    }


def test_what_did_not_come_along_is_missing_and_no_hit(engine: Engine, pictures: Path) -> None:
    photos = pictures.rename(pictures.with_name("Photos"))
    paint(photos / "blue.png", "yellow", "yellow")
    assert indexer.index(engine, photos) == IndexReport(added=1, moved=2, missing=1)
    assert set(paths(engine).values()) == {
        str(photos / name) for name in ("red.png", "blue.png", "2024/green.png")
    }
    assert str(pictures / "blue.png") not in [hit.path for hit in engine.search("blue").hits]
    assert str(pictures) in [root.path for root in engine.catalog.roots()]


def test_a_copy_of_a_root_whose_disk_is_not_there_moves_nothing(
    engine: Engine, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as disk:
        folder = Path(disk, "Pictures")
        paint(folder / "red.png", "red", "red")
        assert indexer.index(engine, folder) == IndexReport(added=1)
        mount = tmp_path / "mount"
        mount.symlink_to(disk)  # leads to another device, as a mount point does
        assert indexer.index(engine, mount / "Pictures") == IndexReport(added=1)
        copy = shutil.copytree(folder, tmp_path / "copy")
        mount.unlink()
        assert indexer.index(engine, copy) == IndexReport(added=1)
    present = paths(engine).values()
    assert {str(folder / "red.png"), str(mount / "Pictures" / "red.png")} <= set(present)
