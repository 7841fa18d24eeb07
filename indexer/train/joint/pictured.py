"""Names of photographs as further classes: where the CNN puts what its classifier does not know.

For a name with a few photographs a linear discriminant is what a row of the classifier is for its
class: S^-1 (mean of the name's features - mean of all), S the covariance of features, shrunk
towards a multiple of the identity, since there are fewer photographs than channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SHRINK = 0.3
"""Share of the mean variance that is added to each variance."""


@dataclass(frozen=True)
class Pictured:
    """Names that photographs have.

    Attributes:
        names: Each once.
        counts: Photographs of each.
        rows: Rows of a classifier for them, less their mean, shape (names, channels).
    """

    names: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    rows: Floats | None = None

    @classmethod
    def of(cls, labels: Sequence[Sequence[str]], features: Floats) -> Pictured:
        """Learn a row for each name.

        Args:
            labels: The names of each photograph.
            features: Of the photographs, from the CNN, (photographs, channels).
        """
        members: dict[str, list[int]] = {}
        for number, names in enumerate(labels):
            for name in dict.fromkeys(names):
                members.setdefault(name, []).append(number)
        if not members:
            return cls()
        everything = features.astype(np.float64)
        covariance = np.cov(everything, rowvar=False, bias=True)
        covariance.flat[:: len(covariance) + 1] += SHRINK * np.trace(covariance) / len(covariance)
        means = np.stack([everything[rows].mean(axis=0) for rows in members.values()])
        rows = np.linalg.solve(covariance, (means - everything.mean(axis=0)).T).T
        counts = tuple(len(rows) for rows in members.values())
        return cls(tuple(members), counts, rows.astype(np.float32))
