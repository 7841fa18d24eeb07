"""Search the same vectors with lexpix and its peers, at the same recall; see README.md here.

    python benchmarks/peers/vectors.py --pictures 100000 [--peer NAME ...] [--json] [--out FILE]

Each store is built and asked in processes of its own, one after the other. The least effort is
taken whose recall@10 reaches 0.97 on words that are asked beforehand, or the greatest it has; what
is reported comes of other words, in another process than that of the build. A query is over when
the paths of the ten nearest pictures are there. `1 %` is a search in one of a hundred folders.
`cpu` is processor time a query in milliseconds, which says more where a machine has other work, and
`build_cpu` seconds of it.
A query of NumPy or OpenMP stays on one thread, as in `lexpix serve`; threads that wait for others
would cost more.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from contract import SHELVES, K, Rows, Store, number_of
from libraries import LIBRARIES
from stores import STORES

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from machine import describe, publish
from simulated import around_words, between_photographs

from searchengine.errors import UnknownWords
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.engine import load_model
from searchengine.vectors import unit_rows

PEERS = {**STORES, **LIBRARIES}
RECALL = 0.97
TUNING, ASKED = 100, 300
SECONDS = 5.0
"""How long two threads ask."""
THREADS: dict[str, dict[str, str]] = {"build": {}, "ask": {"OMP_NUM_THREADS": "1"}}
"""What OpenMP is told: to build it may use all cores, a query stays on one."""

COLUMNS = (
    "recall",
    "effort",
    "cpu",
    "p50",
    "p95",
    "p99",
    "qps_2",
    "recall_1%",
    "cpu_1%",
    "p50_1%",
    "build_s",
    "build_cpu",
    "disk",
    "memory",
)


def main() -> None:
    """Run the benchmark, or one step of one store in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--peer", action="append", choices=PEERS)
    parser.add_argument(
        "--photographs", type=Path, help="unit rows (.npy) that pictures lie between"
    )
    parser.add_argument(
        "--patience", type=int, default=3_600, help="seconds of the processor for a step of a store"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here, after each store")
    parser.add_argument("--step", choices=("build", "ask"), help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step = {"build": build, "ask": ask}[options.step]
        print(json.dumps(step(PEERS[options.peer[0]](), options.data, options.folder)))
        return
    with tempfile.TemporaryDirectory() as work:
        data = Path(work)
        make_data(data, options.pictures, options.photographs)
        peers = options.peer or list(PEERS)
        packages = {PEERS[name].distribution for name in peers} - {"lexpix"}
        result = {"pictures": options.pictures, "stores": {}, **describe(sorted(packages))}
        if options.photographs is not None:
            result["photographs"] = len(np.load(options.photographs, mmap_mode="r"))
        for name in peers:
            result["stores"][name] = measure(name, data, data / name, options.patience)
            shutil.rmtree(data / name)
            if options.out is not None:  # what is known outlasts a run that is ended
                options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    publish(result, table=table(result["stores"]), as_json=options.json, out=options.out)


def make_data(folder: Path, pictures: int, photographs: Path | None) -> None:
    """Write vectors, words that ask, and what comparing every vector finds for them."""
    encoder, rng = load_model(), np.random.default_rng(0)
    names, vectors = words_of(encoder)
    order = np.random.default_rng(3).permutation(len(names))[: TUNING + ASKED]
    real = None if photographs is None else np.load(photographs)
    centre = rng.normal(size=encoder.dim)
    rows = np.lib.format.open_memmap(
        folder / "rows.npy", "w+", np.float32, (pictures, vectors.shape[1])
    )
    for start in range(0, pictures, 5_000):
        count = min(5_000, pictures - start)
        if real is None:
            part = around_words(vectors, centre, count, rng)
        else:
            part = between_photographs(real, count, rng)
        rows[start : start + count] = part.astype(np.float16)  # what all can hold
    queries = vectors[order]
    best = np.empty((len(order), K), np.int64)
    within = np.empty((len(order), K), np.int64)
    for place, query in enumerate(queries):
        scores = np.asarray(rows @ query)
        best[place] = np.argsort(-scores, kind="stable")[:K]
        shelf = np.arange(place % SHELVES, pictures, SHELVES)
        within[place] = shelf[np.argsort(-scores[shelf], kind="stable")[:K]]
    rows.flush()
    np.savez(folder / "asked.npz", queries=queries, best=best, within=within)
    (folder / "words.json").write_text(json.dumps([names[place] for place in order]))


def words_of(encoder: Any) -> tuple[list[str], Rows]:
    """Return the lone words of the vocabulary that the model knows, and their vectors."""
    names, vectors = [], []
    for entry in TagVocabulary.load().entries:
        if entry.name.isalpha() and entry.name.isascii():
            try:
                vectors.append(encoder.encode_texts([entry.name])[0])
            except UnknownWords:
                continue
            names.append(entry.name)
    return names, unit_rows(np.stack(vectors))


def measure(name: str, data: Path, folder: Path, patience: int) -> dict[str, Any]:
    """Build and ask a store in processes of their own; why not, if it fails or takes too long."""
    folder.mkdir()
    where = ["--data", str(data), "--folder", str(folder)]
    told: dict[str, Any] = {}
    for step in ("build", "ask"):
        ran = subprocess.run(
            [sys.executable, __file__, "--step", step, "--peer", name, *where],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | THREADS[step],
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_CPU, (patience, patience + 5)),
        )
        if ran.returncode == -signal.SIGXCPU:
            return {**told, "failed": f"to {step} takes more than {patience} s of the processor"}
        if ran.returncode:
            return {**told, "failed": (ran.stderr.strip().splitlines() or ["no reason"])[-1]}
        told |= json.loads(ran.stdout.splitlines()[-1])
    print(f"{name}: {told}", file=sys.stderr, flush=True)
    return told


def build(store: Store, data: Path, folder: Path) -> dict[str, Any]:
    """Return what it takes to store the pictures."""
    rows = np.load(data / "rows.npy")
    began, worked = time.perf_counter(), time.process_time()
    store.build(folder, rows)
    spent, worked = time.perf_counter() - began, time.process_time() - worked
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {"build_s": round(spent, 1), "build_cpu": round(worked, 1), "disk": round(disk / 1e6)}


def ask(store: Store, data: Path, folder: Path) -> dict[str, Any]:
    """Return what the store finds, and in what time."""
    asked = np.load(data / "asked.npz")
    words = json.loads((data / "words.json").read_text())
    queries, best, within = asked["queries"].astype(np.float32), asked["best"], asked["within"]
    count = np.load(data / "rows.npy", mmap_mode="r").shape[0]
    before = resident()
    store.open(folder, count)
    tuning, measured = range(TUNING), range(TUNING, len(words))

    def found(place: int, shelf: int | None = None) -> list[int]:
        paths = store.ask(words[place], queries[place], effort, shelf)
        return [number_of(path) for path in paths]

    for effort in store.efforts:  # noqa: B007  # the last one stays
        if recall((found(place) for place in tuning), best) >= RECALL:
            break
    began = time.process_time()
    times, hits = timed(found, measured)
    spent = time.process_time() - began
    told = {
        "keeps_rows": store.keeps_rows,
        "effort": effort,
        "recall": round(recall(hits, best[TUNING:]), 4),
        **{f"p{part}": round(float(np.percentile(times, part)), 2) for part in (50, 95, 99)},
        "cpu": round(1000 * spent / len(measured), 2),
        "qps_2": round(together(store, words, queries, effort)),
        "memory": round((resident() - before) / 1e6),
    }
    began = time.process_time()
    try:
        times, hits = timed(lambda place: found(place, place % SHELVES), measured)
    except NotImplementedError:
        return told
    spent = time.process_time() - began
    return told | {
        "recall_1%": round(recall(hits, within[TUNING:]), 4),
        "cpu_1%": round(1000 * spent / len(measured), 2),
        "p50_1%": round(float(np.median(times)), 2),
    }


def timed(find: Any, places: Sequence[int]) -> tuple[list[float], list[list[int]]]:
    """Return milliseconds and answers of queries that are asked one after the other."""
    times, hits = [], []
    for place in places:
        began = time.perf_counter()
        hits.append(find(place))
        times.append(1000 * (time.perf_counter() - began))
    return times, hits


def together(store: Store, words: list[str], queries: Rows, effort: int) -> float:
    """Return the queries a second that two threads get answered."""
    done = [0, 0]
    until = time.perf_counter() + SECONDS

    def work(number: int) -> None:
        place = number
        while time.perf_counter() < until:
            store.ask(words[place], queries[place], effort)
            place = (place + 2) % len(words)
            done[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / SECONDS


def recall(answers: Iterator[list[int]] | list[list[int]], best: Any) -> float:
    """Return the mean share of the best that answers have."""
    shares = [
        len(set(answer) & set(wanted.tolist())) / K
        for answer, wanted in zip(answers, best, strict=False)
    ]
    return float(np.mean(shares))


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * os.sysconf("SC_PAGE_SIZE")


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return the figures as a table, what keeps no rows itself in brackets."""
    lines = [f"{'':>16}" + "".join(f"{name:>11}" for name in COLUMNS)]
    for name, told in found.items():
        title = name if told.get("keeps_rows", True) else f"({name})"
        if "failed" in told:
            lines.append(f"{title:>16}  failed: {told['failed']}")
            continue
        lines.append(f"{title:>16}" + "".join(f"{told.get(one, '-'):>11}" for one in COLUMNS))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
