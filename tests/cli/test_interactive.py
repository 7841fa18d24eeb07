"""The prompt of `lexpix search -i` on a real terminal: what a person types and sees."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.support.command import LEXPIX, environment, lexpix
from tests.support.screen import Screen, on_screen


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interactive")
    (folder / "photos").mkdir()
    for name in ("red", "green", "blue"):
        Image.new("RGB", (60, 40), name).save(folder / f"photos/{name}.png")
    lexpix("index", folder / "photos", library=folder / "library")
    return folder


@contextmanager
def prompt(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Screen]:
    """`lexpix search -i` that waits for its first line."""
    given = environment(folder / "library") | {"XDG_STATE_HOME": str(folder / "state")}
    command = [LEXPIX, "search", "-i", "--no-collapse", *arguments]
    with on_screen(command, given | dict(env or {}), size=(110, 70)) as screen:
        yield waiting(screen)


def waiting(screen: Screen) -> Screen:
    return screen.wait_for(lambda screen: screen.text.rpartition("\n")[2] == "lexpix>")


def asked(screen: Screen, line: str) -> str:
    """Type a line and return what is said until the next one is asked for."""
    before = screen.text.count("lexpix>")
    screen.press(f"{line}\r")
    screen.wait_for(lambda screen: screen.text.count("lexpix>") > before)
    return waiting(screen).text.rpartition(f"lexpix> {line}\n")[2].removesuffix("\nlexpix>")


def test_questions_and_mistakes_follow_each_other(folder: Path) -> None:
    with prompt(folder) as screen:
        assert "3 pictures; Tab completes" in screen.text
        plain = lexpix("search", "name:*", "--no-collapse", library=folder / "library").stdout
        assert [line.split() for line in asked(screen, "name:*").splitlines()] == [
            line.split() for line in plain.splitlines()
        ]
        assert "did you mean 'dog'?" in asked(screen, "dgo")
        assert "nothing follows this +" in asked(screen, "dog +")
        assert ":nonsense is no command" in asked(screen, ":nonsense")
        assert "no picture of the library has this number" in asked(screen, ":similar 99")
        assert "is no number of a picture" in asked(screen, ":open red")
        assert "give the number of a picture and a tag" in asked(screen, ":tag 1")
        assert "green.png" in asked(screen, ":similar 1")
        assert ":untag N NAME" in asked(screen, ":help")
        screen.press(":quit\r")
        assert screen.end() == 0


def test_more_goes_on_where_the_answer_ended(folder: Path) -> None:
    with prompt(folder, "-k", "1") as screen:
        assert "needs an answer" in asked(screen, ":more")
        pages = [asked(screen, line) for line in ("name:*", ":more", ":more")]
        found = [
            name for page in pages for name in ("red", "green", "blue") if f"{name}.png" in page
        ]
        assert sorted(found) == ["blue", "green", "red"]
        assert "that was all" in asked(screen, ":more")


def test_tags_are_given_completed_and_taken_away(folder: Path) -> None:
    with prompt(folder) as screen:
        asked(screen, ":tag #1 velvet rope")
        with closing(sqlite3.connect(folder / "library/catalog.sqlite")) as catalog:
            rows = catalog.execute("SELECT image_id, source FROM tags WHERE name = 'velvet rope'")
            assert rows.fetchall() == [(1, "user")]
        screen.press("tag:vel\t")
        screen.wait_for('lexpix> tag:"velvet rope"')
        screen.press("\r")
        assert "#1" in waiting(screen).text.rpartition("velvet rope")[2]
        screen.press(":untag 1 vel\t")
        screen.wait_for("lexpix> :untag 1 velvet rope")
        screen.press("\r")
        assert "no longer tagged velvet rope" in waiting(screen).text


def test_tab_completes_words_and_commands_and_ctrl_c_clears(folder: Path) -> None:
    with prompt(folder) as screen:
        screen.press("dog - saxophoni\t")
        screen.wait_for("lexpix> dog - saxophonist")
        screen.press("\x03")  # Ctrl+C
        waiting(screen)
        screen.press(":sim\t")
        screen.wait_for("lexpix> :similar")
        screen.press("\x03")
        waiting(screen)
        screen.press("\x04")  # Ctrl+D
        assert screen.end() == 0


def test_pictures_are_drawn_and_opened(folder: Path, tmp_path: Path) -> None:
    opener = tmp_path / "xdg-open"
    opener.write_text(
        f'#!/bin/sh\ncd {tmp_path} && echo "$1" > new && mv new opened\n', encoding="utf-8"
    )
    opener.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    answer = json.loads(lexpix("search", "name:red", "--json", library=folder / "library").stdout)
    number = answer["hits"][0]["id"]
    with prompt(folder, "--show", "name:red", env=env) as screen:
        row = next(row for row, line in enumerate(screen.lines) if line.startswith("red.png"))
        assert screen.colours(row - 2, 0) == ("ff0000", "ff0000")
        assert "opened" in asked(screen, f":open {number}")
        screen.wait_for(lambda _: (tmp_path / "opened").exists())  # nobody waits for the program
        assert (tmp_path / "opened").read_text().strip() == str(folder / "photos/red.png")


def test_what_was_typed_is_remembered_for_its_user_alone(folder: Path) -> None:
    state = folder / "remembered"
    for line in ("name:red", ""):
        with prompt(folder, env={"XDG_STATE_HOME": str(state)}) as screen:
            if line:
                asked(screen, line)
            else:
                screen.press("\x1b[A")  # the line before
                screen.wait_for("lexpix> name:red")
    assert stat.S_IMODE((state / "lexpix/history").stat().st_mode) == 0o600


def test_prompt_needs_no_place_for_its_history(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with prompt(folder, env={"XDG_STATE_HOME": str(tmp_path / "file/state")}) as screen:
        assert "red.png" in asked(screen, "name:red")


def test_programs_are_sent_elsewhere(folder: Path) -> None:
    library = folder / "library"
    ran = lexpix("search", "-i", library=library, code=2)
    assert "-i is for people at a terminal" in ran.stderr
    with on_screen([LEXPIX, "search", "-i", "--json"], environment(library)) as screen:
        assert screen.end() == 2
        assert "lexpix search --json" in screen.text
