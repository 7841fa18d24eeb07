"""Make `searchengine/assets/foods.tsv`, which foods are kinds of which, and what is in them.

::

    python -m indexer.vocabulary.make_foods --wordnet /usr/share/wordnet

WordNet gives its nouns of food with their synonyms and hypernyms ("pecan" is an edible nut);
`foods.toml` adds what it lacks: groups that people avoid, brands, what dishes and sauces are made
of, and names that hold the word of another food ("peanut butter" is no butter). Single words that
mean food in fewer than half of their uses, such as "cup" and "stick", are left out. The same
inputs give the same file.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from indexer.vocabulary.make_tags import entries
from indexer.vocabulary.wordnet import Synset, WordNet
from searchengine.language.singular import to_singular
from searchengine.recipes.foods import FILE

HERE = Path(__file__).parent
EATABLE = frozenset({"animal", "food", "plant"})
MOSTLY = 0.5
"""A single word names a food if at least this share of its uses means what can be eaten."""


@dataclass
class Food:
    """A line of the file; lists hold names of other foods or, for `others`, words."""

    key: str
    names: list[str]
    kinds: list[str] = field(default_factory=list)
    contains: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    is_generic: bool = False


class Foods:
    """Foods by key, and the first food of each name."""

    def __init__(self) -> None:
        self._foods: dict[str, Food] = {}
        self._by_name: dict[str, Food] = {}

    def __iter__(self) -> Iterator[Food]:
        return iter(sorted(self._foods.values(), key=lambda food: food.key))

    def add(self, key: str, names: Iterable[str]) -> Food:
        """Add a food; a key that is taken gets a number."""
        unique, number = key, 1
        while unique in self._foods:
            number += 1
            unique = f"{key}#{number}"
        food = Food(unique, list(names))
        self._foods[unique] = food
        for name in food.names:
            self._by_name.setdefault(to_singular(name), food)
        return food

    def named(self, name: str) -> Food:
        """Return the food of a name or key, a new one if there is none."""
        name = name.replace("_", " ")
        known = self._foods.get(name) or self._by_name.get(to_singular(name))
        return known or self.add(name, [name])

    def below(self, food: Food) -> list[Food]:
        """Return a food and all its kinds."""
        kinds = {food.key}
        while more := {one.key for one in self if kinds & {*one.kinds}} - kinds:
            kinds |= more
        return [one for one in self if one.key in kinds]

    def name(self, food: Food, name: str) -> None:
        """Give a food a further name."""
        if to_singular(name) not in map(to_singular, food.names):
            food.names.append(name)
            self._by_name.setdefault(to_singular(name), food)


def make(wordnet: WordNet, lists: Mapping[str, Mapping[str, str]]) -> Foods:
    """Return all foods."""
    foods = Foods()
    struck = set(entries(lists["strike"]["names"]))
    kept = set(entries(lists["keep"]["names"]))
    usage = Usage(wordnet)
    by_offset: dict[str, Food] = {}
    eaten = [one for one in wordnet.synsets.values() if one.lexname == "food" and not one.instance]
    for synset in sorted(eaten, key=usage.order):
        lemmas = list(dict.fromkeys(lemma.lower() for lemma in synset.lemmas))
        names = [
            lemma
            for lemma in lemmas
            if lemma not in struck
            and f"{lemma}/{lemmas[0]}" not in struck
            and (lemma in kept or " " in lemma or usage.means_food(lemma))
        ]
        by_offset[synset.offset] = foods.add(lemmas[0], names)
    for offset, food in by_offset.items():
        above = (by_offset.get(one) for one in wordnet.synsets[offset].hypernyms)
        food.kinds = [one.key for one in above if one is not None]
    _add_by_hand(foods, lists)
    return foods


def _add_by_hand(foods: Foods, lists: Mapping[str, Mapping[str, str]]) -> None:
    for name, others in lists["names"].items():
        food = foods.named(name)
        for other in entries(others):
            foods.name(food, other)
    for name, groups in lists["unlink"].items():
        taken = {foods.named(group).key for group in entries(groups)}
        for food in foods:
            if name in food.names:
                food.kinds = [kind for kind in food.kinds if kind not in taken]
    for name, members in lists["kinds"].items():
        group = foods.named(name)
        for member in map(foods.named, entries(members)):
            if group.key not in (member.key, *member.kinds):
                member.kinds.append(group.key)
    _add_contents(foods, lists)
    for name, words in lists["not"].items():
        foods.named(name).others.extend(entries(words))
    for name in entries(lists["generic"]["names"]):
        foods.named(name).is_generic = True


def _add_contents(foods: Foods, lists: Mapping[str, Mapping[str, str]]) -> None:
    for section in ("contains", "vague"):
        for name, parts in lists[section].items():
            keys = [foods.named(part).key for part in entries(parts)]
            food = foods.named(name)
            for one in foods.below(food) if section == "contains" else [food]:
                one.contains.extend(key for key in keys if key not in (one.key, *one.contains))


class Usage:
    """What words mean in the texts that WordNet's makers tagged by hand."""

    def __init__(self, wordnet: WordNet) -> None:
        self._wordnet = wordnet

    def means_food(self, word: str) -> bool:
        """Return whether a word mostly means what can be eaten; by its first sense if never met."""
        senses = self._wordnet.senses.get(word, ())
        eatable = [self._lexname(offset) in EATABLE for offset in senses]
        if not self._wordnet.uses[word]:
            return not eatable or eatable[0]
        met = sum(
            self._wordnet.counts.get((word, str(number)), 0)
            for number, is_eatable in enumerate(eatable, 1)
            if is_eatable
        )
        return met >= MOSTLY * self._wordnet.uses[word]

    def order(self, synset: Synset) -> tuple[int, str]:
        """Return the number of the sense of a synset's first word, to name the usual one first."""
        word = synset.lemmas[0].lower()
        senses = self._wordnet.senses.get(word, ())
        return senses.index(synset.offset) if synset.offset in senses else len(
            senses
        ), synset.offset

    def _lexname(self, offset: str) -> str:
        synset = self._wordnet.synsets.get(offset)
        return synset.lexname if synset else ""


def write(foods: Foods, path: Path) -> int:
    """Write key, names, kinds, contents, other words and a mark of groups; return how many."""
    lines = [
        "\t".join(
            (
                food.key,
                ",".join(food.names),
                ",".join(food.kinds),
                ",".join(food.contains),
                ",".join(food.others),
                "group" if food.is_generic else "",
            )
        )
        for food in foods
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    lists = tomllib.loads((HERE / "foods.toml").read_text(encoding="utf-8"))
    print(write(make(WordNet(options.wordnet), lists), options.out), "foods")  # noqa: T201


if __name__ == "__main__":
    main()
