"""Make `searchengine/assets/aliases.bin`: picture words of other languages, and emoji, in English.

::

    npm pack cldr-annotations-full cldr-annotations-derived-full    # and unpack them
    python -m indexer.vocabulary.make_aliases --annotations cldr-annotations-full/package \
        --derived cldr-annotations-derived-full/package --wordnet /usr/share/wordnet

Unicode CLDR gives each emoji a name and keywords in over 100 languages. A word of one language and
a word of English are taken for the same if they stand at the same emoji and at few others: their
likeness is the cosine of the two, each a vector with a number for every emoji, more for its name
than for a keyword. `translations.tsv` comes first. Spellings without their marks (lowe for Löwe)
are added where they mean nothing else. WordNet, the tags and the foods say which aliases are
English words themselves ("gift", "hand"). The same inputs give the same file.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from indexer.vocabulary.wordnet import WordNet
from searchengine.errors import TrainingDataError
from searchengine.language.aliases import (
    EMOJI,
    ENGLISH,
    FILE,
    LONGEST,
    PLAIN,
    STRONG,
    SURE,
    WEAK,
    Meaning,
    packed,
)
from searchengine.language.spelling import fold, is_emoji, plain_emoji, unmarked
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.language.words import WordVectors
from searchengine.recipes.foods import FILE as FOODS

HERE = Path(__file__).parent

SOURCES = {
    "ko": ("ko",),
    "ja": ("ja",),
    "zh": ("zh", "zh-Hant"),
    "de": ("de",),
    "fr": ("fr",),
    "es": ("es", "es-419", "es-MX"),
    "it": ("it",),
    "pt": ("pt", "pt-PT"),
    "nl": ("nl",),
    "sv": ("sv",),
    "pl": ("pl",),
    "ru": ("ru",),
    "uk": ("uk",),
    "tr": ("tr",),
    "ar": ("ar",),
    "hi": ("hi",),
    "vi": ("vi",),
    "id": ("id",),
    "da": ("da",),
    "no": ("no",),
    "fi": ("fi",),
    "cs": ("cs",),
    "sk": ("sk",),
    "hu": ("hu",),
    "ro": ("ro",),
    "el": ("el",),
    "he": ("he",),
    "fa": ("fa",),
    "th": ("th",),
    "bg": ("bg",),
    "hr": ("hr",),
    "ca": ("ca",),
}
"""Languages, the first of which wins where nothing else decides, and their folders in CLDR."""

NAME, IN_NAME, KEYWORD = 1.0, 0.6, 0.35
"""What an emoji counts for a word that is its name, stands in its name, or is a keyword."""
WORDS = 3
"""Most words of an alias."""
MARKED = frozenset("café crêpe éclair façade fiancé fiancée jalapeño naïve piñata purée".split())  # noqa: SIM905
"""English words that keep a mark."""
QUOTES = frozenset('"“”„«»')
"""Signs of names of emoji that show a word, which nobody types."""
NAME_WORDS = 5
"""Most words of an alias that is the name of an emoji."""
FEW = 2
"""At so many emoji at most a name stands, to be that of one."""
LEAST = 0.4
"""Likeness below which an alias is left out."""
CLEAR = 0.6
"""Likeness from which an alias is well aligned."""
NAMED = 0.75
"""Likeness from which the name of an emoji is as sure as what was written by hand."""
FREQUENT = 20_000
"""Words of this rank get nothing for being usual."""
USUAL = 10_000
"""Words of this rank in the word table are English, whatever they are elsewhere ("and", "is")."""
MET = 3
"""Times that WordNet must have met a word, so that it is one that people type."""

Emoji: TypeAlias = dict[str, tuple[str, set[str]]]
"""Name and words of emoji."""
Candidates: TypeAlias = "defaultdict[str, dict[str, Meaning]]"
"""Meanings by alias and language."""
Weights: TypeAlias = dict[str, dict[str, float]]
"""What each emoji counts for a word."""


def read_emoji(folders: Iterable[Path]) -> Emoji:
    """Read names and keywords of emoji from folders of CLDR, the first of which wins.

    Raises:
        TrainingDataError: A file is missing or not CLDR's.
    """
    emoji_names: Emoji = {}
    for folder in folders:
        path = folder / "annotations.json"
        try:
            [content] = json.loads(path.read_text(encoding="utf-8")).values()
            entries = content["annotations"].items()
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise TrainingDataError(
                f"{path}: cannot be read as annotations of CLDR ({error}); unpack the npm packages "
                "cldr-annotations-full and cldr-annotations-derived-full"
            ) from error
        for emoji, annotation in entries:
            key = plain_emoji(emoji)
            if not is_emoji(key):
                continue
            name = fold(annotation.get("tts", [""])[0])
            words = {fold(word) for word in annotation.get("default", [])} | {name}
            known = emoji_names.setdefault(key, (name, set()))
            known[1].update(words - {""})
    return emoji_names


def weights(emoji: Emoji) -> Weights:
    """Return what each emoji counts for each word."""
    table: Weights = defaultdict(dict)
    for key, (name, words) in emoji.items():
        parts = name.split()
        for word in words:
            table[word][key] = NAME if word == name else IN_NAME if word in parts else KEYWORD
    return table


def _length(row: Mapping[str, float]) -> float:
    return math.sqrt(sum(weight * weight for weight in row.values()))


@dataclass(frozen=True)
class English:
    """The English words of emoji, and how likely people say them of pictures."""

    emoji: Emoji
    weights: Weights
    lengths: Mapping[str, float]
    usual: Mapping[str, float]

    @classmethod
    def of(cls, emoji: Emoji, ranks: Mapping[str, int], names: set[str], met: set[str]) -> English:
        """Prepare English.

        Args:
            emoji: As CLDR names them.
            ranks: Of tags, 0 for the most frequent.
            names: The tags that are names, not synonyms.
            met: Words that WordNet has met in texts.
        """
        table = weights(emoji)
        usual = {}
        for word in table:
            if word in ranks:
                worth = 1.0 + 0.3 * max(0.0, 1 - ranks[word] / FREQUENT)
                usual[word] = worth * (1.1 if word in names else 1.0)
            elif " " in word or not word.isalpha():
                usual[word] = 0.5
            else:
                usual[word] = 0.8 if word in met else 0.6
        return cls(emoji, table, {word: _length(row) for word, row in table.items()}, usual)

    def nearest(self, row: Mapping[str, float]) -> tuple[str, float] | None:
        """Return the English word most like a word of another language, and how alike."""
        scores: dict[str, float] = defaultdict(float)
        named: dict[str, float] = defaultdict(float)
        for key, weight in row.items():
            for word in self.emoji[key][1] if key in self.emoji else ():
                scores[word] += weight * self.weights[word][key]
                # Of words that stand nowhere else, one of the name is the better guess.
                named[word] = max(named[word], self.weights[word][key])
        length = _length(row)
        best = max(
            scores,
            key=lambda word: (
                scores[word]
                / (length * self.lengths[word])
                * self.usual[word]
                * (1 + 0.3 * named[word]),
                word,
            ),
            default=None,
        )
        if best is None:
            return None
        return best, scores[best] / (length * self.lengths[best]) * min(1.0, self.usual[best])

    def of_emoji(self, key: str) -> str:
        """Return what an emoji shows: the rarest tag in its name, or all of the name."""
        name, words = self.emoji[key]
        if name.startswith("flag: "):
            return f"{name.removeprefix('flag: ')} flag"
        if self.usual.get(name, 0) >= 1:
            return name
        # "beach with umbrella" is a beach.
        parts = name.partition(" with ")[0].replace(":", " ").split()
        frequent = [word for word in parts if word in words and self.usual.get(word, 0) >= 1]
        # "dog face" is a dog, "woman astronaut" an astronaut: there are fewer of them.
        return (
            min(frequent, key=lambda word: len(self.weights[word]))
            if frequent
            else name.replace(":", "")
        )


def translations(path: Path = HERE / "translations.tsv") -> Iterator[tuple[str, str, str]]:
    """Yield language, alias and English ("" for small words) of what was written by hand."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    languages = lines[0].split("\t")[1:]
    for line in lines[1:]:
        english, *cells = line.split("\t")
        for language, cell in zip(languages, cells, strict=True):
            for alias in filter(None, cell.split(",")):
                yield language, fold(alias), "" if english == "-" else english


