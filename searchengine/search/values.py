"""What the values of facets are, and how columns of memory number them."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Column = Literal["folder", "year", "month", "place", "camera", "shape", "format"]
COLUMNS: tuple[Column, ...] = get_args(Column)

Value: TypeAlias = str | int | None
"""A value of a facet; None stands for the pictures that have none."""
Mask: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = npt.NDArray[np.int32]


class Numbering:
    """Numbers for values, from 0; it only grows, so old columns can go on reading it."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._codes: dict[Value, int] = {}

    def code(self, value: Value) -> int:
        """Return the number of a value, a new one at its first use."""
        code = self._codes.get(value)
        if code is None:
            code = self._codes[value] = len(self.values)
            self.values.append(value)
        return code
