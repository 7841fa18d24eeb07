"""Measure names and pictures against each other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.evaluation.encode import encode_pictures, encode_sentences, is_known
from indexer.jsonl import parsed_lines, read_text
from indexer.metrics import Recall, average_precisions, best_ranks, recall
from searchengine.errors import TrainingDataError
from searchengine.types import Encoder

ROUNDED = 6
"""Decimals of a cosine; what differs behind them is the same."""


@dataclass(frozen=True, slots=True)
class LabelScores:
    """How well names find pictures and pictures names.

    Attributes:
        n2p: Name -> picture; the rank is that of the best picture of the name.
        top1, top5: Pictures of which one of their names is the nearest, or among the five nearest
            names, in percent.
        mean_average_precision: Over the names, in percent.
        images, names: What it was measured on.
        unknown: Names of which the model knows no word; they find nothing and count as the worst.
    """

    n2p: Recall
    top1: float
    top5: float
    mean_average_precision: float
    images: int
    names: int
    unknown: tuple[str, ...]


def read_labels(path: Path) -> list[tuple[Path, tuple[str, ...]]]:
    """Read JSON lines `{"image": path relative to the file, "labels": [..]}`.

    Raises:
        TrainingDataError: A line is malformed, or there is none; the message names the line.
    """
    form = '{"image": path, "labels": [..]}'
    found = parsed_lines(path, read_text(path), _labelled, form)
    entries = [(path.parent / image, labels) for image, labels in found if labels]
    if not entries:
        raise TrainingDataError(f"{path}: no labelled pictures in it")
    return entries


def _labelled(entry: Any) -> tuple[str, tuple[str, ...]]:
    image, labels = entry["image"], entry["labels"]
    if not isinstance(image, str) or not all(isinstance(name, str) for name in labels):
        raise TypeError("image is a path, labels are names")
    return image, tuple(labels)


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
    unknown = tuple(name for name in every if not is_known(name, encoder))
    if len(unknown) == len(every):
        raise TrainingDataError(f"the model knows none of the names {', '.join(every[:5])} ...")
    known = np.array([name not in unknown for name in every])
    pictures = encode_pictures([path for path, _ in labelled], encoder)
    scores = np.full((len(every), len(pictures)), -np.inf, dtype=np.float32)
    named = encode_sentences(list(itertools.compress(every, known)), encoder)
    # Copies of a picture must tie, but a product of matrices rounds by where a column stands.
    scores[known] = np.round(named @ pictures.T, ROUNDED)
    shown = [set(names) for _, names in labelled]
    relevant = np.array([[name in names for names in shown] for name in every])
    ranks = best_ranks(scores.T, relevant.T)
    return LabelScores(
        n2p=recall(best_ranks(scores, relevant)),
        top1=_percent(ranks <= 1),
        top5=_percent(ranks <= 5),
        mean_average_precision=_percent(average_precisions(scores, relevant)),
        images=len(pictures),
        names=len(every),
        unknown=unknown,
    )


def _percent(shares: npt.NDArray[np.bool_] | npt.NDArray[np.float64]) -> float:
    return round(100 * float(shares.mean()), 2)
