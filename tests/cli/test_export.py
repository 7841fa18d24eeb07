"""`lexpix export` and the filters that are flags: real files, written by real processes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from PIL import Image

from tests.support.command import LEXPIX, environment, lexpix


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    for name in ("a/one.png", "b/one.png", "b/odd \n<b>.jpg"):
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((60, 40), 60).convert("RGB").save(path)
    lexpix("index", folder / "photos", library=folder / "library")
    lexpix("tag", folder / "photos/a/one.png", "--add", "<holiday>", library=folder / "library")
    return folder / "library"


def test_lists_say_the_same_in_all_forms(library: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    listed = json.loads(lexpix("export", "--in", "photos", library=library).stdout)["pictures"]
    assert sorted(one["tags"] for one in listed) == [[], [], ["<holiday>"]]
    ran = lexpix("export", "in:photos", "--format", "csv", library=library)
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    assert [row["path"] for row in rows] == [one["path"] for one in listed]
    lexpix("export", "in:photos", "-o", tmp_path / "x.parquet", library=library)
    table = pq.read_table(tmp_path / "x.parquet").to_pylist()
    for name in ("id", "path", "sha256", "tags", "width"):
        assert [row[name] for row in table] == [one[name] for one in listed]
    paths = lexpix("export", "in:photos", "--format", "paths", "-0", library=library).stdout
    assert paths.split("\0") == [*(one["path"] for one in listed), ""]


def test_pictures_that_are_the_same_are_written_once_if_asked_to(tmp_path: Path) -> None:
    photos, home = tmp_path / "photos", tmp_path / "library"
    photos.mkdir()
    Image.effect_noise((60, 40), 60).convert("RGB").save(photos / "a.png")
    shutil.copy2(photos / "a.png", photos / "b.png")
    lexpix("index", photos, library=home)
    every = lexpix("export", "in:photos", "--format", "paths", library=home).stdout.splitlines()
    once = lexpix("export", "in:photos", "--fold", "--format", "paths", library=home)
    assert sorted(every) == [str(photos / "a.png"), str(photos / "b.png")]
    assert once.stdout.splitlines() == every[:1]


def test_gallery_needs_no_other_file_and_obeys_no_name(library: Path, tmp_path: Path) -> None:
    lexpix("export", "type:png|jpeg", "-o", tmp_path / "g.html", library=library)
    page = (tmp_path / "g.html").read_text("utf-8")
    thumbs = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    sizes = [Image.open(io.BytesIO(b64decode(one))).size for one in thumbs]
    assert sizes == [(60, 40)] * 3
    assert "http" not in page.replace("http-equiv", "")
    assert "&lt;holiday&gt;" in page
    assert "<b>.jpg" not in page


def test_files_of_a_folder_are_never_replaced(library: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "ONE.png").write_bytes(b"mine")
    ran = lexpix("export", "type:png", "--format", "copy", "-o", out, library=library)
    assert "2 pictures written" in ran.stderr
    assert (out / "ONE.png").read_bytes() == b"mine"
    photos = library.parent / "photos"
    originals = sorted((photos / one / "one.png").read_bytes() for one in "ab")
    assert sorted((out / f"one ({n}).png").read_bytes() for n in (2, 3)) == originals
    ran = lexpix("export", "type:png", "--format", "copy", "-o", out, library=library)
    assert "0 pictures written" in ran.stderr
    assert "2 there already" in ran.stderr
    assert sorted(os.listdir(out)) == ["ONE.png", "one (2).png", "one (3).png"]
    links = tmp_path / "links"
    lexpix("export", "type:png", "--format", "symlink", "-o", links, library=library)
    assert {os.readlink(one) for one in links.iterdir()} == {
        str(photos / one / "one.png") for one in "ab"
    }


def test_a_full_disk_and_a_reader_that_has_enough_end_it(library: Path, tmp_path: Path) -> None:
    command = [LEXPIX, "export", "in:photos"]
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            command, env=environment(library), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert ran.returncode == 1
    assert b"No space left" in ran.stderr
    assert b"Traceback" not in ran.stderr
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        command, env=environment(library), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert ran.stderr == b""
    lexpix("export", "in:photos", "-o", tmp_path / "no/x.json", library=library, code=2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give a query or a filter"),
        (["dog", "--format", "copy"], "needs a folder"),
        (["dog", "-o", "x.odd"], "of which form"),
        (["dog", "-0"], "-0 goes with"),
        (["--after", "soon"], "after:soon: takes a year"),
    ],
)
def test_what_cannot_be_written_is_said(library: Path, arguments: list[str], told: str) -> None:
    assert told in lexpix("export", *arguments, library=library, code=2).stderr


def test_filters_are_flags_of_search_too(library: Path) -> None:
    as_flags = ["--type", "png", "--in", "photos/a", "--shape", "landscape"]
    flags = json.loads(lexpix("search", *as_flags, "--json", library=library).stdout)
    text = json.loads(
        lexpix("search", "type:png in:photos/a landscape", "--json", library=library).stdout
    )
    assert flags["hits"] == text["hits"]
    assert [Path(hit["path"]).parent.name for hit in flags["hits"]] == ["a"]
