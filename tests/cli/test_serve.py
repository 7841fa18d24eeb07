"""`lexpix serve`, as a process: what it prints, whom it answers, how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import indexer
from searchengine.config import Settings
from searchengine.search.engine import Engine
from tests.support.plain_pictures import draw_many
from tests.support.web_server import PATIENCE, get, post

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture(scope="module")
def library(colour_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("serve")
    chosen = Settings(folder / "library", str(colour_model), workers=2)
    with Engine.open(chosen, create=True) as engine:
        indexer.index(engine, draw_many(folder / "photos", 12))
    return chosen


def command(settings: Settings, *options: str) -> list[str]:
    given = ["--library", str(settings.library), "--model", settings.model, *options]
    return [sys.executable, "-m", "searchengine.cli.main", "serve", *given]


@contextmanager
def serving(
    settings: Settings, *options: str, **environment: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the command; yield the address that it prints, and the process."""
    with subprocess.Popen(
        command(settings, "--port", "0", *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def test_server_of_this_machine_answers_and_ends_when_interrupted(library: Settings) -> None:
    with serving(library) as (url, process):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        found = post(f"{url}api/v1/search", json={"query": "red", "limit": 3})
        assert found.status_code == 200
        assert len(found.json()["hits"]) > 0
        assert get(f"{url}readyz").json() == {"library": True, "model": True}
        client: dict[str, Any] = {}
        exec(compile(_client(), str(DOCUMENT), "exec"), client)
        assert client["search"]("red", 3, url.rstrip("/")) == found.json()["hits"]
        with pytest.raises(ValueError, match="space on both sides"):
            client["search"]("red -blue", url=url.rstrip("/"))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert "token" not in told
        assert told.endswith("lexpix: stopped\n")


def _client() -> str:
    """Return the client that the documentation shows, which says that it has ten lines."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("<!-- client -->")[2]
    code = text.partition("```python\n")[2].partition("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    return code


def test_server_for_others_makes_a_token_and_warns(library: Settings) -> None:
    with serving(library, "--host", "0.0.0.0") as (url, process):
        assert "?token=" in url
        port = int(url.split(":")[2].partition("/")[0])
        token = url.partition("?token=")[2]
        own = f"http://127.0.0.1:{port}/api/v1/status"
        assert get(own).status_code == 401
        bearer = {"Authorization": f"Bearer {token}"}
        assert get(own, headers=bearer).status_code == 200
        with httpx.Client(timeout=PATIENCE) as browser:
            assert browser.get(f"http://127.0.0.1:{port}/?token={token}").status_code == 200
            assert browser.get(own).status_code == 200
        process.terminate()
        _, told = process.communicate(timeout=PATIENCE)
        assert "others can reach this at 0.0.0.0" in told
        assert token not in told


def test_token_of_the_variable_and_further_names_are_taken(library: Settings) -> None:
    token = "from-the-environment"
    options = ("--allow-host", "Photos.example")
    with serving(library, *options, LEXPIX_TOKEN=token) as (url, _):
        assert url.endswith(f"?token={token}")
        base = url.partition("?")[0]
        headers = {"Authorization": f"Bearer {token}", "Host": "photos.example"}
        assert get(f"{base}api/v1/status", headers=headers).status_code == 200
        headers["Host"] = "other.example"
        assert get(f"{base}api/v1/status", headers=headers).status_code == 421


def test_wrong_options_are_told_before_anything_is_made(tmp_path: Path) -> None:
    none = Settings(tmp_path / "library")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, told in (
            (["--port", port], "another --port"),
            (["--token", "short"], "can be guessed"),
            (["--host", "no.such.host.invalid"], "cannot be found"),
        ):
            arguments = command(none, *options)
            ran = subprocess.run(
                arguments, check=False, capture_output=True, text=True, timeout=PATIENCE
            )
            assert (ran.returncode, ran.stdout) == (2, "")
            assert told in ran.stderr
            assert len(ran.stderr.splitlines()) == 1
    assert not none.library.exists()
