"""Time whole processes: a search, a first recipe, the help, beside what Python itself needs.

    python benchmarks/startup.py --pictures 100000 --json

Prints medians in seconds of processes that run in turn, so that all see the same machine:
`search_s` of `lexpix search dog`, `floor_s` of importing NumPy and FAISS, their `ratio`, `add_s` of
`lexpix texts add` of one recipe to a library that is not there yet, `help_s` of `lexpix --help`,
and `python_s` of a Python that does nothing. `*_cpu_s` are the same in seconds of processor time,
which say more on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe, publish
from processes import compiled
from simulated import make_library

LEXPIX = str(Path(sys.executable).with_name("lexpix"))
FLOOR = "import numpy, faiss"
RUN = "{run}"
RECIPE = {
    "title": "Pancakes",
    "ingredients": ["2 cups of flour", "3 eggs, beaten", "1 pinch of salt"],
    "instructions": ["Mix everything.", "Fry it in butter."],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=15, help="counted runs of each process")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library, recipes = Path(folder, "library"), Path(folder, "recipes.jsonl")
        make_library(library, options.pictures)
        recipes.write_text(json.dumps(RECIPE) + "\n", encoding="utf-8")
        add = [LEXPIX, "texts", "add", str(recipes), "--kind", "recipe"]
        seconds = measure(
            {
                "search": [LEXPIX, "search", "dog", "--library", str(library), "--json"],
                "floor": [sys.executable, "-c", FLOOR],
                "add": [*add, "--library", f"{folder}/new{RUN}"],
                "help": [LEXPIX, "--help"],
                "python": [sys.executable, "-c", "pass"],
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
    table = "\n".join(f"{name:<14}{result[name]:>8}" for name in (*seconds, "ratio", "help_ratio"))
    publish(result, table=table, as_json=options.json, out=options.out)


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, float]:
    """Return medians of wall and processor time; commands run in turn, one round uncounted.

    `RUN` in an argument becomes the number of the round.
    """
    times: dict[str, list[float]] = {}
    for run in range(runs + 1):
        for name, command in commands.items():
            arguments = [argument.replace(RUN, str(run)) for argument in command]
            used, started = _processor(), time.perf_counter()
            subprocess.run(arguments, check=True, capture_output=True, env=compiled())
            if run:
                times.setdefault(f"{name}_s", []).append(time.perf_counter() - started)
                times.setdefault(f"{name}_cpu_s", []).append(_processor() - used)
    return {name: round(statistics.median(values), 4) for name, values in times.items()}


def _processor() -> float:
    """Return the processor time of all processes that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
