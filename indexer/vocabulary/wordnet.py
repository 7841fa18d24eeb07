"""Read WordNet 3.0 as the files of its own distribution (Debian: `wordnet-base`).

The format is wndb(5WN): one synset a line in `data.noun`, one lemma a line in `index.noun`,
irregular plurals in `noun.exc`; `cntlist.rev` counts how often a sense was met in texts tagged by
hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from searchengine.errors import TrainingDataError

VOWELS = "aeiou"
LEXNAMES = {
    5: "animal",
    6: "artifact",
    8: "body",
    13: "food",
    17: "object",
    18: "person",
    19: "phenomenon",
    20: "plant",
    27: "substance",
}
"""The files of nouns that can be seen (lexnames(5WN)); `WordNet.synsets` leaves out all others."""


@dataclass(frozen=True, slots=True)
class Synset:
    """Words of one meaning, the most usual first; `instance`: it is one thing, such as a river.

    `hypernyms` are the offsets of the meanings of which it is a kind, `gloss` says what it is.
    """

    offset: str
    lexname: str
    lemmas: tuple[str, ...]
    instance: bool
    hypernyms: tuple[str, ...] = ()
    gloss: str = ""


class WordNet:
    """The nouns of WordNet by offset: `nouns` are all of them, `synsets` those that can be seen.

    Raises:
        TrainingDataError: A file is missing or not WordNet's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nouns: dict[str, Synset] = {}
        for line in self._lines("data.noun"):
            try:
                synset = _read_synset(line)
            except (ValueError, IndexError) as error:
                raise TrainingDataError(
                    f"{folder / 'data.noun'}: not a synset of WordNet: {line[:60]!r} ({error})"
                ) from error
            self.nouns[synset.offset] = synset
        self.synsets = {offset: synset for offset, synset in self.nouns.items() if synset.lexname}

    @cached_property
    def senses(self) -> dict[str, tuple[str, ...]]:
        """The synsets of a lemma, the most frequent sense first."""
        senses: dict[str, tuple[str, ...]] = {}
        for line in self._lines("index.noun"):
            fields = line.split()
            senses[fields[0].replace("_", " ")] = tuple(fields[-int(fields[2]) :])
        return senses

    def ancestors(self, offset: str) -> frozenset[str]:
        """Return the offsets of all meanings that a noun is a kind of, directly or not."""
        ancestors: set[str] = set()
        ahead = [offset]
        while ahead:
            broader = set(self.nouns[ahead.pop()].hypernyms) - ancestors
            ancestors |= broader
            ahead += broader
        return frozenset(ancestors)

    @cached_property
    def plurals(self) -> dict[str, list[str]]:
        """Irregular plurals by singular."""
        return self._exceptions("noun.exc")

    def plurals_of(self, word: str) -> list[str]:
        """Return the plurals of a noun of one word, none if it looks like one itself."""
        if word in self.plurals:
            return self.plurals[word]
        if word.endswith(("s", "x", "z", "ch", "sh")):
            known_as_plural = word.endswith("s") and not word.endswith("ss")
            return [] if known_as_plural else [f"{word}es"]
        if word.endswith("y") and word[-2:-1] not in VOWELS:
            return [f"{word[:-1]}ies"]
        return [f"{word}s"]

    @cached_property
    def pasts(self) -> dict[str, list[str]]:
        """Irregular and doubled forms by verb, those in -ing left out."""
        forms = self._exceptions("verb.exc")
        return {
            verb: kept
            for verb, inflected in forms.items()
            if (kept := [form for form in inflected if form.endswith("d") or form[-3:] != "ing"])
        }

    @cached_property
    def verbs(self) -> frozenset[str]:
        """All verbs, in their base form."""
        return frozenset(line.split(" ", 1)[0] for line in self._lines("index.verb"))

    @cached_property
    def words(self) -> frozenset[str]:
        """All words of all parts of speech, names and irregular forms too, in lower case."""
        words: set[str] = set()
        for part in ("noun", "verb", "adj", "adv"):
            words.update(line.split(" ", 1)[0] for line in self._lines(f"index.{part}"))
            words.update(word for form in self._lines(f"{part}.exc") for word in form.split())
        return frozenset(words)

    @cached_property
    def counts(self) -> dict[tuple[str, str], int]:
        """How often a noun was met in a sense, by word and number of the sense."""
        return {(word, number): n for word, kind, number, n in self._met() if kind == "1"}

    @cached_property
    def verb_counts(self) -> Counter[str]:
        """How often a word was met as a verb."""
        counts: Counter[str] = Counter()
        for word, kind, _, count in self._met():
            if kind == "2":
                counts[word] += count
        return counts

    @cached_property
    def uses(self) -> Counter[str]:
        """How often a word was met in any sense and part of speech."""
        counts: Counter[str] = Counter()
        for word, _, _, count in self._met():
            counts[word] += count
        return counts

    def _met(self) -> Iterator[tuple[str, str, str, int]]:
        for line in self._lines("cntlist.rev"):
            key, number, count = line.split()
            word, _, rest = key.partition("%")
            yield word.replace("_", " "), rest[0], number, int(count)

    def _exceptions(self, name: str) -> dict[str, list[str]]:
        forms: dict[str, list[str]] = {}
        for line in self._lines(name):
            form, *bases = line.split()
            for base in bases:
                forms.setdefault(base.replace("_", " "), []).append(form.replace("_", " "))
        return forms

    def _lines(self, name: str) -> Iterator[str]:
        path = self._folder / name
        try:
            with path.open(encoding="utf-8") as lines:
                yield from (line.rstrip("\n") for line in lines if line[:1] not in (" ", "\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingDataError(
                f"{path}: cannot be read as WordNet ({error}); Debian: apt install wordnet-base"
            ) from error


def _read_synset(line: str) -> Synset:
    entry, _, gloss = line.partition(" | ")
    fields = entry.split()
    count = int(fields[3], 16)
    words = [fields[4 + 2 * place] for place in range(count)]
    start = 4 + 2 * count
    count_of_pointers = int(fields[start])
    pointers = fields[start + 1 :: 4][:count_of_pointers]
    targets = fields[start + 2 :: 4][:count_of_pointers]
    return Synset(
        fields[0],
        LEXNAMES.get(int(fields[1]), ""),
        # Names ("Husky" the sledge dog is one too) keep their capital for the caller to judge.
        tuple(word.replace("_", " ") for word in words),
        "@i" in pointers,
        tuple(target for mark, target in zip(pointers, targets, strict=True) if mark == "@"),
        gloss.partition('; "')[0].strip(),  # without the examples
    )
