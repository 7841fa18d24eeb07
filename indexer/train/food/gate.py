"""Tell pictures of food from all others, so that a food head is silent about a moon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.readers.pairs import read_pairs
from indexer.train.food.data import picture_vectors
from searchengine.types import Encoder

Numbers = npt.NDArray[np.float32]

MOST = 3000
"""Pictures of a file that are looked at."""
RIDGE = 1e-5
OPEN = 20.0
"""Logit of a gate that nobody fitted: everything is food."""


def other_vectors(
    general: Encoder,
    others: Sequence[Path],
    work: Path,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Numbers:
    """Return vectors (n, dim) of captioned pictures of anything, of the split train of each file.

    Raises:
        TrainingDataError: A file cannot be read.
        ImageError: A picture cannot be read.
    """
    images: list[Path] = []
    for path in others:
        images += [pair.image for pair in read_pairs(path) if pair.split == "train"][:MOST]
    if not images:
        return np.empty((0, general.dim), np.float32)
    views = picture_vectors(general, images, work, views=False, progress=progress)
    vectors: Numbers = views[:, 0]
    return vectors


def fit_gate(food: Numbers, others: Numbers) -> Numbers:
    """Return a logistic regression, shape (dim + 1,), the last its offset; both sides weigh alike.

    Args:
        food: Vectors of the general model, (n, dim).
        others: The same of pictures that are not of food, (m, dim); with none of them the gate is
            always open.
    """
    dim = food.shape[1]
    if not len(others) or not len(food):
        return np.append(np.zeros(dim), OPEN).astype(np.float32)
    from scipy.optimize import minimize

    x = np.concatenate([food, others]).astype(np.float64)
    sign = np.append(np.ones(len(food)), -np.ones(len(others)))
    weight = np.append(np.full(len(food), 0.5 / len(food)), np.full(len(others), 0.5 / len(others)))

    def loss(gate: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margin = sign * (x @ gate[:-1] + gate[-1])
        slope = -weight * sign / (1 + np.exp(np.clip(margin, -500, 500)))
        gradient = np.append(slope @ x + 2 * RIDGE * gate[:-1], slope.sum())
        return float(weight @ np.logaddexp(0, -margin) + RIDGE * gate[:-1] @ gate[:-1]), gradient

    solution = minimize(loss, np.zeros(dim + 1), jac=True, method="L-BFGS-B")
    return np.asarray(solution.x, dtype=np.float32)
