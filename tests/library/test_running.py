"""Runs that wait for each other: real processes over one library."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import indexer
from indexer.library.running import running
from searchengine.catalog.backups import copies
from searchengine.errors import BusyLibrary
from tests.support.at_once import REPOSITORY, run_at_once
from tests.support.colour_library import open_engine, paint
from tests.support.command import LEXPIX, environment, lexpix

HOLD = """
import sys
from pathlib import Path
from indexer.library.running import running
with running(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.readline()
"""

INDEX = """
import dataclasses, json, sys
from pathlib import Path
import indexer
from tests.support.colour_library import open_engine
with open_engine(Path(sys.argv[1])) as engine:
    print("ready", flush=True)
    sys.stdin.readline()
    report = indexer.index(engine, sys.argv[2])
print(json.dumps(dataclasses.asdict(report)))
"""


def holder(library: Path) -> subprocess.Popen[str]:
    """Start a process that is at work on a library until it gets a line, or is killed."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(library)],
        cwd=REPOSITORY,
        stdin=pipe,
        stdout=pipe,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_indexers_at_once_add_each_picture_once(tmp_path: Path) -> None:
    for number, colour in enumerate(["red", "green", "blue", "yellow"] * 10):
        file = paint(tmp_path / "photos" / f"{number}.png", colour, "black")
        with file.open("ab") as end:
            end.write(bytes([number]))  # no two alike
    open_engine(tmp_path / "library").close()
    arguments = [[tmp_path / "library", tmp_path / "photos"]] * 2
    reports = [json.loads(line) for line in run_at_once(INDEX, arguments)]
    assert sorted((one["added"], one["unchanged"]) for one in reports) == [(0, 40), (40, 0)]


def test_who_waits_says_for_whom_and_goes_on_when_the_other_ends(tmp_path: Path) -> None:
    paint(tmp_path / "photos/red.png", "red", "red")
    other = holder(tmp_path / "library")
    with (
        other,
        subprocess.Popen(
            [LEXPIX, "index", str(tmp_path / "photos")],
            env=environment(tmp_path / "library"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as waiting,
    ):
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
        assert "another index run of this library is at work since " in said
        assert f"(process {other.pid}); waiting" in said
        assert waiting.poll() is None
        other.communicate("\n")
        out, _ = waiting.communicate()
    assert (waiting.returncode, out.split(" in ")[0]) == (0, "1 added")


def test_who_does_not_want_to_wait_is_told_and_nothing_is_done(tmp_path: Path) -> None:
    paint(tmp_path / "photos/red.png", "red", "red")
    other = holder(tmp_path / "library")
    with other:
        ran = lexpix(
            "index", tmp_path / "photos", "--no-wait", library=tmp_path / "library", code=1
        )
        assert f"(process {other.pid}); nothing was done" in ran.stderr
        assert "0 ok" in lexpix("status", library=tmp_path / "library").stdout
        other.communicate("\n")


def test_a_process_that_was_killed_leaves_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with running(tmp_path, wait=False) as run:
        assert run.number is None


def test_runs_of_other_kinds_do_not_wait(tmp_path: Path) -> None:
    with (
        running(tmp_path, "index"),
        running(tmp_path, "reembed", wait=False),
        pytest.raises(BusyLibrary, match="another index run"),
        running(tmp_path, wait=False),
    ):
        raise AssertionError("it is locked")


def test_a_folder_that_cannot_be_written_is_not_locked(tmp_path: Path) -> None:
    (tmp_path / "library").write_bytes(b"no folder")
    with running(tmp_path / "library", wait=False) as run:
        assert run.number is None


def test_every_way_to_index_keeps_a_copy_of_the_catalog_once_a_week(tmp_path: Path) -> None:
    paint(tmp_path / "photos/red.png", "red", "red")
    with open_engine(tmp_path / "library") as engine:
        indexer.index(engine, tmp_path / "photos")
        assert copies(tmp_path / "library") == []  # there was nothing to lose
        paint(tmp_path / "photos/blue.png", "blue", "blue")
        indexer.index(engine, tmp_path / "photos")
        (copy,) = copies(tmp_path / "library")
        indexer.index(engine, tmp_path / "photos")
        assert copies(tmp_path / "library") == [copy]
    with closing(sqlite3.connect(copy)) as connection:
        paths = [os.fsdecode(path) for (path,) in connection.execute("SELECT path FROM images")]
    assert paths == [str(tmp_path / "photos/red.png")]