def make(
    annotations: Path, derived: Path, wordnet: WordNet, words: WordVectors
) -> tuple[dict[str, list[Meaning]], list[str]]:
    """Return the meanings of all aliases, and the languages."""
    tags = TagVocabulary.load()
    ranks = {word: one.rank for one in tags.entries for word in (one.name, *one.synonyms)}
    met = {word for word, times in wordnet.uses.items() if times >= MET}
    own = _english_words(ranks, met, words)
    of_english = [annotations / "annotations" / "en", derived / "annotationsDerived" / "en"]
    english = English.of(read_emoji(of_english[:1]), ranks, {one.name for one in tags.entries}, met)
    every = replace(english, emoji=read_emoji(of_english))
    candidates: Candidates = defaultdict(dict)
    for key in every.emoji:
        candidates[key][EMOJI] = Meaning(EMOJI, every.of_emoji(key), SURE)
    for language, alias, word in translations():
        candidates[alias].setdefault(language, Meaning(language, word, SURE))
    for language, sources in SOURCES.items():
        read = read_emoji(annotations / "annotations" / source for source in sources)
        _align(candidates, language, read, english)
    _add_plain(candidates)
    order = {language: place for place, language in enumerate((EMOJI, *SOURCES))}
    table: dict[str, list[Meaning]] = {}
    for alias in {*candidates, *own}:
        is_own = alias in own
        meanings = candidates.get(alias, {}).values()
        kept = [one for one in meanings if one.english != alias or not is_own]
        kept.sort(key=lambda one: order[one.language])
        if (kept or is_own) and len(alias.encode()) <= LONGEST:
            table[alias] = [*kept, Meaning(ENGLISH, "", SURE)] if is_own else kept
    return table, [ENGLISH, *order]


