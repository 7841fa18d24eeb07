"""The user's tags in XMP files beside pictures, read back by lexpix and by exiftool."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexer.executors import Serial
from indexer.library.pipeline import index_images
from indexer.library.xmp import EMPTY, XmpError
from indexer.library.xmp_tags import tagged, write_tags
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.metadata import read_xmp
from tests.support.camera_files import with_iptc, xmp
from tests.support.colour_encoder import ColourEncoder
from tests.support.command import lexpix

EXIFTOOL = shutil.which("exiftool")
needs_exiftool = pytest.mark.skipif(
    EXIFTOOL is None and not os.environ.get("CI"), reason="needs exiftool"
)


def photograph(path: Path, colour: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (96, 64), colour).save(path)
    return path


def keywords(packet: bytes) -> set[str]:
    return set(read_xmp(packet).keywords)


def by_exiftool(path: Path) -> dict[str, Any]:
    command = [str(EXIFTOOL), "-json", "-Subject", "-TagsList", "-HierarchicalSubject"]
    ran = subprocess.run(
        [*command, "-Rating", "-Description", path], capture_output=True, check=True
    )
    found: dict[str, Any] = json.loads(ran.stdout)[0]
    del found["SourceFile"]
    return found


@needs_exiftool
def test_exiftool_reads_what_was_written_and_lexpix_keeps_what_exiftool_wrote(
    tmp_path: Path,
) -> None:
    picture = photograph(tmp_path / "a.jpg", "red")
    sidecar = tmp_path / "a.jpg.xmp"
    assert write_tags(str(picture), ["sunset & sea", "여름"]) == "written"
    names = ["sunset & sea", "여름"]
    assert by_exiftool(sidecar) == {
        "Subject": names, "TagsList": names, "HierarchicalSubject": names,
    }  # fmt: skip
    assert write_tags(str(picture), names) == "unchanged"
    edits = ["-Subject+=Zoo", "-TagsList+=Places/Zurich", "-Rating=4", "-Description=hers"]
    subprocess.run([str(EXIFTOOL), "-q", "-overwrite_original", *edits, sidecar], check=True)
    assert write_tags(str(picture), ["여름", "zoo"]) == "written"
    found = by_exiftool(sidecar)
    assert (found["Rating"], found["Description"]) == (4, "hers")
    assert set(found["Subject"]) == {"여름", "Zoo"}
    assert set(found["TagsList"]) == {"여름", "Places/Zurich", "Zoo"}
    assert set(found["HierarchicalSubject"]) == {"여름", "Places|Zurich", "Zoo"}
    assert write_tags(str(picture), []) == "written"
    found = by_exiftool(sidecar)
    assert (found["Subject"], found["TagsList"]) == ("Zoo", "Places/Zurich")
    assert "HierarchicalSubject" not in found


def test_keywords_of_the_picture_are_carried_along_and_go_with_the_last_tag(
    tmp_path: Path,
) -> None:
    picture = photograph(tmp_path / "photos/a.jpg", "red")
    picture.write_bytes(with_iptc(picture.read_bytes(), keywords="harbour"))
    encoder = ColourEncoder()
    with closing(Catalog(open_database(tmp_path / "library", create=True))) as catalog:
        index_images(str(picture.parent), catalog, encoder, executor=Serial())
        for tags, expected in ((["boat"], {"harbour", "boat"}), ([], {"harbour"})):
            before = picture.read_bytes()
            encoder.batches.clear()
            assert write_tags(str(picture), tags) == "written"
            report = index_images(str(picture.parent), catalog, encoder, executor=Serial())
            assert (report.unchanged, report.updated, encoder.batches) == (1, 0, [])
            [row] = catalog.by_paths([str(picture)]).values()
            assert set(row.exif.keywords) == expected
            assert picture.read_bytes() == before
    assert keywords(picture.with_name("a.jpg.xmp").read_bytes()) == set()


def test_a_carried_keyword_that_somebody_took_out_stays_out() -> None:
    written = tagged(EMPTY, ["boat"], ["harbour", "sea"])
    edited = written.replace(b"<rdf:li>sea</rdf:li>", b"", 1)
    for _ in range(3):
        edited = tagged(edited, ["boat", "crew"], ["harbour", "sea"])
        assert keywords(edited) == {"boat", "crew", "harbour"}


def test_a_keyword_of_somebody_outlives_the_tag_of_that_name() -> None:
    written = tagged(xmp(keywords="Beach,dog", xmp_Rating="3"), ["beach", "sand"], ["file"])
    assert keywords(written) == {"Beach", "dog", "sand"}
    after = tagged(written, [], ["file"])
    assert keywords(after) == {"Beach", "dog"}
    assert read_xmp(after).rating == 3
    assert tagged(after, [], ["file"]) == after


@pytest.mark.parametrize("name", ["a.jpg.XMP", "a.XMP", "a.xmp"])
def test_the_sidecar_that_is_there_is_written_to(tmp_path: Path, name: str) -> None:
    picture = photograph(tmp_path / "a.jpg", "red")
    (tmp_path / name).write_bytes(xmp(keywords="dog"))
    write_tags(str(picture), ["cat"])
    assert keywords((tmp_path / name).read_bytes()) == {"dog", "cat"}
    assert sorted(os.listdir(tmp_path)) == sorted([name, "a.jpg"])


def test_a_sidecar_in_utf_16_is_read_and_written_to() -> None:
    written = tagged(xmp(keywords="Zürich").decode().encode("utf-16"), ["sea"], [])
    assert keywords(xmp(keywords="Zürich").decode().encode("utf-16")) == {"Zürich"}
    assert keywords(written) == {"Zürich", "sea"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_with_entities_is_refused_and_stays(tmp_path: Path, encoding: str) -> None:
    picture = photograph(tmp_path / "a.jpg", "red")
    bomb = f'<!DOCTYPE x [<!ENTITY a "aa">]>{xmp(keywords="dog").decode()}'.encode(encoding)
    (tmp_path / "a.xmp").write_bytes(bomb)
    with pytest.raises(XmpError, match="document type"):
        write_tags(str(picture), ["cat"])
    assert (tmp_path / "a.xmp").read_bytes() == bomb


def test_the_command_writes_the_users_tags_and_takes_removed_ones_out(tmp_path: Path) -> None:
    photos, home = tmp_path / "photos", tmp_path / "library"
    a, b = photograph(photos / "a.jpg", "red"), photograph(photos / "b.jpg", "blue")
    lexpix("index", photos, library=home)
    lexpix("tag", a, "--add", "boat", "--add", "crew", "--write-xmp", library=home)
    assert keywords((photos / "a.jpg.xmp").read_bytes()) == {"boat", "crew"}
    lexpix("tag", a, "--remove", "crew", library=home)
    (photos / "b.xmp").write_bytes(b"<no xmp")
    lexpix("tag", b, "--add", "car", library=home)
    ran = lexpix("tag", "--all", "--write-xmp", library=home, code=1)
    assert "tags of 1 pictures written, 0 as they were, 1 failed" in ran.stderr
    assert "not an XMP packet" in ran.stderr
    assert keywords((photos / "a.jpg.xmp").read_bytes()) == {"boat"}
    stranger = photograph(tmp_path / "c.jpg", "red")
    ran = lexpix("tag", stranger, "--write-xmp", library=home, code=2)
    assert "c.jpg: not in the library" in ran.stderr


def test_two_pictures_that_share_a_sidecar_keep_their_own_tags(tmp_path: Path) -> None:
    one, other = (photograph(tmp_path / name, "red") for name in ("a.jpg", "a.png"))
    shared = tmp_path / "a.xmp"
    shared.write_bytes(xmp(dc_source="mine"))
    assert write_tags(str(one), ["sea"]) == "written"
    assert write_tags(str(other), ["hill"]) == "written"
    assert keywords((tmp_path / "a.jpg.xmp").read_bytes()) == {"sea"}
    assert keywords((tmp_path / "a.png.xmp").read_bytes()) == {"hill"}
    assert b"mine" in (tmp_path / "a.png.xmp").read_bytes()
    assert shared.read_bytes() == xmp(dc_source="mine")
