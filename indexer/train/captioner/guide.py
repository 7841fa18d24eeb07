"""Where attention should look for a word: where the joint model finds it.

Attention that is learned from captions alone is vague: nothing tells it which place a word is about
(Liu et al., "Attention Correctness in Neural Image Captioning", arXiv 1605.09553). The joint model
knows, because its score of a picture and a word is a sum over places
(`searchengine.search.attribution`). So its grid for a word is made a distribution over the places,
and attention is asked to be near it. Words that name nothing to look for, and words that the joint
model does not know, are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from indexer.evaluation.concepts import FUNCTION_WORDS
from searchengine.models.captioner.words import CaptionWords
from searchengine.models.joint import JointEncoder

SHARPNESS = 2.0
"""Standard deviations of a grid, as differences of the logarithms of shares."""
SOLVED_FROM = 100
"""Pictures from which the linear layer of the joint model is read."""
_BATCH = 16
_NEARLY_EVEN = 1e-4


@dataclass(frozen=True)
class Guide:
    """The joint model's opinion of words at places.

    Attributes:
        words: (vocabulary, channels), the score of a word at a place is the product with what the
            CNN sees there, but for a constant; zero for words that are left alone.
        guided: (vocabulary,), which words are not.
    """

    words: Tensor
    guided: Tensor

    @classmethod
    def of(cls, encoder: JointEncoder, words: CaptionWords, images: Sequence[Path]) -> Guide:
        """Read it from a joint model, by what it says of some pictures.

        Args:
            encoder: The joint model.
            words: The words of the captioner.
            images: Pictures, of which the first `SOLVED_FROM` are looked at.

        Raises:
            ImageError: A picture cannot be read.
        """
        rows = [None if w in FUNCTION_WORDS else encoder.words.row(w) for w in words.words]
        known = [number for number, row in enumerate(rows) if row is not None]
        vectors = np.zeros((len(words), encoder.dim), dtype=np.float32)
        if known:
            vectors[known] = encoder.word_vectors([row for row in rows if row is not None])
        scores = vectors @ linear_layer(encoder, images[:SOLVED_FROM])
        guided = np.zeros(len(words), dtype=np.bool_)
        guided[known] = np.abs(vectors[known]).sum(axis=1) > 0
        return cls(torch.from_numpy(scores), torch.from_numpy(guided))

    def targets(self, features: Tensor, owner: Tensor, targets: Tensor) -> Tensor:
        """Return where words should be looked for, (words, L), rows add up to 1.

        Args:
            features: (n, L, channels).
            owner: (words,), the picture of each word.
            targets: (words,), numbers of guided words.
        """
        grids = torch.empty(len(targets), features.shape[1])
        for picture in sorted(set(owner.tolist())):
            here = owner == picture
            grids[here] = self.words[targets[here]] @ features[picture].T
        centred = grids - grids.mean(1, keepdim=True)
        spread = centred.std(1, keepdim=True).clamp(min=_NEARLY_EVEN)
        return (SHARPNESS * centred / spread).softmax(1)

    def loss(self, features: Tensor, owner: Tensor, targets: Tensor, looks: Tensor) -> Tensor:
        """Return the mean Kullback-Leibler divergence of attention from where it should be.

        Args:
            features: (n, L, channels).
            owner: (words,), the picture of each word.
            targets: (words,), the words, negative for those that are not known.
            looks: (words, L), the attention of each.
        """
        rows = ((targets >= 0) & self.guided[targets.clamp(min=0)]).nonzero()[:, 0]
        if not len(rows):
            return looks.new_zeros(())
        expected = self.targets(features, owner[rows], targets[rows])
        attention = looks[rows].float().clamp(min=1e-8)
        return (expected * (expected.clamp(min=1e-8).log() - attention.log())).sum(1).mean()


def linear_layer(encoder: JointEncoder, images: Sequence[Path]) -> npt.NDArray[np.float32]:
    """Return the matrix W with which a joint model turns features into its space, (dim, channels).

    Both are outputs of the model, so W is what solves regions = W features + b on some pictures,
    whatever file the model is written in.
    """
    seen: list[npt.NDArray[np.float32]] = []
    placed: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        seen.extend(encoder.encode_features(batch))
        placed.extend(encoder.encode_regions(batch))
    features = np.concatenate(seen)
    constant = np.ones((len(features), 1), dtype=np.float32)
    solved, *_ = np.linalg.lstsq(
        np.hstack([features, constant]), np.concatenate(placed), rcond=1e-6
    )
    return np.ascontiguousarray(solved[:-1].T, dtype=np.float32)
