"""Metrics of retrieval: pure functions of arrays; each has a naive twin in the tests."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from searchengine.types import Ids, Vectors


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall@k in percent and the median rank, counted from 1."""

    r1: float
    r5: float
    r10: float
    medr: float


def percent(shares: npt.NDArray[np.bool_ | np.float64] | Sequence[bool]) -> float:
    """Return the mean of shares, or of flags, in percent."""
    return round(100 * float(np.mean(shares)), 2)


def best_ranks(
    scores: npt.NDArray[np.float32], relevant: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return the rank, from 1, of each query's best relevant item; ties count against it.

    Args:
        scores: Shape (queries, items), higher is better.
        relevant: Shape (queries, items), at least one True per row.
    """
    if not relevant.any(axis=1).all():
        raise ValueError("a query without any relevant item has no rank")
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    ahead = (scores >= best) & ~relevant
    ranks: npt.NDArray[np.int64] = 1 + ahead.sum(axis=1)
    return ranks


def recall(ranks: npt.NDArray[np.int64]) -> Recall:
    """Return recall@1, 5 and 10 in percent and the median of ranks, shape (queries,)."""
    r1, r5, r10 = (percent(ranks <= k) for k in (1, 5, 10))
    return Recall(r1, r5, r10, float(np.median(ranks)))


def retrieval(
    images: Vectors, captions: Vectors, owner: Sequence[int] | npt.NDArray[np.int64]
) -> tuple[Recall, Recall]:
    """Return sentence -> picture and picture -> sentence recall.

    Args:
        images: Shape (n, dim), unit rows.
        captions: Shape (m, dim), unit rows.
        owner: Shape (m,), the row of `images` that each caption describes. A picture's rank is that
            of the best of its captions.
    """
    scores = captions @ images.T  # (m, n)
    relevant = np.asarray(owner)[:, None] == np.arange(len(images))[None]
    return recall(best_ranks(scores, relevant)), recall(best_ranks(scores.T, relevant.T))


def average_precisions(
    scores: npt.NDArray[np.float32], relevant: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return the average precision of each query, in 0..1; ties count against it.

    Args:
        scores: Shape (queries, items), higher is better.
        relevant: Shape (queries, items), at least one True per row.
    """
    if not relevant.any(axis=1).all():
        raise ValueError("a query without any relevant item has no average precision")
    # The relevant come last among equals: lexsort's last key counts first.
    order = np.lexsort((relevant, -scores))
    hits = np.take_along_axis(relevant, order, axis=1)
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    averages: npt.NDArray[np.float64] = (precision * hits).sum(axis=1) / hits.sum(axis=1)
    return averages


def chance_precision(relevant: npt.NDArray[np.int64], items: int) -> npt.NDArray[np.float64]:
    """Return the mean average precision of random rankings, for each number of relevant items.

    Above a relevant item at rank k, each of k - 1 items is relevant with the same probability.
    """
    harmonic = float((1 / np.arange(1, items + 1)).sum())
    others = (relevant - 1) / max(items - 1, 1)
    chance: npt.NDArray[np.float64] = (harmonic + others * (items - harmonic)) / items
    return chance


def overlap(results: Ids, expected: Ids) -> float:
    """Return the share of expected ids that were found, both (queries, k); -1 pads short rows."""
    valid = expected >= 0
    if not valid.any():
        raise ValueError("nothing is expected, so nothing can be found")
    hit = (expected[:, :, None] == results[:, None, :]).any(axis=2) & valid
    return float(hit.sum() / valid.sum())


def hubness(neighbours: Ids, population: int) -> float:
    """Return the skewness of how often each item is among the k nearest of others.

    Zero is even; above about 1 a few items (hubs) stand in everybody's answers (Radovanovic et al.,
    JMLR 11, 2010).

    Args:
        neighbours: Shape (queries, k), numbers of items, 0 <= n < population.
        population: How many items there are.
    """
    counts = np.bincount(neighbours.ravel(), minlength=population).astype(np.float64)
    deviation = counts - counts.mean()
    spread = np.sqrt((deviation**2).mean())
    return float((deviation**3).mean() / spread**3) if spread > 0 else 0.0


def jaccard(some: Set[str], others: Set[str]) -> float:
    """Return the share of the members of either set that are in both; 0 if both are empty."""
    either = some | others
    return len(some & others) / len(either) if either else 0.0


def analogy_answers(units: Vectors, questions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the row of the answer to each question: the nearest to b - a + c, none of the three.

    Args:
        units: Shape (n, dim), unit rows.
        questions: Shape (q, 3), rows a, b, c: a is to b as c is to the answer.

    Source: 3CosAdd (Levy and Goldberg, CoNLL 2014).
    """
    answers = np.empty(len(questions), dtype=np.int64)
    for start in range(0, len(questions), 256):  # a batch of scores is (256, n)
        batch = questions[start : start + 256]
        one, other, third = (units[batch[:, place]] for place in range(3))
        scores = (other - one + third) @ units.T
        np.put_along_axis(scores, batch, -np.inf, axis=1)
        answers[start : start + len(batch)] = scores.argmax(axis=1)
    return answers


def spearman(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """Return the rank correlation of two series of equal length; equals share their mean rank.

    It is 0 if either series is constant.
    """
    ranks = [_mean_ranks(series) for series in (left, right)]
    one, other = (rank - rank.mean() for rank in ranks)
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum() / scale) if scale > 0 else 0.0


def _mean_ranks(series: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, places, counts = np.unique(series, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    means: npt.NDArray[np.float64] = (last - (counts - 1) / 2)[places]
    return means
