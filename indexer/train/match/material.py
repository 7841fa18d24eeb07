"""What a calibration is fitted on: backgrounds, and questions from captions and from labels.

Backgrounds come from the train splits; questions are about pictures that the model
was not trained on. Captions ask of every kind. Labelled pictures ask for names and hypernyms, which
are words too, and for the like of each of them, so that words and pictures are also judged where
pictures are unlike those that have captions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import compress
from pathlib import Path

import numpy as np

from indexer.evaluation.alike import alike
from indexer.evaluation.concepts import Concepts
from indexer.evaluation.encode import encode_pictures
from indexer.evaluation.names import NameWriter
from indexer.evaluation.questions import TOP, Source, Writer
from indexer.readers.labelled import Labelled, read_labelled
from indexer.readers.pairs import Pair, read_pairs
from indexer.vocabulary.wordnet import WordNet
from searchengine.errors import TrainingDataError, UnknownWords
from searchengine.models.calibration import NAMED, Background, background_of
from searchengine.types import Encoder, Vectors
from searchengine.vectors import compose

BACKGROUND = 2000
"""Pictures, and queries of each kind, that a background is measured on."""
RANK = 128
"""Directions of a covariance that are kept exactly."""
FEWEST = 10
"""Names, or hypernyms, that a file of labels must have to be asked for them."""

Backgrounds = Mapping[str, Background]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of labelled pictures could not be asked.

    Attributes:
        names: Names and hypernyms without a word that the model knows.
        synsets: Those that WordNet lacks.
        without_synset: Pictures that no hypernym is asked of.
    """

    names: tuple[str, ...]
    synsets: tuple[str, ...]
    without_synset: int


@dataclass(frozen=True)
class Material:
    """What a calibration is fitted on, or measured on.

    Attributes:
        spread: Measures the backgrounds.
        captions: Questions of every kind about captioned pictures.
        labels: Names and hypernyms, a source each per file that has them.
        pictures: The like of labelled pictures: of each file, and of all files together, as a
            library of many sorts of pictures has them.
        left_out: By file of labels.
    """

    spread: Callable[[], Backgrounds]
    captions: Source
    labels: tuple[Source, ...]
    pictures: tuple[Source, ...]
    left_out: Mapping[Path, LeftOut]

    @property
    def sources(self) -> tuple[Source, ...]:
        """All questions, captions first."""
        return self.captions, *self.labels, *self.pictures

    @cached_property
    def backgrounds(self) -> Backgrounds:
        """How pictures and queries are spread, by name; only what fits a calibration needs it."""
        return self.spread()


def prepare(
    encoder: Encoder,
    pairs: Path,
    images: Path | None = None,
    *,
    labels: Sequence[Path] = (),
    wordnet: Path | None = None,
    split: str = "dev",
    seed: int = 1,
) -> Material:
    """Write questions about one split; backgrounds will be measured on the train split.

    Args:
        encoder: The model.
        pairs: Captioned pictures with the split train and the one that is asked.
        images: The folder of the pictures, if not that of the pairs.
        labels: Files of labelled pictures; one that names no splits is asked whole.
        wordnet: The folder of WordNet, which labels need.
        split: The pictures that are asked.
        seed: Decides which pictures and captions are asked.

    Raises:
        TrainingDataError: A split is missing, or its pictures have too little in common.
        ImageError: A picture cannot be read.
    """
    entries = read_pairs(pairs, images)
    train, tested = ([p for p in entries if p.split == s and p.captions] for s in ("train", split))
    for name, chosen in (("train", train), (split, tested)):
        if not chosen:
            raise TrainingDataError(f"{pairs}: no captioned pictures of the split {name!r} in it")
    concepts = Concepts([pair.captions for pair in train])
    pictures = encoder.encode_images([pair.image for pair in tested])
    try:
        writer = Writer(concepts, [p.captions for p in tested], pictures, encoder, seed=seed)
    except TrainingDataError as error:
        raise TrainingDataError(f"{pairs}: {error}") from error
    named = [entry for path in labels for entry in read_labelled(path) if entry.split == "train"]
    spread = partial(_backgrounds, encoder, train, concepts, named, np.random.default_rng(seed))
    captions = Source(pairs.name, pictures, writer.all(), "pictures")
    sources: list[Source] = []
    alike_in: list[Source] = []
    left_out: dict[Path, LeftOut] = {}
    if labels:
        if wordnet is None:
            raise TypeError("labels need wordnet")
        nouns = WordNet(wordnet)
        every = [(path, read_labelled(path, split)) for path in labels]
        rows = [
            encode_pictures([entry.image for entry in entries], encoder) for _, entries in every
        ]
        for (path, of_path), vectors in zip(every, rows, strict=True):
            of_file, left_out[path] = _labelled(encoder, path, of_path, vectors, nouns)
            sources += of_file
            alike_in.append(_pictures(_called(path), of_path, vectors, nouns, seed))
        if len(every) > 1:
            together = [entry for _, entries in every for entry in entries]
            alike_in.append(_pictures("all labels", together, np.concatenate(rows), nouns, seed))
    return Material(spread, captions, tuple(sources), tuple(alike_in), left_out)


