"""Measure the kinds of index: what each costs, what it finds, and how filters fare.

    python benchmarks/kinds.py --pictures 100000 [--kind ivf-sq8] [--photographs vectors.npy]

The vectors are those of `simulated.around_words`, or lie between pairs of photographs; half of the
queries are words of the model, half vectors near those of pictures. Efforts are chosen with other
queries than those that are reported. For each kind, in milliseconds of the processor for a query
that is asked alone (medians): `raw` is FAISS's own search with that effort, `index` that of lexpix,
exact scores of what FAISS proposes included, `scan` comparing every row; then recall@10 of words
and of pictures. For each share of rows that pass a filter: the time, also beside that without one,
recall@10, and whether rows were scanned.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from machine import describe, publish
from simulated import vectors_of_pictures, word_vectors

from searchengine.indexes import building, guides
from searchengine.indexes.building import build
from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.measuring import recall
from searchengine.search.engine import load_model
from searchengine.types import Budget, Ids, Stamp, Vectors
from searchengine.vectors import unit_rows

K = 10
FILTERS = (0.5, 0.1, 0.01, 0.001, 0.0001)
TIMED = 40


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--kind", action="append", choices=guides.KINDS)
    parser.add_argument("--photographs", type=Path, help="unit rows (.npy), as simulated.py has it")
    parser.add_argument("--recall", type=float, default=0.97)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    building.FEWEST, building.PAYS = 0, float("inf")  # what does not pay is measured as well
    with tempfile.TemporaryDirectory() as folder:
        index, words = filled(Path(folder), options.pictures, options.photographs)
        found = {
            kind: measure(index, words, kind, options.recall, options.threads)
            for kind in options.kind or guides.KINDS
        }
    result = {"pictures": options.pictures, "kinds": found, **describe(["faiss-cpu", "numpy"])}
    lines = [f"{options.pictures:,} pictures"]
    for kind, figures in found.items():
        lines.append(kind)
        lines += [f"    {name:>12}  {value}" for name, value in figures.items()]
    publish(result, table="\n".join(lines), as_json=options.json, out=options.out)


def filled(
    folder: Path, pictures: int, photographs: Path | None = None
) -> tuple[FaissIndex, Vectors]:
    """Return an index of so many simulated pictures, and the vectors of the model's words."""
    words = word_vectors(load_model())
    index = FaissIndex(folder / "index")
    real = None if photographs is None else np.load(photographs)
    for start, vectors in vectors_of_pictures(pictures, words.shape[1], words, real):
        index.put(np.arange(start, start + len(vectors)) + 1, vectors)
    index.flush(Stamp("benchmark", 1))
    return FaissIndex(folder / "index"), words


def measure(
    index: FaissIndex, words: Vectors, kind: guides.GuideKind, least: float, threads: int
) -> dict[str, Any]:
    """Make a guide of one kind and measure it; `why` says it if none finds enough."""
    rng = np.random.default_rng(11)
    words = words[rng.permutation(len(words))]
    near = near_pictures(index, 500, rng)
    began = time.process_time()
    questions = [words[:400], near[:400]]
    about = build(index, Budget(recall=least), questions, threads=threads, among=[kind])
    spent = time.process_time() - began
    if index.guide is None:
        return {"why": about["why"]}
    asked = {"words": words[400:500], "pictures": near[400:]}
    every = np.concatenate(list(asked.values()))
    effort = about["effort"]
    scan = median(lambda query: index.search_exactly(query, K), every)
    guided = median(lambda query: index.search(query, K), every)
    shares = {}
    for share in FILTERS:
        within = drawn(index, share)
        best = index.search_exactly(every, K, within)[0]
        taken = median(partial(_search_within, index, within), every)
        shares[f"{share:.2%}"] = {
            "ms": round(taken, 2),
            "ratio": round(taken / guided, 2),
            "recall": round(recall(alone(index, every, within), best), 4),
            "scanned": index.plan(K, within).effort is None,
        }
    return {
        "cpu_s": round(spent, 1),
        "memory_mb": round(about["memory"] / 1e6),
        "disk_mb": round(index.bytes_on_disk / 1e6),
        "effort": effort,
        "raw_ms": round(median(lambda query: raw(index, query, effort), every), 2),
        "index_ms": round(guided, 2),
        "scan_ms": round(scan, 2),
        "recall": {
            name: round(recall(alone(index, part), index.search_exactly(part, K)[0]), 4)
            for name, part in asked.items()
        },
        "filters": shares,
    }


def _search_within(index: FaissIndex, within: Ids, query: Vectors) -> object:
    return index.search(query, K, within)


def raw(index: FaissIndex, query: Vectors, effort: int) -> object:
    """Ask FAISS alone for the ten best by its own rough scores."""
    guide = index.guide
    assert guide is not None, "it was made"
    if guide.kind == "hnsw":
        parameters = faiss.SearchParametersHNSW(efSearch=effort)
    else:
        parameters = faiss.SearchParametersIVF(nprobe=effort)
    return guide.index.search(query, K, params=parameters)


def alone(index: FaissIndex, queries: Vectors, within: Ids | None = None) -> Ids:
    """Ask one after the other."""
    return np.vstack([index.search(query[None], K, within)[0] for query in queries])


def near_pictures(index: FaissIndex, count: int, rng: np.random.Generator) -> Vectors:
    """Return vectors near those of some pictures."""
    rows = index.rows_of_file
    vectors = rows.fetch(rng.choice(len(rows), count, replace=False))
    noise = unit_rows(rng.standard_normal(vectors.shape).astype(np.float32))
    return unit_rows(vectors + 0.5 * noise)


def drawn(index: FaissIndex, share: float) -> Ids:
    """Return the ids of a share of the pictures."""
    ids = index.rows_of_file.ids
    return np.sort(np.random.default_rng(12).choice(ids, int(share * len(ids)), replace=False))


def median(ask: Callable[[Vectors], object], queries: Vectors) -> float:
    """Return the median milliseconds of the processor of queries that are asked in turn."""
    taken = []
    for query in queries[:: max(1, len(queries) // TIMED)]:
        began = time.thread_time()
        ask(query[None])
        taken.append(1000 * (time.thread_time() - began))
    return float(np.median(taken))


if __name__ == "__main__":
    main()
