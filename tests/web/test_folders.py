"""The folders of this machine that the page lets somebody choose from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from searchengine.config import Settings
from searchengine.search.engine import Engine
from searchengine.web.app import create_app
from tests.support.plain_pictures import draw_many
from tests.support.web_server import Served, get, served


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    for name in ("Pictures/b", "Pictures/A", "Pictures/.hidden", "Bilder", "elsewhere/secret"):
        (home / name).mkdir(parents=True)
    draw_many(home / "Pictures", 3)
    (home / "Pictures" / "notes.txt").write_text("no picture", encoding="utf-8")
    (home / "Pictures" / "link").symlink_to(home / "elsewhere")
    (home / ".config").mkdir()
    (home / ".config" / "user-dirs.dirs").write_text(
        '# made by a desktop\nXDG_PICTURES_DIR="$HOME/Bilder"\nXDG_MUSIC_DIR="$HOME/elsewhere"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def server(tmp_path: Path, colour_model: Path) -> Iterator[Served]:
    settings = Settings(library=tmp_path / "library", model=str(colour_model))
    with served(create_app(settings, Engine.open(settings, create=True))) as running:
        yield running


def test_folders_are_listed_and_nothing_else(server: Served, home: Path) -> None:
    told = get(f"{server.url}/api/v1/folders", params={"path": "~/Pictures"}).json()
    assert told["path"] == str(home / "Pictures")
    assert told["parent"] == str(home)
    assert told["folders"] == [
        {"name": name, "path": str(home / "Pictures" / name)} for name in ("A", "b")
    ]
    assert (told["pictures"], told["is_whole"]) == (3, True)
    begin = get(f"{server.url}/api/v1/folders").json()
    assert begin["path"] == str(home)
    places = {one["name"]: one["path"] for one in begin["places"]}
    assert list(places)[:3] == ["~", "Bilder", "Pictures"]
    assert places["Bilder"] == str(home / "Bilder")
    assert "elsewhere" not in places


def test_a_link_is_shown_as_what_it_leads_to(server: Served, home: Path) -> None:
    link = home / "Pictures" / "link"
    told = get(f"{server.url}/api/v1/folders", params={"path": str(link)}).json()
    assert told["path"] == str(home / "elsewhere")
    assert told["parent"] == str(home)
    root = get(f"{server.url}/api/v1/folders", params={"path": "/"}).json()
    assert root["parent"] is None


@pytest.mark.parametrize("path", ["Pictures", "../..", "~/absent", "~/Pictures/notes.txt", "a\0b"])
def test_what_is_no_folder_is_refused(server: Served, home: Path, path: str) -> None:
    answer = get(f"{server.url}/api/v1/folders", params={"path": path})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert path.partition("\0")[0] in answer.json()["detail"]


def test_others_are_told_nothing(server: Served, home: Path) -> None:
    passed_on = {"X-Forwarded-For": "192.168.1.7"}
    answer = get(f"{server.url}/api/v1/folders", headers=passed_on)
    assert answer.status_code == 403
    assert str(home) not in answer.text
