"""Measure broader words than the names of pictures: "bird" must find a robin and a heron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from indexer.evaluation.encode import encode_pictures
from indexer.evaluation.labels import score_names
from indexer.evaluation.metrics import average_precisions, chance_precision, percent
from indexer.readers.labelled import Labelled
from indexer.vocabulary.kinds import Kinds
from indexer.vocabulary.wordnet import WordNet
from searchengine.errors import TrainingDataError
from searchengine.types import Encoder


@dataclass(frozen=True, slots=True)
class Hypernym:
    """A broader word, how many pictures it has, and its average precision in percent."""

    name: str
    pictures: int
    average_precision: float


@dataclass(frozen=True, slots=True)
class HypernymScores:
    """How well broader words find pictures.

    Attributes:
        mean_average_precision: Over the hypernyms, in percent.
        chance: What random rankings would have, in percent.
        images, hypernyms: What it was measured on.
        without_synset: Pictures left out because they name no synset.
        unknown_synsets: Synsets that are not in WordNet; their pictures are left out.
        unknown: Hypernyms of which the model knows no word; they count as the worst.
        each: The hypernyms, the worst first.
    """

    mean_average_precision: float
    chance: float
    images: int
    hypernyms: int
    without_synset: int
    unknown_synsets: tuple[str, ...]
    unknown: tuple[str, ...]
    each: tuple[Hypernym, ...]


def evaluate_hypernyms(
    encoder: Encoder, labelled: Sequence[Labelled], wordnet: WordNet
) -> HypernymScores:
    """Measure broader words against the pictures whose synsets WordNet knows.

    Args:
        encoder: The model.
        labelled: Pictures; those with synsets count.
        wordnet: What is a kind of what.

    Raises:
        ImageError: A picture cannot be read.
        TrainingDataError: No synset is known, or no hypernym has pictures enough.
    """
    every = Kinds(wordnet, [entry.synset for entry in labelled])
    kept = [entry for entry, known in zip(labelled, every.known, strict=True) if known]
    if not kept:
        reason = "none of its synsets is in WordNet" if every.unknown else "no picture has a synset"
        raise TrainingDataError(f"hypernyms cannot be measured: {reason}")
    hypernyms = Kinds(wordnet, [entry.synset for entry in kept]).hypernyms()
    if not hypernyms:
        raise TrainingDataError(
            f"the {len(kept)} pictures with a synset have no hypernym that is worth asking for; "
            "hypernyms need more pictures, of different kinds"
        )
    pictures = encode_pictures([entry.image for entry in kept], encoder)
    scores, unknown = score_names(list(hypernyms), pictures, encoder)
    relevant = np.stack(list(hypernyms.values()))
    precisions = average_precisions(scores, relevant)
    counts = relevant.sum(axis=1)
    each = [
        Hypernym(name, int(count), round(100 * float(precision), 2))
        for name, count, precision in zip(hypernyms, counts, precisions, strict=True)
    ]
    return HypernymScores(
        mean_average_precision=percent(precisions),
        chance=percent(chance_precision(counts, len(kept))),
        images=len(kept),
        hypernyms=len(each),
        without_synset=sum(entry.synset is None for entry in labelled),
        unknown_synsets=every.unknown,
        unknown=unknown,
        each=tuple(sorted(each, key=lambda one: (one.average_precision, one.name))),
    )
