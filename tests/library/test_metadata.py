"""What is said of pictures reaches the catalog, and again when a sidecar or the reader changes."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pillow_heif
import pytest
from PIL import ExifTags, Image

from indexer.executors import Serial
from indexer.library.pipeline import index_images
from searchengine.catalog.database import FILE_NAME, open_database
from searchengine.catalog.skipped import skipped
from searchengine.catalog.store import Catalog
from searchengine.types import Failure, Filter, IndexReport, Picture
from tests.support.camera_files import write_dng, xmp
from tests.support.colour_encoder import ColourEncoder
from tests.support.command import lexpix

pillow_heif.register_heif_opener()


def photograph(path: Path, colour: str, model: str = "Phone 15") -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = model
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.effect_noise((96, 64), 60).convert("RGB")
    picture.paste(colour, (0, 0, 96, 40))
    picture.save(path, exif=exif.tobytes(), quality=95)
    return path


class Library:
    """A folder of pictures, and the catalog that it is indexed into."""

    def __init__(self, folder: Path) -> None:
        self.root, self.library = folder / "photos", folder / "library"
        self.root.mkdir()
        self.encoder = ColourEncoder()
        self.failures: list[Failure] = []
        self.catalog = Catalog(open_database(self.library, create=True))

    def index(self) -> IndexReport:
        self.encoder.batches.clear()
        self.failures.clear()
        return index_images(
            str(self.root),
            self.catalog,
            self.encoder,
            executor=Serial(),
            on_failure=self.failures.append,
        )

    def row(self, name: str) -> Picture:
        path = str(self.root / name)
        return self.catalog.by_paths([path])[path]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path)
    yield made
    made.catalog.close()


def test_a_folder_of_a_phone_and_a_camera_is_indexed(library: Library) -> None:
    photograph(library.root / "IMG_1.HEIC", "red")
    (library.root / "IMG_1.MOV").write_bytes(b"film")
    photograph(library.root / "DSC_2.jpg", "blue")
    write_dng(library.root / "DSC_2.dng", Image.new("RGB", (96, 64), "blue"))
    write_dng(library.root / "DSC_3.dng", Image.new("RGB", (96, 64), "green"))
    assert library.index() == IndexReport(added=3)
    names = ("IMG_1.HEIC", "DSC_2.jpg", "DSC_3.dng")
    rows = [library.row(name) for name in names]
    assert [row.format for row in rows] == ["heic", "jpeg", "raw"]
    assert [row.exif.camera for row in rows] == ["Phone 15", "Phone 15", "Lexpix Drawn One"]
    assert library.index() == IndexReport(unchanged=3)


def test_a_folder_of_heic_alone_is_no_disk_that_is_not_mounted(library: Library) -> None:
    photograph(library.root / "IMG_1.HEIC", "red")
    assert library.index() == IndexReport(added=1)


def test_what_was_skipped_is_remembered_until_the_next_scan(library: Library) -> None:
    photograph(library.root / "a.jpg", "red")
    for name in ("a.mov", "b.psd", "c.pdf", "notes.txt"):
        (library.root / name).write_bytes(b"x")
    assert library.index() == IndexReport(added=1, skipped=3)  # a.mov belongs to a.jpg
    assert skipped(library.catalog) == {".psd": 1, ".pdf": 1, ".txt": 1}
    (library.root / "b.psd").unlink()
    library.index()
    assert skipped(library.catalog) == {".pdf": 1, ".txt": 1}
    library.catalog.forget(str(library.root))
    assert skipped(library.catalog) == {}


def test_a_jpeg_that_ends_too_early_is_found_and_listed(library: Library) -> None:
    path = photograph(library.root / "a.jpg", "red")
    path.write_bytes(path.read_bytes()[:-2])
    shutil.copy(path, library.root / "copy.jpg")
    assert library.index() == IndexReport(added=2, damaged=2)
    damaged = [Failure(str(library.root / name), "the file lacks its end") for name in _NAMES]
    assert library.catalog.damaged() == damaged
    assert library.catalog.failures() == []
    reason = "indexed, but the file lacks its end"
    assert library.failures == [Failure(one.path, reason) for one in damaged]
    assert library.catalog.searchable(library.encoder.fingerprint) == 2


_NAMES = ("a.jpg", "copy.jpg")


def test_a_sidecar_that_comes_changes_or_goes_is_read_without_embedding(library: Library) -> None:
    photograph(library.root / "a.jpg", "red")
    library.index()
    seq = library.catalog.seq()
    sidecar = library.root / "a.xmp"

    def after(content: bytes | None) -> tuple[int | None, tuple[str, ...]]:
        if content is None:
            sidecar.unlink()
        else:
            before = sidecar.stat().st_mtime_ns if sidecar.exists() else 0
            sidecar.write_bytes(content)
            os.utime(sidecar, ns=(0, before + 10**9))
        assert library.index() == IndexReport(unchanged=1)
        assert library.encoder.batches == []
        exif = library.row("a.jpg").exif
        assert exif.camera == "Phone 15"
        return exif.rating, exif.keywords

    assert after(xmp(xmp_Rating="4", keywords="dog,beach")) == (4, ("dog", "beach"))
    assert after(xmp(xmp_Rating="2")) == (2, ())
    assert after(b"<not xmp") == (None, ())
    assert after(xmp(keywords="cat")) == (None, ("cat",))
    assert after(None) == (None, ())
    assert library.catalog.seq() == seq + 5
    assert library.index() == IndexReport(unchanged=1)
    assert library.catalog.seq() == seq + 5


def test_a_library_of_an_older_reader_catches_up_without_embedding(library: Library) -> None:
    photograph(library.root / "a.heic", "red")
    photograph(library.root / "b.jpg", "blue")
    library.index()
    before = {name: library.row(name) for name in ("a.heic", "b.jpg")}
    with closing(sqlite3.connect(library.library / FILE_NAME)) as connection:
        connection.execute(
            "UPDATE images SET camera = NULL, format = NULL, metadata_version = 0"
            " WHERE CAST(path AS TEXT) LIKE '%heic'"
        )
        connection.commit()
    assert library.row("a.heic").exif.camera is None
    assert library.index() == IndexReport(unchanged=2)
    assert library.encoder.batches == []
    assert {name: library.row(name) for name in before} == before


def test_a_file_that_an_older_reader_refused_is_tried_again_once(library: Library) -> None:
    photograph(library.root / "a.jpg", "red")
    (library.root / "b.jpg").write_bytes(b"no picture")
    assert library.index() == IndexReport(added=1, failed=1)
    assert library.index() == IndexReport(unchanged=2)
    with closing(sqlite3.connect(library.library / FILE_NAME)) as connection:
        connection.execute("UPDATE images SET metadata_version = 0")
        connection.commit()
    assert library.index() == IndexReport(unchanged=1, failed=1)
    assert library.index() == IndexReport(unchanged=2)


def test_the_command_says_what_it_passed_over(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    path = photograph(photos / "cut.jpg", "red")
    path.write_bytes(path.read_bytes()[:-2])
    for name in ("a.psd", "b.psd", "c.txt"):
        (photos / name).write_bytes(b"x")
    library = tmp_path / "library"
    said = lexpix("index", photos, library=library).stdout
    assert "1 added, 1 damaged in" in said
    assert "skipped 3 files: 2 .psd, 1 .txt\n" in said
    report = json.loads(lexpix("index", photos, "--json", library=library).stdout)
    assert (report["skipped"], report["unchanged"]) == (3, 1)
    assert report["skipped_files"] == {".psd": 2, ".txt": 1}
    status = json.loads(lexpix("status", "--json", library=library).stdout)
    assert (status["skipped"], status["damaged"]) == ({".psd": 2, ".txt": 1}, 1)
    assert "skipped   3 files: 2 .psd" in lexpix("status", library=library).stdout
    listed = lexpix("failures", library=library).stdout
    assert listed == f"{path}: the file lacks its end (it can be found)\n"
    assert lexpix("similar", path, "--all", library=library).returncode == 0


def test_places_are_named_by_the_nearest_town(library: Library) -> None:
    where = {"zurich": (47.3769, 8.5417), "paris": (48.8566, 2.3522), "sea": (0.0, -30.0)}
    for name, (lat, lon) in where.items():
        photograph(library.root / f"{name}.jpg", "red")
        north, east = f"{lat:.6f}".split("."), f"{abs(lon):.6f}".split(".")
        side = "W" if lon < 0 else "E"
        (library.root / f"{name}.xmp").write_bytes(
            xmp(
                exif_GPSLatitude=f"{north[0]},{60 * float('0.' + north[1]):.6f}N",
                exif_GPSLongitude=f"{east[0]},{60 * float('0.' + east[1]):.6f}{side}",
            )
        )
    library.index()
    zurich, paris, sea = (library.row(f"{name}.jpg").place for name in where)
    assert zurich is not None
    assert zurich.startswith("Z")
    assert zurich.endswith("Switzerland")
    assert paris is not None
    assert paris.endswith("France")
    assert sea == ""
    assert library.catalog.places.unnamed() == []
    found = library.catalog.filters.passing([Filter("zurich", kind="place")])
    assert found.tolist() == [library.row("zurich.jpg").id]
    [near] = library.catalog.filters.passing([Filter("48.85,2.35,10km", kind="near")]).tolist()
    assert near == library.row("paris.jpg").id
