"""Keywords of other programs become the user's tags: digiKam, Lightroom, Google Takeout."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexer.executors import Serial, Threads
from indexer.library import importing
from indexer.library.importing import ImportReport, Place, import_keywords
from indexer.library.keywords import keywords_of
from indexer.library.pipeline import index_images
from indexer.library.takeout import read_takeout, takeouts_of
from indexer.library.xmp_tags import write_tags
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.types import Picture
from tests.support.camera_files import with_iptc, write_dng, xmp
from tests.support.colour_encoder import ColourEncoder
from tests.support.command import lexpix

EXIFTOOL = shutil.which("exiftool")
needs_exiftool = pytest.mark.skipif(
    EXIFTOOL is None and not os.environ.get("CI"), reason="needs exiftool"
)
TAKEOUT = {"title": "a.jpg", "imageViews": "3"}


class Library:
    """A folder of pictures that are indexed, and their tags."""

    def __init__(self, folder: Path) -> None:
        self.photos = folder / "photos"
        self.photos.mkdir()
        self.encoder = ColourEncoder()
        self.catalog = Catalog(open_database(folder / "library", create=True))

    def photograph(self, name: str) -> Path:
        path = self.photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (96, 64), (len(name), *os.fsencode(name)[:2])).save(path)
        return path

    def index(self) -> None:
        index_images(str(self.photos), self.catalog, self.encoder, executor=Serial())

    def pictures(self) -> dict[str, Picture]:
        rows = self.catalog.get(self.catalog.present().tolist()).values()
        return {os.path.relpath(row.path, self.photos): row for row in rows}

    def take_in(self, **options: Any) -> ImportReport:
        rows = list(self.pictures().values())
        return import_keywords(self.catalog, rows, Serial(), **options)

    def tags(self, source: str = "user") -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        names = {row.id: name for name, row in self.pictures().items()}
        for tag in self.catalog.tags.get(names, self.encoder.fingerprint):
            if tag.source == source:
                found.setdefault(names[tag.image_id], set()).add(tag.name)
        return found


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library(tmp_path)
    with closing(library.catalog):
        yield library


def exiftool(*arguments: str | Path) -> None:
    subprocess.run([str(EXIFTOOL), "-q", "-overwrite_original", *arguments], check=True)


@needs_exiftool
def test_what_exiftool_wrote_as_digikam_lightroom_and_windows_do(library: Library) -> None:
    files = {name: library.photograph(f"{name}.jpg") for name in ("digikam", "lr", "ms", "both")}
    exiftool(
        "-XMP-digiKam:TagsList=Animals/Dog",
        "-XMP-digiKam:TagsList=_Digikam_Internal_Tags_/Color Label Red",
        "-XMP-dc:Subject=Dog",
        "-XMP-dc:Subject=Color Label Red",
        files["digikam"],
    )
    exiftool(
        "-XMP-lr:HierarchicalSubject=Places|Italy|ROME",
        "-XMP-dc:Subject=black/white",
        "-o",
        files["lr"].with_suffix(".xmp"),
        files["lr"],
    )
    exiftool("-XMP-microsoft:LastKeywordXMP=Trips/Sea", files["ms"])
    exiftool("-IPTC:Keywords=old", files["both"])
    exiftool("-XMP-dc:Subject=new", "-o", f"{files['both']}.xmp", files["both"])
    library.index()
    report = library.take_in()
    expected = {
        "digikam.jpg": {"animals", "dog"},
        "lr.jpg": {"places", "italy", "rome", "black/white"},
        "ms.jpg": {"trips", "sea"},
        "both.jpg": {"new"},
    }
    assert library.tags() == expected
    assert (report.pictures, report.tagged, report.names.total()) == (4, 4, 9)
    again = library.take_in()
    assert (again.tagged, again.names.total(), library.tags()) == (0, 0, expected)


@needs_exiftool
def test_names_of_faces_are_taken_when_they_are_asked_for(library: Library) -> None:
    area = "Area={X=0.5,Y=0.5,W=0.1,H=0.1,Unit=normalized}"
    regions = f"{{Name=Ann Lee,Type=Face,{area}}},{{Name=Rex,Type=Pet,{area}}}"
    exiftool(f"-RegionInfo={{RegionList=[{regions}]}}", library.photograph("a.jpg"))
    library.index()
    library.take_in()
    assert library.tags() == {}
    library.take_in(faces=True)
    assert library.tags() == {"a.jpg": {"ann lee"}}


def test_what_the_user_took_away_stays_away_and_nothing_is_doubled(library: Library) -> None:
    picture = library.photograph("a.jpg")
    picture.write_bytes(with_iptc(picture.read_bytes(), keywords="Harbour,Hound,ship"))
    library.index()
    [row] = library.pictures().values()
    library.catalog.tags.set_tag([row.id], "harbour", "user")
    library.catalog.tags.set_tag([row.id], "ship", "no")
    foreseen = library.take_in(dry_run=True)
    assert library.tags() == {"a.jpg": {"harbour"}}
    report = library.take_in()
    assert report == foreseen
    assert (report.names, report.kept_away) == ({"hound": 1}, 1)
    assert library.tags() == {"a.jpg": {"harbour", "hound"}}
    assert library.tags("no") == {"a.jpg": {"ship"}}


def test_a_no_holds_for_words_that_mean_the_same(library: Library) -> None:
    picture = library.photograph("a.jpg")
    picture.write_bytes(with_iptc(picture.read_bytes(), keywords="automobile,sea"))
    library.index()
    [row] = library.pictures().values()
    library.catalog.tags.set_tag([row.id], "car", "no")
    assert library.take_in().kept_away == 1
    assert library.tags() == {"a.jpg": {"sea"}}


def test_what_lexpix_wrote_comes_back_as_it_was_into_a_new_library(library: Library) -> None:
    picture = library.photograph("a.jpg")
    picture.write_bytes(with_iptc(picture.read_bytes(), keywords="harbour"))
    tags = ["black/white", "my | own", "sea"]
    write_tags(str(picture), tags)
    library.index()
    library.take_in()
    assert library.tags() == {"a.jpg": {*tags, "harbour"}}


def test_a_keyword_of_the_file_that_its_sidecar_lost_is_not_imported(library: Library) -> None:
    picture = library.photograph("a.jpg")
    picture.write_bytes(with_iptc(picture.read_bytes(), keywords="harbour"))
    sidecar = Path(f"{picture}.xmp")
    write_tags(str(picture), ["sea"])
    for name in (b"harbour", b"sea"):
        item = b"<rdf:li>" + name + b"</rdf:li>"
        sidecar.write_bytes(sidecar.read_bytes().replace(item, b"", 1))
    library.index()
    library.take_in()
    assert library.tags() == {}
    # The same word of the user's own is another matter.
    [row] = library.pictures().values()
    library.catalog.tags.set_tag([row.id], "harbour", "user")
    assert library.take_in().removed == 0
    assert library.tags() == {"a.jpg": {"harbour"}}


@needs_exiftool
def test_a_tag_that_another_program_took_out_is_not_written_again(library: Library) -> None:
    picture = library.photograph("a.jpg")
    sidecar = Path(f"{picture}.xmp")
    sidecar.write_bytes(xmp(keywords="Zoo"))
    library.index()
    [row] = library.pictures().values()
    library.take_in()
    tags = ["crew", "sea", "zoo"]
    for name in tags:
        library.catalog.tags.set_tag([row.id], name, "user")
    assert write_tags(str(picture), tags) == "written"
    gone = ["-Subject-=crew", "-TagsList-=crew", "-HierarchicalSubject-=crew"]
    exiftool(*gone, "-Subject-=Zoo", "-TagsList-=Zoo", "-HierarchicalSubject-=Zoo", sidecar)
    for _ in range(3):
        write_tags(str(picture), tags)
        assert keywords_of(sidecar.read_bytes()).names == ("sea",)
    report = library.take_in()
    assert (report.removed, library.tags()) == (2, {"a.jpg": {"sea"}})
    assert library.tags("no") == {"a.jpg": {"crew", "zoo"}}
    library.catalog.tags.set_tag([row.id], "crew", "user")
    assert write_tags(str(picture), ["crew", "sea"], again=["crew"]) == "written"
    assert keywords_of(sidecar.read_bytes()).names == ("crew", "sea")
    assert library.take_in().removed == 0
    assert library.tags() == {"a.jpg": {"crew", "sea"}}


def test_a_linked_sidecar_stays_a_link(library: Library, tmp_path: Path) -> None:
    picture, target = library.photograph("a.jpg"), tmp_path / "elsewhere.xmp"
    target.write_bytes(xmp(keywords="dog"))
    link = picture.with_suffix(".xmp")
    link.symlink_to(target)
    assert write_tags(str(picture), ["cat"]) == "written"
    assert link.is_symlink()
    assert keywords_of(target.read_bytes()).names == ("dog", "cat")


def test_odd_files_are_told_and_hold_nothing_up(library: Library) -> None:
    bomb = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>{xmp(keywords="dog").decode()}'
    huge = xmp(keywords="dog").replace(b"</x:xmpmeta>", b" " * 10_000_000 + b"</x:xmpmeta>")
    odd = {"bomb": bomb.encode(), "broken": b"<x", "huge": huge}
    for name, content in odd.items():
        library.photograph(f"{name}.jpg").with_suffix(".xmp").write_bytes(content)
    json_files = {"cut": b'{"title": "cut', "deep": b"[" * 100_000, "latin": b'{"title": "\xe9"}'}
    for name, content in json_files.items():
        Path(f"{library.photograph(f'{name}.jpg')}.json").write_bytes(content)
    library.photograph("labels.jpg").with_suffix(".json").write_bytes(b"{")
    Path(f"{library.photograph('list.jpg')}.json").write_text("[1]", "ascii")
    Path(f"{library.photograph('other.jpg')}.json").write_text('{"title": "x"}', "ascii")
    strange = os.fsdecode(b"caf\xe9.jpg")
    Path(f"{library.photograph(strange)}.xmp").write_bytes(xmp(keywords="coffee"))
    (library.photos / "gone.jpg.xmp").write_bytes(xmp(keywords="dog"))
    (library.photos / "gone.mov.supplemental-metadata.json").write_text("{}", "ascii")
    (library.photos / "metadata.json").write_text("{}", "ascii")
    library.index()
    report = library.take_in()
    assert library.tags() == {strange: {"coffee"}}
    reasons = {os.path.basename(one.path): one.reason for one in report.failed}
    assert set(reasons) == {f"{one}.xmp" for one in odd} | {f"{one}.jpg.json" for one in json_files}
    assert "document type" in reasons["bomb.xmp"]
    assert "not an XMP packet" in reasons["broken.xmp"]
    assert "more than 4 MB" in reasons["huge.xmp"]
    assert all("not JSON" in reasons[f"{one}.jpg.json"] for one in json_files)
    names = [os.path.basename(one) for one in report.strangers]
    assert names == ["gone.jpg.xmp", "gone.mov.supplemental-metadata.json"]


def test_an_import_that_was_broken_off_is_finished_by_the_next(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcde":
        Path(f"{library.photograph(f'{name}.jpg')}.xmp").write_bytes(xmp(keywords=name * 3))
    library.index()
    monkeypatch.setattr(importing, "BATCH", 2)

    def stop(done: int, _total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.take_in(progress=stop)
    assert set(library.tags()) == {"a.jpg", "b.jpg", "c.jpg", "d.jpg"}
    rows = list(library.pictures().values())
    report = import_keywords(library.catalog, rows, Threads(2))
    assert (report.tagged, report.pictures) == (1, 5)
    assert library.tags() == {f"{name}.jpg": {name * 3} for name in "abcde"}


@needs_exiftool
def test_keywords_in_a_raw_file_and_only_of_the_places_that_were_named(library: Library) -> None:
    raw = write_dng(library.photos / "raw.dng", Image.new("RGB", (96, 64), "blue"))
    exiftool("-XMP-lr:HierarchicalSubject=Lands|Desert", raw)
    picture = library.photograph("a.jpg")
    picture.write_bytes(with_iptc(picture.read_bytes(), keywords="inside"))
    picture.with_suffix(".xmp").write_bytes(xmp(keywords="beside"))
    Path(f"{picture}.json").write_text(json.dumps(TAKEOUT | {"favorited": True}), "ascii")
    library.index()
    seen: set[str] = set()
    expected: dict[Place, set[str]] = {
        "xmp": {"beside"},
        "file": {"inside", "lands", "desert"},
        "takeout": {"favourite"},
    }
    for place, names in expected.items():
        library.take_in(places=[place])
        found = set().union(*library.tags().values())
        assert found - seen == names
        seen = found


@pytest.mark.parametrize(
    ("picture", "sidecar"),
    [
        ("IMG_1.jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1(1).jpg", "IMG_1.jpg(1).json"),
        ("IMG_1(1).jpg", "IMG_1.jpg.supplemental-metadata(1).json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.json"),
        ("IMG_1-edited(2).jpg", "IMG_1.jpg.supplemental-metadata(2).json"),
        ("IMG_1-bearbeitet.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        (
            "PXL_20210101_000000000.PORTRAIT.jpg",
            "PXL_20210101_000000000.PORTRAIT.jpg.supplement.json",
        ),
        (
            "urlhttp3A2F2Fexample.com2Fa2Flong2Fnameofpictur.jpg",
            "urlhttp3A2F2Fexample.com2Fa2Flong2Fnameofpictu.json",
        ),
    ],
)
def test_takeout_names_its_files_in_many_ways(picture: str, sidecar: str) -> None:
    assert f"/photos/{sidecar}" in takeouts_of(f"/photos/{picture}")


def test_numbered_pictures_of_takeout_do_not_take_each_others_files() -> None:
    one, other = (set(takeouts_of(name)) for name in ("IMG_1.jpg", "IMG_1(1).jpg"))
    assert not one & other


def test_takeout_says_what_the_file_does_not(library: Library) -> None:
    said: dict[str, Any] = TAKEOUT | {
        "description": "On the  pier",
        "photoTakenTime": {"timestamp": "1577880000", "formatted": "1 Jan 2020, 12:00:00 UTC"},
        "geoData": {"latitude": 47.37, "longitude": 8.54, "altitude": 0.0},
        "people": [{"name": "Ann Lee"}, {"name": 5}, "x"],
    }
    bare, dated = library.photograph("a.jpg"), library.photograph("b.jpg")
    exif = Image.Exif()
    exif[306] = "2019:05:05 10:00:00"
    Image.new("RGB", (96, 64), "red").save(dated, exif=exif)
    library.index()
    Path(f"{bare}.json").write_text(json.dumps(said), "ascii")
    dated.with_name("b.jpg.supplemental-metadata.json").write_text(
        json.dumps(said | {"geoData": {"latitude": 0.0, "longitude": 0.0}}), "ascii"
    )
    library.encoder.batches.clear()
    library.index()
    assert library.encoder.batches == []
    of_bare, of_dated = (library.pictures()[name].exif for name in ("a.jpg", "b.jpg"))
    assert (of_bare.taken_at, of_bare.taken_offset) == (dt.datetime(2020, 1, 1, 12), 0)
    assert (of_bare.lat, of_bare.lon, of_bare.description) == (47.37, 8.54, "On the pier")
    assert (of_dated.taken_at, of_dated.taken_offset) == (dt.datetime(2019, 5, 5, 10), None)
    assert (of_dated.lat, of_dated.description) == (None, "On the pier")
    library.take_in()
    assert library.tags() == {"a.jpg": {"ann lee"}, "b.jpg": {"ann lee"}}
    Path(f"{bare}.json").unlink()
    library.index()
    assert library.pictures()["a.jpg"].exif.taken_at is None


@pytest.mark.parametrize(
    "said",
    [
        {"photoTakenTime": {"timestamp": "x"}},
        {"photoTakenTime": {"timestamp": 10**30}},
        {"photoTakenTime": {"timestamp": "0"}},
        {"photoTakenTime": [], "geoData": "x", "people": {"name": "x"}},
        {"geoData": {"latitude": 91.0, "longitude": 1.0}},
        {"geoData": {"latitude": float("nan"), "longitude": 1.0}},
    ],
)
def test_nonsense_of_takeout_says_nothing(said: dict[str, Any]) -> None:
    takeout = read_takeout(json.dumps(TAKEOUT | said).encode())
    assert takeout is not None
    assert (takeout.exif.taken_at, takeout.exif.lat, takeout.people) == (None, None, ())


def test_half_a_letter_in_a_name_is_replaced() -> None:
    takeout = read_takeout(json.dumps(TAKEOUT | {"people": [{"name": "Ann \ud83d"}]}).encode())
    assert takeout is not None
    assert takeout.people == ("Ann ?",)


def test_the_command_imports_says_what_it_did_and_what_it_could_not_read(tmp_path: Path) -> None:
    photos, home = tmp_path / "photos", tmp_path / "library"
    photos.mkdir()
    for name, keywords in (("a", "Dog,Beach"), ("b", "dog")):
        Image.new("RGB", (96, 64), (ord(name), 9, 9)).save(photos / f"{name}.jpg")
        (photos / f"{name}.xmp").write_bytes(xmp(keywords=keywords))
    lexpix("index", photos, library=home)
    ran = lexpix("tag", "--import", "--dry-run", photos, library=home)
    assert ran.stdout.splitlines() == [
        "      2  dog",
        "      1  beach",
        "3 keywords would become tags of 2 pictures, of 2 looked at",
    ]
    (photos / "b.xmp").write_bytes(b"<no xmp")
    ran = lexpix("tag", "--import", "--json", library=home, code=1)
    report = json.loads(ran.stdout)
    assert (report["tags"], report["tagged"], report["pictures"]) == ({"dog": 1, "beach": 1}, 1, 2)
    assert [one["path"] for one in report["failed"]] == [str(photos / "b.xmp")]
    assert "b.xmp: not an XMP packet" in ran.stderr
    (photos / "b.xmp").unlink()
    lexpix("tag", "--all", "--write-xmp", library=home)
    sidecar = photos / "a.xmp"
    sidecar.write_bytes(sidecar.read_bytes().replace(b"<rdf:li>Dog</rdf:li>", b""))
    ran = lexpix("tag", "--all", "--write-xmp", library=home)
    assert "1 tags that another program took out were not written" in ran.stderr
    assert keywords_of(sidecar.read_bytes()).names == ("beach",)
    lexpix("tag", photos / "a.jpg", "--add", "dog", "--write-xmp", library=home)
    assert set(keywords_of(sidecar.read_bytes()).names) == {"beach", "dog"}
