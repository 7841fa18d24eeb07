"""All vector maths that is not a model's: normalise, compose, rank.

`unit_rows` is the one door through which arrays become `Vectors`; behind it nobody checks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from searchengine.errors import CancelledQuery
from searchengine.types import Ids, Scores, Vector, Vectors

CANCELLED = 1e-3
"""A sum shorter than this share of its summands' total weight has no direction worth searching."""
FEW = 16
"""Up to so many rows are multiplied without BLAS."""


def sigmoid(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the probabilities of logits, in their precision; exp would overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))


def unit_rows(rows: npt.ArrayLike, dim: int | None = None) -> Vectors:
    """Scale rows to unit length and check them.

    Args:
        rows: Shape (n, d); any real dtype.
        dim: The expected d, or None for any.

    Returns:
        Shape (n, d), float32, C-contiguous; the input array is not modified.

    Raises:
        ValueError: Another shape, a value that is not finite, or a row of length zero.
    """
    array = np.array(rows, dtype=np.float32, order="C", ndmin=2)
    if array.ndim != 2 or (dim is not None and array.shape[1] != dim):
        expected = "(n, d)" if dim is None else f"(n, {dim})"
        raise ValueError(f"vectors of shape {array.shape}, expected {expected}")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(f"vector {row} has a value that is not finite")
    # The largest entry first: squares of tiny float32 numbers would underflow to zero.
    largest = np.abs(array).max(axis=1, initial=0.0, keepdims=True)
    if not largest.all():
        raise ValueError(f"vector {int(np.flatnonzero(largest == 0)[0])} has length zero")
    array /= largest
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    return array


def unit_or_zero(rows: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Scale rows (n, d) to unit length; a row of zeros, which no `Vectors` has, stays as it is."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def multiplied(
    rows: npt.NDArray[np.float32], matrix: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return `rows @ matrix`, a few rows without BLAS.

    BLAS would wake threads even for one. To wait for them takes up to a hundred times as long as to
    multiply, where other processes have the cores.
    """
    if len(rows) > FEW:
        return rows @ matrix
    product: npt.NDArray[np.float32] = np.einsum("ij,jk->ik", rows, matrix)
    return product


def compose(vectors: Vectors, weights: Sequence[float]) -> Vector:
    """Return the unit vector of a weighted sum of unit vectors.

    Args:
        vectors: Shape (n, dim), one row per term.
        weights: Signed weights, one per row.

    Raises:
        CancelledQuery: The terms cancel out.
    """
    factors = np.asarray(weights, dtype=np.float64)
    factors /= np.abs(factors).max() or 1.0  # only their ratios count, and 1e300 would overflow
    total = factors @ vectors.astype(np.float64)
    if np.linalg.norm(total) <= CANCELLED * np.abs(factors).sum():
        raise CancelledQuery(
            "the terms of the query cancel out, so nothing is left to search for; "
            "change a weight or drop a term"
        )
    result: Vector = unit_rows(total[None])[0]
    return result


def top_k(ids: Ids, scores: Scores, k: int) -> tuple[Ids, Scores]:
    """Return the k best of each row by falling score, then by rising id.

    Args:
        ids: Shape (n,), shared by all rows.
        scores: Shape (q, n).
        k: Length of a result row; at least 1.

    Returns:
        ids and scores, both (q, k), padded with -1 and -inf where n < k.
    """
    best_ids = np.full((len(scores), k), -1, dtype=np.int64)
    best_scores = np.full((len(scores), k), -np.inf, dtype=np.float32)
    kept = min(k, len(ids))
    for row, line in enumerate(scores if kept else ()):
        # Everything that ties with the k-th best takes part, or ties would be cut arbitrarily.
        threshold = np.partition(line, -kept)[-kept]
        candidates = np.flatnonzero(line >= threshold)
        order = candidates[np.lexsort((ids[candidates], -line[candidates]))][:kept]
        best_ids[row, :kept] = ids[order]
        best_scores[row, :kept] = line[order]
    return best_ids, best_scores
