"""Fit what a model's cosines are worth (`searchengine/calibration.py`), and measure it honestly.

Backgrounds come from the train split. The regressions are fitted on pictures that the model was not
trained on, else they would believe scores that it learned by heart: on the first hits of questions
whose answers are known (`indexer/questions.py`), asked where an answer is and where none is, which
count the same. So a match is the probability that a hit is right if the chance is even that the
library has anything to show.

Figures are cross-fitted: fitted on one half of the pictures, measured on the other, both ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.concepts import Concepts
from indexer.evaluation.match import Judged, MatchScores, judge, measure
from indexer.questions import TOP, Asked, Question, Writer, ask
from indexer.train.data import Pair, read_pairs
from searchengine.calibration import (
    FEATURES,
    GROUP,
    KINDS,
    RISING,
    Background,
    Calibration,
    background_of,
    features_of,
)
from searchengine.errors import MissingPlugin, ModelError, TrainingDataError, UnknownWords
from searchengine.models import files
from searchengine.tagging import matcher_of
from searchengine.types import Encoder, QueryKind, Vectors
from searchengine.vectors import compose

BACKGROUND = 2000
"""Pictures, and queries of each kind, that a background is measured on."""
RANK = 128
"""Directions of a covariance that are kept exactly."""
DECAY = 1e-3
"""L2 penalty on weights of standardised features."""
SHARES = (4, 16)
"""A library is also asked in parts of one in so many of its pictures."""
PARTS = 4
"""Parts of each size that are asked."""
TARGETS = {"precision_likely": 80.0, "absent_silent": 80.0, "present_found": 75.0}
"""What `likely` shall reach; its least match is where the one that fares worst fares best."""
WRONGLY_NOTHING = 10.0
"""Questions with an answer that may be told that nothing looks like that, in percent."""

Questions = Mapping[QueryKind, Sequence[Question]]
Backgrounds = Mapping[str, Background]


@dataclass(frozen=True, slots=True)
class Material:
    """What a calibration is fitted on: backgrounds, and questions about the pictures of a split."""

    backgrounds: Backgrounds
    questions: Questions
    pictures: Vectors


def train_match(
    model: Path, encoder: Encoder, pairs: Path, images: Path | None = None, *, seed: int = 1
) -> dict[QueryKind, MatchScores]:
    """Fit a calibration on the dev split, write it into the model's folder, return its figures.

    Args:
        model: The folder of the model; a calibration that is there is replaced at the end, in one
            step.
        encoder: The model.
        pairs: Captioned pictures with the splits train and dev.
        images: The folder of the pictures, if not that of the pairs.
        seed: Decides which pictures and captions are asked.

    Raises:
        TrainingDataError: The pairs lack a split, or have too little in common.
        ImageError: A picture cannot be read.
    """
    material = prepare(encoder, pairs, images, seed=seed)
    figures = cross_fit(material, seed=seed)
    everything = np.ones(len(material.pictures), dtype=bool)
    notes = {
        "pairs": pairs.name,
        "pictures": len(material.pictures),
        "cross_fitted": {kind: asdict(scores) for kind, scores in figures.items()},
    }
    calibration = fit(material, everything, notes)
    files.attach(model, GROUP, calibration.save)
    return figures


def prepare(
    encoder: Encoder, pairs: Path, images: Path | None = None, *, split: str = "dev", seed: int = 1
) -> Material:
    """Measure backgrounds on the train split and write questions about another one."""
    entries = read_pairs(pairs, images)
    train, asked = ([p for p in entries if p.split == s and p.captions] for s in ("train", split))
    for name, found in (("train", train), (split, asked)):
        if not found:
            raise TrainingDataError(f"{pairs}: no captioned pictures of the split {name!r} in it")
    concepts = Concepts([pair.captions for pair in train])
    pictures = encoder.encode_images([pair.image for pair in asked])
    try:
        writer = Writer(concepts, [p.captions for p in asked], pictures, encoder, seed=seed)
    except TrainingDataError as error:
        raise TrainingDataError(f"{pairs}: {error}") from error
    backgrounds = _backgrounds(encoder, train, concepts, np.random.default_rng(seed))
    return Material(backgrounds, writer.all(), pictures)


def cross_fit(material: Material, *, seed: int = 1) -> dict[QueryKind, MatchScores]:
    """Return the figures of each kind, every picture measured by a fit that did not see it."""
    count = len(material.pictures)
    half = np.zeros(count, dtype=bool)
    half[np.random.default_rng(seed).permutation(count)[: count // 2]] = True
    parts: dict[QueryKind, list[tuple[Judged, float, float]]] = {kind: [] for kind in KINDS}
    for seen in (half, ~half):
        calibration = fit(material, seen)
        for kind in KINDS:
            asked = ask(material.questions[kind], material.pictures, ~seen)
            judged = judge(calibration, asked, material.pictures, TOP)
            begin = calibration.bands[kind]
            parts[kind].append((judged, begin["likely"], begin["maybe"]))
    return {kind: measure(*both) for kind, both in parts.items()}


def measure_shipped(encoder: Encoder, material: Material) -> dict[QueryKind, MatchScores]:
    """Return the figures of the calibration that a model has, for each kind.

    Raises:
        ModelError: It has none.
    """
    calibration = matcher_of(encoder)
    if calibration is None:
        raise ModelError(
            f"model {encoder.name!r}: no calibration; run: lexpix train match --model MODEL"
        )
    everything = np.ones(len(material.pictures), dtype=bool)
    figures = {}
    for kind in KINDS:
        asked = ask(material.questions[kind], material.pictures, everything)
        judged = judge(calibration, asked, material.pictures, TOP)
        begin = calibration.bands[kind]
        figures[kind] = measure((judged, begin["likely"], begin["maybe"]))
    return figures


def fit(
    material: Material, library: npt.NDArray[np.bool_], notes: Mapping[str, Any] | None = None
) -> Calibration:
    """Fit a calibration on the questions about part of the pictures.

    Raises:
        TrainingDataError: No question of a kind has an answer there, or none lacks one.
    """
    asked = {kind: ask(material.questions[kind], material.pictures, library) for kind in KINDS}
    curves = {
        kind: _curve(
            kind,
            [*asked[kind], *_ask_smaller(material.questions[kind], material.pictures, library)],
            material.backgrounds,
            material.pictures,
        )
        for kind in KINDS
    }
    raw = Calibration(material.backgrounds, curves, {})
    judged = {kind: judge(raw, asked[kind], material.pictures, TOP) for kind in KINDS}
    likely = _likely(judged["words"])
    bands = {kind: {"likely": likely, "maybe": min(likely, _maybe(judged[kind]))} for kind in KINDS}
    return Calibration(material.backgrounds, curves, bands, notes)


def _backgrounds(
    encoder: Encoder, train: Sequence[Pair], concepts: Concepts, random: np.random.Generator
) -> dict[str, Background]:
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
    return {name: Background.of(rows, RANK).rounded() for name, rows in vectors.items()}


def _encode(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    rows = []
    for text in texts:
        try:
            rows.append(encoder.encode_texts([text])[0])
        except UnknownWords:  # a text that finds nothing is no background of what is found
            continue
    if not rows:
        raise TrainingDataError("the model knows no word of the captions")
    return np.stack(rows)


def _ask_smaller(
    questions: Sequence[Question], pictures: Vectors, library: npt.NDArray[np.bool_]
) -> list[Asked]:
    """Ask in parts of the library too, so that the fit learns what the size of a library does."""
    random = np.random.default_rng(len(pictures))
    rows = random.permutation(np.flatnonzero(library))
    asked: list[Asked] = []
    for share in SHARES:
        for part in np.array_split(rows, share)[:PARTS]:
            smaller = np.zeros(len(pictures), dtype=bool)
            smaller[part] = True
            asked += ask(questions, pictures, smaller, least=1)
    return asked


def _curve(
    kind: QueryKind, asked: Sequence[Asked], backgrounds: Backgrounds, pictures: Vectors
) -> dict[str, float]:
    """Fit the weights of a kind; those of features that rise with the score are not negative."""
    if len({each.present for each in asked if len(each.hits) == TOP}) < 2:
        raise TrainingDataError(
            f"no questions of the kind {kind!r} with an answer, or none without; "
            "a calibration needs more pictures that share what their captions name"
        )
    full = [each for each in asked if len(each.hits) == TOP]
    hits = np.stack([each.hits for each in full])  # (asked, TOP)
    queries = np.stack([each.question.vector for each in full])
    scores = np.stack([pictures[each.hits] @ each.question.vector for each in full])
    mean_p, deviation_p = backgrounds[background_of(kind)].moments(pictures)
    features = features_of(
        scores,
        backgrounds["pictures"].moments(queries),
        (mean_p[hits], deviation_p[hits]),
        np.array([each.searched for each in full]),
    )
    rows = np.stack([features[name].ravel() for name in FEATURES], axis=1).astype(np.float64)
    right = np.stack([each.right for each in full]).ravel()
    present = np.array([each.present for each in full])
    weights = np.repeat(np.where(present, 1.0, present.sum() / (~present).sum()), TOP)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    mean[0], deviation[0] = 0.0, 1.0  # the constant
    deviation[deviation == 0] = 1.0
    solved = _solve((rows - mean) / deviation, right, weights)
    solved /= deviation
    solved[0] -= (solved * mean).sum()
    return dict(zip(FEATURES, map(float, solved), strict=True))


def _solve(
    rows: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the weights of a logistic regression, those in RISING not negative."""
    try:
        from scipy.optimize import minimize
    except ModuleNotFoundError as error:
        raise MissingPlugin(f"train needs: pip install 'lexpix[train]' ({error})") from error
    signs = np.where(right, 1.0, -1.0)
    total = weights.sum()
    penalty = np.array([0.0 if name == "one" else DECAY for name in FEATURES])

    def loss(values: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margins = signs * (rows @ values)
        wrong = 0.5 * (1.0 - np.tanh(0.5 * margins))  # 1 - sigmoid, without overflow
        gradient = -(weights * signs * wrong) @ rows / total + 2 * penalty * values
        entropy = (weights * np.logaddexp(0.0, -margins)).sum() / total
        return float(entropy + (penalty * values**2).sum()), gradient

    bounds = [(0.0, None) if name in RISING else (None, None) for name in FEATURES]
    start = np.zeros(len(FEATURES))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, dtype=np.float64)


def _likely(judged: Judged) -> float:
    """Choose where the band begins: see TARGETS."""
    matches = np.concatenate([judged.present.ravel(), judged.absent.ravel()])
    candidates = np.unique(np.quantile(matches[matches >= 0], np.linspace(0.05, 0.999, 400)))

    def worst(likely: float) -> float:
        scores = asdict(measure((judged, likely, 0.0)))
        return float(min(scores[name] - target for name, target in TARGETS.items()))

    return float(max(candidates, key=worst))


def _maybe(judged: Judged) -> float:
    """Choose where the band begins: see WRONGLY_NOTHING."""
    best = judged.present.max(axis=1)
    return float(np.quantile(best, WRONGLY_NOTHING / 100, method="lower"))
