"""From a cosine to the probability that a picture shows what a query asks for.

A cosine means little by itself: some queries are near to every picture and some pictures near to
every query (hubs). So each score is compared with what chance gives, in closed form, from means and
covariances of backgrounds instead of stored vectors::

    z_q = (s - q.mean_P) / sqrt(q' Cov_P q)      against pictures in general
    z_p = (s - p.mean_T) / sqrt(p' Cov_T p)      against queries of that kind in general

(the ideas of CSLS, arXiv 1710.04087, and QB-Norm, arXiv 2112.12777). A logistic regression per kind
of query turns them into a probability (Platt 1999). It was fitted on pictures that the model was
not trained on (`indexer/train/match/fit.py`).

It is kept in two files: the weights as JSON `{"format", "backgrounds": [name], "wide": [kind],
"curves": {kind: {feature: weight}}, "bands": {kind: {band: least match}}, "notes"}`, and the
backgrounds as one float16 array (backgrounds, 2 + rank, dim): mean, variances left over, factors.
Format 1 has no "wide", which is words alone there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from searchengine.errors import ModelError
from searchengine.types import Band, Encoder, Matcher, Query, QueryKind, Vectors
from searchengine.vectors import multiplied, sigmoid

FORMAT = 2
READABLE = (1, FORMAT)
GROUP = "match"
"""What the files of a calibration are called in the folder of a model."""

NAMED = "named pictures"
"""The background of pictures for wide kinds of query. A calibration may do without it."""

KINDS: tuple[QueryKind, ...] = ("words", "sentence", "picture", "mixture")
WIDE: tuple[QueryKind, ...] = ("words", "picture")
"""Kinds of query that are asked of more sorts of pictures than have captions."""
FEATURES = ("one", "score", "z_query", "z_picture", "spread", "size")
"""What the regression looks at.

`spread` is how far apart the query's scores of chance are, which tells words that pictures can
answer from those that they cannot. `size` is the logarithm of the number of pictures searched: the
more there are, the higher chance alone comes."""
MEANS = ("mean_query", "mean_picture")
"""What is looked at besides where both sides are pictures: the mean cosines of chance. A curve may
do without."""
OF_PICTURES = ("z_picture", "mean_picture")
"""Those that differ between pictures of one score."""
RISING = ("score", "z_query", "z_picture")
"""Those that rise with the score; their weights are never negative, so a match never falls."""

FEW_WORDS = 2
"""A query of more words is a sentence."""

SEARCHED = 500
"""Pictures that are supposed to have been searched where nobody says how many."""

Matches = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Background:
    """How vectors of one sort are spread: mean (dim,), and a covariance in factors.

    The covariance is `factors.T @ factors + diag(rest)`, which no rounding makes negative.
    """

    mean: npt.NDArray[Any]
    rest: npt.NDArray[Any]
    factors: npt.NDArray[Any]

    @classmethod
    def of(cls, vectors: Vectors, rank: int) -> Background:
        """Measure vectors (n, dim); keep `rank` directions of the covariance exactly."""
        rows = np.asarray(vectors, dtype=np.float64)
        mean = rows.mean(axis=0)
        covariance = np.cov(rows, rowvar=False, bias=True)
        values, directions = np.linalg.eigh(covariance)
        kept = slice(max(0, len(values) - rank), None)
        factors = (directions[:, kept] * np.sqrt(values[kept].clip(0))).T
        factors = np.concatenate([np.zeros((rank - len(factors), len(mean))), factors])
        rest = (np.diag(covariance) - (factors**2).sum(axis=0)).clip(0)
        return cls(mean, rest, factors)

    def rounded(self) -> Background:
        """Return the background as it will be stored, in half precision."""
        parts = (self.mean, self.rest, self.factors)
        return Background(*(part.astype(np.float16) for part in parts))

    def moments(self, vectors: Vectors) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return mean and standard deviation of the cosines with each vector, both (n,)."""
        mean, rest, factors = self._single
        variance = (multiplied(vectors, factors.T) ** 2).sum(axis=1)
        variance += vectors**2 @ rest
        return vectors @ mean, np.sqrt(variance).clip(_LEAST_DEVIATION)

    @cached_property
    def _single(self) -> tuple[npt.NDArray[np.float32], ...]:
        """Its parts as float32: to widen them takes longer than a search has for its matches."""
        return tuple(part.astype(np.float32) for part in (self.mean, self.rest, self.factors))


