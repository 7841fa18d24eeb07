"""`lexpix dupes` in real processes: tables, lists, JSON and the trash."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage import data

from tests.support.command import lexpix


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos` and their `library`."""
    folder = tmp_path_factory.mktemp("dupes")
    photos = folder / "photos"
    photos.mkdir()
    coffee = Image.fromarray(data.coffee())
    coffee.save(photos / "coffee.png")
    coffee.resize((300, 200)).save(photos / "small.jpg")
    Image.fromarray(data.rocket()).save(photos / "rocket.jpg")
    shutil.copy(photos / "rocket.jpg", photos / "rocket (1).jpg")
    lexpix("index", photos, library=folder / "library")
    lexpix("tag", photos / "small.jpg", "--add", "breakfast", library=folder / "library")
    return folder


def entries(ran: Any) -> list[tuple[str, str, list[str]]]:
    return [
        (group["kind"], Path(group["keep"]["path"]).name, names(group["others"]))
        for group in json.loads(ran.stdout)["groups"]
    ]


def names(pictures: list[dict[str, Any]]) -> list[str]:
    return [Path(one["path"]).name for one in pictures]


COPIES = ("exact", "rocket.jpg", ["rocket (1).jpg"])
RESIZED = ("near", "coffee.png", ["small.jpg"])


def test_groups_are_told_with_what_to_keep_and_why(made: Path) -> None:
    library = made / "library"
    ran = lexpix("dupes", "--json", library=library)
    assert entries(ran) == [COPIES, RESIZED]
    near = json.loads(ran.stdout)["groups"][1]
    assert near["reasons"] == ["resolution", "size"]
    assert near["bytes"] == os.path.getsize(made / "photos/small.jpg")
    assert near["others"][0]["tags"] == ["breakfast"]
    assert entries(lexpix("dupes", "--json", "--exact", library=library)) == [COPIES]
    table = lexpix("dupes", "--near", "--burst", library=library).stdout
    assert "the same picture: 1 group, 1 to spare" in table
    assert "coffee.png  (more pixels, more bytes)" in table
    assert "bursts: none" in table


def test_the_list_has_what_is_not_to_be_kept(made: Path, tmp_path: Path) -> None:
    spare = [os.fsencode(made / "photos" / name) for name in ("rocket (1).jpg", "small.jpg")]
    lexpix("dupes", "--write", tmp_path / "list", library=made / "library")
    assert (tmp_path / "list").read_bytes().splitlines() == spare
    ran = lexpix("dupes", "--write", "-", "-0", library=made / "library")
    assert os.fsencode(ran.stdout) == b"".join(path + b"\0" for path in spare)


def test_hashes_of_an_older_library_are_made_and_remembered(made: Path, tmp_path: Path) -> None:
    library = Path(shutil.copytree(made / "library", tmp_path / "library"))
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection:
        before = connection.execute("SELECT id, phash, sharpness FROM images").fetchall()
        connection.execute("UPDATE images SET phash = NULL, sharpness = NULL")
        connection.commit()
    ran = lexpix("dupes", "--near", "--json", library=library)
    assert entries(ran) == [RESIZED]
    assert "looking: 4/4 pictures" in ran.stderr
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection:
        assert connection.execute("SELECT id, phash, sharpness FROM images").fetchall() == before
    assert lexpix("dupes", "--near", "--json", library=library).stderr == ""


def test_the_trash_takes_what_is_not_kept_and_its_tags_stay(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trash = tmp_path / "data"
    monkeypatch.setenv("XDG_DATA_HOME", str(trash))
    photos = Path(shutil.copytree(made / "photos", tmp_path / "photos"))
    library = tmp_path / "library"
    lexpix("index", photos, library=library)
    lexpix("tag", photos / "small.jpg", "--add", "breakfast", library=library)
    before = {path.name: path.read_bytes() for path in photos.iterdir()}
    asked = lexpix("dupes", "--trash", library=library)
    assert "2 files would go to the trash" in asked.stderr
    assert {path.name for path in photos.iterdir()} == set(before)

    (photos / "small.jpg").write_bytes(before["small.jpg"] + b"\0")  # edited since
    ran = lexpix("dupes", "--trash", "--yes", "--json", library=library)
    assert json.loads(ran.stdout)["trashed"] == [str(photos / "rocket (1).jpg")]
    assert "small.jpg: stays: it has changed since it was indexed" in ran.stderr
    (photos / "small.jpg").write_bytes(before["small.jpg"])
    lexpix("index", photos, library=library)
    lexpix("dupes", "--trash", "--yes", library=library)
    assert {path.name for path in photos.iterdir()} == {"coffee.png", "rocket.jpg"}
    [copy] = trash.rglob("rocket (1).jpg")
    assert copy.read_bytes() == before["rocket (1).jpg"]
    found = lexpix("search", "tag:breakfast", "--paths", library=library).stdout.split()
    assert [Path(path).name for path in found] == ["coffee.png"]
    status = json.loads(lexpix("status", "--json", library=library).stdout)
    assert status["counts"] == {"ok": 2, "missing": 2, "bad": 0}


def test_wrong_use_is_refused(made: Path) -> None:
    library = made / "library"
    assert "--yes says yes to --trash" in lexpix("dupes", "--yes", library=library, code=2).stderr
    assert "-0 is about" in lexpix("dupes", "-0", library=library, code=2).stderr
    assert (
        "nothing of it is indexed"
        in lexpix("dupes", "--in", made / "nowhere", library=library, code=3).stderr
    )
