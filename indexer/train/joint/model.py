"""The linear layers of the joint model, as they learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from indexer.train.joint.config import JointConfig


class JointModel(nn.Module):
    """The linear layers: picture features and bags of words into one space."""

    def __init__(self, table: npt.NDArray[np.float32], channels: int, config: JointConfig) -> None:
        """Take word vectors (vocabulary, word dim) in the order of the vocabulary's rows."""
        super().__init__()
        self.config = config
        self.head = nn.Linear(channels, config.dim)
        self.projection = nn.Linear(table.shape[1], config.dim, bias=False)
        self.residual = nn.Embedding(len(table), config.dim)
        nn.init.zeros_(self.residual.weight)
        self.table = nn.Buffer(torch.from_numpy(table), persistent=False)
        self.dropout = nn.Dropout(config.dropout)

    def embed_pictures(self, features: Tensor) -> Tensor:
        """Map pooled features (n, channels) to unit rows (n, dim)."""
        return functional.normalize(self.head(self.dropout(features)), dim=1)

    def word_vectors(self, rows: Tensor) -> Tensor:
        """Return v(word) of vocabulary rows (n,), shape (n, dim), not normalised."""
        vectors: Tensor = self.projection(self.table[rows]) + self.residual(rows)
        return vectors

    def embed_texts(self, bags: Sequence[Tensor], *, whole: bool = False) -> Tensor:
        """Map bags of vocabulary rows to unit rows (len(bags), dim); `whole` leaves nothing out."""
        lengths = torch.tensor([len(bag) for bag in bags])
        words, places = torch.unique(torch.cat(list(bags)), return_inverse=True)
        residual = self.residual(words)
        weights = torch.ones(len(places))
        if self.training and not whole:
            kept = torch.rand(len(words), 1) >= self.config.residual_dropout
            residual = residual * kept
            weights = (torch.rand(len(places)) >= self.config.word_dropout).float()
        vectors = self.projection(self.table[words]) + residual  # (distinct words, dim)
        starts = lengths.cumsum(0) - lengths
        sums = functional.embedding_bag(
            places, vectors, starts, mode="sum", per_sample_weights=weights
        )
        return functional.normalize(sums, dim=1, eps=1e-6)
