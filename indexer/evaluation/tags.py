"""Measure tags against captions: a tag is right if a caption says it, a synonym or an inflection.

Captions name only part of what a picture shows, so a precision is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.evaluation.metrics import percent
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.language.words import tokenize
from searchengine.models.calibration import matcher_of
from searchengine.search.tagging import Tagger
from searchengine.types import Encoder, Tag, Vectors

PROPOSED = 10
BINS = 10


@dataclass(frozen=True, slots=True)
class TagScores:
    """How right tags are, in percent.

    Attributes:
        p1, p3, p5, p10: Share of the best tags that captions say.
        r10: Share of the tags that captions say which are among the best ten.
        error: Expected calibration error of the ten tags shown (Guo et al., arXiv 1706.04599), None
            without a calibration.
        believed, believed_right: Tags per picture at or above the line `maybe`, which are kept and
            searched, and the share of them that is right.
        curve: For each tenth of confidence: mean confidence, share that is right, tags.
        images, tags: What it was measured on.
    """

    p1: float
    p3: float
    p5: float
    p10: float
    r10: float
    error: float | None
    believed: float | None
    believed_right: float | None
    curve: tuple[tuple[float, float, int], ...]
    images: int
    tags: int


def evaluate_tags(
    encoder: Encoder, pictures: Vectors, captions: Sequence[Sequence[str]]
) -> TagScores:
    """Measure the tags of pictures, shape (n, dim), against the sentences of each."""
    vocabulary = TagVocabulary.load()
    tagger = Tagger(encoder, vocabulary, {})
    tagged = tagger.tag(pictures, PROPOSED)
    truths = caption_tags(vocabulary, captions)
    right = np.array(
        [[tag.name in names for tag in tags] for tags, names in zip(tagged, truths, strict=True)]
    )
    proposable = set(tagger.names)
    relevant = np.array([max(1, len(names & proposable)) for names in truths])
    matcher = matcher_of(encoder)
    sure = _confidences(tagged) if matcher else None
    believed = None if sure is None or matcher is None else sure >= matcher.bands["words"]["maybe"]
    curve = () if sure is None else reliability(sure, right)
    total = sum(count for *_, count in curve)
    return TagScores(
        p1=percent(right[:, :1]),
        p3=percent(right[:, :3]),
        p5=percent(right[:, :5]),
        p10=percent(right),
        r10=percent(right.sum(axis=1) / relevant),
        error=None if sure is None else round(sum(abs(c - r) * n for c, r, n in curve) / total, 2),
        believed=None if believed is None else round(float(believed.sum(axis=1).mean()), 2),
        believed_right=None if believed is None or not believed.any() else percent(right[believed]),
        curve=curve,
        images=len(pictures),
        tags=len(tagger.names),
    )


def tag_ranks(
    encoder: Encoder, pictures: Vectors, names: Sequence[Sequence[str]]
) -> npt.NDArray[np.int64]:
    """Return the place, from 1, of the first tag that is one of a picture's names; 11 if none is.

    Args:
        encoder: The model.
        pictures: Unit rows, shape (n, dim).
        names: What each picture shows; a tag is right under any of its synonyms.
    """
    vocabulary = TagVocabulary.load()
    proposed = Tagger(encoder, vocabulary, {}).tag(pictures, PROPOSED)
    return np.array(
        [
            next((n for n, tag in enumerate(tags, start=1) if tag.name in right), PROPOSED + 1)
            for tags, right in zip(
                proposed, (set(map(vocabulary.canonical, each)) for each in names), strict=True
            )
        ]
    )


def caption_tags(vocabulary: TagVocabulary, captions: Sequence[Sequence[str]]) -> list[set[str]]:
    """Return the tags that the sentences of each picture say, in any of their words."""
    meant: dict[tuple[str, ...], str] = {}
    for entry in vocabulary.entries:
        for word in (entry.name, *entry.synonyms):
            meant.setdefault(tuple(tokenize(word)), entry.name)
    longest = max(map(len, meant))
    return [
        {
            meant[phrase]
            for sentence in sentences
            for phrase in _phrases(tokenize(sentence), longest)
            if phrase in meant
        }
        for sentences in captions
    ]


def reliability(
    sure: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]
) -> tuple[tuple[float, float, int], ...]:
    """Return mean confidence and share of right in percent, and the count, of each tenth."""
    bins = (sure * BINS).astype(int).clip(max=BINS - 1)
    return tuple(
        (percent(sure[bins == one]), percent(right[bins == one]), int((bins == one).sum()))
        for one in range(BINS)
        if (bins == one).any()
    )


def _confidences(tagged: Sequence[Sequence[Tag]]) -> npt.NDArray[np.float64]:
    return np.array([[tag.confidence or 0.0 for tag in tags] for tags in tagged])


def _phrases(words: Sequence[str], longest: int) -> list[tuple[str, ...]]:
    return [
        tuple(words[start:end])
        for start in range(len(words))
        for end in range(start + 1, min(start + longest, len(words)) + 1)
    ]
