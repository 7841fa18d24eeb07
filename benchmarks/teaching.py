"""How well a word taught from three pictures finds others, beside the real word.

::

    python benchmarks/teaching.py captions.jsonl

For words that captions name often, three pictures of the split `dev` whose captions agree on it
teach it anew; the others are ranked by it. Printed are average precision and the share of right
ones among the first ten, for the taught vector, for the plain mean of the pictures, and for the
word itself; then the same for the sum with another word, where both must be named. Captions leave
much out.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import searchengine
from indexer.readers.pairs import read_pairs
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.language.words import tokenize
from searchengine.search.tagging import Tagger, taught_vector
from searchengine.search.taught import typical_length
from searchengine.types import Explainable, Vectors
from searchengine.vectors import unit_rows

AGREE, OFTEN, SHOTS, REPEATS = 3, 12, 3, 4


def precision(scores: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return average precision and precision at ten."""
    ranked = right[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(hits[ranked].mean()), float(ranked[:10].mean())


def main() -> None:
    """Run the benchmark."""
    pairs = [pair for pair in read_pairs(Path(sys.argv[1])) if pair.split == "dev"]
    encoder = searchengine.load_model()
    assert isinstance(encoder, Explainable)
    pictures = encoder.encode_images([pair.image for pair in pairs])
    tagger = Tagger(encoder, TagVocabulary.load(), {})
    length = typical_length(encoder)
    named: dict[str, npt.NDArray[np.int64]] = {}
    for row, pair in enumerate(pairs):
        said = Counter(word for caption in pair.captions for word in set(tokenize(caption)))
        for word in said.keys() & set(tagger.names):
            named.setdefault(word, np.zeros(len(pairs), dtype=np.int64))[row] = said[word]
    words = sorted(
        word
        for word, counts in named.items()
        if (counts >= AGREE).sum() >= OFTEN and (counts > 0).mean() < 0.4
    )
    ways: dict[str, Callable[[Vectors], npt.NDArray[np.float32]]] = {
        "mean": lambda shown: unit_rows(shown.mean(axis=0))[0],
        "taught": lambda shown: taught_vector(shown, tagger.vectors),
    }
    alone: dict[str, list[tuple[float, float]]] = {}
    mixed: dict[str, list[tuple[float, float]]] = {}
    random = np.random.default_rng(1)
    for word in words:
        right = named[word] > 0
        partners = [o for o in words if o != word and (right & (named[o] > 0)).sum() > OFTEN]
        for _ in range(REPEATS):
            shown = random.choice(np.flatnonzero(named[word] >= AGREE), SHOTS, replace=False)
            others = np.setdiff1d(np.arange(len(pairs)), shown)
            vectors = {name: way(pictures[shown]) * length for name, way in ways.items()}
            vectors["word"] = encoder.encode_words(word)[1].sum(axis=0)
            partner = random.choice(partners) if partners else None
            for name, vector in vectors.items():
                found = precision(pictures[others] @ vector, right[others])
                alone.setdefault(name, []).append(found)
                if partner is not None:
                    total = vector + encoder.encode_words(partner)[1].sum(axis=0)
                    both = (right & (named[partner] > 0))[others]
                    mixed.setdefault(name, []).append(precision(pictures[others] @ total, both))
    print(f"{len(words)} words, {SHOTS} pictures each, {REPEATS} times")
    for title, results in (("alone", alone), ("with another word", mixed)):
        for name, scores in results.items():
            average, ten = 100 * np.mean(scores, axis=0)
            print(f"{title:18} {name:8} AP {average:.1f}  P@10 {ten:.1f}")


if __name__ == "__main__":
    main()
