"""What decides how a food head is trained; imported by commands, so without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from indexer.train.ranges import Count, Natural, Positive, Share, Weight


@dataclass(frozen=True, slots=True)
class FoodConfig:
    """Everything that decides what training makes of its data.

    Attributes:
        dim: Length of word vectors, and of the food part of a vector.
        epochs: Of the refinement; 0 keeps the closed solution.
        seed: Decides the order of batches.
        share: Length of the general model's part of a vector, 0..1.
        fields: Weights of words by field, before training.
        min_df: A word of fewer recipes has no vector of its own.
        picture_ridge, text_ridge: Added to the covariances, in mean variances.
        dishes: Weight of all labelled pictures together, in weights of all pairs.
        batch: Pairs in a batch; as many labelled pictures come on top.
        temperature: Of the softmax over cosines.
        rate: Peak learning rate.
        hold: Weight of the squared distance to the closed solution.
    """

    dim: Count = 128
    epochs: Natural = 0
    seed: int = 1
    share: Share = 0.6
    fields: Mapping[str, Weight] = field(
        default_factory=lambda: {"title": 3.0, "ingredients": 1.0, "body": 1.0}
    )
    min_df: Count = 10
    picture_ridge: Weight = 4.0
    text_ridge: Weight = 1.0
    dishes: Weight = 0.3
    batch: Count = 128
    temperature: Positive = 0.07
    rate: Positive = 1e-3
    hold: Weight = 1.0