_LEAST_DEVIATION = 1e-4
_ANY_PICTURE = np.zeros(1, dtype=np.float32), np.ones(1, dtype=np.float32)


class Calibration:
    """Turn cosines into probabilities and bands."""

    def __init__(
        self,
        backgrounds: Mapping[str, Background],
        curves: Mapping[QueryKind, Mapping[str, float]],
        bands: Mapping[QueryKind, Mapping[str, float]],
        notes: Mapping[str, Any] | None = None,
        wide: Collection[QueryKind] = WIDE,
    ) -> None:
        """Take backgrounds by name, weights and the least match of bands by kind, and notes.

        The background "pictures" is what queries are compared with, except that those of a `wide`
        kind are compared with `NAMED` if there is any; what pictures are compared with is named by
        `background_of`.
        """
        self.backgrounds, self.curves = dict(backgrounds), dict(curves)
        self.notes, self.wide = dict(notes or {}), tuple(wide)
        self._bands = dict(bands)

    @property
    def bands(self) -> Mapping[QueryKind, Mapping[str, float]]:
        """For each kind of query, the least match of the bands likely and maybe."""
        return self._bands

    def match(
        self,
        queries: Vectors,
        pictures: Vectors,
        kinds: Sequence[QueryKind],
        searched: int | Sequence[int] = SEARCHED,
    ) -> Matches:
        """Return how probable it is that each picture shows what each query asks for.

        Args:
            queries: Unit rows, shape (q, dim).
            pictures: Unit rows, shape (p, dim).
            kinds: The kind of each query.
            searched: Of how many pictures these are the nearest; one number, or one per query.

        Returns:
            Shape (q, p), float32, in 0..1; each entry depends on its query and picture alone.
        """
        if len(kinds) != len(queries):
            raise ValueError(f"{len(kinds)} kinds for {len(queries)} queries")
        scores = queries @ pictures.T
        result = np.empty(scores.shape, dtype=np.float32)
        sizes = np.broadcast_to(np.asarray(searched), len(queries))
        for kind in dict.fromkeys(kinds):
            rows = np.array([each == kind for each in kinds])
            of_pictures = _ANY_PICTURE
            if not self.follows_scores(kind):
                of_pictures = queries_for(kind, self.backgrounds, self.wide).moments(pictures)
            features = features_of(
                scores[rows],
                pictures_for(kind, self.backgrounds, self.wide).moments(queries[rows]),
                of_pictures,
                sizes[rows],
            )
            logits = sum(weight * features[name] for name, weight in self.curves[kind].items())
            result[rows] = sigmoid(np.asarray(logits))
        return result

    def follows_scores(self, kind: QueryKind) -> bool:
        """Whether no match of a query of this kind is above that of a picture of a higher score.

        It is where nothing counts that is known of a picture but its score.
        """
        return not any(self.curves[kind].get(name) for name in OF_PICTURES)

    def band(self, match: float, kind: QueryKind = "words") -> Band:
        """Say in a word how much a match of a kind of query is worth."""
        begin = self.bands[kind]
        if match >= begin["likely"]:
            return "likely"
        return "maybe" if match >= begin["maybe"] else "unlikely"

    def save(self, folder: Path) -> None:
        """Write the files of a calibration into an existing folder."""
        names = list(self.backgrounds)
        arrays = [
            np.concatenate([b.mean[None], b.rest[None], b.factors])
            for b in self.backgrounds.values()
        ]
        np.save(folder / f"{GROUP}.npy", np.stack(arrays).astype(np.float16), allow_pickle=False)
        entries = {
            "format": FORMAT,
            "backgrounds": names,
            "wide": self.wide,
            "curves": self.curves,
            "bands": self.bands,
            "notes": self.notes,
        }
        (folder / f"{GROUP}.json").write_text(
            json.dumps(entries, indent=2) + "\n", encoding="utf-8"
        )

    @classmethod
    def load(cls, parameters: Path, backgrounds: Path) -> Calibration:
        """Read the two files of a calibration; raise ModelError naming one that is none."""
        path = parameters
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            if entries["format"] not in READABLE:
                raise ValueError(f"format {entries['format']}, this lexpix reads {FORMAT}")
            is_new = entries["format"] == FORMAT
            wide: list[QueryKind] = entries["wide"] if is_new else ["words"]
            if unknown := set(wide).difference(KINDS):
                raise ValueError(f"no kinds of query: {sorted(unknown)}")
            curves: dict[QueryKind, dict[str, float]] = {
                kind: {
                    name: float(entries["curves"][kind][name])
                    for name in features_for(kind)
                    if name not in MEANS or name in entries["curves"][kind]
                }
                for kind in KINDS
            }
            bands: dict[QueryKind, dict[str, float]] = {
                kind: {name: float(entries["bands"][kind][name]) for name in ("likely", "maybe")}
                for kind in KINDS
            }
            notes = dict(entries["notes"])
            path = backgrounds
            arrays = np.load(path, mmap_mode="r", allow_pickle=False)
            spread = {
                name: Background(array[0], array[1], array[2:])
                for name, array in zip(entries["backgrounds"], arrays, strict=True)
            }
            if missing := {"pictures", *map(background_of, KINDS)}.difference(spread):
                raise ValueError(f"no background of {sorted(missing)}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise ModelError(
                f"{path}: not a calibration ({error!r}); run: lexpix train match"
            ) from error
        return cls(spread, curves, bands, notes, wide)


