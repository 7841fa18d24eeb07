"""Whether captions of pictures, as a second signal beside the joint score, help to find pictures.

    lexpix eval captions --pairs captions.jsonl --split dev --out written.jsonl
    python benchmarks/caption_fusion.py captions.jsonl written.jsonl

A query's score becomes (1 - share) * cosine to the picture + share * cosine to its caption. Prints
recall of sentence -> picture by the share.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from indexer.evaluation.encode import encode_pictures, encode_sentences
from indexer.evaluation.metrics import best_ranks, recall
from indexer.readers.jsonl import parsed_lines, read_text
from indexer.readers.pairs import read_pairs
from searchengine.models.loading import load_model

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("written", type=Path)
    parser.add_argument("--images", type=Path, help="Folder of the pictures.")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--model", default="default")
    chosen = parser.parse_args()
    folder = chosen.images or chosen.pairs.parent
    pairs = [p for p in read_pairs(chosen.pairs, chosen.images) if p.split == chosen.split]
    captions = {
        (folder / entry["image"]).resolve(): entry["caption"]
        for entry in parsed_lines(chosen.written, read_text(chosen.written), dict, "an object")
    }
    encoder = load_model(chosen.model)
    pictures = encode_pictures([pair.image for pair in pairs], encoder)
    written = encode_sentences([captions[pair.image.resolve()] for pair in pairs], encoder)
    queries = encode_sentences([text for pair in pairs for text in pair.captions], encoder)
    owner = np.array([row for row, pair in enumerate(pairs) for _ in pair.captions])
    relevant = owner[:, None] == np.arange(len(pairs))[None]
    seen, said = queries @ pictures.T, queries @ written.T
    for share in SHARES:
        found = recall(best_ranks((1 - share) * seen + share * said, relevant))
        print(json.dumps({"share": share, "r1": found.r1, "r5": found.r5, "r10": found.r10}))


if __name__ == "__main__":
    main()
