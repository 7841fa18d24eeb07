"""Clocks that jump, and disks that take no more files: told in words, and nothing is lost."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import indexer
from indexer.executors import Serial
from searchengine.catalog import backups
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from tests.support.at_once import REPOSITORY
from tests.support.colour_library import open_engine, paint
from tests.support.command import LEXPIX, environment, lexpix

COLOURS = ("red", "green", "blue")


def draw(photos: Path) -> None:
    for colour in COLOURS:
        paint(photos / f"{colour}.png", colour, colour)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a disk of its own")
def test_a_disk_without_a_place_for_another_file_loses_nothing(tmp_path: Path) -> None:
    alone = ["unshare", "--mount", "--map-root-user"]
    trial = ["mount", "-t", "tmpfs", "-o", "nr_inodes=9", "tmpfs", str(tmp_path)]
    if subprocess.run([*alone, *trial], capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    command = [*alone, sys.executable, "-m", "tests.support.few_inodes", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["2"] != ""  # not even the catalog has a place
    assert told["13"] == ""
    assert all("its disk takes no more files" in one for one in told.values() if one)


def test_pictures_with_times_from_anywhere_are_read_once(tmp_path: Path) -> None:
    draw(tmp_path / "photos")
    times = dict(zip(COLOURS, (-3 * 10**8, 5 * 10**9, 2**33), strict=True))
    for colour, seconds in times.items():
        os.utime(tmp_path / "photos" / f"{colour}.png", (seconds, seconds))
    with open_engine(tmp_path / "library") as engine:
        assert indexer.index(engine, tmp_path / "photos", executor=Serial()).added == 3
        assert indexer.index(engine, tmp_path / "photos", executor=Serial()).unchanged == 3
        path = paint(tmp_path / "photos" / "red.png", "red", "white")
        os.utime(path, (times["red"], times["red"]))  # edited, and its time put back
        report = indexer.index(engine, tmp_path / "photos", executor=Serial())
        assert (report.updated, report.unchanged) == (1, 2)


def test_copies_of_a_clock_that_was_ahead_neither_stay_for_ever_nor_end_the_copying(
    tmp_path: Path,
) -> None:
    draw(tmp_path / "photos")
    with open_engine(tmp_path / "library") as engine:
        indexer.index(engine, tmp_path / "photos", executor=Serial())
    library, now = tmp_path / "library", dt.datetime(2024, 5, 1)
    for copy in backups.copies(library):
        copy.unlink()
    ahead = backups.rotate(library, 2, now + dt.timedelta(days=9000))
    assert ahead is not None
    made = [backups.rotate(library, 2, now + dt.timedelta(days=8 * turn)) for turn in range(3)]
    assert None not in made
    assert backups.copies(library) == [made[2], made[1]]
    assert backups.rotate(library, 2, now + dt.timedelta(days=17)) is None


@pytest.mark.slow
def test_work_goes_on_whatever_the_clock_says(tmp_path: Path) -> None:
    """Real commands, decades ahead, back, and decades before: nothing is lost or read again."""
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("needs faketime, as apt installs it")
    photos, library = tmp_path / "photos", tmp_path / "library"
    draw(photos)
    lexpix("index", photos, library=library)
    lexpix("tag", photos / "red.png", "--add", "mine", library=library)
    for number, clock in enumerate(("+20y", "-20y", "+0y", "-2d")):
        paint(photos / f"{number}.png", "white", "black")
        with (photos / f"{number}.png").open("ab") as file:
            file.write(bytes([number]))
        for expected in ((1, 3 + number), (0, 4 + number)):
            ran = subprocess.run(
                [faketime, "-f", clock, LEXPIX, "index", str(photos), "--json"],
                env=environment(library),
                capture_output=True,
                text=True,
                check=True,
            )
            report = json.loads(ran.stdout.splitlines()[-1])
            assert (report["added"], report["unchanged"], report["failed"]) == (*expected, 0)
    lexpix("doctor", library=library)
    with closing(Catalog(open_database(library, create=False))) as catalog:
        assert len(catalog.present()) == 7
