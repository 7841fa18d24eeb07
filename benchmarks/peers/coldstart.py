"""Time whole processes that search, lexpix's and rclip's; see README.md here.

    python -m venv rclip && rclip/bin/pip install rclip
    python benchmarks/peers/coldstart.py --rclip rclip/bin/python [--pictures 1000 ...] [--json]

Processes run in turn. `lexpix search dog` reads its own model; in place of rclip's stands one that
takes no time and no memory (`rclip_stub.py`), so that what is left is rclip's code alone: imports,
database, scores, order. Seconds of processor time and of the clock, medians, and the largest memory
in MB; `ratio` is rclip's processor time beside lexpix's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from machine import describe, publish
from processes import Ran, run
from simulated import make_library

LEXPIX = str(Path(sys.executable).with_name("lexpix"))
STUB = str(Path(__file__).with_name("rclip_stub.py"))
SIZES = (1_000, 100_000)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rclip", required=True, help="the Python that rclip is installed for")
    parser.add_argument("--pictures", type=int, action="append")
    parser.add_argument("--library", type=Path, help="one of simulated.py, of the one size asked")
    parser.add_argument("--runs", type=int, default=7, help="counted runs of each process")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    # Not resolved: a virtual environment is found by the link to its Python.
    python = os.path.abspath(options.rclip)
    found = {
        size: measure(size, python, options.runs, options.library)
        for size in options.pictures or SIZES
    }
    command = [python, "-c", "from importlib.metadata import version; print(version('rclip'))"]
    version = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    lines = [f"{'pictures':>10}{'':>8}{'cpu':>8}{'clock':>8}{'MB':>8}{'ratio':>8}"]
    for size, told in found.items():
        for name in ("lexpix", "rclip"):
            figures = [*told[name], *([told["ratio"]] if name == "rclip" else [])]
            row = "".join(f"{value:>8}" for value in figures)
            lines.append(f"{size:>10,}{name:>8}{row}")
    result = {"seconds": found, "rclip": version, **describe(["numpy", "faiss-cpu"])}
    publish(result, table="\n".join(lines), as_json=options.json, out=options.out)


def measure(pictures: int, python: str, runs: int, made: Path | None) -> dict[str, Any]:
    """Search the same number of pictures with both, in a library that is there or is made."""
    with tempfile.TemporaryDirectory() as work:
        datadir, photos = Path(work, "rclip"), Path(work, "photos")
        photos.mkdir()
        library = made or Path(work, "library")
        if made is None:
            make_library(library, pictures, str(photos), clustered=True)
        subprocess.run([python, STUB, "fill", datadir, photos, str(pictures)], check=True)
        commands = {
            "lexpix": [LEXPIX, "search", "dog", "--library", str(library)],
            "rclip": [python, STUB, "search", "dog"],
        }
        times: dict[str, list[Ran]] = {name: [] for name in commands}
        for number in range(runs + 1):  # the first is not counted
            for name, command in commands.items():
                ran = run(command, photos, {"RCLIP_DATADIR": str(datadir)})
                if number:
                    times[name].append(ran)
    medians = {
        name: [round(statistics.median(values), 2) for values in zip(*each, strict=True)]
        for name, each in times.items()
    }
    return {**medians, "ratio": round(medians["rclip"][0] / medians["lexpix"][0], 2)}


if __name__ == "__main__":
    main()
