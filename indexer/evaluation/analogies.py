"""Measure arithmetic on pictures: picture of A - "A" + "B" must find a picture of B, not of A.

What a picture shows is what its captions name (`mentions`). Pairs A, B are all ordered pairs of
words of one group below that have enough pictures.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.evaluation.encode import encode_pictures, is_known
from indexer.evaluation.mentions import content_stems, names
from indexer.evaluation.metrics import best_ranks, jaccard, percent
from searchengine.errors import CancelledQuery, TrainingDataError
from searchengine.types import Encoder, Vectors
from searchengine.vectors import compose

Mask = npt.NDArray[np.bool_]

GROUPS: dict[str, tuple[str, ...]] = {
    "animals": ("dog", "cat", "horse", "bird", "cow", "sheep", "duck", "elephant"),
    "people": ("man", "woman", "boy", "girl", "baby"),
    "places": ("beach", "street", "field", "forest", "mountain", "pool", "lake", "river", "snow"),
    "colours": ("red", "blue", "green", "yellow", "black", "white", "brown", "orange", "pink"),
    "activities": ("run", "jump", "swim", "climb", "sit", "stand", "ride", "play", "walk"),
    "clothes": ("shirt", "jacket", "dress", "hat", "helmet", "shorts", "jeans", "costume"),
    "vehicles": ("bike", "motorcycle", "car", "truck", "bus", "boat", "skateboard", "train"),
}
"""Words that can stand for each other in a scene."""

ENOUGH = 5
"""A pair is asked if at least so many pictures name B and not A, and as many A and not B."""
TOP = 5


@dataclass(frozen=True, slots=True)
class Scene:
    """Whether an analogy keeps the scene: other words shared with the query picture, 0..1.

    For each query, the nearest picture that names B and not A is compared with the query picture:
    Jaccard index of the stems of their captions' words, without A, B and stop words. No part of it
    is the model's own opinion.

    Attributes:
        analogy: Mean over the queries, for what the analogy finds.
        plain: The same for what a search for B alone finds.
        chance: The same for any picture that names B and not A.
    """

    analogy: float
    plain: float
    chance: float


@dataclass(frozen=True, slots=True)
class GroupScore:
    """The share of the queries of one group that find B in the top five, in percent."""

    top5: float
    queries: int


@dataclass(frozen=True, slots=True)
class AnalogyScores:
    """How often picture - A + B finds B.

    Attributes:
        top1, top5: Queries with a picture that names B and not A among the first one and five, in
            percent; the query picture is left out of its answer, ties count against the model.
        queries, pairs, images: What was asked: queries over ordered pairs of words, among images.
        keeps_scene: See `Scene`.
        groups: By kind of word.
    """

    top1: float
    top5: float
    queries: int
    pairs: int
    images: int
    keeps_scene: Scene
    groups: dict[str, GroupScore]


@dataclass(frozen=True, slots=True)
class Analogy:
    """An ordered pair of words, rows of pictures of A to ask with, and which pictures answer."""

    group: str
    minus: str
    plus: str
    queries: npt.NDArray[np.int64]
    right: Mask


def draw_analogies(
    captions: Sequence[Sequence[str]], known: Sequence[str], *, per_pair: int, seed: int
) -> Iterator[Analogy]:
    """Yield the pairs of words that have enough pictures, with pictures drawn to ask with.

    Args:
        captions: For each picture its sentences.
        known: Words that may be used.
        per_pair: At most so many pictures are asked for a pair.
        seed: Decides which; a pair's draw does not depend on the other pairs.
    """
    usable = set(known)
    for group, words in GROUPS.items():
        pictured = {
            word: np.array([any(names(text, word) for text in texts) for texts in captions])
            for word in words
            if word in usable
        }
        for minus, plus in itertools.permutations(pictured, 2):
            pictures = np.flatnonzero(pictured[minus] & ~pictured[plus])
            right = pictured[plus] & ~pictured[minus]
            if min(len(pictures), int(right.sum())) < ENOUGH:
                continue
            random = np.random.default_rng([seed, zlib.crc32(f"{minus}/{plus}".encode())])
            queries = random.choice(pictures, min(per_pair, len(pictures)), replace=False)
            yield Analogy(group, minus, plus, np.sort(queries), right)


def evaluate_analogies(
    encoder: Encoder,
    images: Sequence[Path],
    captions: Sequence[Sequence[str]],
    *,
    per_pair: int = 10,
    seed: int = 1,
) -> AnalogyScores:
    """Ask picture - A + B over generated pairs of words.

    Args:
        encoder: The model.
        images: Pictures.
        captions: For each picture its sentences.
        per_pair: At most so many pictures are asked for a pair of words.
        seed: Decides which.

    Raises:
        ImageError: A picture cannot be read.
        TrainingDataError: No pair of words has enough pictures.
    """
    words = [word for group in GROUPS.values() for word in group if is_known(word, encoder)]
    analogies = list(draw_analogies(captions, words, per_pair=per_pair, seed=seed))
    if not analogies:
        raise TrainingDataError(
            f"no pair of words has {ENOUGH} pictures on either side among {len(images)}; "
            "give more captioned pictures"
        )
    vectors = dict(zip(words, encoder.encode_texts(words), strict=True))
    pictures = encode_pictures(images, encoder)
    ranks: dict[str, list[int]] = {}
    scenes: list[tuple[float, float, float]] = []
    for analogy in analogies:
        terms = np.stack([vectors[analogy.minus], vectors[analogy.plus]])
        scores = np.stack([_scores(pictures, row, terms) for row in analogy.queries])
        right = np.broadcast_to(analogy.right, scores.shape)
        ranks.setdefault(analogy.group, []).extend(best_ranks(scores, right).tolist())
        scenes += _scenes(analogy, captions, scores, pictures @ vectors[analogy.plus])
    every = np.concatenate([np.array(several) for several in ranks.values()])
    return AnalogyScores(
        top1=percent(every <= 1),
        top5=percent(every <= TOP),
        queries=len(every),
        pairs=len(analogies),
        images=len(images),
        keeps_scene=Scene(*(round(float(mean), 4) for mean in np.mean(scenes, axis=0))),
        groups={
            group: GroupScore(percent(np.array(several) <= TOP), len(several))
            for group, several in ranks.items()
        },
    )


def _scores(pictures: Vectors, row: int, words: Vectors) -> npt.NDArray[np.float32]:
    """Return the cosine of each picture to picture - A + B, -inf for the query picture itself."""
    try:
        query = compose(np.concatenate([pictures[row : row + 1], words]), (1.0, -1.0, 1.0))
    except CancelledQuery:  # finds nothing: all tie, and ties count against the model
        query = np.zeros(pictures.shape[1], dtype=np.float32)
    scores: npt.NDArray[np.float32] = pictures @ query
    scores[row] = -np.inf
    return scores


def _scenes(
    analogy: Analogy,
    captions: Sequence[Sequence[str]],
    scores: npt.NDArray[np.float32],
    plain: npt.NDArray[np.float32],
) -> Iterator[tuple[float, float, float]]:
    """Yield for each query how much of its scene the analogy, a plain search and chance keep."""
    taken_out = (analogy.minus, analogy.plus)
    targets = np.flatnonzero(analogy.right)
    stems = {row: content_stems(captions[row], taken_out) for row in targets.tolist()}
    expected = int(targets[np.argmax(plain[targets])])
    for row, line in zip(analogy.queries.tolist(), scores, strict=True):
        own = content_stems(captions[row], taken_out)
        shared = {target: jaccard(own, others) for target, others in stems.items()}
        hit = int(targets[np.argmax(line[targets])])
        yield shared[hit], shared[expected], sum(shared.values()) / len(shared)
