"""Time the indexes beside what they are made of.

    python benchmarks/search.py [--pictures 100000] [--dim 512] [--json] [--out FILE]

Every contender gets the same simulated vectors and queries (unit rows that are float16 numbers, as
in the catalog) and returns the 20 best. One round asks each contender once, so that whatever else
the machine does meets all of them alike; times are medians over the rounds, in milliseconds.

    exact, faiss    lexpix's indexes, opened from disk: checks, order of ties and filter included
    numpy           matrix product and argpartition over float32 rows in memory
    raw faiss 32    IndexFlatIP, what one writes first, in memory
    raw faiss 16    the float16 index that `faiss` holds, in memory, without lexpix around it
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from machine import describe, publish

from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.faiss import FaissIndex
from searchengine.types import Ids, Stamp, VectorIndex, Vectors
from searchengine.vectors import unit_rows

K = 20
BATCH = 32
FILTERS = {"all": None, "50 %": 0.5, "1 %": 0.01}
STAMP = Stamp("benchmark", 1)

Search = Callable[[Vectors, Ids | None], Any]


def simulate(pictures: int, dim: int) -> tuple[Ids, Vectors]:
    """Return ids and random unit rows that float16 holds."""
    rng = np.random.default_rng(0)
    rows = unit_rows(rng.standard_normal((pictures, dim), dtype=np.float32))
    return np.arange(1, pictures + 1), rows.astype(np.float16).astype(np.float32)


def numpy_search(ids: Ids, rows: Vectors) -> Search:
    def search(queries: Vectors, within: Ids | None) -> npt.NDArray[Any]:
        chosen = slice(None) if within is None else np.isin(ids, within)
        scores = queries @ rows[chosen].T
        best = np.argpartition(-scores, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        found: npt.NDArray[Any] = ids[chosen][np.take_along_axis(best, order, axis=1)]
        return found

    return search


def faiss_search(ids: Ids, rows: Vectors, flat: Any) -> Search:
    index = faiss.IndexIDMap(flat)
    index.add_with_ids(rows, ids)

    def search(queries: Vectors, within: Ids | None) -> Any:
        if within is None:
            return index.search(queries, K)[1]
        only = faiss.SearchParameters(sel=faiss.IDSelectorBatch(within))
        return index.search(queries, K, params=only)[1]

    return search


def build(kind: type[ExactIndex] | type[FaissIndex], stem: Path, ids: Ids, rows: Vectors) -> float:
    """Write an index the way a rebuild does, in batches; return the seconds."""
    start = time.perf_counter()
    index: VectorIndex = kind(stem)
    index.clear(rows.shape[1])
    for place in range(0, len(ids), 4096):
        index.put(ids[place : place + 4096], rows[place : place + 4096])
    index.flush(STAMP)
    return time.perf_counter() - start


def opened(kind: type[ExactIndex] | type[FaissIndex], stem: Path) -> Search:
    index: VectorIndex = kind(stem)
    return lambda queries, within: index.search(queries, K, within)[0]


def open_and_search(
    kind: type[ExactIndex] | type[FaissIndex], stem: Path, queries: Vectors
) -> None:
    opened(kind, stem)(queries, None)


def milliseconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def measure(pictures: int, dim: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Return median times of every contender and question, and what the indexes cost."""
    ids, rows = simulate(pictures, dim)
    kinds: dict[str, type[ExactIndex] | type[FaissIndex]] = {
        "exact": ExactIndex,
        "faiss": FaissIndex,
    }
    costs: dict[str, Any] = {}
    for name, kind in kinds.items():
        build_s = build(kind, folder / name, ids, rows)
        megabytes = sum(path.stat().st_size for path in folder.glob(f"{name}.*")) / 1e6
        first = [
            milliseconds(partial(open_and_search, kind, folder / name, rows[:1]))
            for _ in range(rounds)
        ]
        costs[name] = {
            "build_s": round(build_s, 2),
            "file_mb": round(megabytes, 1),
            "open_and_one_query_ms": round(statistics.median(first), 2),
        }
    float16 = faiss.IndexScalarQuantizer(
        dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    contenders = {
        **{name: opened(kind, folder / name) for name, kind in kinds.items()},
        "numpy": numpy_search(ids, rows),
        "raw faiss 32": faiss_search(ids, rows, faiss.IndexFlatIP(dim)),
        "raw faiss 16": faiss_search(ids, rows, float16),
    }
    rng = np.random.default_rng(1)
    times: dict[str, dict[str, float]] = {name: {} for name in contenders}
    for queries in (rows[:1], rows[:BATCH]):
        for filter_name, share in FILTERS.items():
            within = None
            if share is not None:
                within = np.sort(rng.choice(ids, int(share * pictures), replace=False))
            question = f"{len(queries)} of {filter_name}"
            for name, median in race(contenders, rows, queries, within, rounds).items():
                times[name][question] = round(median, 2)
    return {"pictures": pictures, "dim": dim, "k": K, "times_ms": times, "indexes": costs}


def race(
    contenders: dict[str, Search],
    rows: Vectors,
    queries: Vectors,
    within: Ids | None,
    rounds: int,
) -> dict[str, float]:
    """Return each contender's median time; a first round warms up and compares the answers."""
    for search in contenders.values():
        found = rows[search(queries, within) - 1]
        cosines = np.einsum("qd,qkd->qk", queries, found)
        # Rounded to float16, a row's length is off one; whoever ignores that may swap neighbours.
        assert np.abs(cosines - expected(rows, queries, within)).max() < 1e-3, "wrong answer"
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, search in contenders.items():
            taken[name].append(milliseconds(partial(search, queries, within)))
    return {name: statistics.median(values) for name, values in taken.items()}


def expected(rows: Vectors, queries: Vectors, within: Ids | None) -> Vectors:
    """Return the true best scores, by a full sort."""
    scores = queries @ (rows if within is None else rows[within - 1]).T
    return -np.sort(-scores, axis=1)[:, :K]


def table(result: dict[str, Any]) -> str:
    """Return times as text, a row per question."""
    times = result["times_ms"]
    questions = list(next(iter(times.values())))
    lines = [
        f"{result['pictures']} pictures, {result['dim']} dimensions, {result['k']} best; median ms",
        f"{'queries of pictures':<20}" + "".join(f"{name:>14}" for name in times),
    ]
    for question in questions:
        values = "".join(f"{times[name][question]:>14.2f}" for name in times)
        lines.append(f"{question:<20}{values}")
    for name, costs in result["indexes"].items():
        lines.append(f"{name}: " + ", ".join(f"{key} {value}" for key, value in costs.items()))
    machine = result["machine"]
    lines.append(f"{machine['cpu']}, {machine['cores']} cores; commit {result['commit']}")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description="Time the indexes beside what they are made of.")
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--out", type=Path, help="write the JSON to this file as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.pictures, options.dim, options.rounds, Path(folder))
    result = describe(["numpy", "faiss-cpu"]) | figures
    publish(result, table=table(result), as_json=options.json, out=options.out)


if __name__ == "__main__":
    main()
