"""Saved searches over the API: kept in the library, counted anew each time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import indexer
from searchengine.config import Settings
from searchengine.search.engine import Engine
from searchengine.web.app import create_app
from tests.support.plain_pictures import draw_many
from tests.support.web_server import PATIENCE, Served, delete, get, post, request, served


@pytest.fixture
def settings(tmp_path: Path, colour_model: Path) -> Settings:
    settings = Settings(library=tmp_path / "library", model=str(colour_model), workers=2)
    with Engine.open(settings, create=True) as engine:
        indexer.index(engine, str(draw_many(tmp_path / "photos", 12)))
    return settings


@pytest.fixture
def server(settings: Settings) -> Iterator[Served]:
    with served(create_app(settings, Engine.open(settings))) as running:
        yield running


def save(server: Served, **asked: Any) -> httpx.Response:
    return request("PUT", f"{server.url}/api/v1/albums", json=asked)


def albums(server: Served) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = get(f"{server.url}/api/v1/albums").json()["albums"]
    return listed


def test_a_search_is_saved_counted_replaced_and_removed(
    server: Served, settings: Settings, tmp_path: Path
) -> None:
    red = save(server, name="  all   red ones ", query="red").json()
    found = post(f"{server.url}/api/v1/search", json={"query": "red", "limit": 500}).json()
    assert red["count"] == len(found["hits"]) > 0
    everything = save(server, name="Everything", filters={"format": ["png"]}, sort="newest").json()
    assert everything["count"] == 12
    assert everything["filters"]["format"] == ["png"]
    assert [one["name"] for one in albums(server)] == ["all red ones", "Everything"]
    # What others add is counted as well.
    with Engine.open(settings) as engine:
        indexer.index(engine, str(draw_many(tmp_path / "more", 15)))
    deadline = time.monotonic() + PATIENCE
    while (count := albums(server)[1]["count"]) != 12 + 15:
        assert time.monotonic() < deadline, count
        time.sleep(0.2)
    again = save(server, name="all red ones", query="blue").json()
    assert again["id"] == red["id"]
    assert albums(server)[0]["query"] == "blue"
    left = delete(f"{server.url}/api/v1/albums/{red['id']}").json()
    assert left == {"albums": albums(server)}
    assert delete(f"{server.url}/api/v1/albums/{red['id']}").status_code == 404
    assert [one["name"] for one in albums(server)] == ["Everything"]


def test_saved_searches_outlive_the_server(settings: Settings) -> None:
    folder = os.fsdecode(b"/photos/caf\xe9")
    with served(create_app(settings, Engine.open(settings))) as server:
        saved = save(
            server, name="caf\N{LATIN SMALL LETTER E WITH ACUTE}", query="red - blue"
        ).json()
    with served(create_app(settings, Engine.open(settings))) as server:
        assert albums(server) == [saved]
        answer = request(
            "PUT",
            f"{server.url}/api/v1/albums",
            content=b'{"name": "odd", "filters": {"folder": ["/photos/caf\\udce9"]}}',
            headers={"Content-Type": "application/json"},
        )
        assert answer.json()["filters"]["folder"] == [folder]
        assert answer.json()["count"] == 0


def test_a_search_without_an_answer_says_why(server: Served) -> None:
    assert save(server, name="one", query="#99999").json() == {
        **{"name": "one", "query": "#99999", "sort": "match", "unlikely": False, "id": 1},
        "filters": {
            facet: []
            for facet in ("folder", "year", "month", "place", "camera", "tag", "shape", "format")
        },
        "count": None,
        "problem": albums(server)[0]["problem"],
    }
    assert "99999" in albums(server)[0]["problem"]


@pytest.mark.parametrize(
    "asked",
    [
        {"name": " ", "query": "red"},
        {"name": "broken", "query": 'red - "'},
        {"name": "file", "query": "@upload:abc"},
        {"name": "odd", "query": "red", "limit": 3},
    ],
)
def test_what_cannot_be_kept_is_refused(server: Served, asked: dict[str, Any]) -> None:
    answer = save(server, **asked)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert albums(server) == []
