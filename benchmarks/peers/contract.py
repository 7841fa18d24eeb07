"""The peers, each made to do the same: keep pictures with path and shelf, find the nearest paths.

An effort is what trades time for recall: `nprobe`, `ef`, `num_candidates`; stores that compare
every row have the one effort 0. Everything else stays as its makers set it, but for the parameters
that are named here. Packages are imported where they are needed: a process holds one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]

K = 10
SHELVES = 100
"""Folders of a library, so that one of them is a hundredth of it."""
BATCH = 5_000
LISTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Efforts of inverted lists: how many are looked through."""
GRAPH = (16, 32, 64, 128, 256, 512, 1024, 2048)
"""Efforts of a graph, from the least that is of use for ten neighbours."""


def path_of(number: int) -> str:
    """Return the path of a picture, which tells its shelf."""
    return f"/photos/{number % SHELVES:02}/{number:07}.jpg"


def number_of(path: str) -> int:
    """Return the number of a picture by its path."""
    return int(path[-11:-4])


class Store(Protocol):
    """Answer for pictures whose vectors are the rows of one array, in its order.

    Attributes:
        distribution: What pip calls it.
        keeps_rows: Whether it stores paths and filters by fields; else they are computed here.
        efforts: From the least to the greatest.
        nothing: Whether the last answer was that nothing looks like that, which only lexpix says.
    """

    distribution: ClassVar[str]
    keeps_rows: ClassVar[bool]
    efforts: Sequence[int]
    nothing: bool = False

    def build(self, folder: Path, rows: Rows) -> None:
        """Store all pictures below a folder."""
        ...

    def open(self, folder: Path, rows: int) -> None:
        """Open what was built, in another process."""
        ...

    def ask(self, word: str, vector: Rows, effort: int, shelf: int | None = None) -> list[str]:
        """Return the paths of the nearest pictures, the nearest first."""
        ...
