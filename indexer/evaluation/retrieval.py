"""Measure sentences and pictures against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.evaluation.encode import encode_pictures, encode_sentences
from indexer.evaluation.metrics import Recall, retrieval
from searchengine.errors import TrainingDataError
from searchengine.types import Encoder


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """Sentence -> picture (t2i) and picture -> sentence (i2t), and what they were measured on."""

    t2i: Recall
    i2t: Recall
    images: int
    captions: int


def evaluate_retrieval(
    encoder: Encoder, images: Sequence[Path], captions: Sequence[Sequence[str]]
) -> RetrievalScores:
    """Measure sentences and pictures against each other.

    A caption without any known word finds nothing: it stays in and counts as the worst rank.

    Args:
        encoder: The model.
        images: Pictures.
        captions: For each picture its sentences, at least one.

    Raises:
        ImageError: A picture cannot be read.
        TrainingDataError: No caption has a known word.
    """
    owner = [row for row, sentences in enumerate(captions) for _ in sentences]
    sentences = encode_sentences([text for options in captions for text in options], encoder)
    if not sentences.any():
        raise TrainingDataError("the model knows no word of any caption")
    pictures = encode_pictures(images, encoder)
    t2i, i2t = retrieval(pictures, sentences, owner)
    return RetrievalScores(t2i, i2t, len(images), len(owner))
