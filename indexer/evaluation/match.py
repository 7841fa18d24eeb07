"""Measure a calibration: is `likely` right, and is nothing called likely where nothing is there?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.evaluation.questions import QueryResult
from searchengine.types import Band, Matcher, Vectors

BINS = 10
"""Bins of equal width for the calibration error."""
FIRST = 5
"""Hits that are seen at a glance."""
CHUNK = 256
"""Questions that are matched with all pictures at once; it bounds the memory."""


@dataclass(frozen=True, slots=True)
class MatchScores:
    """What the bands are worth, in percent, on the first ten hits of each question.

    Attributes:
        precision_likely: Hits called likely that are right, of questions with an answer.
        absent_silent: Questions without an answer of which no hit is called likely.
        present_found: Questions with an answer of which a right hit is called likely.
        precision_all: As the first, the hits of questions without an answer counted in as wrong.
        absent_nothing: Questions without an answer that are told that nothing looks like that.
        present_nothing: Questions with an answer that are told so, wrongly.
        reachable: Questions with an answer that have a right one among their hits; no band can
            find more.
        first_found: Questions with an answer of which a right hit among the first `FIRST` is at
            least maybe.
        first_reachable: As reachable, among the first `FIRST`.
        error: Expected calibration error: mean distance of match and share of right hits (Guo et
            al., arXiv 1706.04599), both sorts of questions weighted equally.
        present, absent: Questions with and without an answer.
    """

    precision_likely: float
    absent_silent: float
    present_found: float
    precision_all: float
    absent_nothing: float
    present_nothing: float
    reachable: float
    first_found: float
    first_reachable: float
    error: float
    present: int
    absent: int


@dataclass(frozen=True, slots=True)
class BandScores:
    """How many hits are in a band and how many of these are right, in percent."""

    share: float
    right: float


@dataclass(frozen=True, slots=True)
class PictureScores:
    """What the bands are worth where pictures ask, of the first hit of each and of the first ten.

    Attributes:
        first, ten: By band.
        asked: Pictures that asked.
        answered: Of these, those whose like is in the library, in percent.
    """

    first: Mapping[Band, BandScores]
    ten: Mapping[Band, BandScores]
    asked: int
    answered: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Matches of the hits of all questions with an answer, and of those without, rank by rank.

    Attributes:
        present, right: Shape (questions, hits).
        absent: Shape (other questions, hits).
        Short rows are padded with a match of -1, which is in no band and never right.
    """

    present: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]
    absent: npt.NDArray[np.float32]

    def hits(self, first: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Return match and rightness of the first hits of all questions, each (hits,)."""
        matches = np.concatenate([self.present[:, :first].ravel(), self.absent[:, :first].ravel()])
        wrong = np.zeros(self.absent[:, :first].size, dtype=bool)
        right = np.concatenate([self.right[:, :first].ravel(), wrong])
        return matches[matches >= 0], right[matches >= 0]


def judge(matcher: Matcher, results: Sequence[QueryResult], pictures: Vectors, hits: int) -> Judged:
    """Return what a calibration says of hits; `hits` is the length of a row."""
    matches = np.full((len(results), hits), -1.0, dtype=np.float32)
    right = np.zeros((len(results), hits), dtype=bool)
    for start in range(0, len(results), CHUNK):
        some = results[start : start + CHUNK]
        matched = matcher.match(
            np.stack([each.question.vector for each in some]),
            pictures,
            [each.question.kind for each in some],
            [each.searched for each in some],
        )
        for row, (each, line) in enumerate(zip(some, matched, strict=True), start):
            matches[row, : len(each.hits)] = line[each.hits]
            right[row, : len(each.hits)] = each.right
    present = np.array([each.present for each in results], dtype=bool)
    return Judged(matches[present], right[present], matches[~present])


def measure(*parts: tuple[Judged, float, float]) -> MatchScores:
    """Measure questions, each part by the matches that its bands likely and maybe begin at."""
    right = np.concatenate([judged.right for judged, _, _ in parts])
    called = np.concatenate([judged.present >= likely for judged, likely, _ in parts])
    wrongly = np.concatenate([judged.absent >= likely for judged, likely, _ in parts])
    kept = np.concatenate([judged.present >= maybe for judged, _, maybe in parts])
    kept_wrongly = np.concatenate([judged.absent >= maybe for judged, _, maybe in parts])
    hits = int((called & right).sum())
    return MatchScores(
        precision_likely=_percent(hits, called.sum()),
        absent_silent=_percent((~wrongly.any(axis=1)).sum(), len(wrongly)),
        present_found=_percent((called & right).any(axis=1).sum(), len(called)),
        precision_all=_percent(hits, called.sum() + wrongly.sum()),
        absent_nothing=_percent((~kept_wrongly.any(axis=1)).sum(), len(wrongly)),
        present_nothing=_percent((~kept.any(axis=1)).sum(), len(called)),
        reachable=_percent(right.any(axis=1).sum(), len(called)),
        first_found=_percent((kept & right)[:, :FIRST].any(axis=1).sum(), len(called)),
        first_reachable=_percent(right[:, :FIRST].any(axis=1).sum(), len(called)),
        error=round(100 * calibration_error(*(judged for judged, _, _ in parts)), 2),
        present=len(called),
        absent=len(wrongly),
    )


def measure_pictures(*parts: tuple[Judged, float, float]) -> PictureScores:
    """Measure questions of pictures, each part by the matches its bands likely and maybe begin at.

    Raises:
        ValueError: There are no questions.
    """
    answered = sum(len(judged.present) for judged, _, _ in parts)
    asked = answered + sum(len(judged.absent) for judged, _, _ in parts)
    if not asked:
        raise ValueError("no picture asks")
    hits = max(judged.present.shape[1] for judged, _, _ in parts)
    return PictureScores(
        _by_band(parts, 1), _by_band(parts, hits), asked, _percent(answered, asked)
    )


def _by_band(parts: Sequence[tuple[Judged, float, float]], first: int) -> dict[Band, BandScores]:
    called: list[npt.NDArray[np.int64]] = []
    flags: list[npt.NDArray[np.bool_]] = []
    for judged, likely, maybe in parts:
        matches, right = judged.hits(first)
        called.append((matches < likely).astype(np.int64) + (matches < maybe))
        flags.append(right)
    places, right = np.concatenate(called), np.concatenate(flags)
    bands: tuple[Band, ...] = ("likely", "maybe", "unlikely")
    return {
        band: BandScores(
            _percent((places == place).sum(), len(places)),
            _percent(right[places == place].sum(), (places == place).sum()),
        )
        for place, band in enumerate(bands)
    }


def calibration_error(*parts: Judged) -> float:
    """Return the expected calibration error, in 0..1."""
    matches, right, weights = (
        np.concatenate(arrays) for arrays in zip(*map(_flat, parts), strict=True)
    )
    bins = np.minimum((matches * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights * (right - matches), minlength=BINS)
    return float(np.abs(gaps).sum() / weights.sum()) if len(matches) else 0.0


def _flat(
    judged: Judged,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return match, rightness and weight of every hit; both sorts of questions weigh the same."""
    matches = np.concatenate([judged.present.ravel(), judged.absent.ravel()]).astype(np.float64)
    right = np.concatenate([judged.right.ravel(), np.zeros(judged.absent.size)]).astype(np.float64)
    share = max(len(judged.present), 1) / max(len(judged.absent), 1)
    weights = np.concatenate([np.ones(judged.present.size), np.full(judged.absent.size, share)])
    real = matches >= 0
    return matches[real], right[real], weights[real]


def _percent(part: float, whole: float) -> float:
    """Return a share in percent; of nothing, nothing is wrong."""
    return round(100 * float(part) / float(whole), 2) if whole else 100.0
