"""Load a server with clients while pictures are being indexed.

    python benchmarks/serving.py [--pictures 100000] [--clients 50] [--seconds 60] [--json]

The library holds simulated pictures with tags (`simulated.py`). `lexpix serve` runs in a process of
its own, and so does an indexer that writes new pictures all the time, as fast as a real one encodes
them. Each client asks, waits for the answer, and asks again: mostly searches by one to three words
with facets, now and then a similar picture, a next page, or the details of a picture. Before all
that one client asks alone, as the page does: for matches, with facets. Times are what clients see;
`server_cpu_ms` is the processor time of the server for a request, of those searches alone and of
all that the clients ask, which says more on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from machine import describe, publish
from simulated import TAGS, make_library

from searchengine.catalog.database import open_database
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.search.engine import load_model
from searchengine.types import FileStat
from searchengine.vectors import unit_rows

WORDS = (
    *("dog", "cat", "beach", "sunset", "snow", "red", "car", "house"),
    *("people", "child", "tree", "water", "food", "street", "bird"),
)
PER_SECOND = 100
"""Pictures that are added a second; the bundled model encodes about as many on two cores."""
BATCH = 16


@dataclass
class Load:
    """What the clients met: seconds of each answer by kind, and what went wrong."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, seconds: float) -> None:
        self.seconds.setdefault(kind, []).append(seconds)


def add_pictures(library: Path) -> None:
    """Write new pictures until the process is ended, in the batches and at the rate of a run."""
    encoder = load_model()
    rng = np.random.default_rng(os.getpid())
    catalog = Catalog(open_database(library, create=False))
    scan = catalog.begin_scan("/added", None)
    number = 0
    while True:
        began = time.monotonic()
        vectors = unit_rows(rng.normal(size=(BATCH, encoder.dim)))
        catalog.write(
            [
                PictureRecord(
                    FileStat(f"/added/{number + place:07}.jpg", 1, number, number),
                    "/added",
                    f"{(1 << 200) + number + place:064x}",
                    width=4000,
                    height=3000,
                    vector=vector,
                )
                for place, vector in enumerate(vectors)
            ],
            fingerprint=encoder.fingerprint,
            model_name=encoder.name,
            dim=encoder.dim,
            scan=scan,
        )
        if not number:
            print("adding", flush=True)
        number += BATCH
        time.sleep(max(0.0, BATCH / PER_SECOND - (time.monotonic() - began)))


async def ask(client: httpx.AsyncClient, load: Load, until: float, seed: int) -> None:
    """Be one client until a time of `time.monotonic`."""
    chance = random.Random(seed)
    ids: list[int] = [1]
    cursor: dict[str, Any] = {}
    while time.monotonic() < until:
        roll = chance.random()
        began = time.perf_counter()
        kind = "search" if roll < 0.7 else "page" if roll < 0.8 else "similar"
        kind = kind if roll < 0.9 else "picture"
        try:
            if kind == "search" or (kind == "page" and not cursor):
                kind = "search"
                words = " ".join(chance.sample(WORDS, chance.randint(1, 3)))
                asked = {"query": words, "with": ["facets"], "unlikely": True}
                answer = await client.post("/api/v1/search", json=asked)
            elif kind == "page":
                answer = await client.post("/api/v1/search", json=cursor)
            elif kind == "similar":
                asked = {"query": f"#{chance.choice(ids)}", "unlikely": True}
                answer = await client.post("/api/v1/search", json=asked)
            else:
                answer = await client.get(f"/api/v1/images/{chance.choice(ids)}")
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            load.errors[f"{kind}: {error.response.status_code} {error.response.text[:200]}"] += 1
            continue
        except httpx.HTTPError as error:
            load.errors[f"{kind}: {type(error).__name__}"] += 1
            continue
        load.add(kind, time.perf_counter() - began)
        if kind in ("search", "similar"):
            found = answer.json()
            ids = [hit["id"] for hit in found["hits"]] or ids
            after = found["next_cursor"]
            cursor = {"query": found["query"], "unlikely": True, "cursor": after} if after else {}


async def load_server(url: str, clients: int, seconds: float, load: Load) -> None:
    """Let clients ask at the same time."""
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        until = time.monotonic() + seconds
        await asyncio.gather(*(ask(client, load, until, seed) for seed in range(clients)))


def ask_alone(url: str, times: int = 100) -> dict[str, float]:
    """Be the only client, and return how long searches with facets take, no two the same."""
    chance = random.Random(1)
    seconds: list[float] = []
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(times):
            words = " ".join(chance.sample(WORDS, chance.randint(1, 3)))
            asked = {"query": f"{words} + {chance.random():.4f}*photo", "with": ["facets"]}
            began = time.perf_counter()
            client.post("/api/v1/search", json=asked).raise_for_status()
            seconds.append(time.perf_counter() - began)
    return percentiles(seconds)


