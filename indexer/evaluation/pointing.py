"""Measure whether explanations point rightly: two things side by side, each word's strongest place.

The pointing game of Zhang et al., "Top-down Neural Attention by Excitation Backprop", arXiv
1608.00507, on pictures put together so that labels of whole pictures are enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.evaluation.encode import is_known
from indexer.evaluation.mentions import content_stems
from indexer.evaluation.metrics import percent
from indexer.executors import Threads
from searchengine.errors import ModelError, TrainingDataError
from searchengine.images import open_image
from searchengine.search.attribution import split
from searchengine.search.resolve import parts_of
from searchengine.types import Encoder, Explainable, Term

HALF = 224
"""Pixels per side of each picture of a composite, if the model names no size."""
BATCH = 32
_PATIENCE = 100  # draws per composite before what was found has to do

Side = Literal["left", "right"]
Verdict = Literal["right", "middle", "wrong"]


@dataclass(frozen=True, slots=True)
class PointingScores:
    """Where the strongest place of a word lies.

    Attributes:
        right: Words whose strongest place is in the half of their picture, in percent.
        middle: In the middle column, which belongs to neither half; it counts as a miss.
        wrong: In the other half, or in several at once; the three add up to 100.
        composites: Pairs of pictures, two words each.
        names: Different names among them.
        unknown: Names of which the model knows no word; they are left out.
    """

    right: float
    middle: float
    wrong: float
    composites: int
    names: int
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Composite:
    """Two pictures side by side, and a name of each."""

    left: Path
    right: Path
    left_name: str
    right_name: str


def draw_composites(
    labelled: Sequence[tuple[Path, Sequence[str]]], *, pairs: int, seed: int
) -> list[Composite]:
    """Draw pairs of pictures whose names have no word in common, and one name of each.

    Args:
        labelled: Pictures with all their names.
        pairs: So many, fewer if there are not as many.
        seed: Decides which.

    Raises:
        TrainingDataError: There is no such pair.
    """
    random = np.random.default_rng(seed)
    stems = [content_stems(names) for _, names in labelled]
    drawn: dict[tuple[int, int], Composite] = {}
    for _ in range(_PATIENCE * pairs):
        if len(drawn) == pairs:
            break
        left, right = (int(row) for row in random.integers(len(labelled), size=2))
        if stems[left] & stems[right] or (left, right) in drawn:
            continue
        chosen = (labelled[row][1] for row in (left, right))
        names = (str(options[int(random.integers(len(options)))]) for options in chosen)
        drawn[left, right] = Composite(labelled[left][0], labelled[right][0], *names)
    if not drawn:
        raise TrainingDataError(
            f"no two of the {len(labelled)} pictures have different labels, so none can be put "
            "side by side; give pictures of several things"
        )
    return list(drawn.values())


def evaluate_pointing(
    encoder: Encoder,
    labelled: Sequence[tuple[Path, Sequence[str]]],
    *,
    pairs: int = 300,
    seed: int = 1,
) -> PointingScores:
    """Put pictures side by side and look where each one's name finds its strongest place.

    Args:
        encoder: The model.
        labelled: Pictures with all their names.
        pairs: So many composites.
        seed: Decides which.

    Raises:
        ImageError: A picture cannot be read.
        ModelError: The scores of this model cannot be split exactly.
        TrainingDataError: No pair of pictures has different names that the model knows.
    """
    if not isinstance(encoder, Explainable):
        raise ModelError(
            f"model {encoder.name!r}: its scores cannot be split exactly, because it is not linear "
            "in words and places; use a joint model"
        )
    every = sorted({name for _, names in labelled for name in names})
    unknown = tuple(name for name in every if not is_known(name, encoder))
    # What has an unknown name stays out: it could show what another picture is asked for.
    usable = [entry for entry in labelled if entry[1] and not set(entry[1]) & set(unknown)]
    composites = draw_composites(usable, pairs=pairs, seed=seed) if usable else []
    if not composites:
        raise TrainingDataError(f"the model knows none of the names {', '.join(every[:5])} ...")
    verdicts: list[Verdict] = []
    for composite, regions in _regions(composites, encoder):
        sides: tuple[tuple[str, Side], ...] = (
            (composite.left_name, "left"),
            (composite.right_name, "right"),
        )
        for name, side in sides:
            verdicts.append(judge(heat(name, regions, encoder), side))
    return PointingScores(
        right=percent([one == "right" for one in verdicts]),
        middle=percent([one == "middle" for one in verdicts]),
        wrong=percent([one == "wrong" for one in verdicts]),
        composites=len(composites),
        names=len({name for c in composites for name in (c.left_name, c.right_name)}),
        unknown=unknown,
    )


def side_by_side(left: Image.Image, right: Image.Image, size: int = HALF) -> Image.Image:
    """Return two pictures, each squashed into a square, side by side.

    A model that takes squares squashes the whole again, so each picture is half as wide as it was.
    """
    sheet = Image.new("RGB", (2 * size, size))
    for place, picture in enumerate((left, right)):
        sheet.paste(picture.resize((size, size), Image.Resampling.BICUBIC), (place * size, 0))
    return sheet


def heat(
    name: str, regions: npt.NDArray[np.float32], encoder: Explainable
) -> npt.NDArray[np.float32]:
    """Return what each place gives to the score of a name, shape (rows, columns).

    Args:
        name: One word or several, whose grids are added up.
        regions: Shape (cells, dim), of one picture.
        encoder: The model.
    """
    labels, parts = parts_of(encoder, [(Term(1.0, "words", name), np.empty(0, np.float32))])
    grids = [part.grid for part in split(labels, parts, regions, encoder.grid).parts]
    total: npt.NDArray[np.float32] = np.sum(grids, axis=0)
    return total


def judge(grid: npt.NDArray[np.float32], side: Side) -> Verdict:
    """Say where the strongest place of a grid, shape (rows, columns), lies.

    The middle one of an odd number of columns is in no half. Places that tie in different parts of
    the picture point nowhere, which is wrong.
    """
    columns = grid.shape[1]
    strongest = np.flatnonzero((grid == grid.max()).any(axis=0)).tolist()
    parts = {_part_of(column, columns) for column in strongest}
    if parts == {side}:
        return "right"
    return "middle" if parts == {"middle"} else "wrong"


def _part_of(column: int, columns: int) -> str:
    if 2 * column + 1 == columns:
        return "middle"
    return "left" if 2 * column < columns else "right"


def _regions(
    composites: Sequence[Composite], encoder: Encoder
) -> Iterator[tuple[Composite, npt.NDArray[np.float32]]]:
    assert isinstance(encoder, Explainable)
    size = encoder.decode_size

    def put_together(composite: Composite) -> Image.Image:
        left, right = (open_image(path, size=size) for path in (composite.left, composite.right))
        return side_by_side(left, right, size)

    for start in range(0, len(composites), BATCH):
        batch = composites[start : start + BATCH]
        pictures = list(Threads().imap(put_together, batch))
        yield from zip(batch, encoder.encode_regions(pictures), strict=True)
