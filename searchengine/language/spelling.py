"""How words are written: normal forms, marks, scripts, and where words and emoji begin and end."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

# Typographic marks; and lower() leaves the dot of "İ" behind as a character of its own.
_TYPOGRAPHY = {"’": "'", "\u2010": "-", "i\u0307": "i"}

# Letters that have no other form in Unicode, and hamza and such, which people leave out.
_LETTERS = str.maketrans(
    {
        **{"ß": "ss", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe"},
        **{"ё": "е", "أ": "ا", "إ": "ا", "آ": "ا", "ة": "ه", "ى": "ي"},
    }
)
_MARKED_LETTER = (
    "([A-Za-z\u0370-\u03ff])[\u0300-\u036f]+|([\u05d0-\u05ea])[\u0591-\u05c7]+"
    "|([\u0621-\u064a])[\u064b-\u0652\u0670]+"
)

MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670"
INDIC = "\u0900-\u0963\u0966-\u0dff"
"""Scripts in which a vowel is a mark on a letter, without their full stops."""
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff"
)
"""Scripts that write words without spaces: of South-East Asia, kana, Chinese characters."""

_SYMBOL = "\u2190-\u21ff\u2300-\u23ff\u2460-\u2bff\u3030\u303d\U0001f000-\U0001faff"
_TINT = "\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\u20e3\U000e0020-\U000e007f"
_EMOJI = f"[\U0001f1e6-\U0001f1ff]{{2}}|[{_SYMBOL}][{_TINT}]*(?:\u200d[{_SYMBOL}][{_TINT}]*)*"
_LETTER = rf"(?:(?![{UNSPACED}])[^\W_]|[{MARKS}{INDIC}])"
_WORD = rf"{_LETTER}+(?:[-'\u200c\u200d]{_LETTER}+)*"
_TOKEN = rf"(?P<emoji>{_EMOJI})|(?P<run>[{UNSPACED}]+)|(?P<word>{_WORD})"
_ASCII_TOKEN = re.compile("(?P<word>[A-Za-z0-9]+(?:[-'][A-Za-z0-9]+)*)")


def fold(text: str) -> str:
    """Return a text in lower case and one form: NFKC, plain hyphens and apostrophes, one space."""
    folded = unicodedata.normalize("NFKC", text).lower()
    for mark, plain in _TYPOGRAPHY.items():
        folded = folded.replace(mark, plain)
    return " ".join(folded.split())


@lru_cache(maxsize=4096)
def unmarked(word: str) -> str:
    """Return a folded word without the marks that people leave out: café, cafe; Löwe, lowe.

    Marks that make another letter in the eyes of those who write it stay: those of kana, of
    Devanagari, of Cyrillic but for ё.
    """
    if word.isascii():
        return word
    apart = unicodedata.normalize("NFD", word.translate(_LETTERS))
    bare = re.sub(_MARKED_LETTER, lambda match: match[1] or match[2] or match[3], apart)
    return unicodedata.normalize("NFC", bare)


@lru_cache(maxsize=1024)
def script(word: str) -> str:
    """Return what the script of a word is called, that of its first letter; "" if it has none."""
    for character in word:
        if character.isalpha():
            name = unicodedata.name(character, "").partition(" ")[0]
            return "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name
    return ""


def tokens(folded: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield the words of a folded text: kind, word, where it begins and ends.

    The kinds are `word`, `run` (of a script without spaces, so maybe several words), and `emoji`.
    """
    # Compiling the whole takes longer than reading a query, and most are plain letters.
    pattern = _ASCII_TOKEN if folded.isascii() else re.compile(_TOKEN)
    for match in pattern.finditer(folded):
        assert match.lastgroup is not None, "every way to match is named"
        yield match.lastgroup, match[0], match.start(), match.end()


def is_emoji(text: str) -> bool:
    """Tell whether a text is one emoji."""
    return re.fullmatch(_EMOJI, text) is not None and unicodedata.category(text[0]) == "So"


def plain_emoji(text: str) -> str:
    """Return an emoji without its skin tone and without the choice between text and picture."""
    return re.sub(f"[{_TINT}]", "", text)
