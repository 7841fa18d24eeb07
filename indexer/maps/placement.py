"""Boxes that do not overlap: which of the wanted ones are drawn, and where.

Placing the most labels on a map is NP-hard; the usual answer is greedy, by priority (Christensen,
Marks, Shieber, ACM TOG 1995). The page in the browser does the same at each zoom (map.js).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
"""Shape (..., 4): left, top, right, bottom; y grows downwards."""
_CELL = 64.0


class Area:
    """A rectangle from (0, 0) in which boxes are placed one after the other.

    Boxes that only touch do not overlap.
    """

    def __init__(self, width: float, height: float) -> None:
        self._width, self._height = width, height
        self._cells: defaultdict[tuple[int, int], list[tuple[float, ...]]] = defaultdict(list)

    def place(self, choices: Boxes) -> int:
        """Take the first of some boxes, shape (choices, 4), that is inside and free.

        Returns:
            Its number, or -1 if there is none and nothing was taken.
        """
        for number, box in enumerate(map(tuple, choices.tolist())):
            if self._is_free(box):
                for cell in self._cells_of(box):
                    self._cells[cell].append(box)
                return number
        return -1

    def _is_free(self, box: tuple[float, ...]) -> bool:
        left, top, right, bottom = box
        if left < 0 or top < 0 or right > self._width or bottom > self._height:
            return False
        return not any(
            left < other[2] and other[0] < right and top < other[3] and other[1] < bottom
            for cell in self._cells_of(box)
            for other in self._cells.get(cell, ())
        )

    @staticmethod
    def _cells_of(box: tuple[float, ...]) -> Iterator[tuple[int, int]]:
        left, top, right, bottom = (int(edge // _CELL) for edge in box)
        return ((x, y) for x in range(left, right + 1) for y in range(top, bottom + 1))


def place(choices: Boxes, area: Area) -> npt.NDArray[np.int64]:
    """Place boxes by falling priority, each in the first of its choices that is free.

    Args:
        choices: Shape (n, choices, 4), the most important box first.
        area: Where; what it holds already stays.

    Returns:
        Shape (n,), which choice was taken, -1 for none.
    """
    return np.fromiter((area.place(one) for one in choices), dtype=np.int64, count=len(choices))


def beside(places: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], gap: float) -> Boxes:
    """Return the boxes right of, left of, above and below places, shape (n, 4, 4).

    Args:
        places: Shape (n, 2).
        sizes: Widths and heights of the boxes, shape (n, 2).
        gap: Between a place and its box.
    """
    (x, y), (w, h) = places.T, sizes.T
    corners = [
        (x + gap, y - h / 2),
        (x - gap - w, y - h / 2),
        (x - w / 2, y - gap - h),
        (x - w / 2, y + gap),
    ]
    return np.stack([np.stack([a, b, a + w, b + h], axis=1) for a, b in corners], axis=1)


def around(
    places: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], margin: float = 0.0
) -> Boxes:
    """Return the boxes whose middles are places, with a margin, shape (n, 1, 4)."""
    half = sizes / 2 + margin
    return np.concatenate([places - half, places + half], axis=1)[:, None]
