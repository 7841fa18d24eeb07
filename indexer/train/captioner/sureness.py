"""Fit what the log-probability of a caption is worth: is most of the sentence true?"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer.evaluation.mentions import content_stems
from searchengine.models import files
from searchengine.models.captioner.captioner import SURENESS, CaptionCalibration
from searchengine.types import Caption

LINE = 0.5
"""A caption is shown as "not sure" if it is more probable that most of it is wrong."""
_RIDGE = 1e-3  # keeps the curve finite where it could be infinitely steep
_STEPS = 50


def is_mostly_true(caption: str, references: Sequence[str]) -> bool:
    """Return whether people name at least half of what a caption says.

    Its content words are compared with those of all references, inflections aside. People leave
    much out, so more captions are true than this says.
    """
    stems = content_stems([caption])
    return bool(stems) and 2 * len(stems & content_stems(references)) >= len(stems)


def fit_sureness(logprobs: Sequence[float], right: Sequence[bool]) -> CaptionCalibration:
    """Return the logistic curve of most likelihood, by Newton's method; it never falls.

    Args:
        logprobs: Means over the words of each caption.
        right: Whether each was mostly true.
    """
    y = np.asarray(right, dtype=np.float64)
    scores = np.asarray(logprobs, dtype=np.float64)
    middle, scale = scores.mean(), max(float(scores.std()), 1e-6)
    x = np.stack([(scores - middle) / scale, np.ones_like(scores)], axis=1)  # (n, 2)
    weights = np.zeros(2)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (y - p) - _RIDGE * weights
        curvature = (x * (p * (1 - p))[:, None]).T @ x + _RIDGE * np.eye(2)
        weights += np.clip(np.linalg.solve(curvature, slope), -2, 2)
    if weights[0] < 0:  # a higher probability is never a reason to doubt
        share = float(np.clip(y.mean(), 1e-3, 1 - 1e-3))
        weights = np.array([0.0, np.log(share / (1 - share))])
    steepness = float(weights[0] / scale)
    return CaptionCalibration(steepness, float(weights[1] - steepness * middle), LINE)


def attach_sureness(
    folder: Path, captions: Sequence[Caption], references: Sequence[Sequence[str]]
) -> None:
    """Fit on captions of pictures that training did not see, and put the curve into the model."""
    right = [
        is_mostly_true(one.text, texts) for one, texts in zip(captions, references, strict=True)
    ]
    fitted = fit_sureness([one.logprob for one in captions], right)

    def write(fresh: Path) -> None:
        entries = {**dataclasses.asdict(fitted), "right": sum(right), "captions": len(right)}
        (fresh / f"{SURENESS}.json").write_text(json.dumps(entries) + "\n", encoding="utf-8")

    files.attach(folder, SURENESS, write)
