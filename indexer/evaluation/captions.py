"""Measure captions: BLEU, ROUGE-L and CIDEr by the field's own code (`pycocoevalcap`).

Its tokenizer and METEOR are Java programs and are not used. Captions and references become the
lower-case words `[a-z0-9']+`; everything else separates. The weights of CIDEr's words are those of
the references at hand, so only figures on the same pictures can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.progress import Meter
from searchengine.errors import MissingPlugin, TrainingDataError
from searchengine.models.captioner.captioner import BATCH, Captioner
from searchengine.types import Caption

_WORD = re.compile(r"[a-z0-9']+")


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """How captions compare with what people wrote.

    Attributes:
        bleu1, bleu2, bleu3, bleu4: Cumulative, in percent; the length of the nearest reference
            counts.
        rouge_l: In percent.
        cider: Times 100, as usual.
        distinct: Captions that are different from each other, in percent.
        words: Mean length.
        images: How many.
    """

    bleu1: float
    bleu2: float
    bleu3: float
    bleu4: float
    rouge_l: float
    cider: float
    distinct: float
    words: float
    images: int


def plain(text: str) -> str:
    """Return the words that are compared, with a space between them."""
    return " ".join(_WORD.findall(text.lower()))


def score_captions(
    captions: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[CaptionScores, list[float]]:
    """Compare captions with their references.

    Args:
        captions: One for each picture.
        references: For each picture what people wrote about it.

    Returns:
        The scores, and CIDEr (times 100) of each caption.

    Raises:
        TrainingDataError: There is no caption, or a picture without a reference.
        MissingPlugin: `pycocoevalcap` is not installed.
    """
    try:
        from pycocoevalcap.bleu.bleu import Bleu
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
    except ImportError as error:
        raise MissingPlugin(
            f"scores of captions need: pip install 'lexpix[train]' ({error})"
        ) from error
    candidates = {row: [plain(caption)] for row, caption in enumerate(captions)}
    expected = {
        row: [plain(text) for text in texts if plain(text)] for row, texts in enumerate(references)
    }
    if not candidates or not all(expected.values()):
        raise TrainingDataError("no caption to compare, or a picture without a reference")
    bleu, _ = Bleu(4).compute_score(expected, candidates, verbose=0)
    rouge, _ = Rouge().compute_score(expected, candidates)
    cider, each = Cider().compute_score(expected, candidates)
    texts = [text for [text] in candidates.values()]
    bleu1, bleu2, bleu3, bleu4, rouge_l, mean = (
        round(100 * float(share), 2) for share in (*bleu, rouge, cider)
    )
    scores = CaptionScores(
        bleu1,
        bleu2,
        bleu3,
        bleu4,
        rouge_l,
        mean,
        distinct=round(100 * len(set(texts)) / len(texts), 2),
        words=round(sum(len(text.split()) for text in texts) / len(texts), 2),
        images=len(texts),
    )
    return scores, [100 * float(one) for one in each]


def evaluate_captions(
    captioner: Captioner,
    paths: Sequence[Path],
    references: Sequence[Sequence[str]],
    *,
    width: int,
    progress: Meter | None = None,
) -> tuple[CaptionScores, list[Caption]]:
    """Write a caption for each picture and compare it with its references.

    Args:
        captioner: What writes.
        paths: Pictures.
        references: For each picture what people wrote about it.
        width: Of the beam.
        progress: Told how far it is.

    Raises:
        ImageError: A picture cannot be read.
        TrainingDataError, MissingPlugin: As `score_captions` does.
    """
    captions: list[Caption] = []
    for start in range(0, len(paths), BATCH):
        captions += captioner.caption(paths[start : start + BATCH], width=width)
        if progress is not None:
            progress("captions", len(captions), len(paths))
    scores, _ = score_captions([one.text for one in captions], references)
    return scores, captions
