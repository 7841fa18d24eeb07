"""English words in the singular, so that a text is found whichever number it is asked in."""

from __future__ import annotations

import unicodedata

from searchengine.language.words import tokenize

_IRREGULAR = {
    "calves": "calf",
    "feet": "foot",
    "geese": "goose",
    "halves": "half",
    "knives": "knife",
    "leaves": "leaf",
    "loaves": "loaf",
    "mice": "mouse",
    "radii": "radish",
    "teeth": "tooth",
}


def to_singular(text: str) -> str:
    """Return the words of a text in the singular, without accents and hyphens.

    It only has to map singular and plural to the same: what it returns may be no word.
    """
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(letter)
    )
    return " ".join(_singular(part) for word in tokenize(plain) for part in word.split("-") if part)


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = (
            word[:-2]
            if word.endswith(("ches", "shes", "sses", "xes", "oes", "uses"))
            else word[:-1]
        )
    if len(word) > 4 and word.endswith("ie"):
        return f"{word[:-2]}y"  # as "cookies" above
    if word.endswith(("che", "she", "sse", "xe", "us")):
        return word[:-1]  # "quiche" as "quiches", "citrus" as "citruses"
    return word
