"""What decides how word vectors are learned; imported by commands, so without gensim or PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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

    dim: int = 100
    window: int = 5
    min_count: int = 5
    negative: int = 10
    epochs: int = 5
    sample: float = 1e-3
    seed: int = 1
    workers: int = 1
    engine: Literal["gensim", "torch"] = "gensim"
    positional: bool = False
    phrases: bool = True
