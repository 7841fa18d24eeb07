"""Draw what grows with a library, of what `large.py` and `catalog.py` have measured.

    pip install matplotlib
    python benchmarks/large.py LIBRARY --out large-1000.json      # and others, of other sizes
    python benchmarks/catalog.py --pictures 5000000 --out catalog-5000000.json
    python benchmarks/draw_growth.py growth.png --large large-*.json --catalog catalog-*.json

Milliseconds of processor time over pictures, both in logarithms.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

LIBRARY = {
    "process: lexpix search dog": ("process", "search", "large"),
    "process: lexpix status": ("process", "status", "large"),
    "first search after 1,000 new pictures": ("add_1000",),
    "comparing every row": ("query", "scan"),
    "Engine.search": ("query", "engine"),
    "of which the index": ("query", "index"),
}
CATALOG = {
    "tag: a frequent one": ("frequent",),
    "year:": ("year",),
    "counting all facets": ("facets", "count", "tenth"),
    "status": ("status",),
    "after: before: one day": ("day",),
    "tag: a rare one": ("rare",),
    "20 pictures for a page": ("page",),
}


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--large", type=Path, nargs="+", default=[])
    parser.add_argument("--catalog", type=Path, nargs="+", default=[])
    options = parser.parse_args()
    panels = [
        panel
        for panel in (
            ("A library with vectors", LIBRARY, read(options.large)),
            ("The catalog alone", CATALOG, read(options.catalog)),
        )
        if panel[2]
    ]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(6 * len(panels), 4.6), dpi=80, squeeze=False
    )
    for one, panel in zip(axes[0], panels, strict=True):
        draw(one, *panel)
    axes[0][0].set_ylabel("milliseconds of processor time")
    figure.tight_layout()
    figure.savefig(options.picture, pil_kwargs={"optimize": True})


def read(files: Sequence[Path]) -> list[Mapping[str, Any]]:
    """Return what was measured, the smallest library first."""
    found: list[Mapping[str, Any]] = [json.loads(file.read_text()) for file in files]
    return sorted(found, key=lambda one: int(one["pictures"]))


def draw(
    axes: Any, title: str, lines: Mapping[str, Sequence[str]], found: Sequence[Mapping[str, Any]]
) -> None:
    """Draw a line for each name, through those that measured it."""
    for label, path in lines.items():
        points = []
        for one in found:
            value: Any = one
            for key in path:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                points.append((one["pictures"], value[0]))
        if points:
            axes.loglog(*zip(*points, strict=True), marker="o", markersize=4, label=label)
    axes.set_title(title)
    axes.set_xlabel("pictures")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=8)


if __name__ == "__main__":
    main()
