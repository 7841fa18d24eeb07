"""What decides how a joint model is trained; imported by commands, so without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass


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
        classes: Pseudo pictures in a batch, if class names are given.
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

    dim: int = 512
    epochs: int = 40
    finetune: int = 0
    seed: int = 1
    batch: int = 512
    fresh: int = 96
    classes: int = 128
    temperature: float = 0.05
    rate: float = 1e-3
    cnn_rate: float = 2e-4
    head_rate: float = 4e-4
    decay: float = 0.02
    dropout: float = 0.5
    word_dropout: float = 0.1
    residual_dropout: float = 0.1
    distillation: float = 0.5
    pull: float = 6.0
    naming: float = 0.3
    heard: float = 20.0
