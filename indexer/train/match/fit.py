"""Fit what cosines are worth (`searchengine.models.calibration`), and measure it honestly.

The regressions are fitted on pictures that the model was not trained on, else they would believe
scores that it learned by heart: on the first hits of questions whose answers are known
(`material.py`), asked where an answer is and where none is, which count the same. So a match is
the probability that a hit is right if the chance is even that the library has anything to show.
Captions count as much as all labels together, and labels source by source the same, however many
questions each has. Pictures are asked of libraries as they are, because to a picture something is
always shown, and captions count as any source; there a match is the probability that a hit is
right.

Figures are cross-fitted: fitted on one half of the pictures or questions of each source, measured
on the other, both ways.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.evaluation.match import (
    FIRST,
    Judged,
    MatchScores,
    PictureScores,
    judge,
    measure,
    measure_pictures,
)
from indexer.evaluation.questions import TOP, Part
from indexer.train.match.material import Backgrounds, Material
from searchengine.errors import MissingPlugin, ModelError, TrainingDataError
from searchengine.models import files
from searchengine.models.calibration import (
    GROUP,
    KINDS,
    RISING,
    WIDE,
    Calibration,
    features_for,
    features_of,
    matcher_of,
    pictures_for,
    queries_for,
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

ALIKE_LIKELY, ALIKE_MAYBE = 0.92, 0.52
"""Hits of pictures that shall be right of those called likely, and of those called maybe.

