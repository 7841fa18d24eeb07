"""Pairs of perceptual hashes that differ in few bits, among many."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from searchengine.look import BITS

NEIGHBOURS = 100
"""Most pairs that a hash is the first of.

Blank pages, or the thousands of frames of a camera that never moves, would else make as many pairs
as there are squares of them; the nearest that come next in order link them as well.
"""

_ROWS = 1024  # that are asked for at a time


def near_hashes(
    hashes: npt.NDArray[np.int64], most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return the pairs of hashes that differ in at most so many bits.

    Args:
        hashes: Shape (n,).
        most: Bits.

    Returns:
        Places, shape (m, 2), the lower one first, by rising first; and the bits, shape (m,).
    """
    import faiss

    if len(hashes) < 2:
        return np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.int32)
    codes = np.ascontiguousarray(hashes).view(np.uint8).reshape(len(hashes), BITS // 8)
    index = faiss.IndexBinaryFlat(BITS)
    index.add(codes)
    pairs: list[npt.NDArray[np.int64]] = []
    bits: list[npt.NDArray[np.int32]] = []
    for start in range(0, len(codes), _ROWS):
        ends, apart, others = index.range_search(codes[start : start + _ROWS], most + 1)
        ones = np.repeat(np.arange(start, start + len(ends) - 1), np.diff(ends.astype(np.int64)))
        later = others > ones
        ones, others, apart = ones[later], others[later], apart[later].astype(np.int32)
        order = np.lexsort((others, apart, ones))
        ones, others, apart = ones[order], others[order], apart[order]
        rank = np.arange(len(ones)) - np.searchsorted(ones, ones)
        kept = rank < NEIGHBOURS
        pairs.append(np.column_stack((ones[kept], others[kept])))
        bits.append(apart[kept])
    return np.concatenate(pairs), np.concatenate(bits)
