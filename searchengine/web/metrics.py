"""/metrics for Prometheus, and /healthz and /readyz for whoever watches over the server."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from fastapi import FastAPI
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from searchengine.errors import LexpixError
from searchengine.web.safety.templates import template_of

log = logging.getLogger(__name__)

Check = Callable[[], object]
"""Raises a LexpixError, or any other, if what it looks at is not usable."""

SEARCH_PATHS = frozenset({"/api/v1/search", "/api/v1/images/{id}/similar"})
_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.3, 0.6, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The figures of one app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.requests = Counter(
            "lexpix_requests",
            "Requests by method, route and status",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.latency = Histogram(
            "lexpix_request_seconds",
            "Time until an answer begins",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.searches = Histogram(
            "lexpix_search_seconds",
            "Time of searches that were answered",
            buckets=_SECONDS,
            registry=self.registry,
        )

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Add a figure that is asked for when it is wanted; one that fails is left out."""
        self.registry.register(_Watched(name, text, value))

    def record(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        # A method or a path that a stranger made up must not become a row of its own.
        known = method if method in _METHODS else "other"
        self.requests.labels(known, route, str(status)).inc()
        self.latency.labels(route).observe(seconds)
        if route in SEARCH_PATHS and status == 200:
            self.searches.observe(seconds)


class _Watched:
    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name, self._text, self._value = name, text, value

    def describe(self) -> Iterable[Metric]:
        """Return the figure without its value, which may not be there yet."""
        return [GaugeMetricFamily(self._name, self._text)]

    def collect(self) -> Iterable[Metric]:
        """Return the figure."""
        try:
            return [GaugeMetricFamily(self._name, self._text, value=self._value())]
        except Exception as error:  # one figure must not take the others away
            log.warning("%s cannot be measured: %s", self._name, error)
            return []


def install_metrics(app: FastAPI, checks: Mapping[str, Check]) -> Metrics:
    """Give an app /metrics, /healthz and /readyz; what it counts is also `app.state.metrics`.

    To be called last, so that what the checks of `install_safety` refuse is counted too.

    Args:
        app: The app.
        checks: What has to be usable before requests can be answered, by name.
    """
    metrics = Metrics()
    app.state.metrics = metrics
    app.add_middleware(Measured, metrics=metrics)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        results = {name: await run_in_threadpool(_is_usable, name, checks[name]) for name in checks}
        return JSONResponse(results, 200 if all(results.values()) else 503)

    @app.get("/metrics", include_in_schema=False)
    async def figures() -> Response:
        text = await run_in_threadpool(generate_latest, metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return metrics


def _is_usable(name: str, check: Check) -> bool:
    # The reason names paths of this machine, which a client without a token must not learn.
    try:
        check()
    except LexpixError as error:
        log.error("not ready: %s: %s", name, error)
        return False
    except Exception as error:
        log.error("not ready: %s: %s: %s", name, type(error).__name__, error)
        return False
    return True


class Measured:
    """Count requests, and time them until their answers begin."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = time.perf_counter() - started
                self.metrics.record(scope["method"], template_of(scope), message["status"], seconds)
            await send(message)

        await self.app(scope, receive, sending)
