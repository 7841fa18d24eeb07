"""Measure names and pictures against each other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.evaluation.encode import encode_pictures, encode_sentences, is_known
from indexer.evaluation.metrics import Recall, average_precisions, best_ranks, percent, recall
from indexer.evaluation.tags import tag_ranks
from indexer.readers.labelled import read_labelled
from searchengine.errors import TrainingDataError
from searchengine.types import Encoder, Vectors

ROUNDED = 6
"""Decimals of a cosine; what differs behind them is the same."""


@dataclass(frozen=True, slots=True)
class LabelScores:
    """How well names find pictures and pictures names.

    Attributes:
        n2p: Name -> picture; the rank is that of the best picture of the name.
        top1, top5: Pictures of which one of their names is the nearest, or among the five nearest
            names, in percent.
        tag1, tag5, tag10: Pictures of which one of their names is the first tag that the model
            proposes, or among the first five or ten, in percent.
        mean_average_precision: Over the names, in percent.
        images, names: What it was measured on.
        unknown: Names of which the model knows no word; they find nothing and count as the worst.
    """

    n2p: Recall
    top1: float
    top5: float
    tag1: float
    tag5: float
    tag10: float
    mean_average_precision: float
    images: int
    names: int
    unknown: tuple[str, ...]


def read_labels(path: Path, split: str | None = None) -> list[tuple[Path, tuple[str, ...]]]:
    """Return labelled pictures and their names, as `read_labelled` reads them."""
    return [(entry.image, entry.names) for entry in read_labelled(path, split)]


def evaluate_labels(
    encoder: Encoder, labelled: Sequence[tuple[Path, Sequence[str]]]
) -> LabelScores:
    """Measure names against pictures.

    A name without any known word finds nothing: it stays in and counts as the worst rank.

    Args:
        encoder: The model.
        labelled: Pictures with their names.

    Raises:
        ImageError: A picture cannot be read.
        TrainingDataError: The model knows no word of any name.
    """
    every = sorted({name for _, names in labelled for name in names})
    pictures = encode_pictures([path for path, _ in labelled], encoder)
    scores, unknown = score_names(every, pictures, encoder)
    truths = [set(names) for _, names in labelled]
    relevant = np.array([[name in names for names in truths] for name in every])
    ranks = best_ranks(scores.T, relevant.T)
    tags = tag_ranks(encoder, pictures, [names for _, names in labelled])
    return LabelScores(
        n2p=recall(best_ranks(scores, relevant)),
        top1=percent(ranks <= 1),
        top5=percent(ranks <= 5),
        tag1=percent(tags <= 1),
        tag5=percent(tags <= 5),
        tag10=percent(tags <= 10),
        mean_average_precision=percent(average_precisions(scores, relevant)),
        images=len(pictures),
        names=len(every),
        unknown=unknown,
    )


def score_names(
    names: Sequence[str], pictures: Vectors, encoder: Encoder
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Return the cosines of names and pictures, shape (names, pictures), and the unknown names.

    A name of which the model knows no word is infinitely far from every picture.

    Raises:
        TrainingDataError: The model knows no word of any name.
    """
    known = np.array([is_known(name, encoder) for name in names])
    if not known.any():
        raise TrainingDataError(f"the model knows none of the names {', '.join(names[:5])} ...")
    scores = np.full((len(names), len(pictures)), -np.inf, dtype=np.float32)
    named = encode_sentences(list(itertools.compress(names, known)), encoder)
    # Copies of a picture must tie, but a product of matrices rounds by where a column stands.
    scores[known] = np.round(named @ pictures.T, ROUNDED)
    return scores, tuple(itertools.compress(names, ~known))
