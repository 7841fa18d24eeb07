from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from indexer.library.scan import Skipped, Volume, count, device_of, is_under, scan
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.types import Failure, FileStat


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def files(root: Path) -> list[str]:
    """Names relative to the root in the order of the scan, beside which only files are skipped."""
    found = [one for one in scan(str(root)) if not isinstance(one, Skipped)]
    assert found[0] == Volume(str(root), root.stat().st_dev)
    assert all(isinstance(one, FileStat) for one in found[1:])
    assert count(str(root)) == len(found) - 1
    return [os.path.relpath(one.path, root) for one in found[1:]]


@pytest.fixture
def other_device() -> Iterator[Path]:
    """A folder on another device than pytest's temporary folders."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_pictures_come_sorted_with_each_folders_files_first(tmp_path: Path) -> None:
    make(tmp_path, "b.jpg", "a/z.png", "a.webp", "a/b/x.gif", "c/y.TIFF", "B.JPG", "a/notes.txt")
    expected = ["B.JPG", "a.webp", "b.jpg", "a/z.png", "a/b/x.gif", "c/y.TIFF"]
    assert files(tmp_path) == expected


def test_the_stat_is_that_of_the_file(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    os.utime(tmp_path / "a.jpg", ns=(5, 123_456_789_123))
    [_, stat] = scan(str(tmp_path))
    ctime = (tmp_path / "a.jpg").stat().st_ctime_ns
    assert stat == FileStat(str(tmp_path / "a.jpg"), 5, 123_456_789_123, ctime)


def test_hidden_files_and_thumbnails_are_skipped(tmp_path: Path) -> None:
    make(
        tmp_path,
        *(".hidden.jpg", "._a.jpg", ".git/a.jpg", "@eaDir/a.jpg", "b/@eaDir/x/a.jpg"),
        *(".thumbnails/a.jpg", "Thumbs/a.jpg", "b/thumbnails/a.jpg", "b/kept.jpg"),
        *("jpg", "a.jpg.part", "thumbnails.jpg"),
    )
    assert files(tmp_path) == ["thumbnails.jpg", "b/kept.jpg"]


def test_a_root_is_entered_whatever_its_name(tmp_path: Path) -> None:
    make(tmp_path, ".photos/a.jpg")
    assert files(tmp_path / ".photos") == ["a.jpg"]


def test_fifos_sockets_devices_and_folders_named_like_pictures_are_no_files(tmp_path: Path) -> None:
    make(tmp_path, "folder.jpg/a.jpg")
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    (tmp_path / "fifo_link.jpg").symlink_to("fifo.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
        assert files(tmp_path) == ["folder.jpg/a.jpg"]


def test_links_that_lead_nowhere_are_failures_as_their_disk_may_be_away(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    (tmp_path / "file.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "folder").symlink_to("/nowhere/photos")
    found = [one for one in scan(str(tmp_path)) if isinstance(one, Failure)]
    assert [one.path for one in found] == [str(tmp_path / "file.jpg"), str(tmp_path / "folder")]
    assert all("a link to something that is not there" in one.reason for one in found)


def test_linked_files_count(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/a.jpg", "root/b.jpg")
    (tmp_path / "root" / "link.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    assert files(tmp_path / "root") == ["b.jpg", "link.jpg"]


def test_links_that_form_loops_are_followed_once(tmp_path: Path) -> None:
    make(tmp_path, "root/a.jpg", "root/sub/b.jpg", "outside/c.jpg", "outside/deep/d.jpg")
    (tmp_path / "root/sub/up").symlink_to("..")
    (tmp_path / "root/sub/self").symlink_to(".")
    (tmp_path / "root/out").symlink_to(tmp_path / "outside")
    (tmp_path / "root/out_again").symlink_to(tmp_path / "outside")
    (tmp_path / "outside/back").symlink_to(tmp_path / "root")
    (tmp_path / "outside/deep/loop").symlink_to(tmp_path / "outside/deep")
    assert files(tmp_path / "root") == ["a.jpg", "out/c.jpg", "out/deep/d.jpg", "sub/b.jpg"]


def test_a_folder_linked_inside_the_root_is_found_at_its_own_place(tmp_path: Path) -> None:
    make(tmp_path, "z/a.jpg")
    (tmp_path / "a_link").symlink_to("z")  # sorts first, and must not take the name
    assert files(tmp_path) == ["z/a.jpg"]


def test_a_root_that_is_a_link_is_scanned_under_its_own_name(tmp_path: Path) -> None:
    make(tmp_path, "real/a.jpg", "real/sub/b.jpg")
    (tmp_path / "root").symlink_to("real")
    (tmp_path / "real/again").symlink_to(tmp_path / "real/sub")
    assert files(tmp_path / "root") == ["a.jpg", "sub/b.jpg"]


def test_a_link_to_itself_is_a_failure_and_not_the_end(tmp_path: Path) -> None:
    make(tmp_path, "b.jpg")
    (tmp_path / "a.jpg").symlink_to("a.jpg")
    [_, failure, stat] = scan(str(tmp_path))
    assert failure == Failure(
        str(tmp_path / "a.jpg"), "cannot be read (Too many levels of symbolic links)"
    )
    assert isinstance(stat, FileStat)


def test_a_folder_on_another_device_is_reported_before_its_files(
    tmp_path: Path, other_device: Path
) -> None:
    make(tmp_path, "a.jpg", "z.jpg")
    make(other_device, "b.jpg", "sub/c.jpg")
    (tmp_path / "disk").symlink_to(other_device)
    device = other_device.stat().st_dev
    assert device != tmp_path.stat().st_dev, "this test needs two devices"
    found = list(scan(str(tmp_path)))
    disk = str(tmp_path / "disk")
    assert [one for one in found if isinstance(one, Volume)][1:] == [Volume(disk, device)]
    assert [one.path for one in found[3:]] == [disk, f"{disk}/b.jpg", f"{disk}/sub/c.jpg"]


@pytest.mark.parametrize("number", [0, 2049, 2**63 + 5, 2**64 - 1])  # Windows uses all 64 bits
def test_number_of_any_volume_can_be_stored(tmp_path: Path, number: int) -> None:
    status = os.stat_result((0, 0, number, *[0] * 7))
    with closing(Catalog(open_database(tmp_path, create=True))) as catalog:
        catalog.begin_scan("/photos", device_of(status))
        assert [root.device for root in catalog.roots()] == [number % 2**63]


def test_a_root_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    assert list(scan(gone)) == [Failure(gone, "cannot be read (No such file or directory)")]


def test_a_folder_whose_path_is_too_long_is_a_failure_and_not_the_end(tmp_path: Path) -> None:
    # Unlike missing permissions, this stops the superuser as well.
    make(tmp_path, "a.jpg", "z/b.jpg")
    name = "d" * 250
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(17):
        os.mkdir(name, dir_fd=here)
        deeper = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("c.jpg", os.O_CREAT, dir_fd=here))
    os.close(here)
    try:
        found = list(scan(str(tmp_path)))
    finally:
        shutil.rmtree(tmp_path / name)
    [failure] = [one for one in found if isinstance(one, Failure)]
    assert failure.reason == "cannot be read (File name too long)"
    assert failure.path.startswith(str(tmp_path / name))
    names = [os.path.basename(one.path) for one in found if isinstance(one, FileStat)]
    assert names == ["a.jpg", "b.jpg"]


SCAN_AS_NOBODY = """
import os, sys
from indexer.library.scan import scan
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for one in scan(sys.argv[1]):
    print(type(one).__name__, os.path.basename(one.path), getattr(one, "reason", ""))
