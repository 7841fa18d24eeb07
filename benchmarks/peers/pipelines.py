"""Index JPEGs with lexpix and with the code of its peers, with the same CNN in all; see README.md.

    python -m venv rclip && rclip/bin/pip install rclip
    python -m venv clipr && clipr/bin/pip install clip-retrieval onnxruntime "setuptools<70"
    python benchmarks/peers/pipelines.py --rclip rclip/bin/python --clip-retrieval clipr/bin/python

The pictures are those of `benchmarks/indexing.py`, of 0.2 and 12 megapixels. In turn, each into a
new library, in processes of their own: `lexpix index`, rclip in its batches of 8 and clip-retrieval
in its of 256 with the bundled CNN of lexpix in place of their own (`rclip_stub.py` and
`clip_retrieval_stub.py`). What a process takes for a single picture is taken off, so that imports
do not count; what is left is given in pictures a second of the clock, and in milliseconds of
processor time a picture, medians. `limit` is what decoding and the CNN take in lexpix by
themselves, as in `benchmarks/indexing.py`, in milliseconds of processor time. lexpix reads
metadata, hashes all bytes and what a picture looks like, and guesses tags besides; the others do
none of that.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from indexing import SIZES, make_photographs
from machine import describe, publish
from processes import Ran, run

from indexer.executors import Threads
from indexer.library.embedding import BATCH
from searchengine.images import open_image
from searchengine.models.joint import IMAGE_MODEL, JointEncoder
from searchengine.search.engine import load_model

LEXPIX = str(Path(sys.executable).with_name("lexpix"))
PEERS = ("rclip", "clip-retrieval")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name in PEERS:
        parser.add_argument(f"--{name}", help="the Python that it is installed for")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", action="append", choices=SIZES)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    given = vars(options)
    pythons = {name: given[name.replace("-", "_")] for name in PEERS}
    pythons = {  # not resolved: see coldstart.py
        name: os.path.abspath(python) for name, python in pythons.items() if python is not None
    }
    encoder = load_model()
    assert isinstance(encoder, JointEncoder)
    found = {}
    for name in options.size or SIZES:
        size, number = SIZES[name]
        with tempfile.TemporaryDirectory() as work:
            photos = Path(work, "photos")
            photos.mkdir()
            make_photographs(photos, size, number)
            found[name] = measure(Path(work), photos, encoder, pythons, options.rounds)
    lines = [f"{'':8}" + "".join(f"{name:>19}" for name in next(iter(found.values())))]
    for name, told in found.items():
        lines.append(f"{name:8}" + "".join(f"{value:>19}" for value in told.values()))
    result = {"pictures": found, **describe(["onnxruntime", "pillow"])}
    publish(result, table="\n".join(lines), as_json=options.json, out=options.out)


def measure(
    work: Path, photos: Path, encoder: JointEncoder, pythons: Mapping[str, str], rounds: int
) -> dict[str, float]:
    """Index a folder with lexpix and each peer that has a Python, again and again."""
    lone = work / "lone"
    lone.mkdir()
    paths = sorted(photos.iterdir())
    shutil.copy(paths[0], lone)
    more = len(paths) - 1
    cnn = str(encoder.folder / IMAGE_MODEL)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ("lexpix", *pythons)}
    limits = []
    for number in range(rounds):
        for name, times in spent.items():
            one, every = (
                index(name, folder, work / f"{name}-{number}-{folder.name}", pythons, cnn)
                for folder in (lone, photos)
            )
            times.append(((every.cpu - one.cpu) / more, (every.clock - one.clock) / more))
        limits.append(limit(paths, encoder))
    told: dict[str, float] = {}
    for name, times in spent.items():
        cpu, clock = (statistics.median(values) for values in zip(*times, strict=True))
        told |= {f"{name}/s": round(1 / clock, 1), f"{name} ms": round(1000 * cpu, 1)}
    return told | {"limit ms": round(1000 * statistics.median(limits), 1)}


def index(name: str, photos: Path, library: Path, pythons: Mapping[str, str], cnn: str) -> Ran:
    """Index a folder into a new library."""
    if name == "lexpix":
        return run([LEXPIX, "index", str(photos), "--library", str(library)])
    stub = str(Path(__file__).with_name(f"{name.replace('-', '_')}_stub.py"))
    if name == "rclip":
        return run([pythons[name], stub, "index", cnn], photos, {"RCLIP_DATADIR": str(library)})
    return run([pythons[name], stub, str(photos), str(library), cnn])


def limit(paths: list[Path], encoder: JointEncoder) -> float:
    """Return the seconds of processor time of decoding and of the CNN for a picture."""
    load = partial(open_image, size=encoder.decode_size, prepare=encoder.prepare)
    encoder.encode_images([load(paths[0])])  # makes the session
    began = time.process_time()
    decoded = deque(Threads().imap(load, paths))
    while decoded:
        batch = [decoded.popleft() for _ in range(min(BATCH, len(decoded)))]
        encoder.encode_images(batch)
    return (time.process_time() - began) / len(paths)


if __name__ == "__main__":
    main()
