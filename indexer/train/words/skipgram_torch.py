"""The skip-gram as textbooks draw it, to read and to try; gensim's is a hundred times as fast.

A word is a one-hot row vector x (1, words). W (words, dim) holds the word vectors, W' (dim, words)
predicts what stands around::

    h = x W                      picks the row of W that is the word's vector
    p(context | x) = softmax(h W')

W' is shared by all places of the window (word2vec), or there is one for each relative position, so
that "left of" and "right of" differ (Ling et al., NAACL 2015). The loss is -log p over all pairs,
exactly (full softmax), or against a few noise words (negative sampling, arXiv 1310.4546, eq. 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from indexer.train.words.checkpoint import checkpoint, resume
from indexer.train.words.config import SkipGramConfig
from indexer.train.words.corpus import Corpus

RATE = 0.1
"""Adagrad's learning rate: it gives rare words larger steps, and needs no schedule."""
BATCH = 512
"""Pairs a step."""
NOISE_POWER = 0.75
"""Noise words are drawn in proportion to their count to this power."""

Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Words, their contexts, and the position of each context, all of shape (n,)."""


class SkipGram(nn.Module):
    """W, and W' for each of `places` relative positions, or one that all share.

    Args:
        words: Size of the vocabulary.
        dim: Length of a vector.
        places: Relative positions that have a W' of their own; 1 shares it.
    """

    def __init__(self, words: int, dim: int, places: int = 1) -> None:
        super().__init__()
        self.words = nn.Parameter((torch.rand(words, dim) - 0.5) / dim)  # W
        self.outputs = nn.Parameter(torch.zeros(places, words, dim))  # W' of each place, transposed

    def softmax_loss(self, centres: Tensor, contexts: Tensor, places: Tensor) -> Tensor:
        """Return the mean of -log p(context | centre) over all words; all arguments (n,)."""
        hidden = self.words[centres]  # (n, dim), what one-hot rows times W give
        total = hidden.new_zeros(())
        for place in set(places.tolist()):
            here = places == place
            logits = hidden[here] @ self.outputs[place].T  # (m, words)
            total = total + functional.cross_entropy(logits, contexts[here], reduction="sum")
        return total / len(centres)

    def sampled_loss(
        self, centres: Tensor, contexts: Tensor, places: Tensor, noise: Tensor
    ) -> Tensor:
        """Return the mean loss of telling the context from noise words, shape (n, negative)."""
        hidden = self.words[centres]  # (n, dim)
        right = (hidden * self.outputs[places, contexts]).sum(1)  # (n,)
        wrong = torch.einsum("nd,nkd->nk", hidden, self.outputs[places[:, None], noise])
        # A noise word that happens to be the context would be right and wrong at once.
        penalty = functional.logsigmoid(-wrong).masked_fill(noise == contexts[:, None], 0.0)
        return -(functional.logsigmoid(right) + penalty.sum(1)).mean()


def pairs_of(
    sentence: npt.NDArray[np.int64], window: int, positional: bool, random: np.random.Generator
) -> Pairs:
    """Return the pairs of a sentence; each word sees a random share of the window, as in word2vec.

    Places are 0 if they share W', else 0..2 * window - 1, from left to right.
    """
    size = len(sentence)
    reach = random.integers(1, window + 1, size)
    offsets = np.array([o for o in range(-window, window + 1) if o != 0])
    centre, place = np.meshgrid(np.arange(size), np.arange(len(offsets)), indexing="ij")
    context = centre + offsets[place]
    is_pair = (context >= 0) & (context < size) & (np.abs(offsets[place]) <= reach[centre])
    places = place[is_pair] if positional else np.zeros(int(is_pair.sum()), dtype=np.int64)
    return sentence[centre[is_pair]], sentence[context[is_pair]], places


def train(
    corpus: Corpus,
    config: SkipGramConfig,
    work: Path,
    progress: Callable[[str, int, int, str], None],
) -> npt.NDArray[np.float32]:
    """Train; return vectors (words, dim) in the order of the vocabulary.

    Each epoch is seeded by itself and ends with a checkpoint in `work`, so that a resumed run ends
    with the vectors of an unbroken one.
    """
    torch.manual_seed(config.seed)
    model = SkipGram(len(corpus.counts), config.dim, 2 * config.window if config.positional else 1)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=RATE)
    sums = [optimizer.state[parameter]["sum"] for parameter in model.parameters()]
    kept = {"vectors": model.words, "outputs": model.outputs, "sum0": sums[0], "sum1": sums[1]}
    arrays: dict[str, npt.NDArray[np.float32]] = {
        name: tensor.detach().numpy()
        for name, tensor in kept.items()  # the same memory
    }
    first = resume(work, arrays)
    counts = np.array(list(corpus.counts.values()), dtype=np.float64)
    share = counts**NOISE_POWER / (counts**NOISE_POWER).sum()
    total = corpus.words * config.epochs
    for epoch in range(first, config.epochs):
        random = np.random.default_rng([config.seed, epoch])
        for centres, contexts, places, done in _batches(corpus, config, random):
            if config.negative:
                noise = random.choice(len(share), (len(centres), config.negative), p=share)
                loss = model.sampled_loss(centres, contexts, places, torch.from_numpy(noise))
            else:
                loss = model.softmax_loss(centres, contexts, places)
            optimizer.zero_grad()
            torch.autograd.backward(loss * len(centres))
            optimizer.step()
            read = epoch * corpus.words + done
            progress("training", read, total, f"epoch {epoch + 1}, loss {loss.item():.3f}")
        checkpoint(work, epoch + 1, arrays)
    progress("training", total, total, f"epoch {config.epochs}")
    return arrays["vectors"].copy()


def _batches(
    corpus: Corpus, config: SkipGramConfig, random: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor, int]]:
    """Yield words, contexts and places of a batch, and how many words of the corpus were read."""
    ids = {word: row for row, word in enumerate(corpus.counts)}
    counts = np.array(list(corpus.counts.values()), dtype=np.float64)
    share = counts / counts.sum()
    # word2vec's own rule, which keeps a little more than its paper says.
    sample = config.sample or np.inf
    keep = np.sqrt(sample / share) + sample / share
    waiting: list[Pairs] = []
    size = done = 0
    for sentence in corpus:
        done += len(sentence)
        known = np.array([ids[word] for word in sentence if word in ids], dtype=np.int64)
        known = known[random.random(len(known)) < keep[known]]
        waiting.append(pairs_of(known, config.window, config.positional, random))
        size += len(waiting[-1][0])
        if size >= BATCH:
            yield *_joined(waiting), done
            waiting, size = [], 0
    if size:
        yield *_joined(waiting), done


def _joined(pairs: list[Pairs]) -> tuple[Tensor, Tensor, Tensor]:
    centres, contexts, places = (
        torch.from_numpy(np.concatenate([pair[part] for pair in pairs])) for part in range(3)
    )
    return centres, contexts, places
