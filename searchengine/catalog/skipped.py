"""How many files of which endings the last scan of each folder passed over."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog

_META = "skipped"  # in the catalog: JSON, root -> ending -> files

MOST = 40
"""Most endings that are kept of a root; the others count as having none."""


def record_skipped(catalog: Catalog, root: str, counts: Mapping[str, int]) -> None:
    """Remember what a scan of a root passed over, in place of what the last one did."""
    before = _read(catalog)
    most = dict(Counter(counts).most_common(MOST))
    others = sum(counts.values()) - sum(most.values())
    if others:
        most[""] = most.get("", 0) + others
    roots = {one.path for one in catalog.roots()} | {root}
    after = {path: one for path, one in (before | {root: most}).items() if path in roots and one}
    if after != before:
        catalog.set_meta(_META, json.dumps(after))


def skipped(catalog: Catalog, roots: Iterable[str] | None = None) -> dict[str, int]:
    """Return how many files of each ending were passed over, most first.

    Args:
        catalog: The library's.
        roots: Only in these indexed folders; all if None.
    """
    paths = {one.path for one in catalog.roots()} if roots is None else set(roots)
    total: Counter[str] = Counter()
    for root, counts in _read(catalog).items():
        if root in paths:
            total.update(counts)
    return dict(total.most_common())


def _read(catalog: Catalog) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = json.loads(catalog.meta(_META) or "{}")
    return counts
