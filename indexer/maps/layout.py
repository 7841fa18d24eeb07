"""Vectors -> places in the plane: the same input gives the same picture.

Words and pictures lie in one space, but as two clouds that hardly meet (the modality gap, arXiv
2203.02053), so a layout of both shows little but which is which. `centred` takes each cloud's own
mean away; what is left is what tells the members of a cloud apart.
"""

from __future__ import annotations

import warnings
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from searchengine.errors import ConfigError, MissingPlugin
from searchengine.types import Vectors

Places: TypeAlias = npt.NDArray[np.float64]
"""Shape (n, 2)."""
Method: TypeAlias = Literal["pca", "umap"]
METHODS: tuple[Method, ...] = ("pca", "umap")
FEWEST = 3
"""Two points always lie on a line; a map of them says nothing."""
_NEIGHBOURS = 15  # UMAP's own default: smaller ones tear clusters apart, larger ones blur them
_ROWS = 8192


def centred(vectors: npt.NDArray[np.float32], mean: npt.ArrayLike | None = None) -> Vectors:
    """Return what is left of vectors, shape (n, d), without their mean, as unit rows.

    Args:
        vectors: Shape (n, d).
        mean: Shape (d,), of a larger sample of the same cloud; that of `vectors` if None.

    Returns:
        Shape (n, d); a row that is the mean stays zero.
    """
    centre = vectors.mean(axis=0, dtype=np.float64) if mean is None else np.asarray(mean)
    rest = np.asarray(vectors - centre, dtype=np.float32)
    lengths = np.linalg.norm(rest, axis=1, keepdims=True)
    # What rounding leaves of a row that is the mean has a direction, but not one of its own.
    rest[lengths[:, 0] < 1e-6] = 0.0
    return np.asarray(rest / np.maximum(lengths, 1e-6), dtype=np.float32)


def layout(vectors: npt.NDArray[np.float32], method: Method = "pca", *, seed: int = 0) -> Places:
    """Return places in the plane, shape (n, 2), x to the right and y down, each axis 0..1.

    Args:
        vectors: Shape (n, d), n at least `FEWEST`.
        method: "pca" keeps the largest differences; "umap" keeps neighbours (arXiv 1802.03426).
        seed: Of umap; pca has nothing random.

    Raises:
        ConfigError: There are too few vectors.
        MissingPlugin: umap-learn is not installed.
    """
    if len(vectors) < FEWEST:
        raise ConfigError(f"a map needs at least {FEWEST} points; there are {len(vectors)}")
    plane = pca(vectors)
    if method == "umap":
        plane = _umap(vectors, plane, seed)
    return _fitted(plane)


def pca(vectors: npt.NDArray[np.float32]) -> Places:
    """Return the projections of vectors, shape (n, d), on their two principal axes, shape (n, 2).

    The sign of an axis is the one that makes its largest entry positive.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    dim = vectors.shape[1]
    scatter = np.zeros((dim, dim))
    # In parts, because 50,000 rows of 512 in double precision are 200 MB.
    for start in range(0, len(vectors), _ROWS):
        rest = vectors[start : start + _ROWS] - mean
        scatter += rest.T @ rest
    _, axes = np.linalg.eigh(scatter)
    axes = axes[:, ::-1][:, :2]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, range(axes.shape[1])] < 0, -1.0, 1.0)
    plane = np.zeros((len(vectors), 2))
    plane[:, : axes.shape[1]] = vectors @ axes - mean @ axes
    return plane


def spread(places: Places) -> npt.NDArray[np.int64]:
    """Return an order of places, shape (n,), whose every beginning is spread over the map.

    Of each cell of an ever finer grid the first place that is not taken yet is next, so that
    whoever draws only the first thousand still shows every region.

    Args:
        places: Shape (n, 2), in 0..1.
    """
    waiting = np.arange(len(places))
    taken: list[npt.NDArray[np.int64]] = []
    cells = 1
    while len(waiting) and cells <= 1 << 15:
        at = (places[waiting] * cells).astype(np.int64).clip(0, cells - 1)
        _, first = np.unique(at[:, 0] * cells + at[:, 1], return_index=True)
        taken.append(waiting[np.sort(first)])
        waiting = np.delete(waiting, first)
        cells *= 2
    return np.concatenate([*taken, waiting]).astype(np.int64)


def _umap(vectors: npt.NDArray[np.float32], start: Places, seed: int) -> Places:
    with warnings.catch_warnings():
        # It warns of parts of it that are not installed, of graphs in pieces, of its own seed.
        warnings.simplefilter("ignore")
        try:
            from umap import UMAP
        except ImportError as error:
            raise MissingPlugin("method 'umap' needs: pip install 'lexpix[map]'") from error
        scale = np.abs(start).max() or 1.0
        reducer = UMAP(
            n_neighbors=min(_NEIGHBOURS, len(vectors) - 1),
            init=np.asarray(start * (10.0 / scale), dtype=np.float32),  # pca, so that seeds agree
            random_state=seed,
            n_jobs=1,  # threads would make it depend on who comes first
        )
        plane = np.asarray(reducer.fit_transform(vectors), dtype=np.float64)
    # Points that have no neighbour in common with others have no place.
    return np.nan_to_num(plane, nan=float(np.nanmean(plane)) if np.isfinite(plane).any() else 0.0)


def _fitted(plane: Places) -> Places:
    """Scale places into the unit square, the larger extent filling it, both axes alike."""
    low, high = plane.min(axis=0), plane.max(axis=0)
    extent = float((high - low).max())
    middle = (low + high) / 2
    fitted = (plane - middle) / (extent or 1.0) + 0.5
    return np.asarray(fitted.clip(0.0, 1.0))
