"""What every index does alike with rows: check them at the door and put the best in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from searchengine.types import Ids, Scores, Vectors
from searchengine.vectors import top_k, unit_rows

SLACK = 1e-3
"""How far a backend's own scores may lie apart from the true order.

Rounding a unit row to float16 changes its length by up to 2**-11, so two rows by twice that.
"""

BLOCK = 4096
"""Rows that are scored in double precision at a time, which bounds the memory of many ties."""


Positions: TypeAlias = npt.NDArray[np.int64]
"""Numbers of rows as the backend counts them, from 0."""


class Candidates(NamedTuple):
    """Rows that may belong to one query's answer: three arrays of shape (n,).

    Attributes:
        ids: Each row's id.
        scores: The backend's own, good to `SLACK`.
        positions: Where `fetch` finds each row.
    """

    ids: Ids
    scores: Scores
    positions: Positions


def checked_rows(ids: Ids, vectors: Vectors, dim: int | None) -> tuple[Ids, Vectors]:
    """Return sorted unique ids and their unit rows; of an id that is given twice the last row.

    Args:
        ids: Shape (n,), int64, positive.
        vectors: Shape (n, dim), float32; scaled to unit length here.
        dim: The expected number of columns, or None for any.

    Raises:
        ValueError: Another shape or dtype, an id below 1, or a row that `unit_rows` refuses.
    """
    if ids.ndim != 1 or len(ids) != len(vectors):
        raise ValueError(f"ids of shape {ids.shape} for vectors of shape {vectors.shape}")
    if ids.dtype != np.int64 or (ids < 1).any():
        raise ValueError("ids must be positive int64")
    rows = _unit_float32(vectors, dim)
    _, from_end = np.unique(ids[::-1], return_index=True)
    last = len(ids) - 1 - from_end
    return ids[last], rows[last]


def checked_queries(queries: Vectors, k: int, dim: int | None) -> Vectors:
    """Return queries as unit rows.

    Raises:
        ValueError: k below 1, another shape or dtype, or a row that `unit_rows` refuses.
    """
    if k < 1:
        raise ValueError(f"k is {k}, must be at least 1")
    return _unit_float32(queries, dim)


def best(
    queries: Vectors,
    k: int,
    candidates: Iterable[Candidates],
    fetch: Callable[[Positions], Vectors],
) -> tuple[Ids, Scores]:
    """Return ids and cosines of each query's k best candidates, by (-score, id).

    Whoever may be among the k best is scored again in double precision, row by row: BLAS and SIMD
    kernels round equal rows differently depending on where they stand, which would break ties.

    Args:
        queries: Shape (q, dim).
        k: Length of an answer.
        candidates: One per query, in order.
        fetch: Returns the rows at some positions.

    Returns:
        Both (q, k), padded with -1 and -inf.
    """
    ids, scores = padding(len(queries), k)
    for row, (query, near) in enumerate(zip(queries, candidates, strict=True)):
        finalists = _finalists(near.scores, k)
        cosines = np.empty((1, len(finalists)), dtype=np.float32)
        for start in range(0, len(finalists), BLOCK):
            block = fetch(near.positions[finalists[start : start + BLOCK]])
            cosines[0, start : start + BLOCK] = _cosines(query, block)
        ids[row : row + 1], scores[row : row + 1] = top_k(near.ids[finalists], cosines, k)
    return ids, scores


def padding(queries: int, k: int) -> tuple[Ids, Scores]:
    """Return the answer of an index that has no rows."""
    scores = np.full((queries, k), -np.inf, dtype=np.float32)
    return np.full((queries, k), -1, dtype=np.int64), scores


def _unit_float32(vectors: Vectors, dim: int | None) -> Vectors:
    if vectors.dtype != np.float32:
        raise ValueError(f"vectors of dtype {vectors.dtype}, expected float32")
    if vectors.ndim != 2:
        raise ValueError(f"vectors of shape {vectors.shape}, expected two dimensions")
    return unit_rows(vectors, dim)


def _finalists(scores: Scores, k: int) -> npt.NDArray[np.intp]:
    """Return the positions of all that may be among the k best."""
    if len(scores) <= k:
        return np.arange(len(scores))
    threshold = np.partition(scores, -k)[-k] - SLACK
    return np.flatnonzero(scores >= threshold)


def _cosines(query: npt.NDArray[np.float32], rows: Vectors) -> npt.NDArray[np.float64]:
    exact = rows.astype(np.float64)
    direction = query.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(direction)
    cosines: npt.NDArray[np.float64] = (exact * direction).sum(axis=1) / lengths
    return cosines
