"""Measure what a large library costs beside a small one, and beside FAISS alone.

    python benchmarks/simulated.py big --pictures 1000000 --tags 3 [--photographs vectors.npy]
    python benchmarks/simulated.py small --pictures 10000 --tags 3 [--photographs vectors.npy]
    python benchmarks/large.py big --beside small [--json] [--out FILE]

Times are milliseconds of processor time, and behind them of the clock, medians.

    guide       what `lexpix index` makes of it: kind, effort, seconds, memory of that process
    recall      @10, of words and of vectors near pictures, none of which tuned the guide
    query       of a word: FAISS's own search with that effort (`raw`), of the index with its exact
                scores (`index`), the same for as many rows as a page of a sentence looks at
                (`page`; of a word it is one more than it has), of the whole engine (`engine`), of
                comparing all rows (`scan`)
    filters     a search of the index among a share of the pictures, drawn by chance, beside one
                without; recall@10
    open        of an index whose files were read before; with all bytes checked again (`checked`)
    process     whole processes, which run in turn, in either library: `lexpix search dog`,
                `lexpix status`; their largest memory in MB, and the ratio of processor time
    add_1000    the first search after so many pictures were written
    write       rows a second that the catalog takes, vectors included

The last two add pictures to the library; `--read-only` leaves them out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from kinds import FILTERS, K, alone, drawn, raw
from machine import describe, publish
from processes import peak_mb, run
from simulated import ROOT, write_pictures
from threadpoolctl import threadpool_limits

from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.indexes import row_files
from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.measuring import recall
from searchengine.indexes.sync import index_at
from searchengine.search.engine import INDEX_FOLDER, Engine
from searchengine.search.index_kinds import questions
from searchengine.search.matches import LEAST_LOOK
from searchengine.types import Vectors
from searchengine.vectors import unit_rows

LEXPIX = str(Path(sys.executable).with_name("lexpix"))
WORDS = ("dog", "beach", "castle", "kitchen", "mountain", "flower", "train", "snow", "boat", "cake")
ASKED = 100
"""Words, and vectors of pictures, that ask."""
WRITTEN = 50_000
"""Rows that are written, in batches as large as an indexer's."""
BATCH = 256
NEW = f"{ROOT}/new"

Times = tuple[float, float]
"""Milliseconds of the processor and of the clock."""


