"""Work that is killed at any step loses nothing; the next run ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from searchengine.catalog.database import open_database
from searchengine.catalog.health import examine
from searchengine.catalog.opening import open_to_read
from searchengine.catalog.store import Catalog
from tests.support.at_once import REPOSITORY
from tests.support.colour_library import paint
from tests.support.command import LEXPIX, environment, lexpix

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def killed(folder: Path, stride: int) -> dict[str, int]:
    command = [sys.executable, "-m", "tests.support.kill_scenarios", str(folder), str(stride)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert ran.returncode == 0, ran.stderr
    kills: dict[str, int] = json.loads(ran.stdout)
    return kills


def test_a_kill_at_some_steps_loses_nothing(tmp_path: Path) -> None:
    kills = killed(tmp_path, 29)
    assert set(kills) == {"index", "reembed", "rebuild", "tag", "add_texts", "backup"}
    assert min(kills.values()) >= 1


@pytest.mark.slow
def test_a_kill_at_each_step_loses_nothing(tmp_path: Path) -> None:
    kills = killed(tmp_path, 1)
    print("kills by scenario:", kills)  # noqa: T201 - for docs/reliability.md
    assert sum(kills.values()) > 150


@pytest.mark.slow
def test_kills_at_random_moments_of_the_command_lose_nothing(tmp_path: Path) -> None:
    """`lexpix index` with its real model, killed forty times while files come and go."""
    photos, library, rng = tmp_path / "photos", tmp_path / "library", random.Random(1)
    for number in range(120):
        paint(photos / f"{number:03}.png", "red", "green")
        with (photos / f"{number:03}.png").open("ab") as file:
            file.write(bytes([number]))
    lexpix("index", photos, library=library)
    landed = 0
    for turn in range(40):
        for number in rng.sample(range(120), 8):
            with (photos / f"{number:03}.png").open("ab") as file:
                file.write(bytes([turn]))
        work = subprocess.Popen(
            [LEXPIX, "index", str(photos)],
            env=environment(library),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(rng.uniform(0.3, 3.0))
        work.send_signal(signal.SIGKILL)
        landed += work.wait() == -signal.SIGKILL
        found = examine(library / "catalog.sqlite", open_to_read)
        assert [one for one in found if one.severity == "damage"] == []
    print("killed in mid-work:", landed, "of 40")  # noqa: T201
    lexpix("index", photos, library=library)
    lexpix("doctor", library=library)
    with closing(Catalog(open_database(library, create=False))) as catalog:
        assert len(catalog.present()) == 120


@pytest.mark.parametrize("what", ["tag", "refused tag", "word", "search", "choice", "forgotten"])
def test_what_a_person_has_said_is_on_the_disk_when_it_is_confirmed(
    tmp_path: Path, what: str
) -> None:
    levels: list[int] = []
    database = open_database(tmp_path, create=True)
    with closing(Catalog(database)) as catalog:

        def note(connection: Connection) -> None:
            driver: Any = connection.connection.driver_connection
            levels.append(driver.execute("PRAGMA synchronous").fetchone()[0])

        event.listen(database, "commit", note)
        full, normal = 2, 1
        work: dict[str, Callable[[], object]] = {
            "tag": lambda: catalog.tags.set_tag([], "mine", "user"),
            "refused tag": lambda: catalog.tags.set_tag([], "mine", "no"),
            "word": lambda: catalog.tags.forget_word("mine"),
            "search": lambda: catalog.searches.save("mine", "{}"),
            "choice": lambda: catalog.embeddings.choose("mine"),
            "forgotten": lambda: catalog.forget("/p"),
        }
        work[what]()
        assert levels == [full]
        catalog.begin_scan("/p", None)  # what the next scan finds again
        assert levels == [full, normal]
