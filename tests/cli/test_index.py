"""`lexpix index` as who runs it sees it: questions, exit codes, a look ahead."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.command import LEXPIX, environment, lexpix
from tests.support.terminal import on_terminal


def draw(path: Path, seed: int) -> Path:
    """Draw a picture that no other seed gives."""
    fields = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(fields).resize((64, 64), Image.Resampling.NEAREST).save(path)
    return path


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 24 pictures in `photos` and the `library` that has them."""
    folder = tmp_path_factory.mktemp("index")
    for seed in range(24):
        draw(folder / "photos" / f"{seed:02}.png", seed)
    lexpix("index", folder / "photos", library=folder / "library")
    return folder


@pytest.fixture
def folder(indexed: Path) -> Path:
    """The photos as indexed, and a library of the test's own in `own`."""
    shutil.rmtree(indexed / "own", ignore_errors=True)
    shutil.copytree(indexed / "library", indexed / "own")
    kept = {f"{seed:02}.png": seed for seed in range(24)}
    for path in (indexed / "photos").iterdir():
        if path.name not in kept:
            path.unlink()
    for name, seed in kept.items():
        if not (indexed / "photos" / name).exists():
            draw(indexed / "photos" / name, seed)
    return indexed


def report(folder: Path, *options: str, code: int = 0) -> dict[str, Any]:
    ran = lexpix("index", *options, "--json", library=folder / "own", code=code)
    entries: dict[str, Any] = json.loads(ran.stdout)
    return {name: count for name, count in entries.items() if count and name != "skipped_files"}


def asked(folder: Path, typed: str, code: int) -> str:
    command: Sequence[str] = [LEXPIX, "index"]
    return on_terminal(command, environment(folder / "own"), typed, code)


def test_many_pictures_that_are_gone_are_asked_about(folder: Path) -> None:
    for path in sorted((folder / "photos").iterdir())[:11]:
        path.unlink()
    refused = lexpix("index", library=folder / "own", code=1)
    assert "photos: 11 of its 24 pictures are gone" in refused.stderr
    assert "pass --yes" in refused.stderr
    assert "13 unchanged, 11 unconfirmed" in refused.stdout
    no = asked(folder, "\n", code=1)
    assert f"11 of 24 pictures of {folder / 'photos'} are gone: mark them as missing? [y/N]" in (
        no.replace("\r\n", "")
    )
    assert "11 unconfirmed" in no
    assert "11 missing" in asked(folder, "y\n", code=0)
    assert report(folder) == {"unchanged": 13}


def test_yes_marks_whatever_is_gone(folder: Path) -> None:
    for path in sorted((folder / "photos").iterdir())[:20]:
        path.unlink()
    assert report(folder, "--yes") == {"missing": 20, "unchanged": 4}


def test_a_run_that_could_not_read_a_file_ends_with_4_and_says_how_many(folder: Path) -> None:
    (folder / "photos/bad.png").write_bytes(b"no picture")
    draw(folder / "photos/new.png", 99)
    ran = lexpix("index", library=folder / "own", code=4)
    assert "1 added, 24 unchanged, 1 failed" in ran.stdout
    assert ran.stderr.splitlines()[-1] == (
        "lexpix: 1 file or folder could not be read, see above and: lexpix failures"
    )
    assert report(folder) == {"unchanged": 26}  # known by now, and listed by `failures`


def test_a_dry_run_says_what_the_run_then_does(folder: Path) -> None:
    photos = folder / "photos"
    (photos / "00.png").rename(photos / "moved.png")
    (photos / "01.png").unlink()
    draw(photos / "02.png", 77)
    draw(photos / "new.png", 78)
    (photos / "bad.png").write_bytes(b"no picture")
    (photos / "notes.txt").write_text("no picture either")
    shown = lexpix("index", "--dry-run", library=folder / "own", code=4).stdout
    assert shown.startswith(
        "would be: 1 added, 1 updated, 1 moved, 1 missing, 21 unchanged, 1 failed in "
    )
    foreseen = report(folder, "--dry-run", code=4)
    assert foreseen == report(folder, code=4)
    assert foreseen["skipped"] == 1
    assert report(folder, "--dry-run") == {"unchanged": 25, "skipped": 1}


def test_a_dry_run_without_a_library_makes_none(folder: Path, tmp_path: Path) -> None:
    photos = str(folder / "photos")
    ran = lexpix("index", "--dry-run", photos, library=tmp_path / "library")
    assert ran.stdout.startswith("would be: 24 added in ")
    assert not (tmp_path / "library").exists()
    lexpix("index", "--dry-run", library=tmp_path / "library", code=3)
