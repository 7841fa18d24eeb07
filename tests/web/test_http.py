"""What every path of a server owes to HTTP: HEAD, Allow, compression, and what nobody knows."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

import indexer
from searchengine.config import Settings
from searchengine.search.engine import Engine
from searchengine.web.app import create_app
from tests.support.colour_library import photograph_all
from tests.support.web_server import PATIENCE, served

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def client(colour_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("http")
    photograph_all(folder / "photos")
    chosen = Settings(library=folder / "library", model=str(colour_model), workers=2)
    with Engine.open(chosen, create=True) as engine:
        indexer.index(engine, folder / "photos")
    with (
        served(create_app(chosen)) as server,
        httpx.Client(
            base_url=server.url, timeout=PATIENCE, headers={"Accept-Encoding": "identity"}
        ) as client,
    ):
        yield client


def paths(client: httpx.Client) -> dict[str, set[str]]:
    """Return the methods of every path of the OpenAPI, with a picture, word or query in it."""
    described = client.get("/api/openapi.json").json()["paths"]
    return {path: {method.upper() for method in told} for path, told in described.items()}


def address(path: str) -> str:
    query = {"/api/v1/words/near": "?word=red", "/api/v1/words/analogy": "?words=red,blue,green"}
    if path.endswith(("/parse", "/suggest", "/explain")):
        return f"{path.replace('{id}', '1')}?q=red"
    return path.replace("{id}", "1").replace("{token}", "none") + query.get(path, "")


def test_head_is_everywhere_where_get_is(client: httpx.Client) -> None:
    known = {path: methods for path, methods in paths(client).items() if "GET" in methods}
    pages = [
        "/",
        "/map",
        "/recipes",
        "/duplicates",
        "/favicon.ico",
        "/healthz",
        "/metrics",
        "/api/openapi.json",
    ]
    for path in [*map(address, known), *pages]:
        got, head = client.get(path), client.head(path)
        assert head.status_code == got.status_code, path
        assert head.content == b""
        for name in ("content-type", "etag", "cache-control", "accept-ranges", "location"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)
    file = client.get("/api/v1/images/1/file")
    head = client.head("/api/v1/images/1/file")
    assert int(head.headers["content-length"]) == len(file.content) > 0
    part = client.head("/api/v1/images/1/file", headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.headers["content-length"]) == (206, "7")


def test_head_of_a_stream_ends_at_once(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    job = client.post("/api/v1/jobs", json={"folder": str(tmp_path)}).json()
    head = client.head(f"/api/v1/jobs/{job['id']}/events")
    assert head.headers["content-type"].startswith("text/event-stream")
    *_, last = client.get(f"/api/v1/jobs/{job['id']}/events").text.strip().split("event: ")
    assert last.startswith("report")


def test_allow_names_all_methods_of_a_path(client: httpx.Client) -> None:
    for path, methods in paths(client).items():
        refused = client.request("PATCH", address(path))
        assert refused.status_code == 405
        told = set(refused.headers["allow"].split(", "))
        assert told == methods | ({"HEAD"} if "GET" in methods else set()), path
    assert client.post("/").headers["allow"] == "GET, HEAD"
    assert client.head("/api/v1/exports").status_code == 405


def test_unknown_parameter_is_named_wherever_it_is(client: httpx.Client) -> None:
    for path, methods in paths(client).items():
        for method in methods:
            joint = "&" if "?" in address(path) else "?"
            refused = client.request(method, f"{address(path)}{joint}nosuch=1", json={})
            assert refused.status_code == 422, (method, path)
            where = [one["where"] for one in refused.json()["errors"]]
            assert "query.nosuch" in where, (method, path)
    refused = client.get("/api/v1/search", params={"query": "red"})
    assert refused.status_code == 422
    assert "did you mean 'q'?" in refused.json()["detail"]
    assert client.head("/api/v1/search?query=red").status_code == 422
    assert client.get("/?open=1&nosuch=1").status_code == 200


def test_text_is_compressed_and_pictures_are_not(client: httpx.Client) -> None:
    compressing = {"Accept-Encoding": "gzip, br"}
    page = client.get("/").text
    script = next(part for part in page.split('"') if part.endswith("/main.js"))
    for path in (script, "/api/v1/facets", "/api/openapi.json", "/"):
        plain, small = client.get(path), client.get(path, headers=compressing)
        assert "content-encoding" not in plain.headers
        assert small.headers["content-encoding"] == "gzip"
        assert "accept-encoding" in small.headers["vary"].lower()
        assert int(small.headers["content-length"]) < len(plain.content) / 2
        assert small.content == plain.content  # which httpx has unpacked
    for path in ("/api/v1/images/1/file", "/api/v1/images/1/thumb?size=320"):
        plain, same = client.get(path), client.get(path, headers=compressing)
        assert "content-encoding" not in same.headers
        assert same.content == plain.content
    part = client.get("/api/v1/images/1/file", headers={**compressing, "Range": "bytes=5-600"})
    whole = client.get("/api/v1/images/1/file").content
    assert (part.status_code, part.content) == (206, whole[5:601])
    assert part.headers["content-length"] == str(len(part.content))


def test_exports_are_whole_when_they_are_compressed(client: httpx.Client) -> None:
    for form in ("json", "csv", "zip"):
        asked = {"ids": list(range(1, 26)), "form": form}
        plain = client.post("/api/v1/exports", json=asked)
        with client.stream(
            "POST", "/api/v1/exports", json=asked, headers={"Accept-Encoding": "gzip"}
        ) as small:
            raw = b"".join(small.iter_raw())
        if form == "zip":
            assert "content-encoding" not in small.headers
            assert raw == plain.content
        else:
            assert gzip.decompress(raw) == plain.content


def test_a_wrong_address_is_a_page_for_a_browser_and_a_problem_for_a_program(
    client: httpx.Client,
) -> None:
    page = client.get("/nope", headers={**BROWSER, "Accept-Language": "de"})
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "nichts" in page.text
    assert 'href="/"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    style = next(part for part in page.text.split('"') if part.endswith("/style.css"))
    assert client.get(style).status_code == 200
    for path, headers in (
        ("/nope", {}),
        ("/api/v1/nope", BROWSER),
        ("/api/v1/images/4000", BROWSER),
    ):
        told = client.get(path, headers=headers)
        assert told.status_code == 404
        assert told.headers["content-type"] == "application/problem+json"


def test_failures_are_listed_in_pages_and_read_again(colour_model: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photograph_all(photos)
    names = [*(f"bad-{number:02}.jpg" for number in range(7)), os.fsdecode(b"caf\xe9.jpg")]
    for name in names:
        (photos / name).write_bytes(b"no picture")
    chosen = Settings(library=tmp_path / "library", model=str(colour_model), workers=2)
    with Engine.open(chosen, create=True) as engine:
        indexer.index(engine, photos)
        expected = engine.catalog.failures()
    with (
        served(create_app(chosen)) as server,
        httpx.Client(base_url=f"{server.url}/api/v1/", timeout=PATIENCE) as api,
    ):
        found, cursor = [], None
        while True:
            page = api.get("failures", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
            told = page.raise_for_status().json()
            assert told["total"] == len(names)
            found += told["failures"]
            cursor = told["next_cursor"]
            if cursor is None:
                break
        assert [(one["path"], one["reason"]) for one in found] == [
            (failure.path, failure.reason) for failure in expected
        ]
        assert {Path(one["path"]).name for one in found} == set(names)
        assert api.get("failures", params={"cursor": "?"}).status_code == 422
        assert api.get("failures", params={"cursor": 4000}).status_code == 404
        mended = photos / random.Random(3).choice(names)
        mended.write_bytes((photos / "red" / "red-red.jpg").read_bytes())
        job = api.post("jobs", json={"kind": "retry"}).raise_for_status().json()
        assert (job["kind"], job["folder"]) == ("retry", None)
        *_, last = api.get(f"jobs/{job['id']}/events").text.strip().split("data: ")
        report = json.loads(last)
        assert (report["state"], report["done"]) == ("done", len(names))
        assert (report["report"]["updated"], report["report"]["failed"]) == (1, len(names) - 1)
        left = api.get("failures").json()
        assert left["total"] == len(names) - 1
        assert str(mended) not in [one["path"] for one in left["failures"]]
        assert api.post("jobs", json={"kind": "index"}).status_code == 422


def test_files_seen_in_part_are_listed_as_such_and_read_again(
    colour_model: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photograph_all(photos)
    half = photos / "half.jpg"
    noise = np.random.default_rng(2).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(half)
    whole = half.read_bytes()
    half.write_bytes(whole[: len(whole) * 2 // 3])
    (photos / "bad.jpg").write_bytes(b"no picture")
    chosen = Settings(library=tmp_path / "library", model=str(colour_model), workers=2)
    with Engine.open(chosen, create=True) as engine:
        indexer.index(engine, photos)
        [reason] = [one.reason for one in engine.catalog.damaged()]
    with (
        served(create_app(chosen)) as server,
        httpx.Client(base_url=f"{server.url}/api/v1/", timeout=PATIENCE) as api,
    ):
        told = api.get("failures", params={"limit": 1}).raise_for_status().json()
        rest = api.get("failures", params={"cursor": told["next_cursor"]}).json()
        listed = told["failures"] + rest["failures"]
        assert told["total"] == 2
        assert [(Path(one["path"]).name, one["partial"]) for one in listed] == [
            ("bad.jpg", False),
            (half.name, True),
        ]
        assert listed[1]["reason"] == reason

        def retried() -> dict[str, int]:
            job = api.post("jobs", json={"kind": "retry"}).raise_for_status().json()
            *_, last = api.get(f"jobs/{job['id']}/events").text.strip().split("data: ")
            return dict(json.loads(last)["report"])

        again = retried()
        assert (again["updated"], again["failed"]) == (0, 1), "what is as it was is not read"
        half.write_bytes(whole)
        assert retried()["updated"] == 1
        assert [one["partial"] for one in api.get("failures").json()["failures"]] == [False]
