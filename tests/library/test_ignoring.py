"""What a scan passes over on demand, against what git itself ignores."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.library.ignoring import FILE, NOMEDIA
from indexer.library.scan import Ignored, scan
from searchengine.errors import RootError
from searchengine.types import Failure, FileStat
from tests.support.command import lexpix
from tests.support.plain_pictures import draw_many


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def seen(root: Path, *exclude: str) -> tuple[list[str], int]:
    """Return the pictures that a scan finds below a folder, and how much it ignores."""
    entries = list(scan(str(root), exclude))
    assert not any(isinstance(one, Failure) for one in entries)
    found = [os.path.relpath(one.path, root) for one in entries if isinstance(one, FileStat)]
    return sorted(found), sum(one.count for one in entries if isinstance(one, Ignored))


def test_a_folder_without_media_is_passed_over_but_not_the_root(tmp_path: Path) -> None:
    touch(tmp_path, NOMEDIA, "a.jpg", f"cache/{NOMEDIA}", "cache/b.jpg", "cache/deep/c.jpg")
    assert seen(tmp_path) == (["a.jpg"], 1)


NAMES = ("a.jpg", "b.png", "x/a.jpg", "x/c.gif", "x/y/b.png", "y/a.jpg")
PATTERNS = (
    *("*.jpg", "!a.jpg", "/a.jpg", "x/", "x/*", "!x/y", "y", "**/b.png", "x/**", "# no", ""),
    *(
        "*",
        "!*/",
        "**",
        "**/",
        "!x/**",
        "x/**/b.png",
        "/*",
        "!/x/",
        "**/y/**",
        "!b.*",
        "**/*",
        "!**/*/",
    ),
)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is what this is compared with")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    top=st.lists(st.sampled_from(PATTERNS), max_size=4),
    inner=st.lists(st.sampled_from(PATTERNS), max_size=3),
)
def test_patterns_ignore_what_git_ignores(
    tmp_path_factory: pytest.TempPathFactory, top: list[str], inner: list[str]
) -> None:
    root = touch(tmp_path_factory.mktemp("root"), *NAMES)
    for folder, lines in ((root, top), (root / "x", inner)):
        for name in (FILE, ".gitignore"):
            (folder / name).write_text("\n".join(lines))
    subprocess.run(["git", "init", "-q", root], check=True)
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert seen(root)[0] == sorted(name for name in listed if not Path(name).name.startswith("."))


def test_patterns_of_the_command_decide_before_files(tmp_path: Path) -> None:
    touch(tmp_path, *NAMES)
    (tmp_path / FILE).write_text("*.png\n")
    assert seen(tmp_path, "x/", "!b.png") == (["a.jpg", "b.png", "y/a.jpg"], 1)


def test_what_is_no_pattern_is_named_and_nothing_below_is_looked_at(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "x/a.jpg")
    (tmp_path / "x" / FILE).write_text("!\n")
    entries = list(scan(str(tmp_path)))
    (failure,) = (one for one in entries if isinstance(one, Failure))
    assert failure.path == str(tmp_path / "x")
    assert f"{FILE}: not a pattern" in failure.reason
    assert [one.path for one in entries if isinstance(one, FileStat)] == [str(tmp_path / "a.jpg")]
    with pytest.raises(RootError, match="--exclude: not a pattern"):
        list(scan(str(tmp_path), ["!"]))


def test_a_link_to_a_picture_of_the_root_is_that_picture(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    touch(root, "a.jpg", ".hidden/b.jpg", "thumbs/c.jpg", "notes.txt")
    touch(other, "d.jpg")
    for name, target in {
        "to-a.jpg": root / "a.jpg",
        "to-b.jpg": root / ".hidden" / "b.jpg",
        "to-c.jpg": root / "thumbs" / "c.jpg",
        "to-d.jpg": other / "d.jpg",
        "to-notes.jpg": root / "notes.txt",
    }.items():
        (root / name).symlink_to(target)
    expected = ["a.jpg", "to-b.jpg", "to-c.jpg", "to-d.jpg", "to-notes.jpg"]
    assert seen(root) == (expected, 0)


def test_the_command_counts_what_it_ignores(tmp_path: Path) -> None:
    photos = draw_many(tmp_path / "photos", 4)
    first = sorted(photos.iterdir())[0]
    library = tmp_path / "library"
    said = lexpix("index", photos, "--exclude", first.name, library=library).stdout
    assert "3 added" in said
    assert "1 ignored" in said
    assert "1 added" in lexpix("index", photos, library=library).stdout
    (photos / FILE).write_text(f"{first.name}\n")
    said = lexpix("index", photos, library=library).stdout
    assert "1 missing" in said
    refused = lexpix("index", photos, "--exclude", "!", library=library, code=1).stderr
    assert "--exclude: not a pattern of gitignore" in refused
