"""What decides how word vectors are learned; imported by commands, so without gensim or PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from indexer.train.ranges import Count, Natural, Share


@dataclass(frozen=True, slots=True)
class SkipGramConfig:
    """How word vectors are learned.

    Attributes:
        dim: Length of a vector.
        window: Words to each side that a word predicts, at most; each time a random share of it.
        min_count: A rarer word gets no vector.
        negative: Noise words drawn for each pair; 0 is the full softmax, which only torch has.
        epochs: How often the corpus is read.
        sample: Words more frequent than this share are read less often; 0 reads all.
        seed: Decides first vectors and all that is drawn. One worker makes it repeatable.
        workers: Threads.
        engine: `gensim`, or `torch` for the textbook model.
        positional: An output matrix for each relative position (torch).
        phrases: Pairs of words that belong together become one word.
    """

    dim: Count = 100
    window: Count = 5
    min_count: Count = 5
    negative: Natural = 10
    epochs: Count = 5
    sample: Share = 1e-3
    seed: Natural = 1
    workers: Count = 1
    engine: Literal["gensim", "torch"] = "gensim"
    positional: bool = False
    phrases: bool = True
