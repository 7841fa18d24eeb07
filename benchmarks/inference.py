"""Measure what can embed pictures: time, how far the vectors are from float32, what they find.

    pip install onnx 'lexpix[openvino]'; pip install nncf    # without nncf its rows are left out
    python benchmarks/inference.py PAIRS.jsonl [--images FOLDER] [--split dev] [--pictures 1000]
        [--calibrate 120] [--threads 1] [--json] [--out FILE]

Each way embeds the captioned pictures of the split, in turn, in batches as an index run has them:

    onnxruntime fp32        the network as lexpix runs it; what all others are compared with
    openvino fp32, bf16     the same network as lexpix runs it by OpenVINO
    onnxruntime int8        quantised statically by ONNX Runtime, each channel by itself
    openvino int8           a network quantised by NNCF, what is no 8-bit number in float32 or
                            bfloat16 (int8+bf16)

Ranges for 8-bit numbers come from pictures of the split `train`. Told are the milliseconds of the
processor for a picture (the first batch is not counted), the cosines with float32, recall in both
directions, and the share of captions and pictures that match at least maybe (likely or maybe) in
float32 and have the same band then.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from machine import describe, publish
from onnx import helper, numpy_helper
from onnxruntime import quantization

from indexer.cli.evaluate_options import read_split
from indexer.evaluation.encode import encode_sentences
from indexer.evaluation.metrics import retrieval
from indexer.library.embedding import BATCH
from searchengine.images import open_for
from searchengine.models.inference import multiplies_bf16
from searchengine.models.joint import IMAGE_MODEL, JointEncoder
from searchengine.models.loading import load_model
from searchengine.models.networks import EMBEDDING, SLICE, OnnxRuntimeNetwork, OpenVinoNetwork
from searchengine.vectors import unit_rows

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # NNCF would report each use

PLAIN = "onnxruntime fp32"
CALIBRATING = 4
"""Pictures that are calibrated with at a time."""

Pixels = npt.NDArray[np.uint8]
"""Pictures, (n, height, width, 3)."""
Floats = npt.NDArray[np.float32]
Embed = Callable[[Pixels], Floats]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--calibrate", type=int, default=120)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    encoder = load_model()
    assert isinstance(encoder, JointEncoder), "the bundled model is one"
    paths, captions = read_split(options.pairs, options.images, options.split)
    asked = opened(encoder, paths[: options.pictures])
    captions = captions[: options.pictures]
    others, _ = read_split(options.pairs, options.images, "train")
    drawn = np.random.default_rng(0).permutation(len(others))[: options.calibrate]
    calibrating = opened(encoder, [others[place] for place in drawn])
    sentences = encode_sentences([text for each in captions for text in each], encoder)
    owner = [row for row, each in enumerate(captions) for _ in each]
    with tempfile.TemporaryDirectory() as folder:
        ways = {**as_lexpix(encoder), **in_8_bits(encoder, Path(folder), calibrating)}
        times, rows = timed(ways, asked)
    result: dict[str, Any] = {
        "pictures": len(asked),
        "threads": options.threads,
        "ways": {
            name: {
                "ms": times[name],
                "faster": round(times[PLAIN] / times[name], 2),
                **compared(rows[PLAIN], rows[name], sentences, owner, encoder),
            }
            for name in ways
        },
        "vnni": "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8"),
        "bf16": multiplies_bf16(),
        **describe(["onnxruntime", "openvino", "onnx"]),
    }
    lines = [
        f"{name:<28} {way['ms']:6.2f} ms {way['faster']:5.2f}  cosine {way['cosine']} least "
        f"{way['least']}  t2i {way['t2i']}  i2t {way['i2t']}  band {way['same_band']}"
        for name, way in result["ways"].items()
    ]
    publish(result, table="\n".join(lines), as_json=options.json, out=options.out)


def opened(encoder: JointEncoder, paths: list[Path]) -> Pixels:
    """Return pictures as the network wants them."""
    return np.stack([np.asarray(open_for(encoder, path)) for path in paths])


def timed(ways: dict[str, Embed], asked: Pixels) -> tuple[dict[str, float], dict[str, Floats]]:
    """Return milliseconds of the processor a picture, and unit vectors, of each way."""
    seconds = dict.fromkeys(ways, 0.0)
    vectors: dict[str, list[Floats]] = {name: [] for name in ways}
    for start in range(0, len(asked), BATCH):
        for name, embed in ways.items():
            began = time.process_time()
            found = embed(asked[start : start + BATCH])
            if start:
                seconds[name] += time.process_time() - began
            vectors[name].append(found)
    counted = len(asked) - BATCH
    taken = {name: round(1000 * each / counted, 2) for name, each in seconds.items()}
    return taken, {name: unit_rows(np.concatenate(each)) for name, each in vectors.items()}


def compared(
    plain: Floats, other: Floats, sentences: Floats, owner: list[int], encoder: JointEncoder
) -> dict[str, Any]:
    """Return what becomes of cosines, recall and bands."""
    cosines = (plain * other).sum(axis=1)
    t2i, i2t = retrieval(other, sentences, owner)
    before, after = (bands(encoder, sentences, rows) for rows in (plain, other))
    shown = before > 0
    return {
        "cosine": round(float(cosines.mean()), 4),
        "least": round(float(cosines.min()), 4),
        "t2i": [t2i.r1, t2i.r5, t2i.r10],
        "i2t": [i2t.r1, i2t.r5, i2t.r10],
        "same_band": round(float((before == after)[shown].mean()), 4),
    }


def bands(encoder: JointEncoder, sentences: Floats, rows: Floats) -> npt.NDArray[np.int64]:
    """Return the band of each sentence with each picture: 0 unlikely, 1 maybe, 2 likely."""
    calibration = encoder.calibration
    assert calibration is not None, "the bundled model is calibrated"
    matches = calibration.match(sentences, rows, ["sentence"] * len(sentences))
    begin = calibration.bands["sentence"]
    return np.digitize(matches, [begin["maybe"], begin["likely"]])


def as_lexpix(encoder: JointEncoder) -> dict[str, Embed]:
    """Return the ways that lexpix has."""
    path = encoder.folder / IMAGE_MODEL
    plain = OnnxRuntimeNetwork(path)
    single, half = OpenVinoNetwork(path, "fp32"), OpenVinoNetwork(path, "bf16")
    return {
        PLAIN: lambda pixels: plain.run(EMBEDDING, pixels),
        "openvino fp32": lambda pixels: single.run(EMBEDDING, pixels),
        "openvino bf16": lambda pixels: half.run(EMBEDDING, pixels),
    }


def in_8_bits(encoder: JointEncoder, folder: Path, calibrating: Pixels) -> dict[str, Embed]:
    """Return the ways that lexpix does not have: networks quantised in a folder."""
    plain, small = folder / "plain.onnx", folder / "int8.onnx"
    onnx.save(unfolded(onnx.load(encoder.folder / IMAGE_MODEL)), plain)
    quantise(plain, small, calibrating)
    static = OnnxRuntimeNetwork(small)
    ways: dict[str, Embed] = {
        "onnxruntime int8": lambda pixels: static.run(EMBEDDING, pixels),
        "onnxruntime int8 by fours": lambda pixels: by_slices(static, pixels),
    }
    if importlib.util.find_spec("nncf") is None:
        return ways
    by_nncf = folder / "nncf.xml"
    quantise_by_nncf(plain, by_nncf, calibrating)
    single, half = OpenVinoNetwork(by_nncf, "fp32"), OpenVinoNetwork(by_nncf, "bf16")
    return ways | {
        "openvino int8": lambda pixels: single.run(EMBEDDING, pixels),
        "openvino int8+bf16": lambda pixels: half.run(EMBEDDING, pixels),
    }


def by_slices(network: OnnxRuntimeNetwork, pixels: Pixels) -> Floats:
    """Return the embeddings, computed for as few pictures at a time as OpenVINO does."""
    starts = range(0, len(pixels), SLICE)
    return np.concatenate(
        [network.run(EMBEDDING, pixels[start : start + SLICE]) for start in starts]
    )


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
    outputs = [one for one in graph.output if one.name == EMBEDDING]
    made = helper.make_graph(
        needed(kept, EMBEDDING), graph.name, graph.input, outputs, graph.initializer
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


def slices(pixels: Pixels) -> Iterator[Pixels]:
    """Yield a few pictures at a time."""
    for start in range(0, len(pixels), CALIBRATING):
        yield pixels[start : start + CALIBRATING]


class Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Hands out pictures, a few at a time."""

    def __init__(self, pixels: Pixels) -> None:
        self._batches = slices(pixels)

    def get_next(self) -> dict[str, Pixels] | None:
        """Return the next pictures, None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}


def quantise(source: Path, target: Path, pixels: Pixels) -> None:
    """Write a network with 8-bit weights and activations, by ONNX Runtime."""
    logging.getLogger().setLevel(logging.ERROR)  # it warns of each bias
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
    )


def quantise_by_nncf(source: Path, target: Path, pixels: Pixels) -> None:
    """Write a network for OpenVINO with 8-bit weights and activations, by NNCF."""
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    batches = list(slices(pixels))
    data = nncf.Dataset(batches, lambda batch: {"pixels": batch})
    made = nncf.quantize(
        openvino.Core().read_model(source),
        data,
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(batches),
    )
    openvino.save_model(made, target)


if __name__ == "__main__":
    main()
