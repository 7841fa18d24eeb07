"""The commands of docs/api.md, run as they stand there against a real server."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("fastapi")

from tests.support.plain_pictures import draw_many
from tests.support.served import serving

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
BEFORE = """\
set -eo pipefail
curl() { command curl --fail-with-body --max-time 120 --noproxy '*' "$@"; }
"""
"""What makes a command fail whose answer is a problem."""

if not (shutil.which("curl") and shutil.which("bash")):
    pytest.skip("needs curl and bash", allow_module_level=True)


def scripts() -> list[str]:
    """Return the blocks of the page that ask by curl."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return [block for block in blocks if "curl " in block]


@pytest.fixture
def server(photo_library: Path, tmp_path: Path) -> Iterator[str]:
    """A server over a library of its own, because the commands change it."""
    shutil.copytree(photo_library, tmp_path / "library")
    with serving(tmp_path / "library") as url:
        yield url


def test_commands_do_what_the_page_says(server: str, photo_library: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    Image.new("RGB", (40, 30), "brown").save(work / "dog.jpg")
    pictures = draw_many(tmp_path / "Pictures", 3)
    script = BEFORE + "\n".join(scripts())
    script = script.replace("http://127.0.0.1:8765", server)
    for folder in ("/home/me/Pictures", "~/Pictures"):
        script = script.replace(folder, os.fspath(pictures))
    ran = subprocess.run(
        ["bash", "-c", script], cwd=work, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    assert '"name":"holiday","source":"user"' in ran.stdout
    assert "event: report" in ran.stdout
    assert '"added": 3' in ran.stdout
    for name in ("picture.jpg", "small.jpg"):
        with Image.open(work / name) as picture:
            picture.load()
    assert len(json.loads((work / "map.json").read_bytes())["points"]) == 84
    with (work / "pictures.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["3", "4"]
