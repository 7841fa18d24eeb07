"""A run over several roots tells what became of pictures in the end, in whatever order it goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

import indexer
from indexer.library.foresight import Foresight
from searchengine.search.engine import Engine
from searchengine.types import IndexReport
from tests.support.colour_library import open_engine, paint

ORDERS = (["one", "two"], ["two", "one"])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A library of two roots with 20 pictures each, no two alike."""
    with open_engine(tmp_path / "library") as engine:
        for root in ("one", "two"):
            for number in range(20):
                draw(tmp_path / root / f"{root} {number:02}.png", f"{root} {number}")
            assert indexer.index(engine, tmp_path / root) == IndexReport(added=20)
        yield engine


def draw(path: Path, end: str) -> None:
    with paint(path, "red", "blue").open("ab") as file:
        file.write(end.encode())


def move(tmp_path: Path, count: int) -> None:
    for path in sorted((tmp_path / "one").iterdir())[:count]:
        path.rename(tmp_path / "two" / path.name)


def total(
    act: Callable[..., IndexReport], roots: Sequence[Path], later: indexer.Sweeps
) -> dict[str, int]:
    """Return what a run over roots has counted, but for zeros."""
    reports = [act(root, later=later) for root in roots] + [later.finish()]
    names = IndexReport.__dataclass_fields__
    sums = {name: sum(getattr(one, name) for one in reports) for name in names}
    return {name: count for name, count in sums.items() if count}


def run(engine: Engine, roots: Sequence[Path]) -> dict[str, int]:
    with indexer.running(engine) as this:
        later = indexer.Sweeps(engine.refresh)
        return total(partial(indexer.index, engine, run=this), roots, later)


def foreseen(engine: Engine, roots: Sequence[Path]) -> dict[str, int]:
    with closing(Foresight(engine.settings, engine.encoder)) as foresight:
        return total(foresight.index, roots, indexer.Sweeps())


def paths(engine: Engine) -> dict[str, int]:
    return {picture.path: id_ for id_, picture in engine.catalog.get(range(1, 100)).items()}


@pytest.mark.parametrize("order", ORDERS)
def test_what_another_root_has_found_is_moved_and_not_missing(
    engine: Engine, tmp_path: Path, order: list[str]
) -> None:
    roots, before = [tmp_path / one for one in order], paths(engine)
    gone = str(tmp_path / "one" / "one 19.png")
    os.unlink(gone)
    move(tmp_path, 3)
    expected = {"moved": 3, "missing": 1, "unchanged": 36}
    assert foreseen(engine, roots) == expected
    assert run(engine, roots) == expected
    after = paths(engine)
    for number in range(3):
        name = f"one {number:02}.png"
        assert after[str(tmp_path / "two" / name)] == before[str(tmp_path / "one" / name)]
    assert [one.path for one in engine.catalog.get([before[gone]]).values()] == [gone]
    assert engine.catalog.counts()["missing"] == 1
    undone = indexer.undo(engine)
    assert (undone.missing, undone.moved, undone.kept) == (1, 3, 0)
    assert paths(engine) == before


@pytest.mark.parametrize("order", ORDERS)
def test_nobody_is_asked_about_many_that_have_moved(
    engine: Engine, tmp_path: Path, order: list[str]
) -> None:
    roots = [tmp_path / one for one in order]
    move(tmp_path, 15)
    expected = {"moved": 15, "unchanged": 25}
    assert foreseen(engine, roots) == expected
    assert run(engine, roots) == expected


@pytest.mark.parametrize("order", ORDERS)
def test_a_root_that_is_no_more_is_told_of_once(
    engine: Engine, tmp_path: Path, order: list[str]
) -> None:
    draw(tmp_path / "three" / "new.png", "new")
    run(engine, [tmp_path / "three"])
    for path in (tmp_path / "three").iterdir():
        path.unlink()
    (tmp_path / "three").rmdir()
    roots = [tmp_path / one for one in order]
    assert foreseen(engine, roots) == {"missing": 1, "unchanged": 40}
    assert run(engine, roots) == {"missing": 1, "unchanged": 40}


def test_a_root_that_was_given_up_may_have_moved(engine: Engine, tmp_path: Path) -> None:
    before = paths(engine)
    device = next(one.device for one in engine.catalog.roots() if one.path.endswith("one"))
    assert device is not None
    engine.catalog.begin_scan(str(tmp_path / "one"), device + 1)  # its disk is not here
    (tmp_path / "one").rename(tmp_path / "two" / "copied")
    later = indexer.Sweeps(engine.refresh)
    act = partial(indexer.index, engine, allow_empty=True)
    assert total(act, [tmp_path / "one", tmp_path / "two"], later) == {"moved": 20, "unchanged": 20}
    assert sorted(paths(engine).values()) == sorted(before.values())
