"""`lexpix forget` says what nobody can bring back, and asks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.colour_library import photograph
from tests.support.command import LEXPIX, environment, lexpix
from tests.support.terminal import on_terminal


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of pictures; in `mine`, one has two tags and a no, and a word is made of it."""
    folder = tmp_path_factory.mktemp("forget")
    photograph(folder / "photos/mine/a.jpg", "red", "blue")
    photograph(folder / "photos/mine/b.jpg", "green", "blue")
    photograph(folder / "photos/other/c.jpg", "pink", "blue")
    library = folder / "library"
    lexpix("index", folder / "photos", library=library)
    first = folder / "photos/mine/a.jpg"
    lexpix("tag", first, "--add", "keepsake", "--add", "ours", library=library)
    lexpix("tag", first, "--add", "no", library=library)
    lexpix("tag", first, "--remove", "no", library=library)
    lexpix("teach", "wall", first, library=library)
    return folder


@pytest.fixture
def library(tagged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tagged / "library", tmp_path / "library"))


def test_what_was_typed_is_not_lost_without_a_yes(tagged: Path, library: Path) -> None:
    mine = tagged / "photos/mine"
    refused = lexpix("forget", mine, library=library, code=1).stderr
    lost = "2 tags that you gave or accepted and 1 name that you took away, of 1 picture"
    assert lost in refused
    assert "--yes" in refused
    shown = on_terminal([LEXPIX, "forget", str(mine)], environment(library), "n\n", code=1)
    assert f"With {mine} go {lost}. Forget it? [y/N]" in shown.replace("\r\n", "")
    assert "3 ok" in lexpix("status", library=library).stdout
    shown = on_terminal([LEXPIX, "forget", str(mine)], environment(library), "y\n")
    assert "forgot 2 pictures" in shown
    assert "'wall', taught from them" in shown
    assert "1 ok" in lexpix("status", library=library).stdout


def test_yes_needs_no_terminal(tagged: Path, library: Path) -> None:
    ran = lexpix("forget", tagged / "photos/mine/a.jpg", "--yes", "--json", library=library)
    answer = json.loads(ran.stdout)
    assert (answer["forgotten"], answer["tags"], answer["refused"]) == (1, 2, 1)
    assert "wall" in lexpix("teach", "--list", library=library).stdout


def test_nothing_is_asked_where_nothing_was_typed(tagged: Path, library: Path) -> None:
    assert "forgot 1 pictures" in lexpix("forget", tagged / "photos/other", library=library).stdout
