"""Fit what cosines are worth (`searchengine.models.calibration`), and measure it honestly.

The regressions are fitted on pictures that the model was not trained on, else they would believe
scores that it learned by heart: on the first hits of questions whose answers are known
(`material.py`), asked where an answer is and where none is, which count the same. So a match is
the probability that a hit is right if the chance is even that the library has anything to show.
Captions count as much as all labels together, and labels source by source the same, however many
questions each has.

Figures are cross-fitted: fitted on one half of the pictures or questions of each source, measured
on the other, both ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.evaluation.match import FIRST, Judged, MatchScores, judge, measure
from indexer.evaluation.questions import TOP, Part
from indexer.train.match.material import Backgrounds, Material
from searchengine.errors import MissingPlugin, ModelError, TrainingDataError
from searchengine.models import files
from searchengine.models.calibration import (
    FEATURES,
    GROUP,
    KINDS,
    RISING,
    Calibration,
    background_of,
    features_of,
    matcher_of,
    pictures_for,
)
from searchengine.types import Encoder, Matcher, QueryKind

DECAY = 1e-3
"""L2 penalty on weights of standardised features."""
TARGETS = {"precision_likely": 80.0, "absent_silent": 80.0, "present_found": 75.0}
"""What `likely` shall reach; its least match is where the one that fares worst fares best."""
NAMED_TARGETS = {"absent_silent": 80.0}
"""The same for names and hypernyms, which many pictures show that nobody called so."""
WRONGLY_NOTHING = 10.0
"""Questions with an answer that may be told that nothing looks like that, in percent."""
LOST = 10.0
"""Names with a right hit among the first five of which that may not be maybe, in percent."""

Measured = tuple[Judged, float, float]
"""What a calibration says of hits, and where its bands likely and maybe begin."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a calibration is worth: on captions by kind of query, on labels by source."""

    captions: Mapping[QueryKind, MatchScores]
    labels: Mapping[str, MatchScores]


def train_match(model: Path, material: Material, *, seed: int = 1) -> Figures:
    """Fit a calibration, write it into the model's folder, return its figures.

    Args:
        model: The folder of the model; a calibration that is there is replaced at the end, in one
            step.
        material: What the model makes of captions and labels.
        seed: Decides what is measured in which half.

    Raises:
        TrainingDataError: Questions of a kind have no answer, or none lacks one.
    """
    figures = cross_fit(material, seed=seed)
    notes = {
        "pairs": material.captions.name,
        "pictures": len(material.captions.pictures),
        "labels": [source.name for source in material.labels],
        "cross_fitted": {kind: asdict(scores) for kind, scores in figures.captions.items()},
        "cross_fitted_labels": {name: asdict(scores) for name, scores in figures.labels.items()},
    }
    whole = [source.whole() for source in (material.captions, *material.labels)]
    calibration = fit(material.backgrounds, whole, notes)
    files.attach(model, GROUP, calibration.save)
    return figures


def cross_fit(material: Material, *, seed: int = 1) -> Figures:
    """Return the figures, each half of a source measured by a fit that did not see it."""
    random = np.random.default_rng(seed)
    sources = (material.captions, *material.labels)
    halves = [source.halves(random) for source in sources]
    seen = [one for one, _ in halves], [other for _, other in halves]
    calibrations = [fit(material.backgrounds, parts) for parts in seen]
    return _figures([list(zip(calibrations, (other, one), strict=True)) for one, other in halves])


def measure_shipped(encoder: Encoder, material: Material) -> Figures:
    """Return the figures of the calibration that a model has.

    Raises:
        ModelError: It has none.
    """
    calibration = matcher_of(encoder)
    if calibration is None:
        raise ModelError(
            f"model {encoder.name!r}: no calibration; run: lexpix train match --model MODEL"
        )
    sources = (material.captions, *material.labels)
    return _figures([[(calibration, source.whole())] for source in sources])


def _figures(sources: Sequence[Sequence[tuple[Matcher, Part]]]) -> Figures:
    """Measure sources, captions first, each in parts by the calibrations that judge them."""
    captions, *labels = sources
    return Figures(
        {kind: measure(*(_judged(*part, kind) for part in captions)) for kind in KINDS},
        {
            parts[0][1].source.name: measure(*(_judged(*part, "words") for part in parts))
            for parts in labels
        },
    )


def _judged(calibration: Matcher, part: Part, kind: QueryKind) -> Measured:
    begin = calibration.bands[kind]
    judged = judge(calibration, part.ask(kind), part.pictures, TOP)
    return judged, begin["likely"], begin["maybe"]


