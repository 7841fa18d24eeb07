"""Measure whether a captioner looks at what it names: two pictures side by side, each one's half.

As `indexer.evaluation.pointing`, but only words that the captioner says by itself are judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.evaluation.mentions import forms
from indexer.evaluation.pointing import Verdict, draw_composites, judge, side_by_side
from indexer.progress import Meter
from searchengine.errors import ModelError, TrainingDataError
from searchengine.images import open_image
from searchengine.models.captioner.captioner import BATCH, Captioner
from searchengine.types import Caption


@dataclass(frozen=True, slots=True)
class AttentionScores:
    """Where the attention of a word that names one of two pictures lies.

    Attributes:
        right: Words whose strongest place is in the half of what they name, in percent.
        middle: In the middle column of an odd grid, which is in no half; it counts as a miss.
        wrong: In the other half, or in several at once; the three add up to 100.
        said: Words that were judged.
        composites: Pairs of pictures that were captioned.
    """

    right: float
    middle: float
    wrong: float
    said: int
    composites: int


def evaluate_attention(
    captioner: Captioner,
    labelled: Sequence[tuple[Path, Sequence[str]]],
    *,
    pairs: int = 300,
    seed: int = 1,
    width: int = 3,
    progress: Meter | None = None,
) -> AttentionScores:
    """Caption pictures side by side and look where the words that name one of them attend.

    Args:
        captioner: What writes; it must have attention.
        labelled: Pictures with all their names.
        pairs: So many composites.
        seed: Decides which.
        width: Of the beam.
        progress: Told how far it is.

    Raises:
        ImageError: A picture cannot be read.
        ModelError: The captioner has no attention.
        TrainingDataError: No two pictures have different names, or no caption says any of them.
    """
    composites = draw_composites(labelled, pairs=pairs, seed=seed)
    names = {path: list(said) for path, said in labelled}
    size = captioner.decode_size
    verdicts: list[Verdict] = []
    for start in range(0, len(composites), BATCH):
        batch = composites[start : start + BATCH]
        pictures = [
            side_by_side(open_image(one.left, size=size), open_image(one.right, size=size), size)
            for one in batch
        ]
        for one, caption in zip(batch, captioner.caption(pictures, width=width), strict=True):
            verdicts += judge_caption(caption, names[one.left], names[one.right])
        if progress is not None:
            progress("composites", start + len(batch), len(composites))
    if not verdicts:
        raise TrainingDataError("no caption says a name of its pictures, so nothing can be judged")
    right, middle, wrong = (
        round(100 * verdicts.count(one) / len(verdicts), 2) for one in ("right", "middle", "wrong")
    )
    return AttentionScores(
        right,
        middle,
        wrong,
        said=len(verdicts),
        composites=len(composites),
    )


def judge_caption(caption: Caption, left: Sequence[str], right: Sequence[str]) -> list[Verdict]:
    """Return where each word of a caption attends that names the left or the right picture.

    Args:
        caption: With its attention.
        left: Names of the left picture; of several words the last is what is looked for.
        right: Likewise.

    Raises:
        ModelError: The captioner has no attention.
    """
    if caption.attention is None:
        raise ModelError("the captioner has no attention; use one trained with: --attention soft")
    expected = {side: _words(names) for side, names in (("left", left), ("right", right))}
    verdicts: list[Verdict] = []
    for word, grid in zip(caption.words, caption.attention, strict=True):
        is_left, is_right = word in expected["left"], word in expected["right"]
        if is_left != is_right:
            verdicts.append(judge(grid, "left" if is_left else "right"))
    return verdicts


def _words(names: Sequence[str]) -> set[str]:
    """Return the last word of each name, in all its forms."""
    return {form.split()[-1] for name in names for form in forms(name)}
