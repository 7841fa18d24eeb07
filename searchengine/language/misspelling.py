"""The word that a misspelled one of another language probably is."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from searchengine.language.aliases import PLAIN, Aliases
from searchengine.language.spelling import fold, script


def nearest_alias(word: str, table: Aliases, languages: Collection[str | None]) -> str | None:
    """Return the alias nearest in spelling, of the same script; None if none is near.

    Args:
        word: As the user wrote it.
        table: The aliases.
        languages: Those that a word in Latin letters may be of; others have scripts of their own.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    word = fold(word)
    kind, plain = script(word), _letters(word)
    limit = min(2, len(plain) // 4)
    if not limit or not kind or (kind == "LATIN" and not languages):
        return None
    levels: dict[str, int] = {}
    for alias, meanings in table.beginning(word[0]):
        for one in meanings:
            if one.english and (kind != "LATIN" or one.language in languages):
                levels[alias] = max(one.level, levels.get(alias, PLAIN))
    choices = {alias: _letters(alias) for alias, level in levels.items() if level > PLAIN}
    matches = process.extract(plain, choices, scorer=OSA.distance, score_cutoff=limit, limit=None)
    near = [
        (edits, -levels[alias], abs(len(letters) - len(plain)), alias)
        for letters, edits, alias in matches
    ]
    return min(near)[3] if near else None


def _letters(word: str) -> str:
    """Return what spellings are compared by; a syllable of Korean is two letters or three."""
    return unicodedata.normalize("NFD", word)
