"""`lexpix doctor`, `backup` and `restore`, in real processes over real libraries."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from searchengine.catalog import backups
from searchengine.errors import LibraryError
from tests.support.colour_library import photograph
from tests.support.command import lexpix


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("care")
    for place, (top, bottom) in enumerate([("red", "blue"), ("green", "black"), ("pink", "red")]):
        photograph(folder / "photos" / f"{place}.jpg", top, bottom)
    lexpix("index", folder / "photos", library=folder / "library")
    lexpix("tag", folder / "photos" / "0.jpg", "--add", "keepsake", library=folder / "library")
    return folder / "library"


@pytest.fixture
def library(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "library"))


def change(library: Path, *statements: str) -> None:
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def examined(library: Path, *options: str, code: int) -> dict[str, Any]:
    ran = lexpix("doctor", "--json", *options, library=library, code=code)
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer | {one["check"]: one["severity"] for one in answer["findings"]}


def tagged(library: Path) -> list[str]:
    ran = lexpix("search", "tag:keepsake", "--paths", library=library)
    return [Path(line).name for line in ran.stdout.split()]


def test_a_doctor_finds_nothing_wrong_with_a_sound_library(library: Path) -> None:
    answer = examined(library, code=0)
    assert {one["severity"] for one in answer["findings"]} == {"ok"}
    assert {"integrity", "references", "vectors", "index", "disk", "versions"} <= answer.keys()


DAMAGES = {
    "numbers": "UPDATE meta SET value = '0' WHERE key = 'seq'",
    "vectors": "UPDATE embeddings SET vector = zeroblob(length(vector)) WHERE image_id = 1",
    "references": "INSERT INTO embeddings SELECT 99, encoder_id, vector FROM embeddings LIMIT 1",
}


@pytest.mark.parametrize("check", DAMAGES)
def test_a_doctor_names_and_mends_what_can_be_made_again(library: Path, check: str) -> None:
    change(library, DAMAGES[check])
    assert examined(library, code=1)[check] == "damage"
    repaired = examined(library, "--repair", code=1 if check == "vectors" else 0)
    assert repaired["repaired"]
    assert repaired[check] == "ok"
    if check == "vectors":  # which only the pictures can give back
        lexpix("index", library=library)
    assert {one["severity"] for one in examined(library, code=0)["findings"]} == {"ok"}
    assert tagged(library) == ["0.jpg"]


def test_a_doctor_never_drops_what_a_person_typed(library: Path) -> None:
    change(
        library,
        "INSERT INTO tags (image_id, name, source) VALUES (99, 'grandma', 'user')",
        "INSERT INTO tags (image_id, name, source) VALUES (99, 'cat', 'guess')",
    )
    answer = examined(library, "--repair", code=1)
    assert any("typed" in line for line in answer["repaired"])
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection:
        left = connection.execute("SELECT name FROM tags WHERE image_id = 99").fetchall()
    assert left == [("grandma",)]


def test_a_doctor_finds_an_index_that_says_other_than_the_catalog(library: Path) -> None:
    change(
        library, "UPDATE embeddings SET vector = (SELECT vector FROM embeddings WHERE image_id=2)"
    )
    assert examined(library, code=1)["index"] == "damage"
    assert examined(library, "--repair", code=0)["index"] == "ok"


def test_a_broken_catalog_is_restored_from_a_copy_and_kept(library: Path, tmp_path: Path) -> None:
    before = sorted(lexpix("search", "red", "--all", "--paths", library=library).stdout.split())
    lexpix("backup", tmp_path / "copy.sqlite", library=library)
    content = (tmp_path / "copy.sqlite").read_bytes()
    catalog = library / "catalog.sqlite"
    catalog.write_bytes(b"no database" * 999)
    assert examined(library, code=1)["file"] == "damage"
    said = lexpix("restore", tmp_path / "copy.sqlite", library=library).stdout
    (former,) = library.glob("catalog.sqlite.before-*")
    assert str(former) in said
    assert former.read_bytes().startswith(b"no database")
    assert (tmp_path / "copy.sqlite").read_bytes() == content
    after = lexpix("search", "red", "--all", "--paths", library=library).stdout
    assert sorted(after.split()) == before
    assert tagged(library) == ["0.jpg"]
    examined(library, code=0)


def test_a_library_in_use_is_copied_and_restored(library: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(library / "catalog.sqlite")) as busy:
        assert busy.execute("SELECT count(*) FROM tags").fetchone() == (1,)
        lexpix("backup", tmp_path / "copy.sqlite", library=library)
        lexpix("tag", "#1", "--remove", "keepsake", library=library)
        assert tagged(library) == []
        lexpix("restore", tmp_path / "copy.sqlite", library=library)
        (row,) = busy.execute("SELECT source FROM tags WHERE name = 'keepsake'").fetchall()
    assert row == ("user",)
    (former,) = library.glob("catalog.sqlite.before-*")
    with closing(sqlite3.connect(former)) as connection:
        kept = connection.execute("SELECT source FROM tags WHERE name = 'keepsake'").fetchall()
    assert kept == [("no",)]


def test_an_index_of_another_history_is_made_anew(library: Path, tmp_path: Path) -> None:
    lexpix("backup", tmp_path / "copy.sqlite", library=library)
    lexpix("forget", "--json", library.parent / "nowhere", library=library, code=2)
    (photos,) = json.loads(lexpix("status", "--json", library=library).stdout)["roots"]
    lexpix("forget", Path(photos["path"]) / "0.jpg", "--yes", library=library)
    assert tagged(library) == []
    lexpix("restore", tmp_path / "copy.sqlite", library=library)
    found = lexpix("search", "red", "--all", "--paths", library=library).stdout.split()
    assert sorted(Path(one).name for one in found) == ["0.jpg", "1.jpg", "2.jpg"]
    examined(library, code=0)


@pytest.mark.parametrize("wrong", ["absent", "text", "foreign", "cut", "newer"])
def test_what_is_no_sound_catalog_is_not_restored(
    library: Path, tmp_path: Path, wrong: str
) -> None:
    file = tmp_path / "copy.sqlite"
    if wrong in ("cut", "newer"):
        backups.save(library, file)
        if wrong == "cut":
            file.write_bytes(file.read_bytes()[:-9000])
        else:
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("UPDATE alembic_version SET version_num = '9999'")
                connection.commit()
    elif wrong == "foreign":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE songs (title TEXT)")
    elif wrong == "text":
        file.write_text("my diary")
    ran = lexpix("restore", file, library=library, code=1)
    assert ran.stderr.startswith(f"lexpix: {file}: ")
    assert not list(library.glob("catalog.sqlite.before-*"))
    assert tagged(library) == ["0.jpg"]


def test_a_copy_is_kept_each_week_and_the_oldest_goes(library: Path) -> None:
    start = dt.datetime(2024, 5, 1, 12)
    made = [backups.rotate(library, 3, start + dt.timedelta(days=day)) for day in range(0, 40, 4)]
    days = [day for day, copy in zip(range(0, 40, 4), made, strict=True) if copy is not None]
    assert days == [0, 8, 16, 24, 32]
    kept = [one for one in made if one is not None][:1:-1]
    assert backups.copies(library) == kept
    assert backups.rotate(library, 0, start + dt.timedelta(days=99)) is None


def test_a_damaged_catalog_takes_no_copys_place(library: Path) -> None:
    copy = backups.rotate(library, 1, dt.datetime(2024, 5, 1))
    (library / "catalog.sqlite").write_bytes(b"no database" * 999)
    with pytest.raises(LibraryError, match="not a database"):
        backups.rotate(library, 1, dt.datetime(2024, 6, 1))
    assert backups.copies(library) == [copy]


def test_an_index_run_keeps_a_copy_unless_told_not_to(library: Path) -> None:
    (library / "config.toml").write_text("backups = 0")
    lexpix("index", library=library)
    assert backups.copies(library) == []
    (library / "config.toml").unlink()
    lexpix("index", library=library)
    (copy,) = backups.copies(library)
    assert lexpix("restore", library=library).stdout.strip() == str(copy)
