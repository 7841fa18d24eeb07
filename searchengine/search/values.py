"""What the values of facets are, how columns of memory number them, and which rows are counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from searchengine.types import Ids

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

    @classmethod
    def of(cls, values: Iterable[Value]) -> Numbering:
        """Number values in this order."""
        numbering = cls()
        for value in values:
            numbering.code(value)
        return numbering

    def code(self, value: Value) -> int:
        """Return the number of a value, a new one at its first use."""
        code = self._codes.get(value)
        if code is None:
            code = self._codes[value] = len(self.values)
            self.values.append(value)
        return code


@dataclass(frozen=True)
class Among:
    """Rows that are counted, or all but those if they are less.

    Attributes:
        mask: Who is counted; None for all.
        rows: Those, or the others.
        is_rest: Whether it is the others.
    """

    mask: Mask | None
    rows: Ids
    is_rest: bool

    @classmethod
    def all(cls) -> Among:
        """Count every row."""
        return cls(None, np.empty(0, dtype=np.int64), is_rest=True)

    @classmethod
    def of(cls, mask: Mask, known: Among | None = None) -> Among:
        """Count the rows of a mask, which may be the same as the one before."""
        if known is not None and known.mask is not None and np.array_equal(mask, known.mask):
            return known
        is_rest = 2 * int(np.count_nonzero(mask)) > len(mask)
        return cls(mask, np.flatnonzero(~mask if is_rest else mask), is_rest)
