"""Measure which pictures a food head takes for food: recipes are only shown beside those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexer.evaluation.encode import encode_pictures
from indexer.readers.labelled import Labelled
from indexer.vocabulary.wordnet import WordNet
from searchengine.errors import TrainingDataError
from searchengine.language.words import normalise
from searchengine.models.food import FoodHead
from searchengine.search.texts import PROBABLE
from searchengine.types import Encoder

FOOD = "food"
"""What WordNet calls the file of its nouns for food."""


@dataclass(frozen=True, slots=True)
class GateScores:
    """Pictures that are taken for food, in percent.

    Attributes:
        kept: Of the dishes.
        passing: Of the others, some of which show food all the same.
        dishes, others: How many there are.
        left_out: Others that may be of food by their names.
        names: Names of the others that are taken for food.
    """

    kept: float
    passing: float
    dishes: int
    others: int
    left_out: int
    names: tuple[str, ...]


def evaluate_gate(
    general: Encoder,
    head: FoodHead,
    dishes: Sequence[Labelled],
    others: Sequence[Labelled],
    wordnet: WordNet,
) -> GateScores:
    """Measure dishes that pass, and pictures of other things that do.

    Args:
        general: The joint model.
        head: A food head on it.
        dishes: Pictures of dishes.
        others: Pictures of anything; those that have a name for food in any sense are left out.
        wordnet: What is food.

    Raises:
        ImageError: A picture cannot be read.
        TrainingDataError: Nothing but food is among the others.
    """
    rest = [entry for entry in others if not _may_be_food(entry, wordnet)]
    if not rest:
        raise TrainingDataError("all of the other pictures may be of food by their names")
    kept, passing = (
        head.shows(encode_pictures([entry.image for entry in entries], general)) >= PROBABLE
        for entries in (dishes, rest)
    )
    names = (entry.names[0] for entry, passes in zip(rest, passing, strict=True) if passes)
    return GateScores(
        kept=round(100 * float(kept.mean()), 2),
        passing=round(100 * float(passing.mean()), 2),
        dishes=len(dishes),
        others=len(rest),
        left_out=len(others) - len(rest),
        names=tuple(names),
    )


def _may_be_food(entry: Labelled, wordnet: WordNet) -> bool:
    if entry.synset and entry.synset[1:] in wordnet.nouns:
        meanings = {entry.synset[1:]}
    else:
        named = map(normalise, entry.names)
        meanings = {sense for name in named for sense in wordnet.senses.get(name, ())}
    every = meanings.union(*map(wordnet.ancestors, meanings))
    return any(wordnet.nouns[meaning].lexname == FOOD for meaning in every)