"""


def test_a_folder_without_permission_is_a_failure_and_not_the_end() -> None:
    # pytest's own temporary folders are closed to the user that the superuser becomes here.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        make(root, "a/b.jpg", "closed/c.jpg", "d/e.jpg")
        (root / "closed").chmod(0)
        command = [sys.executable, "-c", SCAN_AS_NOBODY, folder]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        (root / "closed").chmod(0o755)
    assert result.stdout.splitlines()[1:] == [
        "FileStat b.jpg ",
        "Failure closed cannot be read (Permission denied)",
        "FileStat e.jpg ",
    ]


def test_odd_names_survive(tmp_path: Path) -> None:
    names = [
        b"\xff\xfe.jpg",
        b"a\nb.jpg",
        "日本 é.jpg".encode(),
        b'"quoted".jpg',
        b"-n.jpg",
        b" .jpg",
    ]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    found = [os.path.basename(os.fsencode(one.path)) for one in scan(str(tmp_path))][1:]
    assert sorted(found) == sorted(names)


def test_a_file_that_vanishes_during_the_scan_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    found = scan(str(tmp_path))
    assert [one.path[-5:] for one in itertools.islice(found, 1, 2)] == ["a.jpg"]
    (tmp_path / "b.jpg").unlink()
    assert [one.path[-5:] for one in found] == ["c.jpg"]


def test_a_folder_that_vanishes_during_the_scan_is_a_failure(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b/c.jpg")
    found = scan(str(tmp_path))
    next(found), next(found)
    shutil.rmtree(tmp_path / "b")
    assert list(found) == [
        Failure(str(tmp_path / "b"), "cannot be read (No such file or directory)")
    ]


@pytest.mark.parametrize(
    ("path", "folder", "under"),
    [
        ("/a/b", "/a", True),
        ("/a", "/a", True),
        ("/ab", "/a", False),
        ("/a", "/", True),
        ("/", "/a", False),
    ],
)
def test_is_under_goes_by_whole_names(path: str, folder: str, under: bool) -> None:
    assert is_under(path, folder) is under


# What is passed over, and what belongs together


def skipped(root: Path) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for one in scan(str(root)):
        if isinstance(one, Skipped):
            counts.update(one.counts)
    return dict(counts)


def test_what_is_passed_over_is_counted_by_its_ending(tmp_path: Path) -> None:
    make(
        tmp_path,
        *("a.jpg", "a.jpg.xmp", "a.aae", "Thumbs.db", ".hidden.pdf", "notes.TXT", "b/plan.txt"),
        *("b/clip.PDF", "b/film.psd", "b/README", "b/odd.a name behind a dot", "b/x.ünïc"),
    )
    assert files(tmp_path) == ["a.jpg"]
    assert skipped(tmp_path) == {".txt": 2, ".pdf": 1, ".psd": 1, "": 3}


def test_a_raw_file_and_a_film_beside_their_picture_are_one_with_it(tmp_path: Path) -> None:
    make(
        tmp_path,
        *("IMG_1.HEIC", "IMG_1.MOV", "img_2.jpg", "IMG_2.CR2", "IMG_3.CR2", "IMG_4.MOV"),
        *("IMG_5.png", "IMG_5.dng", "sub/IMG_1.dng", "sub/IMG_1.mov"),
    )
    assert files(tmp_path) == [
        *("IMG_1.HEIC", "IMG_3.CR2", "IMG_4.MOV", "IMG_5.dng", "IMG_5.png", "img_2.jpg"),
        *("sub/IMG_1.dng", "sub/IMG_1.mov"),
    ]
    assert skipped(tmp_path) == {}


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp", "a.XMP"])
def test_the_time_of_the_xmp_file_beside_a_picture_belongs_to_it(tmp_path: Path, name: str) -> None:
    make(tmp_path, "a.jpg", "b.jpg", name)
    os.utime(tmp_path / name, ns=(5, 123_456_789_123))
    [_, first, second] = scan(str(tmp_path))
    assert isinstance(first, FileStat)
    assert isinstance(second, FileStat)
    assert (first.sidecar_ns, second.sidecar_ns) == (123_456_789_123, None)
