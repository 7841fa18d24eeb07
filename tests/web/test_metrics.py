"""What is measured, and when a server says that it is ready."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client.parser import text_string_to_metric_families

from searchengine.errors import LibraryError
from searchengine.web.metrics import install_metrics
from searchengine.web.safety.access import Safety, install_safety
from searchengine.web.safety.problems import install_problems
from tests.support.web_server import Served, get, request, served


class Disk:
    """What a check looks at: there, or not."""

    is_there = True

    def check(self) -> None:
        if not self.is_there:
            raise LibraryError("/photos/catalog.sqlite: cannot be used as a library")


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def server(disk: Disk) -> Iterator[Served]:
    app = FastAPI()
    inner = APIRouter(prefix="/images")

    @inner.get("/{id}")
    def image(id: int) -> dict[str, int]:
        return {"id": id}

    @inner.get("/{id}/similar")
    def similar(id: int) -> dict[str, int]:
        return {"like": id}

    outer = APIRouter(prefix="/api/v1")
    outer.include_router(inner)
    app.include_router(outer)

    @app.get("/bug")
    def bug() -> None:
        raise RuntimeError("no")

    install_problems(app)
    install_safety(app, Safety())
    metrics = install_metrics(app, {"library": disk.check, "model": lambda: None})
    metrics.watch("lexpix_pictures", "Pictures", lambda: 42)
    metrics.watch("lexpix_broken", "Never there", lambda: 1 / 0)
    with served(app) as running:
        yield running


def _figures(server: Served) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = get(f"{server.url}/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _requests(server: Served) -> dict[tuple[str, str, str], float]:
    return {
        (labels["method"], labels["route"], labels["status"]): value
        for (name, pairs), value in _figures(server).items()
        if name == "lexpix_requests_total"
        for labels in [dict(pairs)]
    }


def test_requests_are_counted_by_template_and_status(server: Served) -> None:
    for path in ("/api/v1/images/1", "/api/v1/images/2", "/api/v1/images/x", "/no", "/bug"):
        get(server.url + path)
    get(server.url, headers={"Host": "evil.example"})
    request("BREW", f"{server.url}/api/v1/images/1")
    counts = _requests(server)
    assert counts["GET", "/api/v1/images/{id}", "200"] == 2
    assert counts["GET", "/api/v1/images/{id}", "422"] == 1
    assert counts["GET", "none", "404"] == 1
    assert counts["GET", "none", "421"] == 1
    assert counts["GET", "/bug", "500"] == 1
    assert counts["other", "/api/v1/images/{id}", "405"] == 1
    assert not any("images/1" in route or method == "BREW" for method, route, _ in counts)


def test_searches_are_timed_by_themselves(server: Served) -> None:
    for path in ("/api/v1/images/1/similar", "/api/v1/images/x/similar", "/api/v1/images/1"):
        get(server.url + path)
    figures = _figures(server)
    assert figures["lexpix_search_seconds_count", ()] == 1
    route = (("route", "/api/v1/images/{id}/similar"),)
    assert figures["lexpix_request_seconds_count", route] == 2
    assert figures["lexpix_search_seconds_sum", ()] > 0


def test_figures_are_asked_for_and_a_broken_one_takes_none_away(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    figures = _figures(server)
    assert figures["lexpix_pictures", ()] == 42
    assert ("lexpix_broken", ()) not in figures
    assert "lexpix_broken cannot be measured" in caplog.text
    assert figures["process_resident_memory_bytes", ()] > 1e6


def test_ready_is_who_can_use_library_and_model(
    server: Served, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    answer = get(f"{server.url}/readyz")
    assert (answer.status_code, answer.json()) == (200, {"library": True, "model": True})
    disk.is_there = False
    answer = get(f"{server.url}/readyz")
    assert (answer.status_code, answer.json()) == (503, {"library": False, "model": True})
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "/photos/catalog.sqlite" in record.getMessage()
    assert get(f"{server.url}/healthz").status_code == 200
    disk.is_there = True
    assert get(f"{server.url}/readyz").status_code == 200
