"""Index jobs and the map over the API: real processes, real pictures, a real library."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

import indexer
from indexer.executors import Threads
from indexer.library.pipeline import index_images
from indexer.maps.layout import centred, layout
from indexer.web.indexing import settings_entry, settings_in
from indexer.web.maps import Maps
from searchengine.config import Settings
from searchengine.errors import NothingIndexed
from searchengine.search.engine import Engine
from searchengine.web.app import create_app
from searchengine.web.live import Live
from tests.support.camera_files import xmp
from tests.support.plain_pictures import draw_many
from tests.support.web_server import PATIENCE, Served, delete, get, post, served

MANY = 800
"""Pictures that take a job seconds; when a hundred are read, the first are written."""


@pytest.fixture
def settings(tmp_path: Path, colour_model: Path) -> Settings:
    return Settings(library=tmp_path / "library", model=str(colour_model), workers=2)


@pytest.fixture
def server(settings: Settings) -> Iterator[Served]:
    with served(create_app(settings, Engine.open(settings, create=True))) as running:
        yield running


def start(server: Served, folder: Path | str, **headers: str) -> httpx.Response:
    url = f"{server.url}/api/v1/jobs"
    return post(url, json={"kind": "index", "folder": str(folder)}, headers=headers)


def events(server: Served, job: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with httpx.stream("GET", f"{server.url}/api/v1/jobs/{job}/events", timeout=PATIENCE) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in stream.iter_lines():
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                yield name, json.loads(value)


def finished(server: Served, job: str) -> dict[str, Any]:
    *_, (name, last) = events(server, job)
    assert name == "report"
    return last


def test_job_indexes_a_folder_and_the_server_finds_its_pictures(
    server: Served, tmp_path: Path
) -> None:
    folder = draw_many(tmp_path / "photos", 40)
    (folder / "bad.jpg").write_bytes(b"no picture")
    answer = start(server, folder)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    told = list(events(server, job["id"]))
    assert [name for name, _ in told[:-1]] == ["progress"] * (len(told) - 1)
    done = [data["done"] for name, data in told if name == "progress"]
    assert done == sorted(done)
    assert all(data["done"] <= data["total"] for _, data in told[:-1])
    last = told[-1][1]
    assert (last["state"], last["done"], last["total"]) == ("done", 41, 41)
    assert last["report"]["added"] == 40
    assert last["failed"] == last["report"]["failed"] == 1
    assert last["failures"][0]["path"] == str(folder / "bad.jpg")
    listed = get(f"{server.url}/api/v1/jobs").json()
    assert listed == {"jobs": [last], "local": True}
    assert get(f"{server.url}{answer.headers['location']}").json() == last
    found = post(f"{server.url}/api/v1/search", json={"query": "red"}).json()
    assert len(found["hits"]) > 0
    assert _figure(server, "lexpix_pictures") == 40
    # Whoever comes late to an ended job is told its end.
    assert list(events(server, job["id"])) == [("report", last)]


def test_a_report_is_what_the_openapi_says_and_counts_what_is_not_marked(
    server: Served, tmp_path: Path
) -> None:
    folder = draw_many(tmp_path / "photos", 20)
    (folder / "notes.txt").write_text("no picture")
    finished(server, start(server, folder).json()["id"])
    for path in sorted(folder.glob("*.png"))[:15]:
        path.unlink()
    report = finished(server, start(server, folder).json()["id"])["report"]
    told = {name: count for name, count in report.items() if count}
    assert told == {"unchanged": 5, "skipped": 1, "unconfirmed": 15}
    schema = get(f"{server.url}/api/openapi.json").json()["components"]["schemas"]["Report"]
    assert sorted(schema["required"]) == sorted(schema["properties"]) == sorted(report)


def test_import_makes_keywords_tags_of_a_folder_or_of_all(server: Served, tmp_path: Path) -> None:
    folder = draw_many(tmp_path / "photos", 4)
    first, second, third, _ = sorted(folder.glob("*.png"))
    first.with_name(f"{first.name}.xmp").write_bytes(xmp(keywords="beach,Ann Lee"))
    (folder / "in").mkdir()
    second = second.rename(folder / "in" / second.name)
    second.with_name(f"{second.name}.xmp").write_bytes(xmp(keywords="beach"))
    third.with_name(f"{third.name}.xmp").write_bytes(b"<nonsense")
    finished(server, start(server, folder).json()["id"])

    def imported(**asked: Any) -> dict[str, Any]:
        answer = post(f"{server.url}/api/v1/jobs", json={"kind": "import", **asked})
        assert answer.status_code == 202, answer.text
        last = finished(server, answer.json()["id"])
        assert (last["state"], last["kind"], last["report"]) == ("done", "import", None)
        return last

    def tagged() -> set[str]:
        found = post(f"{server.url}/api/v1/search", json={"query": "tag:beach"}).json()
        return {one["path"] for one in found["hits"]}

    foreseen = imported(folder=str(folder), options={"dry_run": True})
    assert tagged() == set()
    assert imported(options={"places": ["file"]})["imported"]["keywords"] == 0
    assert imported(folder=str(folder / "in"))["imported"]["tags"] == {"beach": 1}
    assert tagged() == {str(second)}
    last = imported()
    assert foreseen["imported"]["tags"] == {"beach": 2, "ann lee": 1}
    assert last["imported"] == {
        "pictures": 4,
        "tagged": 1,
        "keywords": 2,
        "tags": {"beach": 1, "ann lee": 1},
        "removed": 0,
        "kept_away": 0,
        "strangers": 0,
    }
    assert [Path(one["path"]).name for one in last["failures"]] == [f"{third.name}.xmp"]
    assert tagged() == {str(first), str(second)}


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "import", "options": {"places": []}},
        {"kind": "import", "options": {"places": ["cloud"]}},
        {"kind": "import", "options": {"faces": 1}},
        {"kind": "retry", "options": {"faces": True}},
    ],
)
def test_import_that_is_asked_for_wrongly_is_refused(server: Served, asked: dict[str, Any]) -> None:
    assert post(f"{server.url}/api/v1/jobs", json=asked).status_code == 422


def _figure(server: Served, name: str) -> float:
    families = text_string_to_metric_families(get(f"{server.url}/metrics").text)
    (value,) = (one.value for family in families for one in family.samples if one.name == name)
    return float(value)


def test_second_job_waits_for_the_end_of_the_first_or_its_cancellation(
    server: Served, settings: Settings, tmp_path: Path
) -> None:
    folder = draw_many(tmp_path / "photos", MANY)
    job = start(server, folder).json()["id"]
    again = start(server, folder)
    assert again.status_code == 409
    assert str(folder) in again.json()["detail"]
    assert _figure(server, "lexpix_jobs_running") == 1
    stream = events(server, job)
    next(data for name, data in stream if name == "progress" and data["done"] > 100)
    answer = delete(f"{server.url}/api/v1/jobs/{job}").json()
    assert answer["state"] == "cancelled"
    assert answer["report"] is None
    assert list(stream)[-1] == ("report", answer)
    assert delete(f"{server.url}/api/v1/jobs/{job}").json() == answer
    assert _figure(server, "lexpix_jobs_running") == 0
    with Engine.open(settings) as engine:
        kept = engine.status().counts["ok"]
    assert 0 < kept < MANY
    # Nothing is lost: the rest is done by the next run.
    last = finished(server, start(server, folder).json()["id"])
    assert last["report"]["added"] + kept == MANY
    assert last["report"]["unchanged"] == kept
    assert [one["state"] for one in get(f"{server.url}/api/v1/jobs").json()["jobs"]] == [
        "done",
        "cancelled",
    ]


def test_two_that_start_at_once_get_one_job(server: Served, tmp_path: Path) -> None:
    folder = draw_many(tmp_path / "photos", 100)
    with ThreadPoolExecutor(8) as pool:
        codes = [one.status_code for one in pool.map(lambda _: start(server, folder), range(8))]
    assert sorted(codes) == [202] + [409] * 7
    (job,) = get(f"{server.url}/api/v1/jobs").json()["jobs"]
    assert finished(server, job["id"])["state"] == "done"


@pytest.mark.parametrize("folder", ["", "photos", "../photos", "/no/such/folder", "FILE", "a\0b"])
def test_folder_that_cannot_be_indexed_is_refused_at_once(
    server: Served, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "file").touch()
    answer = start(server, folder.replace("FILE", str(tmp_path / "file")))
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:lexpix:folder"
    assert get(f"{server.url}/api/v1/jobs").json()["jobs"] == []


def test_an_address_is_indexed_only_if_the_command_has_indexed_it_before(
    server: Served, settings: Settings, tmp_path: Path
) -> None:
    draw_many(tmp_path / "far", 3)
    address = f"file://{tmp_path}/far"
    for other in (address, "http://127.0.0.1:1/photos", f"{address}/..", "memory://x"):
        refused = start(server, other)
        assert refused.status_code == 400
        assert "lexpix index ADDRESS" in refused.json()["detail"]
    assert get(f"{server.url}/api/v1/jobs").json()["jobs"] == []
    with Engine.open(settings) as engine:
        indexer.index(engine, address)
    draw_many(tmp_path / "far" / "more", 2)
    last = finished(server, start(server, address).json()["id"])
    assert (last["state"], last["report"]["added"]) == ("done", 2)
    for other in (f"{address}/more", f"file://{tmp_path}"):
        assert start(server, other).status_code == 400
    (first, *_) = sorted((tmp_path / "far").glob("*.*"))
    with Engine.open(settings) as engine:
        (row,) = engine.catalog.by_paths([f"{address}/{first.name}"]).values()
    picture = f"{server.url}/api/v1/images/{row.id}"
    answer = get(f"{picture}/file")
    assert answer.status_code == 200, answer.text
    assert answer.content == first.read_bytes()
    assert get(f"{picture}/thumb").headers["content-type"] == "image/jpeg"
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    assert get(f"{picture}/file").status_code == 409


def test_folder_without_pictures_ends_as_the_command_line_does(
    server: Served, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    last = finished(server, start(server, tmp_path / "empty").json()["id"])
    assert last["state"] == "failed"
    assert "has no pictures" in last["error"]


def test_folder_of_any_bytes_is_indexed(server: Served, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    draw_many(folder, 3)
    answer = post(
        f"{server.url}/api/v1/jobs",
        content=json.dumps({"folder": str(folder)}),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 202, answer.text
    last = finished(server, answer.json()["id"])
    assert last["report"]["added"] == 3
    assert last["folder"] == str(folder)


def test_client_behind_a_proxy_neither_starts_nor_cancels(server: Served, tmp_path: Path) -> None:
    folder = draw_many(tmp_path / "photos", 3)
    passed_on = {"X-Forwarded-For": "192.168.1.7"}
    assert start(server, folder, **passed_on).status_code == 403
    assert get(f"{server.url}/api/v1/jobs", headers=passed_on).json()["local"] is False
    job = start(server, folder).json()["id"]
    answer = delete(f"{server.url}/api/v1/jobs/{job}", headers=passed_on)
    assert answer.status_code == 403
    assert finished(server, job)["state"] == "done"


def test_job_that_nobody_started_is_not_found(server: Served) -> None:
    for path in ("ab12", "ab12/events"):
        assert get(f"{server.url}/api/v1/jobs/{path}").status_code == 404
    assert delete(f"{server.url}/api/v1/jobs/ab12").status_code == 404


def test_killed_process_is_told_as_a_failure(server: Served, tmp_path: Path) -> None:
    job = start(server, draw_many(tmp_path / "photos", MANY)).json()["id"]
    next(events(server, job))
    while not _children():  # the job is told before its process is the program that it will be
        time.sleep(0.01)
    (child,) = _children()
    os.kill(child, signal.SIGKILL)
    last = finished(server, job)
    assert last["state"] == "failed"
    assert "-9" in last["error"]


def _children() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    numbers = [int(one) for task in tasks for one in task.read_text().split()]
    return [one for one in numbers if b"indexer.web.indexing" in _command(one)]


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def test_end_of_the_server_ends_the_job(settings: Settings, tmp_path: Path) -> None:
    folder = draw_many(tmp_path / "photos", MANY)
    with served(create_app(settings, Engine.open(settings, create=True))) as server:
        job = start(server, folder).json()["id"]
        next(data for name, data in events(server, job) if data["done"] > 100)
        (child,) = _children()
    assert _children() == []
    assert not _command(child)
    with Engine.open(settings) as engine:
        assert 0 < len(engine.index) < MANY


def test_process_whose_server_was_killed_ends(settings: Settings, tmp_path: Path) -> None:
    order = {
        "kind": "index",
        "folder": str(draw_many(tmp_path / "photos", MANY)),
        "settings": settings_entry(settings),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "indexer.web.indexing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        for line in process.stdout:
            if json.loads(line).get("done", 0) > 100:
                break
        process.stdin.close()
        threading.Thread(target=process.stdout.read, daemon=True).start()
        assert process.wait(60) == 130


def test_settings_survive_the_way_to_the_process(settings: Settings) -> None:
    one = Settings(settings.library, yielding=frozenset({"model", "workers"}))
    for given in (settings, one):
        read = settings_in(json.loads(json.dumps(settings_entry(given))))
        assert read == given
        assert read.yielding == given.yielding


# The map


@pytest.fixture
def filled(settings: Settings, tmp_path: Path) -> Settings:
    with Engine.open(settings, create=True) as engine:
        folder = str(draw_many(tmp_path / "photos", 30))
        indexer.index(engine, folder)
    return settings


def test_map_has_every_picture_where_a_naive_layout_puts_it(filled: Settings) -> None:
    with served(create_app(filled)) as server:
        answer = get(f"{server.url}/api/v1/map")
        assert answer.status_code == 200
        found = answer.json()
        known = {"If-None-Match": answer.headers["etag"]}
        assert get(f"{server.url}/api/v1/map", headers=known).status_code == 304
    with Engine.open(filled) as engine:
        ids = engine.catalog.present().tolist()
        stored = engine.catalog.vectors(ids, engine.encoder.fingerprint)
        assert [point[0] for point in found["points"]] == ids
        assert found["total"] == len(ids) == 30
        names = [word["word"] for word in found["words"]]
        clouds = [centred(np.stack([stored[one] for one in ids]))]
        if names:
            clouds.append(centred(engine.encoder.encode_texts(names)))
        expected = layout(np.concatenate(clouds))
    places = [point[1:] for point in found["points"]]
    places += [[word["x"], word["y"]] for word in found["words"]]
    assert np.abs(np.array(places) - expected).max() < 1e-4


def test_map_of_an_empty_library_says_what_is_missing(server: Served) -> None:
    answer = get(f"{server.url}/api/v1/map")
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:lexpix:nothing-indexed"


def test_map_is_made_anew_when_pictures_came_but_not_each_time(
    filled: Settings, tmp_path: Path
) -> None:
    now = 0.0
    live = Live(Engine.open(filled), filled)
    maps = Maps(live, limit=20, clock=lambda: now)

    async def asked() -> list[dict[str, Any]]:
        drawn = await asyncio.gather(*(maps.current() for _ in range(5)))
        assert len({one.tag for one in drawn}) == 1
        return [json.loads(one.body) for one in drawn]

    async def story() -> None:
        nonlocal now
        first = (await asked())[0]
        assert (len(first["points"]), first["total"]) == (20, 30)
        engine = live.engine
        index_images(
            str(draw_many(tmp_path / "more", 6)),
            engine.catalog,
            engine.encoder,
            executor=Threads(2),
        )
        now = 10.0
        assert (await asked())[0] == first
        now = 100.0
        assert (await asked())[0]["total"] == 36

    asyncio.run(story())
    live.close()


def test_map_needs_three_pictures(settings: Settings, tmp_path: Path) -> None:
    with Engine.open(settings, create=True) as engine:
        indexer.index(engine, draw_many(tmp_path / "two", 2))
    live = Live(Engine.open(settings), settings)
    with pytest.raises(NothingIndexed, match="the library has 2"):
        asyncio.run(Maps(live).current())
    live.close()