def fit(
    backgrounds: Backgrounds, parts: Sequence[Part], notes: Mapping[str, Any] | None = None
) -> Calibration:
    """Fit a calibration on the questions of parts of all sources, captions first.

    Raises:
        TrainingDataError: No question of a kind has an answer there, or none lacks one.
    """
    asking = {kind: [part for part in parts if part.questions.get(kind)] for kind in KINDS}
    curves = {kind: _curve(kind, asking[kind], backgrounds) for kind in KINDS}
    raw = Calibration(backgrounds, curves, {})
    judged = {
        kind: [judge(raw, part.ask(kind), part.pictures, TOP) for part in asking[kind]]
        for kind in KINDS
    }
    captions, *names = judged["words"]
    # What is not asked by words is only asked of captions, so names have no say in it.
    likely = dict.fromkeys(KINDS, _likely(captions, ())) | {"words": _likely(captions, names)}
    bands = {
        kind: {"likely": likely[kind], "maybe": min(likely[kind], _maybe(*judged[kind]))}
        for kind in KINDS
    }
    return Calibration(backgrounds, curves, bands, notes)


def _curve(kind: QueryKind, parts: Sequence[Part], backgrounds: Backgrounds) -> dict[str, float]:
    """Fit the weights of a kind; those of features that rise with the score are not negative."""
    examples = [_examples(kind, part, backgrounds) for part in parts]
    rows, right, weights = (np.concatenate(arrays) for arrays in zip(*examples, strict=True))
    captions = len(examples[0][2])
    weights[:captions] *= max(len(parts) - 1, 1)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    mean[0], deviation[0] = 0.0, 1.0  # the constant
    deviation[deviation == 0] = 1.0
    solved = _solve((rows - mean) / deviation, right, weights)
    solved /= deviation
    solved[0] -= (solved * mean).sum()
    return dict(zip(FEATURES, map(float, solved), strict=True))


def _examples(
    kind: QueryKind, part: Part, backgrounds: Backgrounds
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return features of first hits, which are right, and weights; both sorts weigh the same."""
    full = [each for each in (*part.ask(kind), *part.ask_smaller(kind)) if len(each.hits) == TOP]
    present = np.array([each.present for each in full])
    if present.all() or not present.any():
        raise TrainingDataError(
            f"{part.source.name}: no questions of the kind {kind!r} with an answer, or none "
            "without; a calibration needs more pictures that share what they are called"
        )
    hits = np.stack([each.hits for each in full])  # (asked, TOP)
    queries = np.stack([each.question.vector for each in full])
    scores = np.stack([part.pictures[each.hits] @ each.question.vector for each in full])
    mean_p, deviation_p = backgrounds[background_of(kind)].moments(part.pictures)
    features = features_of(
        scores,
        pictures_for(kind, backgrounds).moments(queries),
        (mean_p[hits], deviation_p[hits]),
        np.array([each.searched for each in full]),
    )
    rows = np.stack([features[name].ravel() for name in FEATURES], axis=1).astype(np.float64)
    right = np.stack([each.right for each in full]).ravel()
    weights = np.where(present, 0.5 / present.sum(), 0.5 / (~present).sum())
    return rows, right, np.repeat(weights, TOP)


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
    solution = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(solution.x, dtype=np.float64)


def _likely(captions: Judged, names: Sequence[Judged]) -> float:
    """Choose where the band begins: see TARGETS and NAMED_TARGETS."""
    matches = np.concatenate([np.append(one.present, one.absent) for one in (captions, *names)])
    candidates = np.unique(np.quantile(matches[matches >= 0], np.linspace(0.05, 0.999, 400)))
    aims = [(captions, TARGETS), *((one, NAMED_TARGETS) for one in names)]

    def worst(likely: float) -> float:
        figures = [(asdict(measure((judged, likely, 0.0))), targets) for judged, targets in aims]
        return float(min(f[name] - least for f, ts in figures for name, least in ts.items()))

    return float(max(candidates, key=worst))


def _maybe(captions: Judged, *names: Judged) -> float:
    """Choose where the band begins: see WRONGLY_NOTHING and LOST."""
    best = captions.present.max(axis=1)
    begins = [np.quantile(best, WRONGLY_NOTHING / 100, method="lower")]
    for one in names:
        right = np.where(one.right, one.present, -1.0)[:, :FIRST].max(axis=1)
        if (right >= 0).any():
            begins.append(np.quantile(right[right >= 0], LOST / 100, method="lower"))
    return float(min(begins))
