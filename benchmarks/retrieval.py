"""Measure a model as users run it: recall of sentences and pictures, and time per picture.

    python benchmarks/retrieval.py --pairs captions.jsonl --split dev --json

Every caption is a query for its picture among all pictures of the split, and every picture for the
best of its captions; ties count against the model.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

from machine import describe, publish

from indexer.evaluate import retrieval
from indexer.train.data import read_pairs
from searchengine.engine import load_model
from searchengine.images import open_image
from searchengine.models.joint import JointEncoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument(
        "--images", type=Path, help="folder of the pictures, if not that of --pairs"
    )
    parser.add_argument("--split", default="dev")
    parser.add_argument("--model", default="default")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()

    encoder = load_model(options.model)
    assert isinstance(encoder, JointEncoder)
    pairs = [p for p in read_pairs(options.pairs, options.images) if p.split == options.split]
    pictures = [open_image(pair.image, size=encoder.decode_size) for pair in pairs]
    started = time.perf_counter()
    images = encoder.encode_images(pictures)
    seconds = time.perf_counter() - started
    known = [
        (row, caption)
        for row, pair in enumerate(pairs)
        for caption in pair.captions
        if encoder.words.find(caption)[0]
    ]
    captions = encoder.encode_texts([caption for _, caption in known])
    t2i, i2t = retrieval(images, captions, [row for row, _ in known])
    result = {
        "model": encoder.name,
        "fingerprint": encoder.fingerprint,
        "pairs": options.pairs.name,
        "split": options.split,
        "images": len(pairs),
        "captions": len(known),
        "t2i": dataclasses.asdict(t2i),
        "i2t": dataclasses.asdict(i2t),
        "ms_per_picture": round(1000 * seconds / len(pairs), 2),
        **describe(["numpy", "onnxruntime", "pillow"]),
    }
    table = "\n".join(
        f"{name}  R@1 {found.r1:.1f}  R@5 {found.r5:.1f}  R@10 {found.r10:.1f}"
        for name, found in (("sentence -> picture", t2i), ("picture -> sentence", i2t))
    )
    publish(result, table=table, as_json=options.json, out=options.out)


if __name__ == "__main__":
    main()
