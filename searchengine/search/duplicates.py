"""Copies of a picture, and pictures nearly the same: resized, cut a little, or saved anew."""

from __future__ import annotations

from collections.abc import Iterable

from searchengine.catalog.store import Catalog
from searchengine.search.ranking import nearest
from searchengine.types import Picture, Vector, VectorIndex

NEARLY_THE_SAME = 0.9
"""From this cosine on two pictures are nearly the same.

With the default model and 14 pictures of scikit-image: cut by a tenth they keep 0.91 or more,
halved and saved at JPEG quality 60 most keep 0.9, and no two different ones come above 0.58.
"""


def copies(catalog: Catalog, picture: Picture) -> list[Picture]:
    """Return the other present pictures with the same bytes, by rising id."""
    same = catalog.by_sha256(picture.sha256) if picture.sha256 else []
    return [one for one in same if one.id != picture.id and one.state == "ok"]


def near_duplicates(
    index: VectorIndex, vector: Vector, without: Iterable[int], limit: int = 20
) -> list[tuple[int, float]]:
    """Return ids and scores of the pictures that are nearly the same, the nearest first.

    Args:
        index: Where to look.
        vector: The picture's.
        without: Ids that are left out: the picture's own, and those of its copies.
        limit: Most of them.
    """
    if not len(index):
        return []
    rows = nearest(index, vector, limit, without=set(without))
    return [(id_, score) for id_, score in rows if score >= NEARLY_THE_SAME]