def matcher_of(encoder: Encoder) -> Matcher | None:
    """Return what knows the worth of an encoder's cosines, None if nobody does."""
    matcher: Matcher | None = getattr(encoder, "calibration", None)  # as `Calibrated` has it
    return matcher


def follows_scores(encoder: Encoder, kind: QueryKind) -> bool:
    """Tell whether an encoder's matches of a kind of query are known to fall with the scores."""
    matcher = matcher_of(encoder)
    return isinstance(matcher, Calibration) and matcher.follows_scores(kind)


def background_of(kind: QueryKind) -> str:
    """Return the name of the background that stands for queries of a kind."""
    return "pictures" if kind == "picture" else kind


def pictures_for(
    kind: QueryKind, backgrounds: Mapping[str, Background], wide: Collection[QueryKind] = WIDE
) -> Background:
    """Return the background that queries of a kind are compared with."""
    return backgrounds[NAMED if kind in wide and NAMED in backgrounds else "pictures"]


def queries_for(
    kind: QueryKind, backgrounds: Mapping[str, Background], wide: Collection[QueryKind] = WIDE
) -> Background:
    """Return the background that pictures are compared with where a kind of query asks."""
    if kind == "picture":
        return pictures_for(kind, backgrounds, wide)
    return backgrounds[background_of(kind)]


def features_for(kind: QueryKind) -> tuple[str, ...]:
    """Return the names of what the regression of a kind of query looks at."""
    return FEATURES + MEANS if kind == "picture" else FEATURES


def kind_of(query: Query) -> QueryKind:
    """Return what kind of query the calibration has to do with."""
    first, *others = query.terms
    if others or first.weight < 0:
        return "mixture"
    if first.kind != "words":
        return "picture"
    return "words" if len(first.value.split()) <= FEW_WORDS else "sentence"


def features_of(
    scores: npt.NDArray[Any],
    of_queries: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    of_pictures: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    searched: npt.NDArray[Any],
) -> dict[str, npt.NDArray[Any]]:
    """Return what the regression looks at, by name, each broadcast to (q, p).

    Args:
        scores: Cosines, shape (q, p).
        of_queries: Mean and deviation of each query's cosines with pictures in general.
        of_pictures: Mean and deviation of each picture's cosines with queries in general, shape
            (p,), or (q, p) if each query has pictures of its own.
        searched: Pictures searched by each query.
    """
    mean_q, deviation_q = (values[:, None] for values in of_queries)
    mean_p, deviation_p = of_pictures
    size = np.log(np.maximum(searched, 1))[:, None]
    return {
        "one": np.ones_like(scores),
        "score": scores,
        "z_query": (scores - mean_q) / deviation_q,
        "z_picture": (scores - mean_p) / deviation_p,
        "spread": np.broadcast_to(deviation_q, scores.shape),
        "size": np.broadcast_to(size, scores.shape),
        "mean_query": np.broadcast_to(mean_q, scores.shape),
        "mean_picture": np.broadcast_to(mean_p, scores.shape),
    }
