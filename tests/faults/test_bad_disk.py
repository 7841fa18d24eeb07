"""A disk that is full, fails or goes away: told in words, nothing lost, and all is well after."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import indexer
from indexer.executors import Serial
from searchengine import images
from searchengine.errors import LexpixError
from searchengine.search.engine import Engine
from searchengine.sources import opening
from searchengine.types import Failure
from tests.support.at_once import REPOSITORY
from tests.support.colour_library import open_engine, paint
from tests.support.shims import can_be_compiled, compile_disk_log

COLOURS = ("red", "green", "blue")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    for colour in COLOURS:
        paint(tmp_path / "photos" / f"{colour}.png", colour, colour)
    with open_engine(tmp_path / "library") as engine:
        yield engine


def run(engine: Engine, folder: Path) -> tuple[Any, list[Failure]]:
    failures: list[Failure] = []
    report = indexer.index(engine, folder, executor=Serial(), on_failure=failures.append)
    return report, failures


def states(engine: Engine) -> list[str]:
    return [row.state for row in engine.catalog.by_paths(_paths(engine)).values()]


def _paths(engine: Engine) -> list[str]:
    folder = engine.settings.library.parent / "photos"
    return [str(folder / f"{colour}.png") for colour in COLOURS]


class Failing(io.BufferedReader):
    """A file of a disk that fails after some reads."""

    left = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._count()
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        self._count()
        return super().readinto(buffer)

    def _count(self) -> None:
        if self.name.endswith("green.png"):
            Failing.left -= 1
            if Failing.left < 0:
                raise OSError(errno.EIO, "Input/output error", self.name)


@pytest.mark.parametrize("reads", range(0, 12, 2))
def test_a_disk_that_fails_at_any_read_costs_one_file_for_as_long_as_it_fails(
    engine: Engine, tmp_path: Path, reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(path: str, mode: str, opener: Any = None) -> Failing:
        return Failing(io.FileIO(path, mode, opener=opener))

    Failing.left = reads
    with monkeypatch.context() as patch:
        patch.setattr(images, "open", failing, raising=False)
        report, failures = run(engine, tmp_path / "photos")
    # With enough reads the disk fails too late.
    assert report.added + report.failed == 3
    assert report.failed == len(failures) <= 1
    assert all("Input/output error" in one.reason for one in failures)
    again, failures = run(engine, tmp_path / "photos")
    assert failures == []
    assert again.updated == report.failed
    assert states(engine) == ["ok"] * 3
    assert len(engine.index) == 3


def test_a_folder_that_goes_away_while_it_is_read_loses_no_picture(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, aside = tmp_path / "photos", tmp_path / "aside"
    run(engine, photos)
    for colour in COLOURS:
        paint(photos / f"{colour}.png", colour, "black")
    opened = opening.open_stored

    def vanishing(path: Any, **options: Any) -> Any:
        if photos.exists() and str(path).endswith("green.png"):
            photos.rename(aside)
        return opened(path, **options)

    monkeypatch.setattr("indexer.library.reading.open_stored", vanishing)
    with suppress(LexpixError):  # it may be told as a whole, or file by file
        run(engine, photos)
    monkeypatch.undo()
    aside.rename(photos)
    run(engine, photos)
    assert states(engine) == ["ok"] * 3
    assert len(engine.index) == 3


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may read everything")
def test_rights_that_are_taken_away_cost_nothing_that_is_known(
    engine: Engine, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    run(engine, photos)
    photos.chmod(0)
    with pytest.raises(LexpixError, match="Permission denied"):
        run(engine, photos)
    photos.chmod(stat.S_IRWXU)
    assert states(engine) == ["ok"] * 3


@pytest.mark.parametrize("call", ["fsync", "replace", "makedirs"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_an_index_that_cannot_be_written_costs_no_answer_and_leaves_no_file(
    engine: Engine,
    tmp_path: Path,
    call: str,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original: Callable[..., Any] = getattr(os, call)

    def failing(*arguments: Any, **options: Any) -> Any:
        if call == "fsync" or "index" in str(arguments[0]):
            raise OSError(number, os.strerror(number))
        return original(*arguments, **options)

    shutil.rmtree(tmp_path / "library" / "index")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        engine.catalog.begin_scan(str(tmp_path), None)
        report, _ = run(engine, tmp_path / "photos")
        assert report.added == 3
        assert len(engine.search("red", unlikely=True).hits) == 3
    left = [path for path in (tmp_path / "library").rglob("index/*") if path.is_file()]
    assert left == []
    with open_engine(tmp_path / "library") as after:
        assert len(after.index) == 3
    assert len(list((tmp_path / "library" / "index").glob("*"))) == 2


def filled(folder: Path, stride: int) -> dict[str, dict[str, int]]:
    """Return what was said where the disk was full from each stride-th write on, by scenario."""
    command = [sys.executable, "-m", "tests.support.full_disk", str(folder), str(stride)]
    preloaded = {
        "LD_PRELOAD": str(compile_disk_log(folder.parent)),
        "DISK_LOG_ROOT": str(folder),
    }
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, **preloaded},
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, dict[str, int]] = json.loads(ran.stdout)
    return told


@pytest.mark.skipif(not can_be_compiled, reason="compiles what fills the disk")
def test_a_disk_that_is_full_from_some_write_on_loses_nothing(tmp_path: Path) -> None:
    told = filled(tmp_path / "disk", 60)
    assert set(told) == {"index", "reembed", "rebuild", "tag", "add_texts", "backup", "migrate"}
    assert any("free some space" in words for words in told["index"])


@pytest.mark.slow
@pytest.mark.skipif(not can_be_compiled, reason="compiles what fills the disk")
def test_a_disk_that_is_full_from_each_write_on_loses_nothing(tmp_path: Path) -> None:
    told = filled(tmp_path / "disk", 1)
    tries = {name: sum(words.values()) for name, words in told.items()}
    print("writes without room:", tries)  # noqa: T201 - for docs/reliability.md
    assert sum(tries.values()) > 300