def _english_words(ranks: Mapping[str, int], met: set[str], words: WordVectors) -> set[str]:
    """Return what is English, whatever it may mean elsewhere: single words, and all tags."""
    foods = {
        name
        for line in FOODS.read_text(encoding="utf-8").splitlines()
        for name in line.split("\t")[1].split(",")
    }
    usual = {words.word(row) for row in range(len(words)) if words.rank(row) < USUAL}
    single = {word for word in {*met, *foods, *usual} if word.isalpha()}
    return {*single, *ranks, *MARKED}


def _align(candidates: Candidates, language: str, read: Emoji, english: English) -> None:
    """Add the words of a language that are like an English one."""
    named = Counter(name for name, _ in read.values())
    emoji_of = {name: emoji for emoji, (name, _) in read.items()}
    for alias, row in weights(read).items():
        if (
            not _usable(alias, NAME_WORDS if named[alias] else WORDS)
            or language in candidates[alias]
        ):
            continue
        if named[alias] == 1 and len(row) <= FEW and emoji_of[alias] in english.emoji:
            # A name of one emoji is what its English name is ("beach with umbrella").
            name = english.emoji[emoji_of[alias]][0]
            candidates[alias][language] = Meaning(language, name.replace(":", ""), SURE)
            continue
        best = english.nearest(row)
        if best is None or best[1] < LEAST:
            continue
        level = STRONG if best[1] >= CLEAR else WEAK
        if named[alias] and english.usual[best[0]] >= 1 and best[1] >= NAMED:
            level = SURE
        candidates[alias][language] = Meaning(language, best[0], level)


def _add_plain(candidates: Candidates) -> None:
    """Add the spellings without marks, where they mean nothing else in a language."""
    for alias, meanings in sorted(candidates.items()):
        plain = unmarked(alias)
        for language, meaning in meanings.items() if plain != alias else ():
            if meaning.english:
                candidates[plain].setdefault(language, Meaning(language, meaning.english, PLAIN))


def _usable(alias: str, most: int) -> bool:
    """Tell whether people would type that: words, few of them, with a letter in each."""
    parts = alias.split()
    return (
        not QUOTES & {*alias}
        and 0 < len(parts) <= most
        and all(any(map(str.isalpha, part)) for part in parts)
    )


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--annotations", type=Path, required=True, help="cldr-annotations-full")
    parser.add_argument("--derived", type=Path, required=True, help="the same, -derived-full")
    parser.add_argument("--wordnet", type=Path, required=True, help="folder of WordNet's files")
    parser.add_argument("--words", type=Path, default=FILE.parent / "default", help="a model")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    table, languages = make(
        options.annotations,
        options.derived,
        WordNet(options.wordnet),
        WordVectors.load(options.words),
    )
    options.out.write_bytes(packed(table, languages))
    size = options.out.stat().st_size
    summary = f"{options.out}: {len(table):,} aliases, {len(languages)} languages, {size:,} bytes"
    print(summary, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
