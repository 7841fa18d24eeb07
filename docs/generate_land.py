"""Write the outline of the land for the page's map of the world, from Natural Earth.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python docs/generate_land.py package/land-110m.json

Natural Earth is in the public domain; world-atlas has it as TopoJSON. Points that lie within
`TOLERANCE` of the line without them are left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

LAND = Path(__file__).parents[1] / "searchengine" / "web" / "page" / "static" / "land.js"
PER_DEGREE = 10
TOLERANCE = 0.12
"""Degrees."""
HEAD = """\
// The outline of the land: Natural Earth 1:110m, which is in the public domain. Written by
// docs/generate_land.py. Each ring begins with a tenth of degrees east and north, then come steps.
"""

SOUTHERNMOST = -60
"""The map ends before the Antarctic."""

Points = npt.NDArray[np.float64]


def main(source: str) -> None:
    """Read a TopoJSON file and write the script."""
    topology = json.loads(Path(source).read_text(encoding="utf-8"))
    whole = [unrolled(ring) for ring in rings_of(topology) if ring[:, 1].max() > SOUTHERNMOST]
    rings = [steps(simplified(ring)) for ring in whole]
    lines = ",\n".join(json.dumps(ring, separators=(",", ":")) for ring in rings if len(ring) > 6)
    LAND.write_text(f"{HEAD}export const LAND = [\n{lines},\n];\n", encoding="utf-8")


def rings_of(topology: dict[str, Any]) -> list[Points]:
    """Return the rings of all polygons in degrees, shape (n, 2) each."""
    scale, shift = (np.array(topology["transform"][name]) for name in ("scale", "translate"))
    arcs = [np.cumsum(arc, axis=0) * scale + shift for arc in topology["arcs"]]
    polygons: list[list[list[int]]] = []
    for geometry in topology["objects"]["land"]["geometries"]:
        is_one = geometry["type"] == "Polygon"
        polygons += [geometry["arcs"]] if is_one else geometry["arcs"]
    return [
        np.concatenate([arcs[at] if at >= 0 else arcs[~at][::-1] for at in ring])
        for polygon in polygons
        for ring in polygon
    ]


def unrolled(ring: Points) -> Points:
    """Return a ring without leaps from one edge of the map to the other: it goes on beyond it."""
    turns = np.cumsum(np.rint(np.diff(ring[:, 0], prepend=ring[0, 0]) / 360))
    flat: Points = ring - np.stack([360 * turns, np.zeros(len(ring))], axis=1)
    return flat


def simplified(line: Points) -> Points:
    """Leave out what lies within the tolerance of the line without it (Douglas-Peucker)."""
    kept = np.zeros(len(line), dtype=np.bool_)
    middle = len(line) // 2  # a ring has no ends to begin from
    kept[[0, middle, -1]] = True
    parts = [(0, middle), (middle, len(line) - 1)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        start, along = line[first], line[last] - line[first]
        away = line[first + 1 : last] - start
        length = float(np.hypot(*along))
        if length:
            far = np.abs(along[0] * away[:, 1] - along[1] * away[:, 0]) / length
        else:
            far = np.hypot(away[:, 0], away[:, 1])
        farthest = int(far.argmax())
        if far[farthest] > TOLERANCE:
            at = first + 1 + farthest
            kept[at] = True
            parts += [(first, at), (at, last)]
    return line[kept]


def steps(line: Points) -> list[int]:
    """Return a ring as whole numbers: where it begins, and each step from there."""
    points = np.rint(line * PER_DEGREE).astype(int)
    moves = np.diff(points, axis=0)
    return [*points[0].tolist(), *moves[np.any(moves != 0, axis=1)].ravel().tolist()]


if __name__ == "__main__":
    main(*sys.argv[1:])
