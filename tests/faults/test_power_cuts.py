"""A power cut loses what was not synchronised, and never what a person was told is kept."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.at_once import REPOSITORY
from tests.support.power_cuts import Disk, read_log
from tests.support.shims import can_be_compiled, compile_disk_log

pytestmark = pytest.mark.skipif(
    not can_be_compiled, reason="compiles what logs the writes of a process"
)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_disk_log(tmp_path_factory.mktemp("shim"))


def cut(folder: Path, stride: int, shim: Path) -> dict[str, int]:
    command = [
        sys.executable,
        "-m",
        "tests.support.power_cuts",
        str(folder),
        str(stride),
        str(shim),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert ran.returncode == 0, ran.stderr
    cuts: dict[str, int] = json.loads(ran.stdout)
    return cuts


def test_a_power_cut_at_some_steps_loses_nothing_that_was_confirmed(
    tmp_path: Path, shim: Path
) -> None:
    cuts = cut(tmp_path / "cuts", 80, shim)
    assert set(cuts) == {"say", "index", "reembed", "rebuild", "add_texts", "migrate"}
    assert min(cuts.values()) >= 1


@pytest.mark.slow
def test_a_power_cut_at_each_step_loses_nothing_that_was_confirmed(
    tmp_path: Path, shim: Path
) -> None:
    cuts = cut(tmp_path / "cuts", 1, shim)
    print("power cuts by scenario:", cuts)  # noqa: T201 - for docs/reliability.md
    assert sum(cuts.values()) > 300


WRITING = """
import os, sys
folder = sys.argv[1] + "/"
for name, is_synchronised in (("kept", True), ("lost", False)):
    with open(folder + name, "wb") as file:
        file.write(b"a" * 2000)
        file.flush()
        if is_synchronised:
            os.fsync(file.fileno())
with open(folder + "old", "r+b") as file:
    file.write(b"new")
os.rename(folder + "kept", folder + "renamed")
"""


def test_what_was_not_synchronised_is_lost_in_part_or_whole(tmp_path: Path, shim: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")
    disk, log = Disk(folder), tmp_path / "log"
    environment = {"LD_PRELOAD": str(shim), "DISK_LOG": str(log), "DISK_LOG_ROOT": str(folder)}
    command = [sys.executable, "-c", WRITING, str(folder)]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    for step in read_log(log):
        disk.take(step)
    rng = random.Random(3)
    seen: dict[str, set[bytes | None]] = {"kept": set(), "renamed": set(), "lost": set()}
    old = set()
    for _ in range(200):
        there = {os.path.basename(path): content for path, content in disk.after_a_cut(rng).items()}
        assert ("kept" in there) != ("renamed" in there)
        old.add(there["old"])
        for name, contents in seen.items():
            contents.add(there.get(name))
    whole = b"a" * 2000
    assert seen["kept"] == seen["renamed"] == {None, whole}
    assert seen["lost"] == {None, b"", whole[:512], whole[:1024], whole[:1536], whole}
    assert old == {b"old", b"new"}
