"""When and where pictures were taken: counts by month, points of a map, and names of places.

The name of a place goes from the town to the country: "Kloten, Zurich, Switzerland".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from searchengine.search.columns import Columns
from searchengine.search.values import Value
from searchengine.types import Ids

APART = ", "
"""Between the names of a place, from the inside to the outside."""


@dataclass(frozen=True)
class Spots:
    """Where pictures were taken.

    Attributes:
        ids: Shape (n,), rising.
        where: Degrees north and east, shape (n, 2).
        names: The number of each one's place in `called`, shape (n,).
        called: The different places; None for what has no name.
    """

    ids: Ids
    where: npt.NDArray[np.float64]
    names: npt.NDArray[np.int64]
    called: tuple[Value, ...]


def months_of(columns: Columns, ids: Ids) -> dict[str | None, int]:
    """Count pictures by the month they were taken in, the newest first; None last.

    Args:
        columns: Of the library.
        ids: Of present pictures, rising.
    """
    places, known = columns.places(ids)
    values = columns.numbering["month"].values
    codes = columns.codes["month"][places[known]]
    counts = np.bincount(codes, minlength=len(values)).tolist()
    present = {value: n for value, n in zip(values, counts, strict=True) if n}
    ordered = sorted(present, key=lambda value: (value is not None, value or ""), reverse=True)
    return {None if one is None else str(one): present[one] for one in ordered}


def spots_of(columns: Columns, ids: Ids) -> Spots:
    """Return where pictures were taken, of those of which it is known.

    Args:
        columns: Of the library.
        ids: Of present pictures, rising.
    """
    places, known = columns.places(ids)
    rows = places[known]
    rows = rows[~np.isnan(columns.where[rows]).any(axis=1)]
    codes = columns.codes["place"][rows]
    different, names = np.unique(codes, return_inverse=True)
    values = columns.numbering["place"].values
    called = tuple(values[code] for code in different.tolist())
    return Spots(columns.ids[rows], columns.where[rows], names, called)


def places_around(place: Value) -> list[Value]:
    """Return a place and those that it is in: "Kloten, Zurich, Switzerland", "Zurich, ..."."""
    if place is None:
        return [None]
    parts = str(place).split(APART)
    return [APART.join(parts[at:]) for at in range(len(parts))]


def from_outside(place: Value) -> tuple[bool, list[str]]:
    """Return what sorts places as a tree, what has no name last."""
    return place is None, str(place).split(APART)[::-1]


def is_at_or_in(place: Value, others: Iterable[Value]) -> bool:
    """Tell whether a place is one of others, or in one; None is itself only."""
    return any(
        place == other or (place and other and str(place).endswith(f"{APART}{other}"))
        for other in others
    )
