"""Search the same vectors with lexpix and its peers, at the same recall; see README.md here.

    python benchmarks/peers/vectors.py --pictures 100000 [--peer NAME ...] [--json] [--out FILE]
    python benchmarks/peers/vectors.py --pictures 1000000 --keep FOLDER [--only-build]

Each store is built and asked in processes of its own, one after the other. The least effort is
taken whose recall@10 reaches 0.97 on words that are asked beforehand, or the greatest it has; what
is reported comes of other words, in another process than that of the build. A query is over when
the paths of the ten nearest pictures are there. `1 %` is a search in one of a hundred folders.
`cpu` is processor time a query in milliseconds, which says more where a machine has other work, and
`build_cpu` seconds of it.
A query of NumPy or OpenMP stays on one thread, as in `lexpix serve`; threads that wait for others
would cost more.

With `--keep` a store that is built stays, and a later run only asks it; delete FOLDER/NAME.json to
have it built anew. A series of queries ends after `--most` seconds of the processor: `asked` says
how many words that were.

Where every picture is a poor match, lexpix compares all rows before it says that nothing looks like
that: `cpu_nothing` and `cpu_something` in the JSON tell such words (a share `nothing`) from others.
"""

from __future__ import annotations

import argparse
import contextlib
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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from asking import recall, timed
from contract import SHELVES, Rows, Store, number_of
from libraries import LIBRARIES
from material import ANSWERS, ROWS, TUNING, WORDS, provide
from stores import STORES

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from machine import describe, publish

PEERS = {**STORES, **LIBRARIES}
RECALL = 0.97
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
    options = parsed()
    if options.step:
        store = PEERS[options.peer[0]]()
        if options.step == "build":
            told = build(store, options.data, options.folder)
        else:
            told = ask(store, options.data, options.folder, options.most)
        print(json.dumps(told))
        return
    names = options.peer or list(PEERS)
    packages = {PEERS[name].distribution for name in names} - {"lexpix"}
    result = {"pictures": options.pictures, "stores": {}, **describe(sorted(packages))}
    if options.photographs is not None:
        result["photographs"] = len(np.load(options.photographs, mmap_mode="r"))
    with contextlib.ExitStack() as stack:
        data = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data.mkdir(parents=True, exist_ok=True)
        provide(data, options.pictures, options.photographs)
        for name in names:
            told = built(name, data, options.patience)
            if "failed" not in told and not options.only_build:
                told |= run_step("ask", name, data, options.patience, options.most)
            print(f"{name}: {told}", file=sys.stderr, flush=True)
            result["stores"][name] = told
            if options.keep is None:
                shutil.rmtree(data / name)
            if options.out is not None:  # what is known outlasts a run that is ended
                options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    publish(result, table=table(result["stores"]), as_json=options.json, out=options.out)


def parsed() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--peer", action="append", choices=PEERS)
    parser.add_argument(
        "--photographs", type=Path, help="unit rows (.npy) that pictures lie between"
    )
    parser.add_argument("--keep", type=Path, help="a folder where stores that are built stay")
    parser.add_argument("--only-build", action="store_true", help="ask nothing, with --keep")
    parser.add_argument(
        "--patience", type=int, default=3_600, help="seconds of the processor for a step of a store"
    )
    parser.add_argument(
        "--most", type=float, default=60, help="seconds of the processor for a series of queries"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here, after each store")
    parser.add_argument("--step", choices=THREADS, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_build and options.keep is None:
        parser.error("--only-build needs --keep: what it builds would be gone")
    return options


def built(name: str, data: Path, patience: int) -> dict[str, Any]:
    """Return what building a store took: now, or before, if it was kept or took too long then."""
    note, folder = data / f"{name}.json", data / name
    if note.exists():
        return dict(json.loads(note.read_text()))
    shutil.rmtree(folder, ignore_errors=True)  # of a build that was ended
    folder.mkdir()
    told = run_step("build", name, data, patience)
    if "build_s" in told or "patience" in told:
        note.write_text(json.dumps(told))
    return told


def run_step(
    step: str, name: str, data: Path, patience: int, most: float | None = None
) -> dict[str, Any]:
    """Build or ask a store in a process of its own; why not, if it fails or takes too long."""
    where = ["--data", str(data), "--folder", str(data / name)]
    ran = subprocess.run(
        [
            *(sys.executable, __file__, "--step", step, "--peer", name, *where),
            *(() if most is None else ("--most", str(most))),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | THREADS[step],
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_CPU, (patience, patience + 5)),
    )
    if ran.returncode == -signal.SIGXCPU:
        reason = f"to {step} takes more than {patience} s of the processor"
        return {"failed": reason, "patience": patience}
    if ran.returncode:
        return {"failed": (ran.stderr.strip().splitlines() or ["no reason"])[-1]}
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def build(store: Store, data: Path, folder: Path) -> dict[str, Any]:
    """Return what it takes to store the pictures."""
    rows = np.load(data / ROWS, mmap_mode="r")  # what a store copies is its own
    began, worked = time.perf_counter(), time.process_time()
    store.build(folder, rows)
    spent, worked = time.perf_counter() - began, time.process_time() - worked
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {"build_s": round(spent, 1), "build_cpu": round(worked, 1), "disk": round(disk / 1e6)}


def ask(store: Store, data: Path, folder: Path, most: float) -> dict[str, Any]:
    """Return what the store finds, and in what time."""
    asked = np.load(data / ANSWERS)
    words = json.loads((data / WORDS).read_text())
    queries, best, within = asked["queries"].astype(np.float32), asked["best"], asked["within"]
    count = np.load(data / ROWS, mmap_mode="r").shape[0]
    before = resident()
    store.open(folder, count)
    tuning, measured = range(TUNING), range(TUNING, len(words))

    def found(place: int, shelf: int | None = None) -> list[int]:
        paths = store.ask(words[place], queries[place], effort, shelf)
        return [number_of(path) for path in paths]

    for effort in store.efforts:  # noqa: B007  # the last one stays
        if recall(timed(store, found, tuning, most / 3).hits, best) >= RECALL:
            break
    told = {
        "keeps_rows": store.keeps_rows,
        "effort": effort,
        **timed(store, found, measured, most).told(best[TUNING:]),
        "qps_2": round(together(store, words, queries, effort), 1),
        "memory": round((resident() - before) / 1e6),
    }

    def filtered(place: int) -> list[int]:
        return found(place, place % SHELVES)

    try:
        few = timed(store, filtered, measured, most).told(within[TUNING:])
    except NotImplementedError:
        return told
    return told | {f"{name}_1%": value for name, value in few.items()}


def together(store: Store, words: list[str], queries: Rows, effort: int) -> float:
    """Return the queries a second that two threads get answered."""
    done = [0, 0]
    began = time.perf_counter()

    def work(number: int) -> None:
        place = number
        while time.perf_counter() < began + SECONDS:
            store.ask(words[place], queries[place], effort)
            place = (place + 2) % len(words)
            done[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - began)


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