Nine in ten and one in two are wanted of pictures that the fit did not see."""
RAREST = 0.002
"""Share of the hits that a band must have for what is right of it to say anything."""

Measured = tuple[Judged, float, float]
"""What a calibration says of hits, and where its bands likely and maybe begin."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a calibration is worth: on captions by kind of query, on labels by source.

    Pictures that ask are measured by source as well, those with captions first.
    """

    captions: Mapping[QueryKind, MatchScores]
    labels: Mapping[str, MatchScores]
    pictures: Mapping[str, PictureScores]


def train_match(
    model: Path,
    material: Material,
    *,
    seed: int = 1,
    kinds: Collection[QueryKind] = KINDS,
    old: Calibration | None = None,
) -> Figures:
    """Fit a calibration, write it into the model's folder, return its figures.

    Args:
        model: The folder of the model; a calibration that is there is replaced at the end, in one
            step.
        material: What the model makes of captions and labels.
        seed: Decides what is measured in which half.
        kinds: The kinds of query that are fitted.
        old: The calibration that the other kinds keep, and the backgrounds of all.

    Raises:
        TrainingDataError: Questions of a kind have no answer, or none lacks one.
    """
    figures = cross_fit(material, seed=seed, kinds=kinds, old=old)
    notes = {} if old is None else dict(old.notes)
    notes |= {
        "pairs": material.captions.name,
        "pictures": len(material.captions.pictures),
        "cross_fitted": notes.get("cross_fitted", {})
        | {kind: asdict(scores) for kind, scores in figures.captions.items()},
    }
    if "words" in kinds:
        notes["labels"] = [source.name for source in material.labels]
        notes["cross_fitted_labels"] = {n: asdict(scores) for n, scores in figures.labels.items()}
    if "picture" in kinds:
        notes["cross_fitted_pictures"] = {n: asdict(s) for n, s in figures.pictures.items()}
    whole = [source.whole() for source in material.sources]
    backgrounds = material.backgrounds if old is None else old.backgrounds
    calibration = fit(backgrounds, whole, notes, kinds=kinds, old=old)
    files.attach(model, GROUP, calibration.save)
    return figures


def cross_fit(
    material: Material,
    *,
    seed: int = 1,
    kinds: Collection[QueryKind] = KINDS,
    old: Calibration | None = None,
) -> Figures:
    """Return the figures, each half of a source measured by a fit that did not see it.

    Args:
        material: What the model makes of captions and labels.
        seed: Decides what is measured in which half.
        kinds: The kinds of query that are fitted, and measured.
        old: Has the backgrounds, where they are not to be measured.
    """
    random = np.random.default_rng(seed)
    halves = [source.halves(random) for source in material.sources]
    seen = [one for one, _ in halves], [other for _, other in halves]
    backgrounds = material.backgrounds if old is None else old.backgrounds
    calibrations = [fit(backgrounds, parts, kinds=kinds, old=old) for parts in seen]
    measured = [list(zip(calibrations, (other, one), strict=True)) for one, other in halves]
    return _figures(measured, kinds)


def calibration_of(encoder: Encoder) -> Calibration:
    """Return the calibration of a model, for a fit of some kinds of query that keeps the others.

    Raises:
        ModelError: It has none.
    """
    calibration = matcher_of(encoder)
    if not isinstance(calibration, Calibration):
        raise ModelError(
            f"model {encoder.name!r}: no calibration that some kinds could keep; fit all of them"
        )
    return calibration


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
    return _figures([[(calibration, source.whole())] for source in material.sources], KINDS)


def _figures(
    sources: Sequence[Sequence[tuple[Matcher, Part]]], kinds: Collection[QueryKind]
) -> Figures:
    """Measure sources, captions first, each in parts by the calibrations that judge them."""
    captions, *_ = sources
    named, pictures = (
        {
            parts[0][1].source.name: [_judged(*part, kind) for part in parts]
            for parts in sources
            if kind in kinds and parts[0][1].source.questions.get(kind)
        }
        for kind in _BY_SOURCE
    )
    named.pop(captions[0][1].source.name, None)
    return Figures(
        {k: measure(*(_judged(*part, k) for part in captions)) for k in KINDS if k in kinds},
        {name: measure(*judged) for name, judged in named.items()},
        {name: measure_pictures(*judged) for name, judged in pictures.items()},
    )


_BY_SOURCE: tuple[QueryKind, ...] = ("words", "picture")
"""What is asked of labels too."""


def _judged(calibration: Matcher, part: Part, kind: QueryKind) -> Measured:
    begin = calibration.bands[kind]
    judged = judge(calibration, part.ask(kind), part.pictures, TOP)
    return judged, begin["likely"], begin["maybe"]


def fit(
    backgrounds: Backgrounds,
    parts: Sequence[Part],
    notes: Mapping[str, Any] | None = None,
    *,
    kinds: Collection[QueryKind] = KINDS,
    old: Calibration | None = None,
) -> Calibration:
    """Fit a calibration on the questions of parts of all sources, captions first.

    Args:
        backgrounds: What scores are compared with; those of `old` if there is one.
        parts: What is seen of the sources.
        notes: What is said of the calibration.
        kinds: The kinds of query that are fitted.
        old: The calibration that the other kinds keep.

    Raises:
        TrainingDataError: No question of a kind has an answer there, or none lacks one.
    """
    fitted = [kind for kind in KINDS if kind in kinds]
    asking = {kind: [part for part in parts if part.questions.get(kind)] for kind in KINDS}
    curves = {} if old is None else dict(old.curves)
    curves |= {kind: _curve(kind, asking[kind], backgrounds) for kind in fitted}
    wide = [kind for kind in WIDE if kind in fitted or (old is not None and kind in old.wide)]
    raw = Calibration(backgrounds, curves, {}, wide=wide)

    def judged(kind: QueryKind) -> list[Judged]:
        return [judge(raw, part.ask(kind), part.pictures, TOP) for part in asking[kind]]

    bands = {} if old is None else {kind: dict(old.bands[kind]) for kind in KINDS}
    if "picture" in fitted:
        captioned, *labelled = judged("picture")
        bands["picture"] = _bands_of_pictures(labelled or [captioned])
    if others := [kind for kind in fitted if kind != "picture"]:
        captions, *names = judged("words")
        # What is not asked by words is only asked of captions, so names have no say in it.
        likely = dict.fromkeys(others, _likely(captions, ())) | {"words": _likely(captions, names)}
        bands |= {
            kind: {"likely": likely[kind], "maybe": min(likely[kind], _maybe(*judged(kind)))}
            for kind in others
        }
    return Calibration(backgrounds, curves, bands, notes, wide)


def _curve(kind: QueryKind, parts: Sequence[Part], backgrounds: Backgrounds) -> dict[str, float]:
    """Fit the weights of a kind; those of features that rise with the score are not negative."""
    examples = [_examples(kind, part, backgrounds) for part in parts]
    rows, right, weights = (np.concatenate(arrays) for arrays in zip(*examples, strict=True))
    if kind != "picture":
        weights[: len(examples[0][2])] *= max(len(parts) - 1, 1)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    mean[0], deviation[0] = 0.0, 1.0  # the constant
    deviation[deviation == 0] = 1.0
    names = features_for(kind)
    falling = ("size",) if kind == "picture" else ()
    solved = _solve((rows - mean) / deviation, right, weights, names, falling)
    solved /= deviation
    solved[0] -= (solved * mean).sum()
    return dict(zip(names, map(float, solved), strict=True))


def _examples(
    kind: QueryKind, part: Part, backgrounds: Backgrounds
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return features of first hits, which are right, and weights.

    Questions with an answer weigh the same as those without; of pictures, those that are asked in
    the whole library the same as those in parts of it.
    """
    asked, smaller = part.ask(kind), part.ask_smaller(kind)
    full = [each for each in (*asked, *smaller) if len(each.hits) == TOP]
    present = np.array([each.present for each in full])
    if kind == "picture":
        whole = sum(len(each.hits) == TOP for each in asked)
        parts = np.arange(len(full)) >= whole  # which are asked far more often
        weights = np.where(parts, 0.5 / max(parts.sum(), 1), 0.5 / max(whole, 1))
    elif present.all() or not present.any():
        raise TrainingDataError(
            f"{part.source.name}: no questions of the kind {kind!r} with an answer, or none "
            "without; a calibration needs more pictures that share what they are called"
        )
    else:
        weights = np.where(present, 0.5 / present.sum(), 0.5 / (~present).sum())
    hits = np.stack([each.hits for each in full])  # (asked, TOP)
    queries = np.stack([each.question.vector for each in full])
    scores = np.stack([part.pictures[each.hits] @ each.question.vector for each in full])
    mean_p, deviation_p = queries_for(kind, backgrounds).moments(part.pictures)
    features = features_of(
        scores,
        pictures_for(kind, backgrounds).moments(queries),
        (mean_p[hits], deviation_p[hits]),
        np.array([each.searched for each in full]),
    )
    rows = np.stack([features[name].ravel() for name in features_for(kind)], axis=1).astype(
        np.float64
    )
    right = np.stack([each.right for each in full]).ravel()
    return rows, right, np.repeat(weights, TOP)


