"""Make `searchengine/assets/tags.tsv`, the words that a picture can be tagged with.

::

    python -m indexer.vocabulary.make_tags --wordnet /usr/share/wordnet --classes classes.tsv

WordNet proposes animals, artifacts, food, natural objects and plants; the frequency of words (the
table of the bundled model) keeps those that people use; `curated.toml` strikes out what no
photograph shows and adds scenes, colours, activities, people and things of two words. Each class of
the CNN's own classifier is a tag too, however rare its name is. Words of one meaning and plurals
become synonyms of one tag. The same inputs give the same file.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from indexer.vocabulary.classes import Class, read_classes
from indexer.vocabulary.wordnet import VOWELS, Synset, WordNet
from searchengine.language.tag_vocabulary import tag_name
from searchengine.language.words import WordVectors

HERE = Path(__file__).parent
ASSETS = HERE.parent.parent / "searchengine" / "assets"
PROPOSED = ("animal", "artifact", "food", "object", "plant")
FREQUENT = 60_000
"""Words of the table that are frequent enough to be anybody's tag."""
USUAL = 0.25
"""A word belongs to a meaning that at least this share of its uses has, of all parts of speech."""
KINDS = {"thing": "noun", "people": "noun"}  # of lists whose name is not their kind


@dataclass
class Tag:
    """A line of the vocabulary."""

    name: str
    kind: str
    synonyms: list[str] = field(default_factory=list)
    broader: str = ""


class Tags:
    """Tags by each of their words; a word belongs to one tag, the first that claims it."""

    def __init__(self) -> None:
        self._owners: dict[str, Tag] = {}
        self._tags: list[Tag] = []

    def __iter__(self) -> Iterator[Tag]:
        return iter(sorted(self._tags, key=lambda tag: tag.name))

    def owner(self, word: str) -> Tag | None:
        """Return the tag of a word."""
        return self._owners.get(word)

    def name(self, name: str, kind: str) -> Tag:
        """Return the tag of a name, new if the name belongs to none."""
        if name not in self._owners:
            tag = Tag(name, kind)
            self._tags.append(tag)
            self._owners[name] = tag
        return self._owners[name]

    def add(self, tag: Tag, words: Iterable[str]) -> None:
        """Give a tag further words, except those that belong to another."""
        for word in words:
            if word not in self._owners:
                self._owners[word] = tag
                tag.synonyms.append(word)


def make(
    wordnet: WordNet,
    words: WordVectors,
    lists: Mapping[str, Mapping[str, str]],
    classes: Sequence[Class] = (),
) -> Tags:
    """Return the vocabulary."""
    tags = Tags()
    by_hand = [
        (KINDS.get(kind, kind), [entry.split("/") for entry in entries(lists[kind]["names"])])
        for kind in ("thing", "people", "scene", "colour", "activity")
    ]
    for kind, named in by_hand:  # names before synonyms, or "sofa" could take "couch" away
        for name, *_ in named:
            tags.name(name, kind)
    for _, named in by_hand:
        for name, *others in named:
            tags.add(tags.name(name, "noun"), others)
    for name, *others in (entry.split("/") for entry in entries(lists["synonyms"]["names"])):
        tag = next(filter(None, map(tags.owner, (name, *others))), None)
        tags.add(tag or tags.name(name, "noun"), others)
    usage = Usage(wordnet)
    never = set(entries(lists["not_a_thing"]["any"]))
    for rank, name, synset in proposals(wordnet, words, usage):
        struck_out = never | set(entries(lists["not_a_thing"][synset.lexname]))
        if rank < FREQUENT and name not in struck_out:
            tag = tags.name(name, "noun")
            tags.add(tag, (one for one in usage.words_of(synset) if one not in struck_out))
    add_classes(tags, classes, wordnet, usage, set(entries(lists["not_a_kind"]["names"])))
    for tag in tags:
        for word in (tag.name, *tag.synonyms):
            tags.add(tag, inflections(word, tag.kind, wordnet))
    return tags


def add_classes(
    tags: Tags, classes: Iterable[Class], wordnet: WordNet, usage: Usage, no_kinds: Set[str]
) -> None:
    """Make each class a tag, and say of which tag it is a kind, and that one in turn."""
    known = []
    for one in classes:
        tag = tags.name(tag_name(one.name), "class")
        if tag.kind == "noun":  # a scene stays one
            tag.kind = "class"
        synset = wordnet.synsets.get(one.synset.removeprefix("n"))
        if synset is not None:
            tags.add(tag, usage.words_of(synset))
            known.append((tag, synset))
    for tag, synset in known:  # grows by the broader ones
        nearest = broader_tag(tag, synset, tags, wordnet, usage)
        if nearest is not None and not tag.broader and nearest[0].name not in no_kinds:
            tag.broader = nearest[0].name
            known.append(nearest)


