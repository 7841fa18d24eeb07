"""How well names are placed that no training saw: classes kept from the fit.

::

    lexpix train joint ... --classes classes.tsv --leave-out 10 --out MODEL
    python benchmarks/left_out.py MODEL labels.jsonl classes.tsv 10

Prints recall@k of the names of every tenth class among all the pictures, beside that of the
others. The labels name synsets, as ImageNet does; words of a left-out class may still stand in
captions, and its gloss is read, but neither its pictures nor its row of the classifier.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import searchengine
from indexer.evaluation.encode import encode_pictures, encode_sentences
from indexer.evaluation.metrics import best_ranks, recall
from indexer.readers.labelled import read_labelled
from indexer.vocabulary.classes import read_classes


def main() -> None:
    """Run the benchmark."""
    model, labels, classes, every = sys.argv[1:]
    encoder = searchengine.load_model(model)
    left_out = {each.synset for each in read_classes(Path(classes))[1 :: int(every)]}
    entries = read_labelled(Path(labels))
    pictures = encode_pictures([entry.image for entry in entries], encoder)
    names = encode_sentences([entry.names[0] for entry in entries], encoder)
    ranks = best_ranks(names @ pictures.T, np.eye(len(entries), dtype=np.bool_))
    out = np.array([entry.synset in left_out for entry in entries])
    print(f"{len(entries)} pictures; names that the training\nsaw not / saw   names  recall")
    for title, chosen in (("saw not", out), ("saw", ~out)):
        print(f"{title:>13}   {int(chosen.sum()):5}  {recall(ranks[chosen])}")


if __name__ == "__main__":
    main()
