from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexer.executors import Serial, Threads
from indexer.library.pipeline import index_images, retry_failures
from indexer.library.reading import Job, Unreadable, decode
from indexer.library.tally import Progress
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.errors import ModelError, RootError
from searchengine.types import Failure, FileStat, IndexReport, PathLike, Picture, Vectors
from tests.support.colour_encoder import COLOURS, ColourEncoder


def draw(path: Path, seed: int) -> Path:
    """Draw a picture of 4 x 4 fields that no other seed gives; as BMP all have one size."""
    fields = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(fields).resize((64, 64), Image.Resampling.NEAREST).save(path)
    return path


@dataclass
class Library:
    """A catalog, an encoder, and a folder of pictures to index into it."""

    root: Path
    catalog: Catalog
    encoder: ColourEncoder = field(default_factory=ColourEncoder)
    failures: list[Failure] = field(default_factory=list)

    def index(self, root: Path | None = None, **options: Any) -> IndexReport:
        """Index the root and prove that the catalog then tells the truth."""
        self.encoder.batches.clear()
        self.failures.clear()
        report = index_images(
            str(root or self.root),
            self.catalog,
            self.encoder,
            **{"executor": Threads(2), "on_failure": self.failures.append, **options},
        )
        self.check()
        return report

    def check(self) -> None:
        """Compare every present picture with what its file holds, computed here from scratch."""
        pictures = self.catalog.get(self.catalog.ids_under("/"))
        vectors = self.catalog.vectors(pictures, self.encoder.fingerprint)
        twin = ColourEncoder()
        for id_, picture in pictures.items():
            if os.path.exists(picture.path):
                content = Path(picture.path).read_bytes()
                assert picture.sha256 == hashlib.sha256(content).hexdigest()
                expected = twin.encode_images([picture.path])[0]
                np.testing.assert_allclose(vectors[id_], expected, atol=2e-3)

    def row(self, name: str) -> Picture:
        path = os.path.join(self.root, name)
        return self.catalog.by_paths([path])[path]

    def states(self, *names: str) -> list[str]:
        return [self.row(name).state for name in names]

    @property
    def embedded(self) -> int:
        return sum(self.encoder.batches)


def open_catalog(folder: Path) -> Catalog:
    return Catalog(open_database(folder, create=True))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    root = tmp_path / "photos"
    for seed, name in enumerate(["a.png", "b.png", "c.png", "sub/d.png", "sub/e.png"]):
        draw(root / name, seed)
    catalog = open_catalog(tmp_path / "library")
    yield Library(root, catalog)
    catalog.close()


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder on another device than pytest's temporary folders."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


# What happens to files


