"""`lexpix watch` over real files, as a process that is told to stop."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from PIL import Image

from indexer.library.noticing import STALL
from tests.support.command import LEXPIX, environment, lexpix

PATIENCE = 180.0
"""Seconds that a change may take to be told on a busy machine."""
QUEUE = 20_000
"""More events than Linux keeps for whoever does not read them, 16,384."""


class Watching:
    """A process that watches, and the sums of what it has told."""

    def __init__(self, *arguments: str | Path, library: Path) -> None:
        self.process = subprocess.Popen(
            [LEXPIX, "watch", "--json", *map(str, arguments)],
            env=environment(library),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told: Counter[str] = Counter()
        self.batches: list[dict[str, object]] = []
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=one) for one in (self._read, self._hear)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                batch = json.loads(line)
                self.batches.append(batch)
                self.told.update({key: n for key, n in batch.items() if isinstance(n, int)})

    def _hear(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr:
            for line in self.process.stderr:
                self.errors.append(line)

    def until(
        self, is_so: Callable[[], object], patience: float = PATIENCE, *, every: float = 0.05
    ) -> None:
        deadline = time.monotonic() + patience
        while not is_so():
            assert time.monotonic() < deadline, f"{self.batches}\n{self.errors}"
            assert self.process.poll() is None, self.errors
            time.sleep(every)

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        return code


def paint(path: Path, number: int) -> Path:
    """Draw a small picture that no other number has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), (number % 256, number // 256, 99)).save(path)
    return path


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    """A process that watches two roots, of four pictures and one."""
    for number in range(4):
        paint(tmp_path / "one" / f"{number}.png", number)
    paint(tmp_path / "the other" / "4.png", 4)
    for path in tmp_path.rglob("*.png"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    running = Watching(tmp_path / "one", tmp_path / "the other", library=tmp_path / "library")
    try:
        running.until(lambda: any("watching" in line for line in running.errors))
        yield running
    finally:
        running.stop(signal.SIGKILL)


def test_what_happens_in_two_roots_is_followed(watching: Watching, tmp_path: Path) -> None:
    told, one, other = watching.told, tmp_path / "one", tmp_path / "the other"
    watching.until(lambda: told["added"] == 5)
    lexpix("tag", one / "0.png", "--add", "mine", library=tmp_path / "library")

    # A burst, with a name that is no UTF-8, and a file that is still being written.
    grown = paint(tmp_path / "grown.png", 5).read_bytes()
    with (one / "slow.png").open("wb") as slow:
        slow.write(grown[:40])
        slow.flush()
        for number in range(100):
            paint(one / "burst" / f"{number}.png", 1000 + number)
        paint(tmp_path / "odd.png", 6).rename(os.fsdecode(os.fsencode(one) + b"/\xff.png"))
        slow.write(grown[40:])
    watching.until(lambda: told["added"] == 107)
    assert told["failed"] == 0

    # From one root to the other, and a whole folder under another name: nothing is new or missing.
    (one / "0.png").rename(other / "moved.png")
    watching.until(lambda: told["moved"] == 1)
    (one / "burst").rename(one / "renamed")
    watching.until(lambda: told["moved"] == 101)
    assert told["added"] == 107
    assert told["missing"] == 0
    tagged = lexpix("search", "tag:mine", "--paths", library=tmp_path / "library").stdout
    assert tagged.splitlines() == [str(other / "moved.png")]

    # A root goes away and comes back, with a picture more; a folder is passed over.
    other.rename(tmp_path / "away")
    watching.until(lambda: any("is not there" in line for line in watching.errors))
    paint(tmp_path / "away" / "new.png", 7)
    (tmp_path / "away").rename(other)
    watching.until(lambda: told["added"] == 108)
    assert told["missing"] == 0
    paint(other / "quiet" / "8.png", 8)
    watching.until(lambda: told["added"] == 109)
    (other / "quiet" / ".nomedia").touch()
    watching.until(lambda: told["missing"] == 1)

    # So much is gone that `index` would ask: nothing is marked, and that is said.
    for path in (one / "renamed").iterdir():
        path.unlink()
    watching.until(lambda: told["unconfirmed"] == 100)
    assert any("are gone" in line for line in watching.errors)
    assert told["missing"] == 1
    assert watching.stop(signal.SIGTERM) == 0
    assert not any("Traceback" in line for line in watching.errors)


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_storm_ends_like_a_fresh_index(watching: Watching, tmp_path: Path, count: int) -> None:
    """Bursts, partial copies and renames, of which the kernel drops what no queue of it holds."""
    told, one, other = watching.told, tmp_path / "one", tmp_path / "the other"
    watching.until(lambda: told["added"] == 5)
    whole = paint(tmp_path / "whole.png", 65_000).read_bytes()
    (one / "partial.png").write_bytes(whole[:40])
    for number in range(count):
        paint(one / f"{number % 7}" / f"{number % 3}" / f"{number}.png", 1000 + number)
        if number == count // 2:
            (one / "1").rename(one / "first")
            (one / "first" / "0").rename(other / "from one")
    (one / "2").rename(one / "second")
    (one / "second").rename(other / "second")
    (one / "first").rename(one / "primary")
    (one / "partial.png").write_bytes(whole)

    # While it stands still more happens than a queue holds, so that of the last nothing is heard.
    watching.process.send_signal(signal.SIGSTOP)
    pair = [one / "0.png", other / "4.png"]
    for number in range(QUEUE):
        os.utime(pair[number % 2], (1_600_000_000, 1_600_000_000))
    paint(one / "unheard" / "of" / "1.png", 60_001)
    time.sleep(STALL + 1)
    watching.process.send_signal(signal.SIGCONT)
    _wait_until_all_is_there(watching, tmp_path, count)
    paint(one / "unheard" / "of" / "2.png", 60_002)
    (one / "unheard").rename(one / "heard")
    _wait_until_all_is_there(watching, tmp_path, count)
    library = tmp_path / "library"
    assert watching.stop(signal.SIGTERM) == 0
    assert told["failed"] == 0
    lexpix("index", one, other, library=tmp_path / "fresh")
    assert _pictures(library) == _pictures(tmp_path / "fresh")


def _wait_until_all_is_there(watching: Watching, folder: Path, count: int) -> None:
    """Wait until the library lists the files that there are, with their content.

    A second for each file is far more than it takes. Looking itself takes a while, of the same
    cores, so it is done seldom.
    """
    drawn, library = _drawn(folder), folder / "library"
    watching.until(lambda: _pictures(library) == drawn, PATIENCE + count, every=1 + count / 1000)


def _pictures(library: Path) -> dict[str, str]:
    """Return the hash of each picture that a library lists as there, by its path."""
    with closing(sqlite3.connect(library / "catalog.sqlite")) as catalog:
        rows = catalog.execute("SELECT path, sha256 FROM images WHERE state = 'ok'")
        return {os.fsdecode(path): digest for path, digest in rows}


def _drawn(folder: Path) -> dict[str, str]:
    files = [*(folder / "one").rglob("*.png"), *(folder / "the other").rglob("*.png")]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_polling_sees_new_roots_of_the_library_and_ends_with_an_interrupt(tmp_path: Path) -> None:
    library = tmp_path / "library"
    paint(tmp_path / "one" / "0.png", 0)
    lexpix("index", tmp_path / "one", library=library)
    watching = Watching("--poll", library=library)
    watching.until(lambda: any("watching" in line for line in watching.errors))
    paint(tmp_path / "two" / "1.png", 1)
    lexpix("index", tmp_path / "two", library=library)
    paint(tmp_path / "two" / "2.png", 2)
    paint(tmp_path / "one" / "3.png", 3)
    watching.until(lambda: watching.told["added"] == 2)
    assert watching.stop(signal.SIGINT) == 0


def test_a_folder_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    ran = lexpix("watch", tmp_path / "typo", library=tmp_path / "library", code=1)
    assert f"{tmp_path / 'typo'}: no such folder" in ran.stderr
    ran = lexpix("watch", library=tmp_path / "library", code=3)
    assert "lexpix watch FOLDER" in ran.stderr


def test_a_server_shows_what_comes_into_its_folders(tmp_path: Path) -> None:
    library = tmp_path / "library"
    paint(tmp_path / "photos" / "0.png", 0)
    lexpix("index", tmp_path / "photos", library=library)
    server = subprocess.Popen(
        [LEXPIX, "serve", "--watch", "--port", "0"],
        env=environment(library),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    with server, httpx.Client(base_url=server.stdout.readline().strip(), timeout=60) as client:
        try:
            paint(tmp_path / "photos" / "1.png", 1)
            deadline = time.monotonic() + PATIENCE
            while client.get("api/v1/revision").json()["pictures"] != 2:
                assert time.monotonic() < deadline, client.get("api/v1/jobs").json()
                time.sleep(0.1)
            (job,) = client.get("api/v1/jobs").json()["jobs"]
            assert (job["kind"], job["state"]) == ("watch", "watching")
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode in (0, -signal.SIGTERM)
