"""When captions name a thing: the rule that all measurements on captions share.

A text names a word if it holds the word or one of its inflections as a whole word; of a name of
several words the last one may be inflected ("fire trucks"). Inflections are generated, so that
"string" is no form of "str", and irregular ones are listed. Synonyms do not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from searchengine.language.words import tokenize

IRREGULAR: dict[str, tuple[str, ...]] = {
    "ball": ("balls",),  # no "balled"
    "catch": ("catches", "catching", "caught"),
    "child": ("children",),
    "climb": ("climbs", "climbing", "climbed"),
    "drive": ("drives", "driving", "drove", "driven"),
    "eat": ("eats", "eating", "ate", "eaten"),
    "fall": ("falls", "falling", "fell", "fallen"),
    "fly": ("flies", "flying", "flew", "flown"),
    "foot": ("feet",),
    "goose": ("geese",),
    "hold": ("holds", "holding", "held"),
    "leave": ("leaves", "leaving", "left"),
    "lie": ("lies", "lying", "lay", "lain"),
    "man": ("men",),
    "mouse": ("mice",),
    "person": ("people", "persons"),
    "ride": ("rides", "riding", "rode", "ridden"),
    "run": ("runs", "running", "ran"),
    "ski": ("skis", "skiing", "skied"),
    "sing": ("sings", "singing", "sang", "sung"),
    "sit": ("sits", "sitting", "sat"),
    "sleep": ("sleeps", "sleeping", "slept"),
    "stand": ("stands", "standing", "stood"),
    "swim": ("swims", "swimming", "swam", "swum"),
    "swing": ("swings", "swinging", "swung"),
    "throw": ("throws", "throwing", "threw", "thrown"),
    "tooth": ("teeth",),
    "wear": ("wears", "wearing", "wore", "worn"),
    "woman": ("women",),
    "write": ("writes", "writing", "wrote", "written"),
}
"""Words whose inflections are exactly these, and no others."""

_STOP_WORDS = """
a about above across after again against all along also am among an and another any are around
as at away be because been before behind being below beneath beside besides between beyond both
but by can could did do does doing down during each either else few for from front had has have
having he her here hers herself him himself his how i if in inside into is it its itself just
like many may me more most much my near next no nor not of off on one only onto or other others
our out outside over own past several she so some something such than that the their them
themselves then there these they this those through to together too toward towards two three
under underneath until up upon us very was we were what when where which while who whom whose
why will with within without would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words of English captions that say nothing of what is seen."""

_VOWELS = frozenset("aeiou")
_BASES = {form: word for word, several in IRREGULAR.items() for form in several}


@cache
def forms(name: str) -> frozenset[str]:
    """Return a name and its inflections, as `tokenize` writes them, words joined by blanks."""
    words = tokenize(name)
    if not words:
        return frozenset()
    *first, last = words
    return frozenset(" ".join([*first, form]) for form in (last, *_inflections(last)))


def names(text: str, name: str) -> bool:
    """Return whether a text holds a name or an inflection of it."""
    line = f" {' '.join(tokenize(text))} "
    return any(f" {form} " in line for form in forms(name))


def count(captions: Iterable[str], name: str) -> int:
    """Return how many captions hold a name."""
    return sum(names(caption, name) for caption in captions)


def content_stems(captions: Iterable[str], without: Iterable[str] = ()) -> frozenset[str]:
    """Return the stems of the words of captions but stop words and those of some names."""
    taken_out = {stem(word) for name in without for word in tokenize(name)}
    words = {word for caption in captions for word in tokenize(caption)} - STOP_WORDS
    return frozenset(map(stem, words)) - taken_out


@cache
def stem(word: str) -> str:
    """Return what the inflections of a word have in common; not always a word itself.

    It merges more than `forms` does ("build", "building"); use it to compare sets of words, not to
    decide whether a thing is named.
    """
    word = _BASES.get(word, word)
    for ending in ("ing", "ed", "es", "s"):
        rest = word.removesuffix(ending)
        if rest == word:
            continue
        if ending == "s" and rest[-1:] in ("s", "u", "i"):
            break  # grass, bus, tennis
        if len(rest) >= 3 and _VOWELS & set(rest.replace("y", "i")) and not word.endswith("eed"):
            word = rest
        break
    if word.endswith("men"):
        word = f"{word[:-3]}man"
    word = word.rstrip("e") or word
    if word.endswith("v"):
        word = f"{word[:-1]}f"
    if word.endswith("y"):
        word = f"{word[:-1]}i"
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word


def _inflections(word: str) -> tuple[str, ...]:
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) < 3:
        return ()
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es", f"{word}ing", f"{word}ed"
    if word.endswith("y") and word[-2] not in _VOWELS:
        return f"{word[:-1]}ies", f"{word}ing", f"{word[:-1]}ied"
    plurals = [f"{word}s"]
    if word.endswith("fe"):
        plurals.append(f"{word[:-2]}ves")
    elif word.endswith("f"):
        plurals.append(f"{word[:-1]}ves")
    elif word.endswith("o"):
        plurals.append(f"{word}es")
    elif word.endswith("man"):
        plurals.append(f"{word[:-3]}men")
    if word.endswith("e"):
        root = word if word.endswith("ee") else word[:-1]
        return *plurals, f"{root}ing", f"{word}d"
    if _doubles(word):
        word += word[-1]
    return *plurals, f"{word}ing", f"{word}ed"


def _doubles(word: str) -> bool:
    """Return whether a word doubles its last letter: one syllable, one vowel, one consonant."""
    vowels = [letter in _VOWELS for letter in word]
    return vowels[-2] and not vowels[-1] and sum(vowels) == 1 and word[-1] not in "wxy"
