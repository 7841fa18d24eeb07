"""Hits that stand for others: the first of those that are the same picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from searchengine.search.duplicates import same_as
from searchengine.search.ranking import Ranked
from searchengine.types import Hit, Picture

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog

AHEAD = 20
"""How many hits are ranked beyond those that are shown, to find what these stand for."""


def hits_of(rows: Iterable[Ranked], pictures: Mapping[int, Picture]) -> tuple[Hit, ...]:
    """Return ranked pictures as hits; what was forgotten since it was ranked is none."""
    return tuple(
        Hit(
            row.id,
            picture.path,
            row.score,
            row.match,
            row.band,
            picture.at if row.at is None else row.at,
        )
        for row in rows
        if (picture := pictures.get(row.id)) is not None
    )


def collapsed(
    catalog: Catalog, fingerprint: str, hits: Sequence[Hit], pictures: Mapping[int, Picture]
) -> tuple[Hit, ...]:
    """Have the first of the hits that are the same picture stand for the others.

    Args:
        catalog: Has the vectors.
        fingerprint: The model whose vectors are compared.
        hits: In order; some may stand for others already.
        pictures: The pictures of the hits, by id.
    """
    same = same_as(catalog, fingerprint, [pictures[hit.id] for hit in hits])
    by_id = {hit.id: hit for hit in hits}
    behind = {id_ for ids in same.values() for id_ in ids}
    return tuple(_standing_for(hit, same, by_id) for hit in hits if hit.id not in behind)


def _standing_for(hit: Hit, same: Mapping[int, Sequence[int]], hits: Mapping[int, Hit]) -> Hit:
    """Return a hit with those behind it, and what already stood behind these."""
    others = [hits[id_] for id_ in same.get(hit.id, ())]
    more = [one for other in others for one in (replace(other, duplicates=()), *other.duplicates)]
    return replace(hit, duplicates=(*hit.duplicates, *more)) if more else hit
