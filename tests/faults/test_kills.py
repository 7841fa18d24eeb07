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

import httpx
import psutil
import pytest
from sqlalchemy import Connection, event

from searchengine.catalog.database import open_database
from searchengine.catalog.health import examine
from searchengine.catalog.opening import open_to_read
from searchengine.catalog.store import Catalog
from tests.support.at_once import REPOSITORY
from tests.support.colour_library import paint
from tests.support.command import LEXPIX, environment, lexpix
from tests.support.served import free_port

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

KILLS = 42
"""Of each kind of work and each seed: 504 in all."""


def killed(folder: Path, stride: int) -> dict[str, int]:
    command = [sys.executable, "-m", "tests.support.kill_scenarios", str(folder), str(stride)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert ran.returncode == 0, ran.stderr
    kills: dict[str, int] = json.loads(ran.stdout)
    return kills


def test_a_kill_at_some_steps_loses_nothing(tmp_path: Path) -> None:
    kills = killed(tmp_path, 29)
    assert set(kills) == {"index", "reembed", "rebuild", "tag", "add_texts", "backup", "migrate"}
    assert min(kills.values()) >= 1


@pytest.mark.slow
def test_a_kill_at_each_step_loses_nothing(tmp_path: Path) -> None:
    kills = killed(tmp_path, 1)
    print("kills by scenario:", kills)  # noqa: T201 - for docs/reliability.md
    assert sum(kills.values()) > 150


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["index", "watch", "job"])
def test_kills_at_random_moments_of_the_command_lose_nothing(
    tmp_path: Path, kind: str, seed: int
) -> None:
    """Work with its real model, killed again and again while files come and go."""
    photos, library, rng = tmp_path / "photos", tmp_path / "library", random.Random(seed)

    def edit(turn: int) -> None:
        for number in rng.sample(range(120), 8):
            with (photos / f"{number:03}.png").open("ab") as file:
                file.write(bytes([turn]))

    for number in range(120):
        paint(photos / f"{number:03}.png", "red", "green")
        with (photos / f"{number:03}.png").open("ab") as file:
            file.write(bytes([number]))
    lexpix("index", photos, library=library)
    landed = 0
    for turn in range(KILLS):
        if kind != "watch":
            edit(turn)
        landed += _killed_in_mid_work(kind, photos, library, rng, lambda: edit(turn))  # noqa: B023
        found = examine(library / "catalog.sqlite", open_to_read)
        assert [one for one in found if one.severity == "damage"] == []
    print("killed in mid-work:", kind, landed, "of", KILLS)  # noqa: T201 - for docs/reliability.md
    lexpix("index", photos, library=library)
    lexpix("doctor", library=library)
    with closing(Catalog(open_database(library, create=False))) as catalog:
        assert len(catalog.present()) == 120


def _killed_in_mid_work(
    kind: str, photos: Path, library: Path, rng: random.Random, edit: Callable[[], None]
) -> bool:
    """Start work, kill it at a random moment, wait for all of it to end; return if it had not."""
    port = free_port()
    commands = {
        "index": ("index", str(photos)),
        "watch": ("watch", str(photos)),
        "job": ("serve", "--port", str(port)),
    }
    work = psutil.Popen(
        [LEXPIX, *commands[kind]],
        env=environment(library),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if kind == "watch" else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if kind == "watch":
        work.stdout.readline()  # the folder has been read; from now on it follows
        edit()
    elif kind == "job":
        order = {"kind": "index", "folder": str(photos)}
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            trust_env=False,
            transport=httpx.HTTPTransport(retries=9),
            timeout=120,
        ) as client:
            client.post("/api/v1/jobs", json=order).raise_for_status()
    time.sleep(rng.uniform(0.3, 3.0))
    children = work.children(recursive=True)
    work.send_signal(signal.SIGKILL)
    killed = work.wait() == -signal.SIGKILL and (kind != "job" or bool(children))
    if work.stdout is not None:
        work.stdout.close()
    psutil.wait_procs(children, timeout=30)
    return killed


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