def _called(path: Path) -> str:
    return f"{path.resolve().parent.name}/{path.name}"


def _pictures(
    name: str, labelled: Sequence[Labelled], rows: Vectors, wordnet: WordNet, seed: int
) -> Source:
    questions = alike(labelled, rows, wordnet, seed=seed)
    return Source(f"{name} pictures", rows, {"picture": questions}, "pictures")


def _labelled(
    encoder: Encoder, path: Path, labelled: Sequence[Labelled], pictures: Vectors, wordnet: WordNet
) -> tuple[list[Source], LeftOut]:
    """Return the names and the hypernyms of a file, and what of it cannot be asked."""
    writer = NameWriter(labelled, encoder, wordnet)
    of_known = NameWriter(list(compress(labelled, writer.known)), encoder, wordnet)
    sources = [
        Source(f"{_called(path)} {sort}", rows, {"words": questions}, "questions")
        for sort, rows, questions in (
            ("names", pictures, writer.names()),
            ("hypernyms", pictures[writer.known], of_known.hypernyms()),
        )
        if len(questions) >= FEWEST and len(rows) > TOP
    ]
    if not sources:
        raise TrainingDataError(
            f"{path}: too little to ask for; a calibration needs more than {TOP} pictures, and "
            f"{FEWEST} names that the model knows"
        )
    without, unknown = writer.synsets
    return sources, LeftOut((*writer.unknown, *of_known.unknown), unknown, without)


def _backgrounds(
    encoder: Encoder,
    train: Sequence[Pair],
    concepts: Concepts,
    named: Sequence[Labelled],
    random: np.random.Generator,
) -> dict[str, Background]:
    """Measure pictures and queries in general.

    Words are asked of all sorts of pictures, so that half of what they are compared with may come
    from labels; what else is asked is only known to find pictures like those with captions.
    """
    chosen = random.permutation(len(train))[:BACKGROUND]
    pictures = encoder.encode_images([train[row].image for row in chosen])
    sentences = _encode(
        encoder,
        [train[row].captions[random.integers(len(train[row].captions))] for row in chosen],
    )
    common = [concepts.spelling[concept] for concept in concepts.common()]
    some = random.permutation(len(common))[:BACKGROUND]
    words = _encode(encoder, [common[row] for row in some])
    mixed = [
        compose(
            np.stack([picture, words[random.integers(len(words))], words[other]]), [1.0, -1.0, 1.0]
        )
        for picture, other in zip(
            pictures, random.integers(len(words), size=len(pictures)), strict=True
        )
    ]
    vectors = {
        "pictures": pictures,
        background_of("words"): words,
        background_of("sentence"): sentences,
        background_of("mixture"): np.stack(mixed),
    }
    if named:
        others = [named[row].image for row in random.permutation(len(named))[: BACKGROUND // 2]]
        kept = pictures[: BACKGROUND - len(others)]
        vectors[NAMED] = np.concatenate([kept, encode_pictures(others, encoder)])
    return {name: Background.of(rows, RANK).rounded() for name, rows in vectors.items()}


def _encode(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    rows = []
    for text in texts:
        try:
            rows.append(encoder.encode_texts([text])[0])
        except UnknownWords:  # a text that finds nothing is no background of what is found
            continue
    if not rows:
        raise TrainingDataError("the model knows no word of the texts to train on")
    return np.stack(rows)
