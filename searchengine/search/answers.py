"""The JSON form of an answer, one for the command line and the web."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from searchengine.types import Answer, Hit, Translated


def entries_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON form of an answer."""
    return {
        "query": answer.query,
        "unknown_words": [unknown.word for unknown in answer.unknown_words],
        "translated": translated_entries(answer.translated),
        "copies": [{"id": one.id, "path": one.path} for one in answer.copies],
        "hits": [hit_entry(hit) for hit in answer.hits],
        "nothing_like_that": answer.nothing_like_that,
        "hints": list(answer.hints),
        "took_ms": round(answer.took_ms, 3),
    }


def translated_entries(words: Sequence[Translated]) -> list[dict[str, str]]:
    """Return the JSON form of words that were read in another language than English."""
    return [{"word": one.word, "english": one.english, "language": one.language} for one in words]


def hit_entry(hit: Hit) -> dict[str, Any]:
    """Return the JSON form of a hit."""
    return {
        "id": hit.id,
        "path": hit.path,
        "score": None if hit.score is None else round(hit.score, 6),
        "match": None if hit.match is None else round(hit.match, 4),
        "band": hit.band,
        "at": hit.at,
    }
