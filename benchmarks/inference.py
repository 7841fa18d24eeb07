"""Measure the bundled CNN in 8-bit numbers beside float32: pictures a second, and what they find.

    pip install onnx
    python benchmarks/inference.py FOLDER [--pictures 400] [--calibrate 100] [--json]

ONNX Runtime quantises the network statically, each channel by itself, with ranges from some
pictures of the folder; others are embedded by both networks, in turn, on one thread, in batches as
an index run has them. Told are the milliseconds of the processor for a picture, the cosines between
the vectors of both, and the share of the ten pictures nearest to words that both find. `vnni` and
`bf16` say what the processor has (Linux).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from machine import describe, publish
from onnx import helper, numpy_helper
from onnxruntime import quantization
from simulated import word_vectors

from searchengine.errors import ImageError
from searchengine.images import open_for
from searchengine.models.joint import BATCH, IMAGE_MODEL, JointEncoder
from searchengine.search.engine import load_model
from searchengine.vectors import unit_rows

WORDS = 200
BEST = 10
ENDINGS = {".jpg", ".jpeg", ".png"}

Pixels = npt.NDArray[np.uint8]
"""Batches of pictures, (n, height, width, 3)."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--calibrate", type=int, default=100)
    parser.add_argument("--method", choices=["MinMax", "Entropy", "Percentile"], default="MinMax")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    encoder = load_model()
    assert isinstance(encoder, JointEncoder), "the bundled model is one"
    pixels = opened(encoder, options.folder, options.pictures + options.calibrate)
    calibrating, asked = pixels[: options.calibrate], pixels[options.calibrate :]
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        onnx.save(unfolded(onnx.load(encoder.folder / IMAGE_MODEL)), plain)
        quantise(plain, small, calibrating, options.method)
        sessions = {"float32": session(plain), "int8": session(small)}
        times: dict[str, float] = dict.fromkeys(sessions, 0.0)
        vectors: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in sessions}
        for start in range(0, len(asked), BATCH):
            for name, each in sessions.items():
                began = time.process_time()
                found = each.run(["embedding"], {"pixels": asked[start : start + BATCH]})[0]
                if start:  # the first batch is not counted
                    times[name] += time.process_time() - began
                vectors[name].append(found)
    rows = {name: unit_rows(np.concatenate(each)) for name, each in vectors.items()}
    cosines = (rows["float32"] * rows["int8"]).sum(axis=1)
    words = word_vectors(encoder)[:WORDS]
    best = {name: np.argsort(-(words @ each.T), axis=1)[:, :BEST] for name, each in rows.items()}
    shared = [len(np.intersect1d(*pair)) / BEST for pair in zip(*best.values(), strict=True)]
    counted = len(asked) - BATCH
    taken = {name: round(1000 * seconds / counted, 2) for name, seconds in times.items()}
    result: dict[str, Any] = {
        "pictures": len(asked),
        "ms": taken,
        "faster": round(taken["float32"] / taken["int8"], 2),
        "cosine": {
            "mean": round(float(cosines.mean()), 4),
            "least": round(float(cosines.min()), 4),
        },
        "shared_best": round(float(np.mean(shared)), 3),
        **flags(),
        **describe(["onnxruntime", "onnx"]),
    }
    lines = [f"{name:>12}  {value}" for name, value in result.items()]
    publish(result, table="\n".join(lines), as_json=options.json, out=options.out)


def opened(encoder: JointEncoder, folder: Path, count: int) -> Pixels:
    """Return so many pictures of a folder, drawn by chance, as the network wants them."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    found: list[Any] = []
    for number in np.random.default_rng(0).permutation(len(files)):
        if len(found) == count:
            break
        try:
            found.append(np.asarray(open_for(encoder, files[number])))
        except ImageError:
            continue
    return np.stack(found)


def unfolded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network with the embedding alone, whose weights are float32 from the beginning."""
    graph = model.graph
    halves = {one.name: one for one in graph.initializer}
    kept = []
    for node in graph.node:
        half = halves.get(node.input[0]) if node.op_type == "Cast" else None
        if half is None:
            kept.append(node)
            continue
        whole = numpy_helper.to_array(half).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(whole, node.output[0]))
        graph.initializer.remove(half)
    outputs = [one for one in graph.output if one.name == "embedding"]
    made = helper.make_graph(
        needed(kept, "embedding"), graph.name, graph.input, outputs, graph.initializer
    )
    return helper.make_model(made, opset_imports=model.opset_import, ir_version=model.ir_version)


def needed(nodes: list[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """Return the nodes that lead to an output, in their order."""
    wanted, found = {output}, []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            found.append(node)
            wanted.update(node.input)
    return found[::-1]


class Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Hands out pictures, a few at a time."""

    def __init__(self, pixels: Pixels) -> None:
        self._batches: Iterator[Pixels] = iter(np.array_split(pixels, max(1, len(pixels) // 8)))

    def get_next(self) -> dict[str, Pixels] | None:
        """Return the next pictures, None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}


def quantise(source: Path, target: Path, pixels: Pixels, method: str) -> None:
    """Write a network with 8-bit weights and activations."""
    prepared = source.with_suffix(".prepared.onnx")
    quantization.quant_pre_process(source, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(
        prepared,
        target,
        Calibration(pixels),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        calibrate_method=quantization.CalibrationMethod[method],
    )


def session(path: Path) -> onnxruntime.InferenceSession:
    """Open a network for one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def flags() -> dict[str, bool]:
    """Return whether the processor multiplies 8-bit numbers and bfloat16 by itself."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    return {"vnni": "vnni" in text, "bf16": "bf16" in text}


if __name__ == "__main__":
    main()
