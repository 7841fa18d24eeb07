"""The JSON form of an answer, one for the command line and the web."""

from __future__ import annotations

from typing import Any

from searchengine.types import Answer, Hit


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
    """Return the JSON form of a hit."""
    return {
        "id": hit.id,
        "path": hit.path,
        "score": round(hit.score, 6),
        "match": None if hit.match is None else round(hit.match, 4),
        "band": hit.band,
    }
