"""The bare form of a word that is not in a table: Korean particles, European endings."""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import Any

from searchengine.language.aliases import ENGLISH, PLAIN, Aliases, Meanings
from searchengine.language.spelling import unmarked

_PARTICLES = """
에서의 에서는 앞에서 위에서 옆에서
에서 에는 에게 까지 부터 처럼 들이 들은 들을 들과 으로 이랑 하고 하는 하다 하기 있는
옆에 속에 속의 위에 위의 안에 앞에
은 는 이 가 을 를 의 에 와 과 도 로 만 들 랑 한 인 옆 속 위 안 앞
""".split()  # noqa: SIM905
"""The longest first, so that 에서 goes before 서 could."""
_STEMMERS = {
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "it": "italian",
    "pt": "portuguese",
    "nl": "dutch",
    "sv": "swedish",
    "pl": "polish",
    "ru": "russian",
    "tr": "turkish",
    "ar": "arabic",
    "hi": "hindi",
    "id": "indonesian",
    "da": "danish",
    "no": "norwegian",
    "fi": "finnish",
    "cs": "czech",
    "hu": "hungarian",
    "ro": "romanian",
    "el": "greek",
    "fa": "persian",
    "ca": "catalan",
}
_ENDINGS = {
    "uk": ("", "а", "я", "о", "е", "ь", "й", "и", "і"),
    "bg": ("", "а", "я", "о", "е"),
    "hr": ("", "a", "o", "e"),
    "sk": ("", "a", "o", "e"),
}
"""Of the basic forms, for languages without a stemmer."""
_ENGLISH_ENDINGS = (
    *(("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("ed", "e"), ("d", ""), ("ing", "")),
    *(("ing", "e"), ("er", ""), ("er", "e"), ("est", ""), ("ly", ""), ("y", ""), ("", "")),
    *(("'s", ""), ("ings", ""), ("ers", ""), ("ning", ""), ("ned", ""), ("ting", ""), ("ted", "")),
)
_ELIDING = {"fr", "it", "ca"}
_SHORTEST = 3
"""Letters of a stem that says enough."""
_MOST = 400
"""Aliases that are looked at for one stem."""


def korean(word: str, table: Aliases) -> str | None:
    """Return a Korean word without its particle, or two of them, if that is an alias."""
    if "ko" not in table.languages:
        return None
    for particle in _PARTICLES:
        bare = word.removesuffix(particle)
        if not bare or bare == word:
            continue
        if any(one.language == "ko" for one in table.find(bare)):
            return bare
    return None


def bare(word: str, language: str, table: Aliases) -> str | None:
    """Return the alias of a language of which a word is an inflection, None if there is none."""
    if language in _ELIDING and "'" in word:
        rest = word.rpartition("'")[2]
        if _has(table.find(rest), language):
            return rest
        word = rest
    if language in _ENDINGS:
        return _by_ending(word, language, table)
    if language not in _STEMMERS:
        return None
    stem = _stem(language, word)
    if len(stem) < _SHORTEST:
        return None
    # The vowel before an ending may come and go, so one letter of a long stem is left open.
    alias = _with_stem(stem, language, table, stem)
    if alias is None and len(stem) > _SHORTEST + 1:
        alias = _with_stem(stem, language, table, stem[:-1])
    return alias


def is_english(word: str, table: Aliases) -> bool:
    """Tell whether a word is an English one, maybe with a usual ending."""
    return any(
        meaning.language == ENGLISH
        for ending, instead in _ENGLISH_ENDINGS
        if word.endswith(ending)
        for meaning in table.find(word.removesuffix(ending) + instead)
    )


def is_near(word: str, bare: str) -> bool:
    """Tell whether a word is its bare form with one or two other letters at the end."""
    if "'" in word:  # l'arbre
        return word.endswith(bare)
    plain, short = unmarked(word), unmarked(bare)
    longest = 2 if word.isascii() else 3
    return plain.startswith(short[:-1]) and -1 <= len(plain) - len(short) <= longest


def _with_stem(stem: str, language: str, table: Aliases, letters: str) -> str | None:
    if not table.begins(letters):  # most languages ask for the same stem of a word that none has
        return None
    near = [
        alias
        for alias, meanings in islice(table.beginning(letters), _MOST)
        if " " not in alias and _has(meanings, language) and _stem(language, alias) == stem
    ]
    return min(near, key=lambda alias: (len(alias), alias), default=None)


def _by_ending(word: str, language: str, table: Aliases) -> str | None:
    for cut in range(4):
        stem = word[: len(word) - cut]
        if len(stem) < _SHORTEST:
            return None
        for ending in _ENDINGS[language]:
            if stem + ending != word and _has(table.find(stem + ending), language):
                return stem + ending
    return None


def _has(meanings: Meanings, language: str) -> bool:
    return any(one.language == language and one.english and one.level > PLAIN for one in meanings)


def _stem(language: str, word: str) -> str:
    stem: str = _stemmer(language).stemWord(word)
    return stem


@cache
def _stemmer(language: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(_STEMMERS[language])