def test_a_new_folder_is_added_whole(library: Library) -> None:
    assert library.index() == IndexReport(added=5)
    row = library.row("sub/d.png")
    stat = (library.root / "sub/d.png").stat()
    assert (row.state, row.root, row.width, row.height) == ("ok", str(library.root), 64, 64)
    assert (row.size, row.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert library.catalog.searchable(library.encoder.fingerprint) == 5


def test_unchanged_files_are_not_opened_again(library: Library) -> None:
    library.index()
    seq = library.catalog.seq()
    assert library.index() == IndexReport(unchanged=5)
    assert (library.embedded, library.catalog.seq()) == (0, seq)


def test_an_edited_file_keeps_its_id_and_gets_a_new_vector(library: Library) -> None:
    library.index()
    before = library.row("b.png").id
    draw(library.root / "b.png", 77)
    assert library.index() == IndexReport(updated=1, unchanged=4)
    assert (library.row("b.png").id, library.embedded) == (before, 1)


def test_an_edit_that_keeps_size_and_mtime_is_noticed(library: Library) -> None:
    path = draw(library.root / "g.bmp", 50)
    library.index()
    stat = path.stat()
    draw(path, 51)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert library.index() == IndexReport(updated=1, unchanged=5)


def test_a_touched_file_is_hashed_once_and_not_embedded(library: Library) -> None:
    library.index()
    os.utime(library.root / "a.png", ns=(1, 1))
    os.chmod(library.root / "b.png", 0o600)  # only ctime
    seq = library.catalog.seq()
    assert library.index() == IndexReport(unchanged=5)
    assert (library.embedded, library.catalog.seq()) == (0, seq)
    assert library.row("a.png").mtime_ns == 1
    stat = (library.root / "b.png").stat()
    assert library.row("b.png").ctime_ns == stat.st_ctime_ns


@pytest.mark.parametrize("target", ["renamed.png", "sub/a.png", "new/folder/a.png"])
def test_a_moved_file_keeps_its_id_and_its_vector(library: Library, target: str) -> None:
    library.index()
    before = library.row("a.png").id
    (library.root / target).parent.mkdir(parents=True, exist_ok=True)
    (library.root / "a.png").rename(library.root / target)
    assert library.index() == IndexReport(moved=1, unchanged=4)
    assert (library.row(target).id, library.row(target).state) == (before, "ok")
    assert library.embedded == 0
    assert str(library.root / "a.png") not in library.catalog.by_paths(
        [str(library.root / "a.png")]
    )


def test_a_renamed_folder_moves_all_its_pictures(library: Library) -> None:
    library.index()
    ids = [library.row(name).id for name in ("sub/d.png", "sub/e.png")]
    (library.root / "sub").rename(library.root / "holiday")
    assert library.index() == IndexReport(moved=2, unchanged=3)
    assert [library.row(f"holiday/{name}").id for name in ("d.png", "e.png")] == ids


def test_a_file_moved_to_another_root_keeps_its_id(library: Library, tmp_path: Path) -> None:
    library.index()
    before = library.row("a.png").id
    (tmp_path / "archive").mkdir()
    (library.root / "a.png").rename(tmp_path / "archive" / "x.png")
    assert library.index(tmp_path / "archive") == IndexReport(moved=1)
    row = library.row(str(tmp_path / "archive" / "x.png"))
    assert (row.id, row.root) == (before, str(tmp_path / "archive"))


def test_a_copy_is_a_picture_of_its_own_with_the_same_vector(library: Library) -> None:
    library.index()
    shutil.copy(library.root / "a.png", library.root / "copy.png")
    assert library.index() == IndexReport(added=1, unchanged=5)
    assert library.row("copy.png").id != library.row("a.png").id
    assert library.embedded == 0


def test_one_of_two_copies_takes_the_row_of_a_file_that_left(library: Library) -> None:
    library.index()
    before = library.row("a.png").id
    shutil.copy(library.root / "a.png", library.root / "sub" / "a.png")
    (library.root / "a.png").rename(library.root / "0.png")
    assert library.index() == IndexReport(added=1, moved=1, unchanged=4)
    rows = [library.row("0.png").id, library.row("sub/a.png").id]
    assert before in rows
    assert rows[0] != rows[1]


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_swapped_contents_are_noticed_even_with_equal_size_and_mtime(
    library: Library, suffix: str
) -> None:
    one, two = (draw(library.root / f"{seed}.{suffix}", seed) for seed in (60, 61))
    for path in (one, two):
        os.utime(path, ns=(10**18, 10**18))
    library.index()
    digests = [library.row(path.name).sha256 for path in (one, two)]
    one.rename(library.root / "aside")
    two.rename(one)
    (library.root / "aside").rename(two)
    assert library.index() == IndexReport(updated=2, unchanged=5)
    assert [library.row(path.name).sha256 for path in (two, one)] == digests
    assert library.embedded == 0, "both contents had been embedded before"


def test_a_deleted_file_is_missing_and_keeps_its_row(library: Library) -> None:
    library.index()
    before = library.row("a.png").id
    (library.root / "a.png").unlink()
    assert library.index() == IndexReport(missing=1, unchanged=4)
    assert (library.row("a.png").id, library.row("a.png").state) == (before, "missing")
    assert library.index() == IndexReport(unchanged=4)


def test_a_file_moved_away_and_put_back_with_its_old_mtime_is_restored(
    library: Library, tmp_path: Path
) -> None:
    library.index()
    before = library.row("a.png").id
    (library.root / "a.png").rename(tmp_path / "away.png")
    library.index()
    (tmp_path / "away.png").rename(library.root / "a.png")
    assert library.index() == IndexReport(restored=1, unchanged=4)
    assert (library.row("a.png").id, library.row("a.png").state) == (before, "ok")
    assert library.embedded == 0
    assert library.catalog.searchable(library.encoder.fingerprint) == 5


def test_other_contents_in_the_place_of_a_missing_file_are_an_update(library: Library) -> None:
    library.index()
    (library.root / "a.png").unlink()
    library.index()
    draw(library.root / "a.png", 99)
    assert library.index() == IndexReport(updated=1, unchanged=4)


def test_a_missing_file_and_its_copy_that_come_back_together_do_not_steal(
    library: Library, tmp_path: Path
) -> None:
    library.index()
    before = library.row("b.png").id
    (library.root / "b.png").rename(tmp_path / "away.png")
    library.index()
    shutil.copy(tmp_path / "away.png", library.root / "0.png")  # is met first
    shutil.copy(tmp_path / "away.png", library.root / "b.png")
    assert library.index() == IndexReport(added=1, restored=1, unchanged=4)
    assert library.row("b.png").id == before


def test_a_root_inside_an_indexed_root_shares_its_rows(library: Library) -> None:
    library.index()
    assert library.index(library.root / "sub") == IndexReport(unchanged=2)
    assert library.index() == IndexReport(unchanged=5)


def test_odd_names_in_utf8_and_not_are_indexed_under_their_own_name(library: Library) -> None:
    names = [b"\xff\xfe.png", "日本 é.png".encode(), b"a\nb.png", b'"#1" + @x.png', b"\xc3.png"]
    for seed, name in enumerate(names, start=200):
        draw(library.root / "x.png", seed).rename(library.root / os.fsdecode(name))
    assert library.index() == IndexReport(added=10)
    assert {library.row(os.fsdecode(name)).state for name in names} == {"ok"}
    assert library.index() == IndexReport(unchanged=10)


def test_hidden_files_and_thumbnails_are_not_indexed(library: Library) -> None:
    for name in (".h.png", "._a.png", "@eaDir/t.png", ".thumbnails/t.png", "sub/Thumbnails/t.png"):
        draw(library.root / name, 1)
    assert library.index() == IndexReport(added=5)


def test_a_loop_of_links_ends(library: Library) -> None:
    (library.root / "sub" / "loop").symlink_to("..")
    (library.root / "loop").symlink_to(".")
    assert library.index() == IndexReport(added=5)


def test_every_format_and_mode_is_found_by_its_colour(library: Library, tmp_path: Path) -> None:
    root = tmp_path / "colours"
    root.mkdir()
    solid = {name: Image.new("RGB", (60, 40), colour) for name, colour in COLOURS.items()}
    solid["red"].save(root / "red.jpg")
    solid["green"].save(root / "green.png")
    solid["blue"].save(root / "blue.webp")
    solid["yellow"].save(root / "yellow.gif")
    solid["orange"].save(root / "orange.tif")
    solid["purple"].save(root / "purple.bmp")
    solid["pink"].save(root / "pink.avif")
    solid["brown"].convert("CMYK").save(root / "brown.jpg")
    Image.new("RGBA", (60, 40), (0, 0, 0, 0)).save(root / "white.png")
    Image.fromarray(np.full((40, 60), 3, np.uint16)).save(root / "black.png")
    assert library.index(root) == IndexReport(added=len(COLOURS))
    pictures = library.catalog.get(library.catalog.ids_under(str(root)))
    vectors = library.catalog.vectors(pictures, library.encoder.fingerprint)
    for name in COLOURS:
        query = library.encoder.encode_texts([name])[0]
        best = max(pictures, key=lambda id_: float(vectors[id_] @ query))
        assert Path(pictures[best].path).stem == name
        assert vectors[best] @ query > 0.99


# Bad files


def spoil(root: Path) -> list[str]:
    """Put files that are no readable pictures between the others; return their names."""
    (root / "a1.png").write_bytes((root / "b.png").read_bytes()[:-40])
    (root / "b1.jpg").write_bytes(b"not a picture")
    (root / "b2.jpg").write_bytes(b"")
    bomb = bytearray((root / "c.png").read_bytes())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    (root / "sub" / "d1.png").write_bytes(bomb)
    return ["a1.png", "b1.jpg", "b2.jpg", "sub/d1.png"]


@pytest.mark.parametrize("batch", [1, 2, 3, 32])
def test_bad_files_are_named_and_never_shift_another_files_row(
    library: Library, batch: int
) -> None:
    bad = spoil(library.root)
    assert library.index(batch=batch) == IndexReport(added=5, failed=4)
    assert sorted(failure.path for failure in library.failures) == [
        str(library.root / name) for name in bad
    ]
    assert all(one.reason.startswith("not a readable image (") for one in library.failures)
    assert library.states(*bad) == ["bad"] * 4
    stored = library.catalog.failures()
    assert stored == sorted(library.failures, key=lambda failure: failure.path)


def test_unchanged_bad_files_are_not_tried_again_unless_asked(library: Library) -> None:
    spoil(library.root)
    library.index()
    assert library.index() == IndexReport(unchanged=9)
    assert library.failures == []
    assert library.index(retry_failed=True) == IndexReport(unchanged=5, failed=4)
    assert library.index() == IndexReport(unchanged=9)


def test_a_repaired_file_is_updated_and_a_spoilt_one_loses_its_place(library: Library) -> None:
    bad = spoil(library.root)
    library.index()
    draw(library.root / bad[0], 90)
    (library.root / "a.png").write_bytes(b"spoilt")
    assert library.index() == IndexReport(updated=1, failed=1, unchanged=7)
    assert library.states(bad[0], "a.png") == ["ok", "bad"]
    assert library.catalog.searchable(library.encoder.fingerprint) == 5


def test_a_bad_file_that_is_deleted_is_no_failure_any_more(library: Library) -> None:
    for name in spoil(library.root):
        library.index()
        (library.root / name).unlink()
    library.index()
    assert library.catalog.failures() == []


def test_a_file_that_cannot_be_read_is_tried_again_each_time_and_keeps_its_vector(
    library: Library,
) -> None:
    library.index()
    (library.root / "b.png").rename(library.root / ".aside")
    (library.root / "b.png").symlink_to("/proc/self/mem")  # opens, and fails to be read, for all
    for _ in range(2):
        assert library.index() == IndexReport(failed=1, unchanged=4)
        assert library.failures[0].reason == "cannot be read (Input/output error)"
    (library.root / ".aside").replace(library.root / "b.png")
    assert library.index() == IndexReport(updated=1, unchanged=4)
    assert library.embedded == 0


def test_fifos_and_devices_named_like_pictures_do_not_hang_a_run(library: Library) -> None:
    os.mkfifo(library.root / "fifo.png")
    (library.root / "endless.png").symlink_to("/dev/zero")
    assert library.index() == IndexReport(added=5)


def test_a_file_that_became_a_fifo_after_the_scan_does_not_hang(library: Library) -> None:
    path = str(library.root / "a.png")
    stat = FileStat(path, 1, 1, 1)
    os.unlink(path)
    os.mkfifo(path)
    result = decode(Job(stat, None), catalog=library.catalog, fingerprint="x", size=32)
    assert result == Unreadable(stat, None, None, "cannot be read (not a regular file)")


class FailingEncoder(ColourEncoder):
    """Refuses any batch that holds a picture whose first pixel is white."""

    def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
        decoded = [image for image in images if isinstance(image, Image.Image)]
        if any(image.getpixel((0, 0)) == (255, 255, 255) for image in decoded):
            raise RuntimeError("too bright")
        return super().encode_images(images)


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_a_batch_that_fails_is_retried_one_by_one(library: Library, batch: int) -> None:
    Image.new("RGB", (64, 64), "white").save(library.root / "a1.png")
    library.encoder = FailingEncoder()
    assert library.index(batch=batch) == IndexReport(added=5, failed=1)
    path = str(library.root / "a1.png")
    assert library.failures == [Failure(path, "the model cannot encode it (too bright)")]
    assert library.states("a1.png") == ["bad"]


class ShortEncoder(ColourEncoder):
    """Forgets the last picture of a batch, as only a broken model would."""

    def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
        rows = super().encode_images(images)
        return rows[:-1] if len(images) > 1 else rows


def test_a_model_that_returns_too_few_rows_shifts_nothing(library: Library) -> None:
    library.encoder = ShortEncoder()
    assert library.index() == IndexReport(added=5)


class BlankEncoder(ColourEncoder):
    def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
        return np.full((len(images), self.dim), np.nan, np.float32)


class BrokenEncoder(ColourEncoder):
    """Cannot run at all, as one whose file is damaged."""

    def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
        raise ModelError("image.onnx: not the file of this model")


def test_a_model_that_cannot_run_ends_the_run_and_blames_no_picture(library: Library) -> None:
    whole, library.encoder = library.encoder, BrokenEncoder()
    with pytest.raises(ModelError, match=r"image\.onnx"):
        library.index()
    assert library.catalog.failures() == []
    library.encoder = whole
    assert library.index() == IndexReport(added=5)


def test_a_model_that_returns_no_numbers_stores_no_vector(library: Library) -> None:
    library.encoder = BlankEncoder()
    assert library.index() == IndexReport(failed=5)
    assert library.catalog.searchable(library.encoder.fingerprint) == 0


def test_retry_failures_tries_the_bad_files_and_no_others(library: Library) -> None:
    bad = spoil(library.root)
    library.encoder = FailingEncoder()
    Image.new("RGB", (64, 64), "white").save(library.root / "sub" / "w.png")
    library.index()
    library.encoder = ColourEncoder()
    draw(library.root / "f.png", 80)  # new, and no business of a retry
    (library.root / bad[0]).unlink()
    failures: list[Failure] = []
    report = retry_failures(
        library.catalog, library.encoder, executor=Serial(), on_failure=failures.append
    )
    assert report == IndexReport(updated=1, failed=3)
    assert sorted(one.path for one in failures) == [str(library.root / name) for name in bad[1:]]
    assert library.row("sub/w.png").root == str(library.root)
    library.check()
    assert library.index() == IndexReport(added=1, missing=1, unchanged=9)


def test_retry_failures_can_be_restricted_to_a_folder(library: Library) -> None:
    spoil(library.root)
    library.index()
    report = retry_failures(
        library.catalog, library.encoder, executor=Serial(), under=str(library.root / "sub")
    )
    assert report == IndexReport(failed=1)


# The same bytes are embedded once


def test_copies_are_embedded_once(library: Library) -> None:
    for number in range(70):  # more than a batch, more than the look-ahead
        shutil.copy(library.root / "a.png", library.root / f"copy{number}.png")
    assert library.index() == IndexReport(added=75)
    assert library.embedded == 5


def test_a_new_model_embeds_again_and_keeps_the_old_vectors(library: Library) -> None:
    library.index()
    library.encoder = ColourEncoder(fingerprint="d1" * 32)
    assert library.index() == IndexReport(updated=5)
    assert library.embedded == 5
    library.encoder = ColourEncoder()
    assert library.index() == IndexReport(unchanged=5)


# Roots and volumes


@pytest.mark.parametrize("kind", ["gone", "empty", "no pictures"])
def test_an_absent_or_empty_root_is_refused_unless_allowed(library: Library, kind: str) -> None:
    library.index()
    shutil.rmtree(library.root)
    if kind != "gone":
        library.root.mkdir()
    if kind == "no pictures":
        (library.root / "README.txt").touch()
    with pytest.raises(RootError, match=r"photos: .*--allow-empty"):
        library.index()
    assert library.states("a.png", "sub/d.png") == ["ok", "ok"]
    skipped = int(kind == "no pictures")
    assert library.index(allow_empty=True) == IndexReport(missing=5, skipped=skipped)


def test_a_root_that_is_a_file_is_refused(library: Library) -> None:
    with pytest.raises(RootError, match=r"a\.png: is a file, not a folder"):
        library.index(library.root / "a.png", allow_empty=True)
    assert library.catalog.roots() == []


def mount(link: Path, target: Path) -> None:
    """Make a path lead to another device, as mounting there does."""
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def test_nothing_is_missing_on_a_root_that_is_another_volume(
    library: Library, disk: Path, tmp_path: Path
) -> None:
    shutil.copytree(library.root, disk / "photos")
    root = library.root = tmp_path / "mnt"
    mount(root, disk / "photos")
    assert library.index() == IndexReport(added=5)
    unmounted = tmp_path / "below"
    draw(unmounted / "stray.png", 70)
    mount(root, unmounted)
    for _ in range(2):
        assert library.index().missing == 0
        assert [one.path for one in library.failures] == [str(root)]
        assert "another volume" in library.failures[0].reason
        assert library.states("a.png", "sub/d.png") == ["ok", "ok"]
    mount(root, disk / "photos")
    assert library.index() == IndexReport(missing=1, unchanged=5)  # the stray one
    assert library.failures == []


def test_an_empty_mount_point_is_refused_and_with_allow_empty_marks_nothing(
    library: Library, disk: Path, tmp_path: Path
) -> None:
    shutil.copytree(library.root, disk / "photos")
    root = library.root = tmp_path / "mnt"
    mount(root, disk / "photos")
    library.index()
    (tmp_path / "below").mkdir()
    mount(root, tmp_path / "below")
    with pytest.raises(RootError):
        library.index()
    assert library.index(allow_empty=True) == IndexReport()
    assert library.states("a.png") == ["ok"]


def test_a_volume_with_a_new_number_is_known_by_its_pictures(
    library: Library, disk: Path, tmp_path: Path
) -> None:
    # A restart renumbers devices: here the same pictures, with their times, on another one.
    root = tmp_path / "mnt"
    mount(root, library.root)
    library.root = root
    library.index()
    shutil.copytree(root, disk / "photos")
    mount(root, disk / "photos")
    (root / "a.png").unlink()
    assert library.index() == IndexReport(missing=1, unchanged=4)
    assert library.failures == []
    (root / "b.png").unlink()
    (root / "c.png").unlink()
    (root / "sub" / "d.png").unlink()  # fewer than half are left, but the number is known now
    assert library.index() == IndexReport(missing=3, unchanged=1)


def test_nothing_is_missing_on_a_volume_inside_the_root_that_is_not_mounted(
    library: Library, disk: Path
) -> None:
    draw(disk / "x.png", 70)
    draw(disk / "deep/y.png", 71)
    mount(library.root / "disk", disk)
    assert library.index() == IndexReport(added=7)
    (library.root / "a.png").unlink()
    (library.root / "disk").unlink()
    assert library.index() == IndexReport(missing=1, unchanged=4)
    assert [one.path for one in library.failures] == [str(library.root / "disk")]
    (library.root / "disk").mkdir()
    assert library.index() == IndexReport(unchanged=4)
    assert library.states("disk/x.png", "disk/deep/y.png") == ["ok", "ok"]
    (library.root / "disk").rmdir()
    mount(library.root / "disk", disk)
    (disk / "x.png").unlink()
    assert library.index() == IndexReport(missing=1, unchanged=5)


@pytest.mark.parametrize("inside", ["", "disk"])
def test_nothing_is_missing_on_a_volume_that_is_unmounted_during_the_scan(
    library: Library, disk: Path, tmp_path: Path, inside: str
) -> None:
    shutil.copytree(library.root, disk / "photos")
    (tmp_path / "below").mkdir()
    root = library.root = tmp_path / "mnt"
    if inside:
        draw(root / "a.png", 70)
    mount(root / inside, disk / "photos")
    added = library.index().added

    def unmount(progress: Progress) -> None:
        if progress.done == 2:
            mount(root / inside, tmp_path / "below")

    library.encoder = ColourEncoder("c1" * 32)  # so every file has to be opened
    report = library.index(executor=Serial(), batch=1, progress=unmount)
    assert report == IndexReport(updated=2)
    assert [one.path for one in library.failures] == [str(root / inside).rstrip("/")]
    assert library.catalog.counts()["missing"] == 0
    mount(root / inside, disk / "photos")
    assert library.index() == IndexReport(updated=added - 2, unchanged=2)


def test_volumes_of_two_roots_that_are_scanned_at_once_are_both_remembered(
    library: Library, disk: Path, tmp_path: Path
) -> None:
    draw(disk / "x.png", 70)
    other = tmp_path / "other"
    draw(other / "y.png", 71)
    mount(other / "disk", disk)
    draw(disk / "inner/z.png", 72)
    mount(library.root / "disk", disk / "inner")

    def scan_other(progress: Progress) -> None:
        if progress.done == 1:
            assert library.index(other).failed == 0

    library.index(executor=Serial(), progress=scan_other)
    (other / "disk").unlink()
    assert library.index(other) == IndexReport(unchanged=1)
    assert [one.path for one in library.failures] == [str(other / "disk")]


def test_a_backup_does_not_take_the_rows_of_a_volume_that_is_not_mounted(
    library: Library, disk: Path, tmp_path: Path
) -> None:
    shutil.copytree(library.root, disk / "photos")
    root = tmp_path / "mnt"
    mount(root, disk / "photos")
    library.index(root)
    (tmp_path / "below").mkdir()
    mount(root, tmp_path / "below")
    assert library.index() == IndexReport(added=5)  # the same pictures, at another place
    mount(root, disk / "photos")
    assert library.index(root) == IndexReport(unchanged=5)


def test_pictures_of_a_wrong_disk_never_vouch_for_it(
    library: Library, disk: Path, tmp_path: Path
) -> None:
    shutil.copytree(library.root, disk / "photos")
    root = library.root = tmp_path / "mnt"
    mount(root, disk / "photos")
    assert library.index() == IndexReport(added=5)
    wrong = tmp_path / "wrong"
    for number in range(8):  # more than are known
        draw(wrong / f"{number}.png", 100 + number)
    mount(root, wrong)
    assert library.index() == IndexReport(added=8)
    for _ in range(3):
        assert library.index() == IndexReport(unchanged=8)
        assert "another volume" in library.failures[0].reason
        assert library.states("a.png", "sub/d.png") == ["ok", "ok"]
    mount(root, disk / "photos")
    assert library.index() == IndexReport(missing=8, unchanged=5)
    # Now on a new device number, as after a restart: what is known vouches for it again.
    mount(root, tmp_path / "moved")
    shutil.copytree(disk / "photos", tmp_path / "moved")
    for _ in range(2):
        assert library.index() == IndexReport(unchanged=5)
    assert library.failures == []
    (tmp_path / "moved" / "a.png").unlink()
    assert library.index() == IndexReport(missing=1, unchanged=4)


def test_pictures_of_a_folder_that_cannot_be_listed_are_not_missing(library: Library) -> None:
    library.index()
    (library.root / "sub").rename(library.root / ".aside")
    (library.root / "sub").symlink_to("sub")  # cannot be listed by anybody, nor by the superuser
    (library.root / "a.png").unlink()
    assert library.index() == IndexReport(missing=1, failed=1, unchanged=2)
    assert [one.path for one in library.failures] == [str(library.root / "sub")]
    assert library.states("sub/d.png", "sub/e.png") == ["ok", "ok"]


def test_what_links_lead_to_on_an_absent_disk_is_not_missing(
    library: Library, disk: Path, tmp_path: Path
) -> None:
    draw(disk / "photos" / "x.png", 200)
    draw(disk / "y.png", 210)
    (library.root / "linked").symlink_to(disk / "photos")
    (library.root / "y.png").symlink_to(disk / "y.png")
    library.index()
    (disk / "photos").rename(disk / "away")
    (disk / "y.png").rename(disk / "away.png")
    assert library.index() == IndexReport(unchanged=5, failed=2)
    assert library.states("linked/x.png", "y.png") == ["ok", "ok"]
    (disk / "away").rename(disk / "photos")
    (disk / "away.png").rename(disk / "y.png")
    assert library.index() == IndexReport(unchanged=7)


# Interruptions


class DeletingEncoder(ColourEncoder):
    """Deletes a file the first time it is asked for anything."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
        self.path.unlink(missing_ok=True)
        return super().encode_images(images)


def test_a_file_deleted_between_scan_and_decoding_is_no_failure(library: Library) -> None:
    library.index()
    for seed, name in enumerate(["a.png", "sub/e.png"], start=40):
        draw(library.root / name, seed)
    library.encoder = DeletingEncoder(library.root / "sub/e.png")
    report = library.index(executor=Serial(), batch=1)
    assert report == IndexReport(updated=1, missing=1, unchanged=3)
    assert library.failures == []


def test_a_file_moved_between_decoding_and_writing_is_found_at_its_new_place(
    library: Library,
) -> None:
    library.index()
    content = (library.root / "a.png").read_bytes()
    (library.root / "sub/x.png").write_bytes(content)  # on its way there, when the scan lists it

    def finish_moving(progress: Progress) -> None:
        if progress.done == 1:
            (library.root / "a.png").unlink()

    library.encoder = ColourEncoder("c1" * 32)  # so that the old place is read and written too
    report = library.index(executor=Serial(), progress=finish_moving)
    assert report == IndexReport(updated=5, added=1)
    assert library.states("sub/x.png") == ["ok"]
    assert library.index() == IndexReport(unchanged=5, missing=1)


def test_what_was_written_before_ctrl_c_stays(library: Library) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.index(batch=1, progress=interrupt)
    library.check()
    assert library.catalog.counts()["ok"] == 3
    assert library.index() == IndexReport(added=2, unchanged=3)


CRASH = """
    import os, sys
    from pathlib import Path
    from indexer.executors import Threads
    from indexer.library.pipeline import index_images
    from searchengine.catalog.store import Catalog
    from searchengine.catalog.database import open_database
    from tests.support.colour_encoder import ColourEncoder

    root, folder, step = sys.argv[1:]
    catalog = Catalog(open_database(Path(folder), create=True))
    encoder = ColourEncoder()

    def dies(owner, name, when, calls):
        method = getattr(owner, name)
        def replacement(*args, **options):
            nonlocal calls
            calls -= 1
            if when == "before" and calls == 0:
                os._exit(70)
            result = method(*args, **options)
            if when == "after" and calls == 0:
                os._exit(70)
            return result
        setattr(owner, name, replacement)

    name, when, calls = step.split()
    dies(encoder if name == "encode_images" else catalog, name, when, int(calls))
    index_images(root, catalog, encoder, executor=Threads(2), batch=2)
"""


@pytest.mark.parametrize(
    ("step", "written"),
    [
        ("begin_scan after 1", 0),
        ("encode_images before 1", 0),
        ("encode_images after 2", 2),
        ("write before 2", 2),
        ("write after 2", 4),
        ("sweep before 1", 5),
        ("sweep after 1", 5),
    ],
)
def test_after_a_crash_at_any_step_the_next_run_completes(
    library: Library, tmp_path: Path, step: str, written: int
) -> None:
    deleted = draw(library.root / "z.png", 30)
    library.index(library.root / "sub")  # two of the five are known
    library.catalog.forget(str(library.root))
    (library.root / "old").mkdir()
    deleted.rename(library.root / "old" / "z.png")
    library.index(library.root / "old")
    (library.root / "old" / "z.png").unlink()

    command = [sys.executable, "-c", textwrap.dedent(CRASH), str(library.root)]
    killed = subprocess.run(
        [*command, str(tmp_path / "library"), step], capture_output=True, check=False
    )
    assert killed.returncode == 70, killed.stderr.decode()

    library.check()
    swept = step == "sweep after 1"
    counts = library.catalog.counts()
    assert counts == {"ok": written + (not swept), "missing": int(swept), "bad": 0}
    report = library.index()
    assert report == IndexReport(added=5 - written, unchanged=written, missing=int(not swept))
    assert library.catalog.counts() == {"ok": 5, "missing": 1, "bad": 0}


# Progress and executors


def test_progress_counts_every_file_once_up_to_the_total(library: Library) -> None:
    spoil(library.root)
    steps: list[Progress] = []
    library.index(progress=steps.append)
    assert {step.total for step in steps} == {9}
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == 9


@pytest.mark.parametrize("executor", [Serial(), Threads(1), Threads(8)])
def test_every_executor_gives_the_same_catalog(
    library: Library, executor: Serial | Threads
) -> None:
    spoil(library.root)
    assert library.index(executor=executor, batch=2) == IndexReport(added=5, failed=4)


def test_the_root_may_be_given_relative_to_the_working_folder(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(library.root)
    assert library.index(Path("sub")) == IndexReport(added=2)
    assert library.row("sub/d.png").root == str(library.root / "sub")
