"""Vectors as a catalog keeps them: unit rows as little-endian float16."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from searchengine.types import Vector, Vectors
from searchengine.vectors import unit_rows


def pack(vectors: Sequence[Vector], dim: int) -> list[bytes]:
    """Return unit vectors as little-endian float16."""
    if not vectors:
        return []
    return [row.tobytes() for row in unit_rows(np.stack(vectors), dim).astype("<f2")]


def unpack(packed: Sequence[bytes]) -> Vectors:
    """Return unit rows, shape (n, dim); (0, 0) for none.

    From some dozens of dimensions on, rounding the rows to float16 gives the stored numbers again:
    the errors cancel out, and the length is off one by far less than a float16 can tell. In fewer a
    number may move to its neighbour.
    """
    if not packed:
        return np.empty((0, 0), dtype=np.float32)
    return unit_rows(np.frombuffer(b"".join(packed), dtype="<f2").reshape(len(packed), -1))
