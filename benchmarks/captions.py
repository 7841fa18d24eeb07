"""How long a captioner takes beyond the CNN: random weights of the bundled sizes, random places.

    python benchmarks/captions.py

Prints milliseconds per picture, one picture at a time, by the width of the beam. Sentences are
twelve words long, the mean of Flickr8k being eleven.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from searchengine.models.captioner.beam import search
from searchengine.models.captioner.decoder import Attention, Cell, Decoder

WORDS, HIDDEN, WORD, ENERGY = 2600, 512, 256, 128
PLACES, CHANNELS = 64, 1280
LONGEST = 12


def random_decoder(cell: Cell, attention: Attention) -> Decoder:
    """Return a decoder of the bundled sizes."""
    gates = 4 if cell == "lstm" else 3
    linear = {
        "places": (HIDDEN, CHANNELS),
        "words": (gates * HIDDEN, WORD),
        "recurrent": (gates * HIDDEN, HIDDEN),
        "first": ((2 if cell == "lstm" else 1) * HIDDEN, HIDDEN),
        "query": (ENERGY, HIDDEN),
        "gate": (HIDDEN, HIDDEN),
        "picture": (WORD, HIDDEN),
        "out": (WORD, HIDDEN),
    }
    plain = {
        "key": (ENERGY, HIDDEN),
        "energy": (1, ENERGY),
        "context": (gates * HIDDEN, HIDDEN),
        "out_context": (WORD, HIDDEN),
        "embedding": (WORDS, WORD),
    }
    random = np.random.default_rng(1)
    weights = {
        f"{name}.weight": random.normal(0, 0.05, shape) for name, shape in (linear | plain).items()
    }
    weights |= {f"{name}.bias": np.zeros(shape[0]) for name, shape in linear.items()}
    weights["bias"] = np.where(np.arange(WORDS) == 0, -100.0, 0.0)  # all are as long as they may be
    return Decoder(weights, cell, attention)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20)
    pictures = parser.parse_args().pictures
    features = np.random.default_rng(2).random((pictures, PLACES, CHANNELS), dtype=np.float32)
    result: dict[str, float] = {}
    kinds: tuple[tuple[Cell, Attention], ...] = (
        ("lstm", "soft"),
        ("gru", "soft"),
        ("lstm", "none"),
        ("gru", "none"),
    )
    for cell, attention in kinds:
        decoder = random_decoder(cell, attention)
        for width in (1, 3):
            times = []
            for one in features:
                started = time.perf_counter()
                search(decoder, one[None], width=width, longest=LONGEST)
                times.append(time.perf_counter() - started)
            result[f"{cell}_{attention}_beam{width}_ms"] = round(1000 * float(np.median(times)), 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
