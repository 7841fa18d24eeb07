"""The decoder of captions as it learns, of which `searchengine.models.captioner.decoder` is a twin.

Captions are learned by teacher forcing. What does not hang on the word before is computed at once
for all words: the inputs of the cell before the loop, the scores of the vocabulary after it. Within
a batch captions stand by falling length, so that a step computes only those that still go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from searchengine.models.captioner.words import START, UNKNOWN

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a decoder.

    Attributes:
        channels: Of what the CNN sees at a place.
        vocabulary: Words, marks included.
        cell: The recurrent unit.
        attention: The kind of attention.
        hidden: Of the recurrent unit, and of a place after its projection.
        word: Of a word's embedding.
        energy: Of the layer that compares places with the state.
    """

    channels: int
    vocabulary: int
    cell: Literal["lstm", "gru"] = "lstm"
    attention: Literal["soft", "none"] = "soft"
    hidden: int = 512
    word: int = 256
    energy: int = 128


class Looks(NamedTuple):
    """How much attention places got.

    Attributes:
        total: (m, L), of each caption in all.
        each: (sum of lengths, L), of each word in the order of `packed`.
    """

    total: Tensor
    each: Tensor


class CaptionModel(nn.Module):
    """The weights, and how captions are scored in training.

    Args:
        shape: The sizes.
        vectors: What the embedding starts from, (vocabulary, word); None for noise.
        dropout: Share of the places' features, of words and of outputs that is left out.
    """

    def __init__(
        self, shape: Shape, vectors: npt.NDArray[np.float32] | None = None, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.shape = shape
        hidden, word, gates = shape.hidden, shape.word, 4 if shape.cell == "lstm" else 3
        self.embedding = nn.Embedding(shape.vocabulary, word)
        nn.init.normal_(self.embedding.weight, std=0.1)
        if vectors is not None:
            with torch.no_grad():
                self.embedding.weight.copy_(torch.from_numpy(vectors))
        self.places = nn.Linear(shape.channels, hidden)
        self.words = nn.Linear(word, gates * hidden)
        self.recurrent = nn.Linear(hidden, gates * hidden)
        nn.init.orthogonal_(self.recurrent.weight)
        if shape.cell == "lstm":  # remember at first (Jozefowicz et al., ICML 2015)
            nn.init.ones_(self.words.bias[hidden : 2 * hidden])
        if shape.attention == "soft":
            self.first = nn.Linear(hidden, (2 if shape.cell == "lstm" else 1) * hidden)
            self.key = nn.Linear(hidden, shape.energy, bias=False)
            self.query = nn.Linear(hidden, shape.energy)
            self.energy = nn.Linear(shape.energy, 1, bias=False)
            self.gate = nn.Linear(hidden, hidden)
            self.context = nn.Linear(hidden, gates * hidden, bias=False)
            self.out_context = nn.Linear(hidden, word, bias=False)
        else:
            self.picture = nn.Linear(hidden, word)
        self.out = nn.Linear(hidden, word)
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, features: Tensor, owner: Tensor, words: Tensor, lengths: Tensor, sampling: float = 0.0
    ) -> tuple[Tensor, Looks | None]:
        """Score the words of captions.

        Args:
            features: (n, L, channels).
            owner: (m,), the picture that each caption is about.
            words: (m, T), what is read: START and the words of a caption.
            lengths: (m,), how many of them count, from the longest caption to the shortest.
            sampling: Share of the words, from the second on, that are replaced by what the model
                would have said (scheduled sampling, arXiv 1506.03099).

        Returns:
            Logits of the next words in the order of `packed`, (sum of lengths, vocabulary); and
            where was looked for them, None without attention.
        """
        places = self.dropout(functional.relu(self.places(features)))  # (n, L, H)
        mean = places.mean(1)[owner]  # (m, H)
        alive = _alive(lengths)
        embedded = self.dropout(self.embedding(words))  # (m, T, D)
        # A slice of the whole in each step would cost a gradient as large as the whole in each.
        read, inputs = embedded.unbind(1), self.words(embedded).unbind(1)
        soft = self.shape.attention == "soft"
        hidden, memory = self._first(mean)
        if soft:
            keys = self.key(places)[owner]  # (m, L, energy)
            own = places[owner]  # (m, L, H)
            got = places.new_zeros(len(owner), places.shape[1])
        outputs: list[Tensor] = []
        alphas: list[Tensor] = []
        for step, count in enumerate(alive):
            word, x = read[step][:count], inputs[step][:count]
            if count < len(hidden):
                hidden, memory = hidden[:count], memory[:count]
                if soft:
                    keys, own = keys[:count], own[:count]
            if sampling and step:
                drawn = torch.rand(count) < sampling
                guess = self._guess(outputs[-1][:count])
                word = torch.where(drawn[:, None], self.dropout(self.embedding(guess)), word)
                x = self.words(word)
            out = word
            if soft:
                query = self.query(hidden)[:, None]
                energies = self.energy(torch.tanh(keys + query))[..., 0]
                alpha = energies.softmax(1)  # (count, L)
                context = (alpha[:, None] @ own)[:, 0]
                context = torch.sigmoid(self.gate(hidden)) * context
                x = x + self.context(context)
                out = out + self.out_context(context)
                got = got + functional.pad(alpha, (0, 0, 0, len(owner) - count))
                alphas.append(alpha)
            hidden, memory = self._advance(x, hidden, memory)
            outputs.append(out + self.out(hidden))
        logits = self._logits(self.dropout(torch.cat(outputs)))
        return logits, Looks(got, torch.cat(alphas)) if soft else None

    def _first(self, mean: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.shape.hidden
        if self.shape.attention == "soft":
            first = torch.tanh(self.first(mean))
            return first[:, :hidden], first[:, hidden:]
        empty = torch.zeros_like(mean)
        return self._advance(self.words(self.picture(mean)), empty, empty)

    def _advance(self, x: Tensor, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        own = self.recurrent(hidden)
        if self.shape.cell == "lstm":
            into, keep, candidate, out = (x + own).chunk(4, 1)
            memory = torch.sigmoid(keep) * memory + torch.sigmoid(into) * torch.tanh(candidate)
            return torch.sigmoid(out) * torch.tanh(memory), memory
        (x_reset, x_update, x_new), (reset, update, new) = x.chunk(3, 1), own.chunk(3, 1)
        candidate = torch.tanh(x_new + torch.sigmoid(x_reset + reset) * new)
        kept = torch.sigmoid(x_update + update)
        return candidate + kept * (hidden - candidate), memory

    def _logits(self, outputs: Tensor) -> Tensor:
        return outputs @ self.embedding.weight.T + self.bias

    @torch.no_grad()
    def _guess(self, outputs: Tensor) -> Tensor:
        """Draw a word from what the model would say; never a mark but the end."""
        logits = self._logits(outputs).float()
        logits[:, [START, UNKNOWN]] = float("-inf")
        return torch.multinomial(logits.softmax(1), 1)[:, 0]

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return what `searchengine.models.captioner.decoder.Decoder` runs on."""
        return {
            name: value.detach().float().cpu().numpy() for name, value in self.state_dict().items()
        }


def packed(values: Tensor, lengths: Tensor) -> Tensor:
    """Return what counts of (m, T) values: the first of every caption, then the second, and so on.

    Captions stand from the longest to the shortest.
    """
    return torch.cat([values[:count, step] for step, count in enumerate(_alive(lengths))])


def _alive(lengths: Tensor) -> list[int]:
    """Return how many captions have a first word, a second, and so on to the longest."""
    return [int((lengths > step).sum()) for step in range(int(lengths.max()))]


def caption_loss(
    logits: Tensor, targets: Tensor, got: Tensor | None, *, smoothing: float, spread: float
) -> Tensor:
    """Return the cross-entropy of the words, and what attention leaves unseen.

    Args:
        logits: (words, vocabulary).
        targets: (words,), IGNORED where nothing is to be said.
        got: (m, L), attention in all, or None.
        smoothing: Share of the probability that is spread over all words (arXiv 1512.00567).
        spread: Weight of the mean of (1 - attention of a place in all)^2, the doubly stochastic
            regularisation of arXiv 1502.03044.
    """
    entropy = functional.cross_entropy(
        logits.float(),
        targets,
        ignore_index=IGNORED,
        label_smoothing=smoothing,
    )
    if got is None or not spread:
        return entropy
    return entropy + spread * (1 - got.float()).square().mean()
