"""Time indexing beside what it is made of.

    python benchmarks/indexing.py [--rounds 3] [--rescan 100000] [--json] [--out FILE]

For pictures of 0.2 and 12 megapixels (JPEGs made of photographs that scikit-image ships, with noise
so that they compress like a camera's), in pictures per second, medians over interleaved rounds:

    decode    `open_image` alone, to the model's input size, on all cores
    cnn       the model alone on decoded pictures, in batches, on all cores
    rate      the whole pipeline into a new library: hashing, decoding, model, database
    limit     1 / (1 / decode + 1 / cnn): what no pipeline on the same cores can exceed
    share     rate / limit
    *_ms      processor time of one picture in milliseconds, of all cores together: decode, cnn, and
              whole, the pipeline; these say more on a busy machine
    look_us   perceptual hash and sharpness of a decoded picture, in microseconds of one core
    peak_mb   largest resident memory of a fresh process that indexes the folder

A setting names what embeds pictures: `LEXPIX_INFERENCE=openvino python benchmarks/indexing.py`.

`rescan` is the time a fresh process takes for a folder of tiny files of which none has changed,
`rescan_cpu_s` its processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, publish
from PIL import Image
from skimage import data

from indexer.executors import Threads
from indexer.library.embedding import BATCH
from indexer.library.pipeline import index_images
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.config import load_settings
from searchengine.images import open_image
from searchengine.look import look_of
from searchengine.models.joint import JointEncoder
from searchengine.models.loading import load_model
from searchengine.pixels import as_rgb
from searchengine.types import Encoder, IndexReport

SIZES = {"0.2 MP": ((516, 387), 400), "12 MP": ((4000, 3000), 64)}  # pixels, number of pictures
QUALITY = 90
NOISE = 4.0  # standard deviation in grey levels
TINY_PICTURES = 100  # distinct ones; the rest are links to them


def make_photographs(folder: Path, size: tuple[int, int], number: int) -> None:
    """Write JPEGs, all different, of one size."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, NOISE, (size[1], size[0], 1)).round().astype(np.int16)
    sources = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    for place in range(number):
        left, top = rng.integers(0, 60, 2)
        source = Image.fromarray(sources[place % len(sources)])
        box = (left, top, source.width - 60 + left, source.height - 60 + top)
        enlarged = np.asarray(source.resize(size, Image.Resampling.BICUBIC, box), dtype=np.int16)
        pixels = (enlarged + np.roll(noise, place, axis=1)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{place:04}.jpg", quality=QUALITY)


def make_tiny_files(folder: Path, number: int) -> None:
    """Write few tiny pictures and many links to them, 1,000 to a folder."""
    rng = np.random.default_rng(0)
    for place in range(number):
        path = folder / f"{place // 1000:03}" / f"{place:06}.png"
        path.parent.mkdir(exist_ok=True)
        if place < TINY_PICTURES:
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
        else:
            os.link(folder / "000" / f"{place % TINY_PICTURES:06}.png", path)


def index(root: Path, library: Path, encoder: Encoder) -> IndexReport:
    """Index a folder the way the command does."""
    catalog = Catalog(open_database(library, create=True))
    try:
        return index_images(str(root), catalog, encoder, executor=Threads())
    finally:
        catalog.close()


def in_a_fresh_process(root: Path, library: Path) -> dict[str, float]:
    """Index a folder in a process of its own; return what `index_and_report` prints."""
    command = [sys.executable, __file__, "--index", str(root), str(library)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(ran.stdout)
    return result


def index_and_report(root: Path, library: Path) -> None:
    """Do the work of `in_a_fresh_process`."""
    start, used = time.perf_counter(), processor()
    report = index(root, library, load_model("default", load_settings().inference))
    result = {"seconds": time.perf_counter() - start, "cpu_s": processor() - used}
    print(json.dumps({**result, "unchanged": report.unchanged, "peak_mb": peak_mb()}))


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, in units of 10**6 bytes."""
    try:
        # Linux's ru_maxrss would be no less than that of the process that started this one.
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS: in bytes
    [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(kilobytes) * 1024 / 1e6


def processor() -> float:
    """Return the processor time of this process and of those that it has waited for, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that a call takes, and its processor time."""
    start, used = time.perf_counter(), processor()
    function()
    return time.perf_counter() - start, processor() - used


def measure(root: Path, folder: Path, encoder: Encoder, rounds: int) -> dict[str, float]:
    """Return the rates of the parts and of the whole for one folder of pictures."""
    paths = sorted(root.iterdir())
    assert isinstance(encoder, JointEncoder)
    load = partial(open_image, size=encoder.decode_size, prepare=encoder.prepare)
    decoded = list(Threads().imap(load, paths))
    encoder.encode_images(decoded[:BATCH])  # makes the session
    unscaled = [open_image(path, size=encoder.decode_size, prepare=as_rgb) for path in paths[:16]]
    look_of(unscaled[0])  # imports what it needs

    def look() -> None:
        deque(map(look_of, unscaled), maxlen=0)

    def decode() -> None:
        deque(Threads().imap(load, paths), maxlen=0)

    def cnn() -> None:
        for start in range(0, len(decoded), BATCH):
            encoder.encode_images(decoded[start : start + BATCH])

    times: dict[str, list[tuple[float, float]]] = {"decode": [], "cnn": [], "rate": []}
    looks: list[float] = []
    for number in range(rounds):
        started = time.thread_time()
        look()
        looks.append((time.thread_time() - started) / len(unscaled))
        times["decode"].append(timed(decode))
        times["cnn"].append(timed(cnn))
        times["rate"].append(timed(partial(index, root, folder / f"library{number}", encoder)))
    wall, used = (
        {name: statistics.median(pair[which] for pair in pairs) for name, pairs in times.items()}
        for which in (0, 1)
    )
    rates = {name: len(paths) / spent for name, spent in wall.items()}
    milliseconds = {name: round(1000 * spent / len(paths), 2) for name, spent in used.items()}
    limit = 1 / (1 / rates["decode"] + 1 / rates["cnn"])
    peak = in_a_fresh_process(root, folder / "fresh")["peak_mb"]
    return {
        "rate": round(rates["rate"], 1),
        "decode": round(rates["decode"], 1),
        "cnn": round(rates["cnn"], 1),
        "limit": round(limit, 1),
        "share": round(rates["rate"] / limit, 3),
        "decode_ms": milliseconds["decode"],
        "cnn_ms": milliseconds["cnn"],
        "whole_ms": milliseconds["rate"],
        "look_us": round(statistics.median(looks) * 1e6),
        "peak_mb": round(peak),
    }


def measure_rescan(files: int, folder: Path) -> dict[str, float]:
    """Return how long it takes to find that nothing has changed."""
    root = folder / "tiny"
    root.mkdir()
    make_tiny_files(root, files)
    first = in_a_fresh_process(root, folder / "library")
    again = in_a_fresh_process(root, folder / "library")
    assert again["unchanged"] == files
    return {
        "files": files,
        "first_s": round(first["seconds"], 1),
        "rescan_s": round(again["seconds"], 2),
        "rescan_cpu_s": round(again["cpu_s"], 2),
        "peak_mb": round(max(first["peak_mb"], again["peak_mb"])),
    }


def table(result: dict[str, Any]) -> str:
    lines = [f"{'':8}" + "".join(f"{name:>10}" for name in next(iter(result["pictures"].values())))]
    for size, rates in result["pictures"].items():
        lines.append(f"{size:8}" + "".join(f"{value:>10}" for value in rates.values()))
    if "rescan" in result:
        lines.append("rescan  " + ", ".join(f"{k} {v}" for k, v in result["rescan"].items()))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rescan", type=int, default=100_000, help="files; 0 leaves it out")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--index", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.index:
        index_and_report(*arguments.index)
        return

    encoder = load_model("default", load_settings().inference)
    result: dict[str, Any] = {"pictures": {}, "inference": getattr(encoder, "runs_on", "")}
    for name, (size, number) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "pictures"
            root.mkdir()
            make_photographs(root, size, number)
            result["pictures"][name] = measure(root, Path(folder), encoder, arguments.rounds)
    if arguments.rescan:
        with tempfile.TemporaryDirectory() as folder:
            result["rescan"] = measure_rescan(arguments.rescan, Path(folder))
    result |= describe(["onnxruntime", "pillow", "sqlalchemy"])
    result["load_average"] = round(os.getloadavg()[0], 1)  # of all that ran beside it, too
    publish(result, table=table(result), as_json=arguments.json, out=arguments.out)


if __name__ == "__main__":
    main()
