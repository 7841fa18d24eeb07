"""Time whole processes: a search by a word, and the help, beside what Python itself needs.

    python benchmarks/startup.py --pictures 100000 --json

Prints medians in seconds of processes that run in turn, so that all see the same machine:
`search_s` of `lexpix search dog`, `floor_s` of importing NumPy, FAISS and SQLAlchemy's ORM, their
`ratio`, `help_s` of `lexpix --help`, and `python_s` of a Python that does nothing.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe, publish
from simulated import make_library

LEXPIX = str(Path(sys.executable).with_name("lexpix"))
FLOOR = "import numpy, faiss, sqlalchemy.orm"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=15, help="counted runs of each process")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_library(Path(folder), options.pictures)
        seconds = measure(
            {
                "search_s": [LEXPIX, "search", "dog", "--library", folder, "--json"],
                "floor_s": [sys.executable, "-c", FLOOR],
                "help_s": [LEXPIX, "--help"],
                "python_s": [sys.executable, "-c", "pass"],
            },
            options.runs,
        )
    result = {
        "pictures": options.pictures,
        "runs": options.runs,
        **seconds,
        "ratio": round(seconds["search_s"] / seconds["floor_s"], 2),
        "help_ratio": round(seconds["help_s"] / seconds["python_s"], 2),
        **describe(["numpy", "faiss-cpu", "sqlalchemy", "click"]),
    }
    table = "\n".join(
        f"{name:<12}{result[name]:>8}"
        for name in ("search_s", "floor_s", "ratio", "help_s", "python_s", "help_ratio")
    )
    publish(result, table=table, as_json=options.json, out=options.out)


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, float]:
    """Return the median wall time of each command; they run in turn, one round uncounted."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if run:
                times[name].append(time.perf_counter() - started)
    return {name: round(statistics.median(values), 4) for name, values in times.items()}


if __name__ == "__main__":
    main()
