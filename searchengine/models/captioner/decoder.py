"""A decoder of sentences in NumPy: what was learned, run a word at a time.

One step of the decoder of "Show, Attend and Tell" (arXiv 1502.03044) with soft attention, or of the
plain one of "Show and Tell" (arXiv 1411.4555)::

    places   a_l = relu(W_a f_l + b)                         once for a picture
    soft:    e_l = v . tanh(W_k a_l + W_q h + b),  alpha = softmax(e)
             z = sigmoid(W_g h + b) * sum_l alpha_l a_l      x = [E y, z]
             at first [h, c] = tanh(W_0 mean a + b)
    none:    x = E y, after a first step with x = W_i mean a in place of a word
    cell     h, c = lstm(x, h, c), or h = gru(x, h)
    word     softmax(E (W_o h + W_z z + E y + b) + bias)

Shapes: L places, H hidden, D of a word, V words. Gates stand in the order of PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from searchengine.vectors import sigmoid

Floats: TypeAlias = npt.NDArray[np.float32]
Cell = Literal["lstm", "gru"]
Attention = Literal["soft", "none"]


@dataclass(frozen=True, slots=True)
class State:
    """Where the decoder stands in each of m sentences about n pictures.

    Attributes:
        owner: (m,), the picture that a sentence is about.
        hidden: (m, H).
        memory: (m, H) of an LSTM; of a GRU, which has none, (m, 0).
        places: (n, L, H).
        keys: (n, L, attention); without attention (n, L, 0).
    """

    owner: npt.NDArray[np.int64]
    hidden: Floats
    memory: Floats
    places: Floats
    keys: Floats

    def select(self, rows: npt.NDArray[np.int64]) -> State:
        """Return the state of these sentences only; a sentence may be taken several times."""
        return replace(
            self, owner=self.owner[rows], hidden=self.hidden[rows], memory=self.memory[rows]
        )


class Decoder:
    """Run a decoder.

    Args:
        weights: By the names that `indexer.train.captioner.model.CaptionModel` gives them.
        cell: The recurrent unit.
        attention: The kind of attention.
    """

    def __init__(
        self, weights: Mapping[str, npt.NDArray[np.floating]], cell: Cell, attention: Attention
    ) -> None:
        self._w: dict[str, Floats] = {
            name: np.ascontiguousarray(array, dtype=np.float32) for name, array in weights.items()
        }
        self._cell, self._attention = cell, attention

    @property
    def weights(self) -> Mapping[str, Floats]:
        """What was learned, by name."""
        return self._w

    @property
    def vocabulary_size(self) -> int:
        """How many words it chooses from."""
        return len(self._w["embedding.weight"])

    def start(self, features: Floats) -> State:
        """Return the state before the first word about each picture, features (n, L, channels)."""
        places = np.maximum(self._linear("places", features), 0)  # (n, L, H)
        mean = places.mean(axis=1)  # (n, H)
        owner = np.arange(len(places))
        if self._attention == "soft":
            first = np.tanh(self._linear("first", mean))
            hidden, memory = first[:, : mean.shape[1]], first[:, mean.shape[1] :]
            return State(owner, hidden, memory, places, places @ self._w["key.weight"].T)
        empty = np.zeros_like(mean)
        memory = empty if self._cell == "lstm" else empty[:, :0]
        state = State(owner, empty, memory, places, places[:, :, :0])
        return self._advance(state, self._linear("words", self._linear("picture", mean)))

    def step(
        self, state: State, words: npt.NDArray[np.int64]
    ) -> tuple[Floats, State, Floats | None]:
        """Read a word into each sentence.

        Args:
            state: Of m sentences.
            words: (m,), START at first.

        Returns:
            Log-probabilities of the next word, (m, V), the new state, and the attention that chose
            it, (m, L), if there is any.
        """
        embedded: Floats = self._w["embedding.weight"][words]  # (m, D)
        inputs = self._linear("words", embedded)  # (m, gates H)
        alpha: Floats | None = None
        context: Floats | None = None
        if self._attention == "soft":
            alpha = self._attend(state)  # (m, L)
            attended = (alpha[:, None] @ state.places[state.owner])[:, 0]  # (m, H)
            context = sigmoid(self._linear("gate", state.hidden)) * attended
            inputs += context @ self._w["context.weight"].T
        state = self._advance(state, inputs)
        logits: Floats = self._linear("out", state.hidden) + embedded  # (m, D)
        if context is not None:
            logits += context @ self._w["out_context.weight"].T
        logits = logits @ self._w["embedding.weight"].T + self._w["bias"]
        logits -= logits.max(axis=1, keepdims=True)
        total = np.exp(logits).sum(axis=1, keepdims=True)
        logprobs: Floats = (logits - np.log(total)).astype(np.float32, copy=False)
        return logprobs, state, alpha

    def _attend(self, state: State) -> Floats:
        query = self._linear("query", state.hidden)  # (m, attention)
        energies = np.tanh(state.keys[state.owner] + query[:, None]) @ self._w["energy.weight"][0]
        weights = np.exp(energies - energies.max(axis=1, keepdims=True))  # (m, L)
        shares: Floats = weights / weights.sum(axis=1, keepdims=True)
        return shares

    def _advance(self, state: State, inputs: Floats) -> State:
        own = self._linear("recurrent", state.hidden)  # (m, gates H)
        width = state.hidden.shape[1]
        if self._cell == "lstm":
            gates = inputs + own
            keep = sigmoid(gates[:, : 3 * width])
            # input, forget, candidate, output
            candidate = np.tanh(gates[:, 2 * width : 3 * width])
            memory = keep[:, width : 2 * width] * state.memory + keep[:, :width] * candidate
            hidden = sigmoid(gates[:, 3 * width :]) * np.tanh(memory)
            return replace(state, hidden=hidden, memory=memory)
        # reset, update, candidate
        both = sigmoid(inputs[:, : 2 * width] + own[:, : 2 * width])
        candidate = np.tanh(inputs[:, 2 * width :] + both[:, :width] * own[:, 2 * width :])
        hidden = candidate + both[:, width:] * (state.hidden - candidate)
        return replace(state, hidden=hidden)

    def _linear(self, name: str, x: Floats) -> Floats:
        result: Floats = x @ self._w[f"{name}.weight"].T + self._w[f"{name}.bias"]
        return result
