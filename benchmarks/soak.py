"""Use a library from all sides for a long time, and say whether anything goes wrong or grows.

    python benchmarks/soak.py [--minutes 30] [--pictures 20000] [--readers 8] [--json]

`lexpix serve` answers readers that pause a little between questions, as people do, for searches,
thumbnails, details, suggestions and originals. Beside it `lexpix watch` follows a folder in which
pictures come, change and go, an indexer reads another folder again and again, two writers set tags
over the API, and the index is thrown away and made anew time and again. Every few seconds the
memory and the open files of the server are written down; a line through those of the second half of
the time says how fast they grow. All pictures are files; many are links to the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from machine import describe, publish
from PIL import Image
from serving import WORDS, Load, percentiles, process
from simulated import save_photos

from searchengine.config import Settings
from searchengine.search.engine import INDEX_FOLDER, Engine

ASKED = 500
"""Pictures that differ, and are asked for; the others are links to them."""
EVERY = 2.0
"""Seconds between two looks at the memory of the server."""
REBUILD_EVERY = 45.0
LEXPIX = ("-m", "searchengine.cli.main")


async def read(client: httpx.AsyncClient, load: Load, until: float, seed: int) -> None:
    """Be a reader until a time of `time.monotonic`."""
    chance = random.Random(seed)
    ids = [1]
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        words = " ".join(chance.sample(WORDS, chance.randint(1, 3)))
        one = chance.choice(ids)
        asked: dict[str, tuple[str, dict[str, Any]]] = {
            "search": ("search", {"query": words, "with": ["facets"], "unlikely": True}),
            "similar": ("search", {"query": f"#{one}", "unlikely": True}),
            "suggest": (f"suggest?q={words[:4]}", {}),
            "picture": (f"images/{one}", {}),
            "thumb": (f"images/{chance.randint(1, ASKED)}/thumb?size=320", {}),
            "file": (f"images/{chance.randint(1, ASKED)}/file", {}),
        }
        (kind,) = chance.choices(list(asked), (5, 1, 2, 2, 4, 1))
        address, body = asked[kind]
        answer = await timed(load, kind, client, "POST" if body else "GET", address, body)
        if answer is not None and body:
            ids = [hit["id"] for hit in answer.json()["hits"]] or ids


async def write_tags(client: httpx.AsyncClient, load: Load, until: float, seed: int) -> None:
    """Set tags and take them away again until a time of `time.monotonic`."""
    chance = random.Random(seed)
    while time.monotonic() < until:
        address = f"images/{chance.randint(1, ASKED)}/tags"
        for what in ("add", "remove"):
            await asyncio.sleep(chance.uniform(0.5, 2.0))
            await timed(load, "tags", client, "PUT", address, {what: [f"soak {seed}"]})


async def timed(
    load: Load,
    kind: str,
    client: httpx.AsyncClient,
    method: str,
    address: str,
    body: dict[str, Any],
) -> httpx.Response | None:
    """Ask, and write down how long it took or what went wrong."""
    began = time.perf_counter()
    try:
        answer = await client.request(method, address, json=body or None)
        answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        load.errors[f"{kind}: {error.response.status_code} {error.response.text[:200]}"] += 1
        return None
    except httpx.HTTPError as error:
        load.errors[f"{kind}: {type(error).__name__}"] += 1
        return None
    load.add(kind, time.perf_counter() - began)
    return answer


async def use(url: str, readers: int, until: float, load: Load) -> None:
    """Let readers and writers of tags ask at the same time."""
    async with httpx.AsyncClient(base_url=f"{url}api/v1/", timeout=60) as client:
        await asyncio.gather(
            *(read(client, load, until, seed) for seed in range(readers)),
            *(write_tags(client, load, until, 1000 + seed) for seed in range(2)),
        )


class Beside:
    """What goes on beside the readers, each in a thread of its own until it is told to stop."""

    def __init__(self, folder: Path, errors: Counter[str]) -> None:
        self.library, self.watched = folder / "library", folder / "watched"
        self.indexed = folder / "indexed"
        self.errors = errors
        self.counted: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._until_told, args=one)
            for one in (
                ("changes", 1.0, self._change),
                ("index runs", 10.0, self._index),
                ("rebuilds", REBUILD_EVERY, self._rebuild),
            )
        ]

    def __enter__(self) -> Beside:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _until_told(self, name: str, pause: float, act: Callable[[random.Random], None]) -> None:
        chance = random.Random(name)
        while not self._stop.wait(pause):
            try:
                act(chance)
            except Exception as error:  # it is counted, and the others go on
                self.errors[f"{name}: {type(error).__name__}: {error}"] += 1
            self.counted[name] += 1

    def _change(self, chance: random.Random) -> None:
        path = self.watched / f"{chance.randint(0, 99):03}.jpg"
        if path.exists() and chance.random() < 0.4:
            path.unlink()
        else:
            draw(path, chance)

    def _index(self, chance: random.Random) -> None:
        for _ in range(5):
            draw(self.indexed / f"{chance.randint(0, 499):03}.jpg", chance)
        command = [sys.executable, *LEXPIX, "index", str(self.indexed), "--library"]
        done = subprocess.run(
            [*command, str(self.library)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            self.errors[f"index: {done.returncode}: {done.stderr[-300:]}"] += 1

    def _rebuild(self, _: random.Random) -> None:
        files = list((self.library / INDEX_FOLDER).iterdir())
        assert files, "there is no index to be thrown away"
        for file in files:
            file.unlink(missing_ok=True)
        Engine.open(Settings(library=self.library)).close()


def draw(path: Path, chance: random.Random) -> None:
    """Save a picture that no other is like."""
    rng = np.random.default_rng(chance.randrange(1 << 30))
    blots = Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8))
    blots.resize((900, 600), Image.Resampling.BICUBIC).save(path, quality=85)


def look(server: psutil.Process, until: float) -> list[tuple[float, int, int]]:
    """Write down seconds, bytes in memory and open files of a process until a time."""
    began, seen = time.monotonic(), []
    while (now := time.monotonic()) < until:
        seen.append((now - began, server.memory_info().rss, server.num_fds()))
        time.sleep(EVERY)
    return seen


def slope(seen: list[tuple[float, int, int]]) -> dict[str, float]:
    """Return what the second half grew by, in MB and in files an hour."""
    late = np.array(seen[len(seen) // 2 :], dtype=float)
    hours = late[:, 0] / 3600
    return {
        "memory_mb_per_hour": round(float(np.polyfit(hours, late[:, 1] / 1e6, 1)[0]), 1),
        "files_per_hour": round(float(np.polyfit(hours, late[:, 2], 1)[0]), 1),
    }


def measure(minutes: float, pictures: int, readers: int, folder: Path) -> dict[str, Any]:
    """Return what readers met, and how memory and files of the server went."""
    library = folder / "library"
    for name in ("watched", "indexed"):
        (folder / name).mkdir()
    save_photos(folder / "photos", pictures, distinct=ASKED)
    for command in (("index", str(folder / "photos")), ("tag", "--all")):
        run = [sys.executable, *LEXPIX, *command, "--library", str(library)]
        subprocess.run(run, check=True, capture_output=True)
    load = Load()
    serve = (*LEXPIX, "serve", "--library", str(library), "--port", "0")
    watch = (*LEXPIX, "watch", str(folder / "watched"), "--library", str(library))
    log = folder / "log"
    with (
        log.open("w") as told,
        process(*serve, stdout=subprocess.PIPE, stderr=told) as server,
        process(*watch, stdout=subprocess.DEVNULL, stderr=told) as watcher,
        Beside(folder, load.errors) as beside,
    ):
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        until = time.monotonic() + 60 * minutes
        seen: list[tuple[float, int, int]] = []
        looking = threading.Thread(
            target=lambda: seen.extend(look(psutil.Process(server.pid), until))
        )
        looking.start()
        asyncio.run(use(url, readers, until, load))
        looking.join()
        for name, one in (("serve", server), ("watch", watcher)):
            if one.poll() is not None:
                load.errors[f"{name} ended with {one.returncode}"] += 1
    said = [line for line in log.read_text().splitlines() if line.strip()]
    marks = np.linspace(0, len(seen) - 1, 11).astype(int)
    return {
        "minutes": minutes,
        "pictures": pictures,
        "readers": readers,
        "requests": sum(map(len, load.seconds.values())),
        "errors": dict(load.errors),
        "lines_on_stderr": Counter(said).most_common(5),
        "beside": dict(beside.counted),
        "times_ms": {kind: percentiles(times) for kind, times in sorted(load.seconds.items())},
        "memory_mb": [round(seen[mark][1] / 1e6) for mark in marks],
        "open_files": [seen[mark][2] for mark in marks],
        **slope(seen),
    }


def table(result: dict[str, Any]) -> str:
    """Return the figures as text."""
    beside = ", ".join(f"{count} {name}" for name, count in result["beside"].items())
    lines = [
        f"{result['minutes']:g} minutes, {result['pictures']:,} pictures, "
        f"{result['readers']} readers; beside them {beside}",
        f"{result['requests']:,} requests, {sum(result['errors'].values())} errors",
        f"{'milliseconds':<12}" + "".join(f"{name:>10}" for name in ("count", "p50", "p95", "p99")),
    ]
    for kind, times in result["times_ms"].items():
        values = "".join(f"{times[name]:>10}" for name in ("count", "p50", "p95", "p99"))
        lines.append(f"{kind:<12}{values}")
    lines += [
        f"memory of the server in MB, each tenth of the time: {result['memory_mb']}; "
        f"second half {result['memory_mb_per_hour']:+} MB an hour",
        f"open files: {result['open_files']}; second half {result['files_per_hour']:+} an hour",
    ]
    lines += [f"{count} x {error}" for error, count in result["errors"].items()]
    lines += [f"{count} x on standard error: {line}" for line, count in result["lines_on_stderr"]]
    machine = result["machine"]
    lines.append(f"{machine['cpu']}, {machine['cores']} cores; commit {result['commit']}")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description="Use a library from all sides for a long time.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--pictures", type=int, default=5_000)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    default = Path(__file__).parent / "results" / "soak.json"
    parser.add_argument("--out", type=Path, default=default, help="file for the JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.minutes, options.pictures, options.readers, Path(folder))
    result = describe(["fastapi", "uvicorn", "faiss-cpu", "pillow"]) | figures
    publish(result, table=table(result), as_json=options.json, out=options.out)


if __name__ == "__main__":
    main()
