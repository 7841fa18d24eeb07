"""What decides how a captioner is trained; imported by commands, so without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from indexer.train.ranges import Count, Part, Positive, Share, Weight
from searchengine.models.captioner.words import LONGEST, Level


@dataclass(frozen=True, slots=True)
class CaptionerConfig:
    """Everything that decides what training makes of its data.

    Attributes:
        cell: The recurrent unit.
        attention: "none" is the plain encoder-decoder: the picture is the first input.
        level: What a caption is made of.
        epochs: At most so many.
        patience: Stop after so many epochs that were no better than the best.
        measure: What tells on dev which epoch is best.
        seed: Decides the order of batches, dropout and views.
        batch: Pictures in a batch, each with all its captions.
        hidden, word, energy: Sizes, see `Shape`.
        least: A word is known if the captions have it at least so often.
        longest: Most words of a caption.
        rate: Peak learning rate.
        decay: Weight decay.
        dropout: See `CaptionModel`.
        smoothing, spread: See `caption_loss`.
        guide: Weight of what keeps attention near the places that the joint model finds a word at,
            see `indexer.train.captioner.guide`.
        keep: Share of the weights that it started from in the result. Between two ends of one path
            lie models that have most of what is good about both (arXiv 2109.01903).
        sampling: Share of the words that come from the model itself in the last epoch; it grows
            from none in the first (scheduled sampling).
        clip: Longest gradient.
    """

    cell: Literal["lstm", "gru"] = "lstm"
    attention: Literal["soft", "none"] = "soft"
    level: Level = "words"
    epochs: Count = 16
    patience: Count = 5
    measure: Literal["cider", "bleu4"] = "cider"
    seed: int = 1
    batch: Count = 128
    hidden: Count = 512
    word: Count = 256
    energy: Count = 128
    least: Count = 5
    longest: Count = LONGEST
    rate: Positive = 1.2e-3
    decay: Weight = 0.02
    dropout: Part = 0.5
    smoothing: Part = 0.05
    spread: Weight = 1.0
    guide: Weight = 0.0
    keep: Part = 0.0
    sampling: Share = 0.0
    clip: Positive = 2.0
