"""What decides how a joint model is trained; imported by commands, so without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexer.train.ranges import Count, Natural, Part, Positive, Range, Weight


@dataclass(frozen=True, slots=True)
class JointConfig:
    """Everything that decides what training makes of its data.

    Attributes:
        dim: Dimensions of the joint space.
        epochs: Of the first phase, with the CNN frozen.
        finetune: Epochs of the second phase; 0 leaves the CNN as it is.
        seed: Decides the order of batches, dropout and augmentation.
        batch: Pictures in a batch of the first phase, and with the bank in one of the second.
        fresh: Pictures in a batch of the second phase that go through the CNN.
        pseudo: Pseudo pictures in a batch, if class names are given.
        temperature: Of the softmax over cosines.
        rate, cnn_rate: Peak learning rates of linear layers and CNN.
        head_rate: Peak learning rate of the linear layers in the second phase.
        decay: Weight decay.
        dropout, word_dropout, residual_dropout: Shares of features, of words, and of word residuals
            that are left out; the last makes the projection carry words that training never sees.
        distillation: Weight of the loss that holds the CNN to its classifier.
        pull: Weight of the pull of names to where the classifier says they are.
        naming: Weight of the distillation of the classifier into the joint space.
        heard: A name that so many captions have is half theirs, half the classifier's.
    """

    dim: Annotated[int, Range(2)] = 512
    epochs: Natural = 40
    finetune: Natural = 0
    seed: int = 1
    batch: Annotated[int, Range(2)] = 512
    fresh: Count = 96
    pseudo: Natural = 128
    temperature: Positive = 0.05
    rate: Positive = 1e-3
    cnn_rate: Positive = 2e-4
    head_rate: Positive = 4e-4
    decay: Weight = 0.02
    dropout: Part = 0.5
    word_dropout: Part = 0.1
    residual_dropout: Part = 0.1
    distillation: Weight = 0.5
    pull: Weight = 6.0
    naming: Weight = 0.3
    heard: Positive = 20.0