@contextmanager
def process(*command: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a process until the block ends."""
    with subprocess.Popen([sys.executable, *command], text=True, **options) as running:
        try:
            yield running
        finally:
            running.terminate()


def measure(pictures: int, clients: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Return what the clients met, and the memory of the server at begin and end."""
    library = folder / "library"
    make_library(library, pictures, tags=TAGS)
    serve = ("-m", "searchengine.cli.main", "serve", "--library", str(library), "--port", "0")
    began = time.perf_counter()
    with process(*serve, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        started = time.perf_counter() - began
        began = time.perf_counter()
        httpx.post(f"{url}api/v1/search", json={"query": "dog"}, timeout=60).raise_for_status()
        first = time.perf_counter() - began
        working = psutil.Process(server.pid).cpu_times
        spent = _processor(working)
        alone = ask_alone(url)
        cpu_alone = (_processor(working) - spent) / alone["count"]
        memory = psutil.Process(server.pid).memory_info
        # Until threads are there.
        asyncio.run(load_server(url, clients, min(3.0, seconds / 3), Load()))
        with process(__file__, "--add-to", str(library), stdout=subprocess.PIPE) as adding:
            assert adding.stdout is not None
            adding.stdout.readline()  # it has begun
            load, used, spent = Load(), [memory().rss], _processor(working)
            for _ in range(2):
                asyncio.run(load_server(url, clients, seconds / 2, load))
                used.append(memory().rss)
        spent = _processor(working) - spent
        added = httpx.get(f"{url}api/v1/search", timeout=60).json()["total"] - pictures
    answered = sum(map(len, load.seconds.values()))
    return {
        "pictures": pictures,
        "clients": clients,
        "seconds": seconds,
        "pictures_added_meanwhile": added,
        "requests": answered,
        "requests_per_s": round(answered / seconds, 1),
        "errors": dict(load.errors),
        "server_start_s": round(started, 2),
        "first_search_ms": round(1000 * first, 1),
        "one_client_ms": alone,
        "server_cpu_ms": {
            "alone": round(1000 * cpu_alone, 1),
            "clients": round(1000 * spent / max(1, answered), 1),
        },
        "times_ms": {kind: percentiles(times) for kind, times in sorted(load.seconds.items())},
        "memory_mb": dict(
            zip(("begin", "middle", "end"), (round(one / 1e6, 1) for one in used), strict=True)
        ),
    }


def _processor(times: Callable[[], Any]) -> float:
    return float(sum(times()[:2]))


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return count, median, 95th and 99th percentile, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else seconds * 99
    shown = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(seconds)}
    return {"count": len(seconds)} | {name: round(1000 * at, 1) for name, at in shown.items()}


def table(result: dict[str, Any]) -> str:
    """Return the figures as text."""
    lines = [
        f"{result['pictures']:,} pictures, {result['clients']} clients, {result['seconds']:.0f} s, "
        f"{result['pictures_added_meanwhile']:,} pictures added meanwhile",
        f"{result['requests']:,} requests, {result['requests_per_s']} a second, "
        f"{sum(result['errors'].values())} errors",
        f"start {result['server_start_s']} s, first search {result['first_search_ms']} ms",
        f"{'milliseconds':<12}" + "".join(f"{name:>10}" for name in ("count", "p50", "p95", "p99")),
    ]
    for kind, times in {"alone": result["one_client_ms"], **result["times_ms"]}.items():
        values = "".join(f"{times[name]:>10}" for name in ("count", "p50", "p95", "p99"))
        lines.append(f"{kind:<12}{values}")
    cpu = result["server_cpu_ms"]
    lines.append(f"server's processor ms a request: alone {cpu['alone']}, clients {cpu['clients']}")
    memory, machine = result["memory_mb"], result["machine"]
    lines.append("memory " + ", ".join(f"{name} {used} MB" for name, used in memory.items()))
    lines += [f"{count} x {error}" for error, count in result["errors"].items()]
    lines.append(f"{machine['cpu']}, {machine['cores']} cores; commit {result['commit']}")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description="Load a server while pictures are indexed.")
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    default = Path(__file__).parent / "results" / "serving.json"
    parser.add_argument("--out", type=Path, default=default, help="file for the JSON")
    parser.add_argument("--add-to", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.add_to is not None:
        add_pictures(options.add_to)
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.pictures, options.clients, options.seconds, Path(folder))
    result = describe(["fastapi", "uvicorn", "faiss-cpu"]) | figures
    publish(result, table=table(result), as_json=options.json, out=options.out)


if __name__ == "__main__":
    main()
