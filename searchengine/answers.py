"""Hits with what they are worth, and the JSON form of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from searchengine.types import Answer, Hit, Matcher, QueryKind, Vector


def judged(
    hits: Sequence[Hit],
    stored: Mapping[int, Vector],
    vector: Vector,
    kind: QueryKind,
    matcher: Matcher,
    searched: int,
) -> list[Hit]:
    """Give each hit its match and band.

    Args:
        hits: Best first.
        stored: Vectors of the hits by id; a hit without one was forgotten meanwhile, and goes.
        vector: The query's.
        kind: The query's.
        matcher: Tells what scores are worth.
        searched: How many pictures the hits are the best of.
    """
    present = [hit for hit in hits if hit.id in stored]
    if not present:
        return []
    rows = np.stack([stored[hit.id] for hit in present])
    matches = matcher.match(vector[None], rows, [kind], searched)[0].tolist()
    return [
        replace(hit, match=match, band=matcher.band(match, kind))
        for hit, match in zip(present, matches, strict=True)
    ]


def entries_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON form of an answer."""
    return {
        "query": answer.query,
        "unknown_words": [unknown.word for unknown in answer.unknown_words],
        "hits": [hit_entry(hit) for hit in answer.hits],
        "nothing_like_that": answer.nothing_like_that,
        "took_ms": round(answer.took_ms, 3),
    }


def hit_entry(hit: Hit) -> dict[str, Any]:
    """Return the JSON form of a hit, one for the command line and the web."""
    return {
        "id": hit.id,
        "path": hit.path,
        "score": round(hit.score, 6),
        "match": None if hit.match is None else round(hit.match, 4),
        "band": hit.band,
    }
