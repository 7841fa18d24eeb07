"""What the numbers of a configuration may be, said where the number is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class Range:
    """The smallest and the largest value; an open end is itself left out."""

    least: float | None = None
    most: float | None = None
    open_least: bool = False
    open_most: bool = False


Natural = Annotated[int, Range(0)]
Count = Annotated[int, Range(1)]
Weight = Annotated[float, Range(0)]
Positive = Annotated[float, Range(0, open_least=True)]
Share = Annotated[float, Range(0, 1)]
Part = Annotated[float, Range(0, 1, open_most=True)]
"""A share that is never all."""
