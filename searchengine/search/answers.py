"""The JSON form of an answer, one for the command line and the web."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from searchengine.types import Answer, Hit, Translated

if TYPE_CHECKING:
    from searchengine.catalog.rows import Appearance
    from searchengine.search.duplicates import Group


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


def group_entry(group: Group) -> dict[str, Any]:
    """Return the JSON form of a group of duplicates."""
    return {
        "kind": group.kind,
        "reasons": list(group.reasons),
        "bytes": group.bytes,
        "keep": _member_entry(group.keeper, group),
        "others": [_member_entry(one, group) for one in group.others],
    }


def _member_entry(one: Appearance, group: Group) -> dict[str, Any]:
    return {
        "id": one.id,
        "path": one.path,
        "width": one.width,
        "height": one.height,
        "size": one.size,
        "format": one.format,
        "sharpness": None if one.sharpness is None else round(one.sharpness, 1),
        "taken_at": None if one.taken_at is None else one.taken_at.isoformat(),
        "tags": list(group.tags.get(one.id, ())),
    }


def hit_entry(hit: Hit) -> dict[str, Any]:
    """Return the JSON form of a hit."""
    return {
        "id": hit.id,
        "path": hit.path,
        "score": None if hit.score is None else round(hit.score, 6),
        "match": None if hit.match is None else round(hit.match, 4),
        "band": hit.band,
        "at": hit.at,
        "duplicates": [{"id": one.id, "path": one.path} for one in hit.duplicates],
    }
