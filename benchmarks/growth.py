"""Time what must not grow with a library: searches, folders, tags, catching up with new pictures.

    python benchmarks/growth.py --pictures 10000 --pictures 100000 --json

Prints medians in milliseconds, a column for each size: `search` of a word; `folder` and `empty`,
the same in the root folder and in one half as large whose pictures this model has not embedded;
`tag`, with `tag:` in the query; `add_1000` and `add_1`, the refresh of an open engine after so many
new pictures, the file of the index included; `status`. `open` is the time until a process that has
imported lexpix has its engine.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import describe, publish
from simulated import BATCH, guess_tags, make_library, write_pictures

from searchengine.config import Settings
from searchengine.errors import NothingIndexed
from searchengine.search.engine import Engine
from searchengine.vectors import unit_rows

ROOT, OTHER = "/photos", "/elsewhere"
TAGS = 3
"""Guesses a picture."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, action="append")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    sizes = options.pictures or [10_000, 100_000]
    found = {size: measure(size, options.runs) for size in sizes}
    lines = [f"{'':>10}" + "".join(f"{size:>12,}" for size in sizes)]
    lines += [
        f"{name:>10}" + "".join(f"{found[size][name]:12.1f}" for size in sizes)
        for name in found[sizes[0]]
    ]
    result = {"milliseconds": found, **describe(["faiss-cpu", "numpy", "SQLAlchemy"])}
    publish(result, table="\n".join(lines), as_json=options.json, out=options.out)


def measure(pictures: int, runs: int) -> dict[str, float]:
    """Return the medians at one size."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder)
        make_library(library, pictures, ROOT)
        settings = Settings(library=library)
        opened = [timed(lambda: Engine.open(settings).close()) for _ in range(runs)]
        with Engine.open(settings) as engine:
            add(engine, pictures, pictures // 2, OTHER, "another model")
            guess_tags(engine.catalog, engine.encoder.fingerprint, TAGS)
            engine.refresh()
            times = {
                "open": opened,
                "search": [timed(lambda: engine.search("dog")) for _ in range(runs)],
                "folder": [timed(lambda: engine.search("dog", within=ROOT)) for _ in range(runs)],
                "empty": [timed(lambda: search_in_vain(engine)) for _ in range(runs)],
                "tag": [timed(lambda: engine.search("dog tag:man")) for _ in range(runs)],
                "status": [timed(engine.status) for _ in range(runs)],
            }
            first = 2 * pictures
            for count in (1000, 1):
                times[f"add_{count}"] = []
                for _ in range(runs):
                    add(engine, first, count, ROOT, engine.encoder.fingerprint)
                    times[f"add_{count}"].append(timed(engine.refresh))
                    first += count
        return {name: round(statistics.median(each), 1) for name, each in times.items()}


def timed(act: Callable[[], object]) -> float:
    """Return how many milliseconds something takes."""
    began = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - began)


def search_in_vain(engine: Engine) -> None:
    """Search where no picture is embedded by the model."""
    with contextlib.suppress(NothingIndexed):
        engine.search("dog", within=OTHER)
        raise AssertionError("a picture of another model was found")


def add(engine: Engine, first: int, count: int, root: str, fingerprint: str) -> None:
    """Write new pictures into a catalog, with random vectors."""
    rng = np.random.default_rng(first)
    scan = engine.catalog.begin_scan(root, None)
    for start in range(first, first + count, BATCH):
        shape = min(BATCH, first + count - start), engine.encoder.dim
        vectors = unit_rows(rng.standard_normal(shape))
        write_pictures(
            engine.catalog, scan, root, start, vectors, fingerprint=fingerprint, name="simulated"
        )


if __name__ == "__main__":
    main()