def _solve(
    rows: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float64],
    names: Sequence[str],
    falling: Collection[str] = (),
) -> npt.NDArray[np.float64]:
    """Return the weights of a logistic regression, in RISING not negative, of falling none above 0.

    Where libraries differ in their pictures as well as in size, a larger one may seem the better.
    """
    try:
        from scipy.optimize import minimize
    except ModuleNotFoundError as error:
        raise MissingPlugin(f"train needs: pip install 'lexpix[train]' ({error})") from error
    signs = np.where(right, 1.0, -1.0)
    total = weights.sum()
    penalty = np.array([0.0 if name == "one" else DECAY for name in names])

    def loss(values: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margins = signs * (rows @ values)
        wrong = 0.5 * (1.0 - np.tanh(0.5 * margins))  # 1 - sigmoid, without overflow
        gradient = -(weights * signs * wrong) @ rows / total + 2 * penalty * values
        entropy = (weights * np.logaddexp(0.0, -margins)).sum() / total
        return float(entropy + (penalty * values**2).sum()), gradient

    bounds = [(0.0 if name in RISING else None, 0.0 if name in falling else None) for name in names]
    start = np.zeros(len(names))
    solution = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(solution.x, dtype=np.float64)


def _bands_of_pictures(sources: Sequence[Judged]) -> dict[str, float]:
    """Choose where bands begin so that as much is right as ALIKE_LIKELY and ALIKE_MAYBE say.

    That holds of first hits as of the first ten, each source weighing the same; of labels, if there
    are any, because captions call right only what they tell half of. Each band begins where it then
    has the most hits.
    """
    looked_at = [[one.hits(first) for one in sources] for first in (1, TOP)]
    matches = np.concatenate([hits for hits, _ in looked_at[1]])
    candidates = np.unique(np.quantile(matches, np.linspace(0.01, 0.9999, 1000))).tolist()

    def holds(begin: float, end: float, aim: float) -> bool:
        for each in looked_at:
            called = [(hits >= begin) & (hits < end) for hits, _ in each]
            share = sum(float(flags.mean()) for flags in called)
            of_it = zip(called, each, strict=True)
            right = sum(float((flags & is_right).mean()) for flags, (_, is_right) in of_it)
            if share > RAREST * len(sources) and right < aim * share:
                return False
        return True

    likely = next((b for b in candidates if holds(b, 2.0, ALIKE_LIKELY)), candidates[-1])
    maybe = next((b for b in candidates if b < likely and holds(b, likely, ALIKE_MAYBE)), likely)
    return {"likely": likely, "maybe": maybe}


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
