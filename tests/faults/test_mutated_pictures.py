"""Files that were changed at random are read, or refused in words, within bounds."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.support.at_once import REPOSITORY
from tests.support.command import LEXPIX, environment
from tests.support.mutate_pictures import FORMATS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

MOST_MB, MOST_SECONDS = 1300, 11.0
"""`ALONE` budgets, and `file_seconds`, with a little more for what lies between two looks."""


def read(name: str, tries: int, seed: int) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.mutate_pictures"]
    ran = subprocess.run(
        [*command, name, str(tries), str(seed)],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stderr == ""
    seen: dict[str, float] = json.loads(ran.stdout)
    assert seen["more_mb"] < MOST_MB
    assert seen["worst_seconds"] < MOST_SECONDS
    return seen


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_files_are_read_or_refused(name: str) -> None:
    seen = read(name, 60, seed=1)
    assert 0 < seen["read"] < 60


@pytest.mark.parametrize("how", ["library", "command"])
def test_what_pillow_logs_of_a_file_does_not_reach_standard_error(tmp_path: Path, how: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (40, 30), "red").save(photos / "a.tif")
    content = (photos / "a.tif").read_bytes()
    samples = struct.pack("<HHIH", 277, 3, 1, 3)
    assert samples in content
    (photos / "a.tif").write_bytes(content.replace(samples, struct.pack("<HHIH", 277, 3, 1, 48)))
    code = "import sys, PIL.Image, searchengine.images as i\ntry: i.open_image(sys.argv[1])\n"
    code += "except i.ImageError: sys.exit(4)"
    commands = {
        "library": [sys.executable, "-c", code, str(photos / "a.tif")],
        "command": [LEXPIX, "index", str(photos)],
    }
    ran = subprocess.run(
        commands[how],
        capture_output=True,
        text=True,
        check=False,
        env=environment(tmp_path / "library"),
        cwd=REPOSITORY,
    )
    assert ran.returncode == 4
    assert "samples" not in ran.stderr
    assert ran.stderr == "" or how == "command"


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_many_mutated_files_are_read_or_refused(name: str) -> None:
    seen = read(name, 12_500, seed=2)
    print(name, seen)  # noqa: T201 - for docs/reliability.md