def main() -> None:
    """Run the benchmark, or make the guide in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("library", type=Path)
    parser.add_argument("--beside", type=Path, help="a small library")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--guide", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.guide:
        print(json.dumps(guide(options.library)))
        return
    ran = subprocess.run(
        [sys.executable, __file__, str(options.library), "--guide"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = {"guide": json.loads(ran.stdout)}
    with (
        Engine.open(Settings(library=options.library)) as engine,
        threadpool_limits(limits=1, user_api="blas"),  # as `lexpix serve` does
    ):
        assert isinstance(engine.index, FaissIndex)
        found["pictures"] = len(engine.index)
        found |= queries(engine, engine.index)
        found["status"] = median(engine.status, options.runs)
    found["open"] = opened(options.library, options.runs)
    found["process"] = processes(options.library, options.beside, options.runs)
    if not options.read_only:
        with Engine.open(Settings(library=options.library)) as engine:
            found["add_1000"] = added(engine, options.runs)
            found["write"] = written(engine)
    result = found | describe(["faiss-cpu", "numpy", "SQLAlchemy"])
    lines = [f"{name:>10}  {value}" for name, value in found.items()]
    publish(result, table="\n".join(lines), as_json=options.json, out=options.out)


def guide(library: Path) -> dict[str, Any]:
    """Give a library the guide that suits no special budget, and say what it took."""
    with Engine.open(Settings(library=library)) as engine:
        began, worked = time.perf_counter(), time.process_time()
        engine.improve_index()
        spent, worked = time.perf_counter() - began, time.process_time() - worked
        about = dict(engine.index_info().tuned)
    kept = ("kind", "effort", "build_s", "query_ms", "scan_ms", "recall", "memory", "why")
    return {
        **{name: about[name] for name in kept if name in about},
        "tuned": about.get("efforts"),
        "seconds": round(spent),
        "cpu_s": round(worked),
        "peak_mb": peak_mb(),
    }


def queries(engine: Engine, index: FaissIndex) -> dict[str, Any]:
    """Ask an index that is in use."""
    asked = questions(index, engine.encoder, ASKED, tuning=False)
    effort = index.plan(K).effort
    words = asked["words"]
    ways: dict[str, Callable[[Vectors], object]] = {
        "index": lambda query: index.search(query, K),
        "page": lambda query: index.search(query, LEAST_LOOK),
        "scan": lambda query: index.search_exactly(query, K),
    }
    if effort is not None:
        ways["raw"] = partial(raw, index, effort=effort)
    times: dict[str, list[Times]] = {name: [] for name in (*ways, "engine")}
    for place, query in enumerate(words):
        for name, way in ways.items():
            times[name].append(timed(partial(way, query[None])))
        word = WORDS[place % len(WORDS)]
        times["engine"].append(timed(partial(engine.search, word, limit=K)))
    every = np.concatenate(list(asked.values()))
    filters = {}
    for share in FILTERS:
        within = drawn(index, share)
        ask = partial(_search_within, index, within)
        taken = medians([timed(partial(ask, query[None])) for query in words[:40]])
        best = index.search_exactly(every, K, within)[0]
        filters[f"{share:.2%}"] = {
            "ms": taken,
            "ratio": round(taken[0] / medians(times["index"])[0], 2),
            "recall": round(recall(alone(index, every, within), best), 4),
            "scanned": index.plan(K, within).effort is None,
        }
    return {
        "recall": {
            name: round(recall(alone(index, part), index.search_exactly(part, K)[0]), 4)
            for name, part in asked.items()
        },
        "query": {name: medians(each) for name, each in times.items()},
        "filters": filters,
    }


def _search_within(index: FaissIndex, within: Any, query: Vectors) -> object:
    return index.search(query, K, within)


def opened(library: Path, runs: int) -> dict[str, Times]:
    """Open the index of a library as each process does, and with every byte checked."""
    with Engine.open(Settings(library=library)) as engine:
        catalog, fingerprint = engine.catalog, engine.encoder.fingerprint

        def open_index() -> None:
            index_at(catalog, fingerprint, library / INDEX_FOLDER, FaissIndex)

        plain = median(open_index, runs)
        row_files.LARGE, kept = sys.maxsize, row_files.LARGE
        checked = median(open_index, runs)
        row_files.LARGE = kept
    return {"index": plain, "checked": checked}


def processes(library: Path, beside: Path | None, runs: int) -> dict[str, Any]:
    """Run commands over both libraries in turn."""
    where = {"large": library} | ({"small": beside} if beside else {})
    commands = {"search": ["search", "dog", "--json"], "status": ["status", "--json"]}
    told: dict[str, Any] = {}
    for name, arguments in commands.items():
        times: dict[str, list[Times]] = {size: [] for size in where}
        memory = dict.fromkeys(where, 0)
        for number in range(runs + 1):  # the first is not counted
            for size, folder in where.items():
                ran = run([LEXPIX, *arguments, "--library", str(folder)])
                if number:
                    times[size].append((1000 * ran.cpu, 1000 * ran.clock))
                memory[size] = max(memory[size], round(ran.memory))
        told[name] = {size: (*medians(each), memory[size]) for size, each in times.items()}
        if beside:
            told[name]["ratio"] = round(told[name]["large"][0] / told[name]["small"][0], 2)
    return told


def added(engine: Engine, runs: int) -> Times:
    """Write pictures and search, again and again."""
    return medians([_first_search(engine) for _ in range(runs)])


def _first_search(engine: Engine) -> Times:
    write(engine, 1000)

    def search() -> None:
        engine.refresh()
        engine.search("dog", limit=K)

    return timed(search)


def written(engine: Engine) -> dict[str, float]:
    """Write many rows as an indexer does; return rows a second of the processor and the clock."""
    cpu, passed = write(engine, WRITTEN)
    return {"cpu": round(1000 * WRITTEN / cpu), "clock": round(1000 * WRITTEN / passed)}


def write(engine: Engine, count: int) -> Times:
    """Write pictures that are new; return what the catalog took for it."""
    catalog, encoder = engine.catalog, engine.encoder
    first = int(catalog.present()[-1]) + 1
    vectors = unit_rows(np.random.default_rng(first).standard_normal((count, encoder.dim)))
    return stored(catalog, first, vectors, fingerprint=encoder.fingerprint, name=encoder.name)


def stored(catalog: Catalog, first: int, vectors: Vectors, *, fingerprint: str, name: str) -> Times:
    """Write pictures with these vectors in batches; return what the catalog took for it."""
    scan = catalog.begin_scan(ROOT, None)

    def store() -> None:
        for start in range(0, len(vectors), BATCH):
            write_pictures(
                catalog,
                scan,
                NEW,
                first + start,
                vectors[start : start + BATCH],
                fingerprint=fingerprint,
                name=name,
            )

    return timed(store)


def timed(act: Callable[[], object]) -> Times:
    """Return how many milliseconds something takes."""
    worked, began = time.process_time(), time.perf_counter()
    act()
    return 1000 * (time.process_time() - worked), 1000 * (time.perf_counter() - began)


def median(act: Callable[[], object], runs: int) -> Times:
    """Return the medians of doing something again and again."""
    return medians([timed(act) for _ in range(runs)])


def medians(taken: Sequence[Times]) -> Times:
    """Return the medians of times."""
    worked, passed = zip(*taken, strict=True)
    return round(statistics.median(worked), 2), round(statistics.median(passed), 2)


if __name__ == "__main__":
    main()
