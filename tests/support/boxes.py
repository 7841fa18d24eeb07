"""Boxes on a plane: left, top, right, bottom."""

from __future__ import annotations

import numpy as np


def overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two boxes share more than an edge."""
    return bool(
        min(one[2], other[2]) > max(one[0], other[0])
        and min(one[3], other[3]) > max(one[1], other[1])
    )
