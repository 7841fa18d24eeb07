"""Concepts that captions name: the rule that makes queries whose answers are known.

A concept is a content word, or two that follow a determiner ("a brown dog"), up to inflection. A
picture *names* it if one of its captions does, and *shows* it if two do: what two people write of
their own accord is plain to see. A phrase is named by its two words in order with at most
`GAP` others between ("a brown and white dog").

Captions name only part of what a picture shows. Two rules, both learned from the captions of other
pictures, keep that from turning right answers into wrong ones:

- A concept is *judged* by captions only if people agree on it: at least `KNOWN` pictures name it,
  of which at least `AGREEMENT` show it. "dog" is one, "tan" and "arms" are none.
- A word *brings along* another if at least `IMPLIED` of the pictures that name it name the other
  as well, and `LIFT` times as many as of all pictures: "ocean" brings "water". A picture *may show*
  a concept if it names the concept or words that bring it along. Synonyms need no dictionary that
  way: the captions of a picture are by different people, who call one thing by different names.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from searchengine.errors import MissingPlugin
from searchengine.language.words import tokenize

Concept: TypeAlias = tuple[str, ...]
"""One or two stems."""
Named: TypeAlias = Mapping[Concept, int]
"""Concept -> how many captions of a picture name it."""

GAP = 2
AGREEMENT = 0.5
IMPLIED = 0.25
LIFT = 3.0
SUPPORT = 5
"""Pictures that must name a word before it can bring others along."""
KNOWN = 20
"""Pictures that must name a concept before captions can judge it."""

_DETERMINERS = """
    a an the this that these those his her its their two three four five six several many some
    """
DETERMINERS = frozenset(_DETERMINERS.split())
_FUNCTION_WORDS = """
    about above across after against along alongside also amid among and another any are area
    around as at atop away back background be because been before behind being below beneath
    beside between beyond big both but by can carry close couple different do does doing down
    during each edge either enjoy face facing few first for foreground from front full get
    gets getting give go goes going group had has have having he hers him hold holding holds
    how if in inside into is it just large left let like little long look looking looks lot
    lots made make makes making me middle more most move moving much my near nearby next no
    not of off old on one ones onto or other others our out outside over part past pass
    passing piece place pose posing put puts putting ready right same set she show showing
    shows side small so someone something stand standing stands still stood such sit sits
    sitting take taken takes taking than them then there they thing things through to together
    top toward towards tries try trying turn under underneath until up upon use uses using
    various very view was way we wear wearing wears well were what when where which while who
    whose will with within without you young your
    """
FUNCTION_WORDS = DETERMINERS | frozenset(_FUNCTION_WORDS.split())
"""Words that name nothing to look for: grammar, positions, sizes, and verbs of any scene."""

_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth",
    "mice": "mouse", "geese": "goose", "leaves": "leaf", "wolves": "wolf", "ran": "run",
    "swam": "swim", "rode": "ride", "threw": "throw", "caught": "catch", "ate": "eat",
    "drank": "drink", "fell": "fall", "flew": "fly", "slept": "sleep", "swung": "swing",
}  # fmt: skip


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Return what the inflections of a word have in common (Snowball, English)."""
    return _stemmer()(_IRREGULAR.get(word, word))


@lru_cache(maxsize=1)
def _stemmer() -> Callable[[str], str]:
    try:
        import snowballstemmer
    except ModuleNotFoundError as error:
        raise MissingPlugin(f"this needs: pip install 'lexpix[train]' ({error})") from error
    stem_word: Callable[[str], str] = snowballstemmer.stemmer("english").stemWord
    return stem_word


def named(captions: Iterable[str]) -> Counter[Concept]:
    """Return the concepts that captions name, each with the number of captions."""
    counts: Counter[Concept] = Counter()
    for caption in captions:
        stems = [stem(word) if _is_content(word) else None for word in _words(caption)]
        concepts: set[Concept] = set()
        for place, first in enumerate(stems):
            if first is None:
                continue
            concepts.add((first,))
            concepts.update(
                (first, second)
                for second in stems[place + 1 : place + 2 + GAP]
                if second is not None
            )
        counts.update(list(concepts))
    return counts


def phrases(captions: Iterable[str]) -> Iterator[Concept]:
    """Yield the words and phrases of captions that make queries, as they are spelled there."""
    for caption in captions:
        words = _words(caption)
        for place, word in enumerate(words):
            if not _is_content(word):
                continue
            yield (word,)
            follows = words[place + 1 : place + 2]
            if place and words[place - 1] in DETERMINERS and follows and _is_content(follows[0]):
                yield (word, follows[0])


class Concepts:
    """What captions of many pictures tell about concepts: spelling, agreement, implications."""

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        """Learn from the captions of each picture."""
        self.pictures: list[Named] = [named(sentences) for sentences in captions]
        self._naming = Counter(concept for picture in self.pictures for concept in picture)
        self._showing = Counter(
            concept for picture in self.pictures for concept, count in picture.items() if count > 1
        )
        spellings: defaultdict[Concept, Counter[tuple[str, ...]]] = defaultdict(Counter)
        for sentences in captions:
            for phrase in phrases(sentences):
                spellings[tuple(map(stem, phrase))].update([phrase])
        # Of equally frequent spellings the first in the alphabet, so that nothing depends on order.
        self.spelling = {
            concept: " ".join(min(options.items(), key=lambda item: (-item[1], item[0]))[0])
            for concept, options in sorted(spellings.items())
        }
        self._brings = self._implications()

    def judged(self) -> list[Concept]:
        """Return the concepts that captions can judge, in alphabetical order."""
        return [
            concept
            for concept in self.spelling
            if self._naming[concept] >= KNOWN
            and self._showing[concept] >= AGREEMENT * self._naming[concept]
        ]

    def common(self) -> list[Concept]:
        """Return the concepts that several pictures name, in alphabetical order."""
        return [concept for concept in self.spelling if self._naming[concept] >= SUPPORT]

    def bringing(self, word: str) -> frozenset[str]:
        """Return the stems that bring a stem along, itself included."""
        return self._brings.get(word, frozenset()) | {word}

    def may_show(self, picture: Named, concept: Concept) -> bool:
        """Tell whether a picture names a concept, or words that bring along all words of it."""
        return concept in picture or all(
            any((other,) in picture for other in self.bringing(word)) for word in concept
        )

    def _implications(self) -> dict[str, frozenset[str]]:
        words = sorted(
            concept[0]
            for concept, count in self._naming.items()
            if len(concept) == 1 and count >= SUPPORT
        )
        rows = {word: row for row, word in enumerate(words)}
        names = np.zeros((len(words), len(self.pictures)), dtype=np.float32)
        for column, picture in enumerate(self.pictures):
            for concept in picture:
                if len(concept) == 1 and concept[0] in rows:
                    names[rows[concept[0]], column] = 1
        together = names @ names.T  # (words, words): pictures that name both
        naming = np.diag(together)
        share = together / np.maximum(naming[:, None], 1)  # of those that name the first
        least = np.maximum(IMPLIED, LIFT * naming / max(len(self.pictures), 1))
        return {
            word: frozenset(words[other] for other in np.flatnonzero(share[:, row] >= least[row]))
            for word, row in rows.items()
        }


def _words(caption: str) -> list[str]:
    return [part for word in tokenize(caption) for part in word.split("-")]


def _is_content(word: str) -> bool:
    return len(word) > 2 and word.isalpha() and word not in FUNCTION_WORDS