def broader_tag(
    tag: Tag, synset: Synset, tags: Tags, wordnet: WordNet, usage: Usage
) -> tuple[Tag, Synset] | None:
    """Return the nearest other tag that a meaning of a tag is a kind of, and its meaning."""
    level = [synset]
    while level:
        level = [wordnet.nouns[offset] for one in level for offset in one.hypernyms]
        for broader in level:
            for word in usage.words_of(broader):
                owner = tags.owner(word)
                if owner is not None and owner is not tag and owner.name == word:
                    return owner, broader
    return None


def entries(text: str) -> list[str]:
    """Return the entries of a list."""
    return [entry.strip() for entry in text.replace("\n", " ").split(",") if entry.strip()]


class Usage:
    """What words are used for, in the texts that WordNet's makers tagged by hand."""

    def __init__(self, wordnet: WordNet) -> None:
        self._wordnet = wordnet

    def words_of(self, synset: Synset) -> list[str]:
        """Return the words of a synset that usually mean it."""
        return [
            word for word in synset.lemmas if word == word.lower() and self._usual(word, synset)
        ]

    def _usual(self, word: str, synset: Synset) -> bool:
        senses = self._wordnet.senses[word]
        if not self._wordnet.uses[word]:
            return senses[0] == synset.offset
        number = senses.index(synset.offset) + 1
        share = self._wordnet.counts.get((word, str(number)), 0) / self._wordnet.uses[word]
        return share >= USUAL


def proposals(wordnet: WordNet, words: WordVectors, usage: Usage) -> list[tuple[int, str, Synset]]:
    """Return rank, most frequent single word and synset of the nouns that can be seen."""
    ranked = []
    for synset in wordnet.synsets.values():
        if synset.lexname not in PROPOSED or synset.instance:
            continue
        rows = ((word, words.row(word)) for word in usage.words_of(synset) if " " not in word)
        ranks = [(words.rank(row), word) for word, row in rows if row is not None]
        if ranks:
            ranked.append((*min(ranks), synset))
    return sorted(ranked, key=lambda item: item[:2])


def inflections(word: str, kind: str, wordnet: WordNet) -> list[str]:
    """Return the plural of a noun, or the verb of an activity, and spellings with a space."""
    spaced = [word.replace("-", " ")] if "-" in word else []
    if kind == "activity":
        return spaced + list(_verbs(word, wordnet))
    if kind == "colour":
        return spaced
    head, space, last = word.rpartition(" ")
    return spaced + [f"{head}{space}{one}" for one in wordnet.plurals_of(last)]


def _verbs(word: str, wordnet: WordNet) -> Iterator[str]:
    """Yield the forms of the verb that a single word in -ing belongs to, if WordNet knows it."""
    if " " in word or not word.endswith("ing"):
        return
    stem = word.removesuffix("ing")
    shorter = [stem[:-1]] if stem[-1:] == stem[-2:-1] else []
    bases = [base for base in (*shorter, stem + "e", stem) if base in wordnet.verbs]
    if not bases:
        return
    base = max(bases, key=lambda verb: wordnet.verb_counts[verb])
    yield base
    if base[-1] == "y" and base[-2] not in VOWELS:
        yield f"{base[:-1]}ies"
    else:
        yield f"{base}es" if base.endswith(("s", "x", "ch", "sh")) else f"{base}s"
    yield from wordnet.pasts.get(base) or [f"{base}d" if base[-1] == "e" else f"{stem}ed"]


def rank_of(name: str, words: WordVectors) -> int:
    """Return the rank of the rarest word of a name; one that is not in the table is rarer."""
    rows, unknown = words.find(name)
    return max([words.rank(row) for row in rows] + [len(words)] * bool(unknown))


def write(tags: Tags, words: WordVectors, path: Path) -> int:
    """Write the columns of `searchengine.language.tag_vocabulary`; return how many tags."""
    lines = [
        "\t".join(
            (tag.name, tag.kind, str(rank_of(tag.name, words)), ",".join(tag.synonyms), tag.broader)
        )
        for tag in tags
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--classes", type=Path, help="the table that `train joint` reads")
    parser.add_argument("--words", type=Path, default=ASSETS / "default", help="a word table")
    parser.add_argument("--out", type=Path, default=ASSETS / "tags.tsv")
    options = parser.parse_args()
    lists = tomllib.loads((HERE / "curated.toml").read_text(encoding="utf-8"))
    words = WordVectors.load(options.words)
    classes = read_classes(options.classes) if options.classes else ()
    tags = make(WordNet(options.wordnet), words, lists, classes)
    print(write(tags, words, options.out), "tags")  # noqa: T201


if __name__ == "__main__":
    main()
