"""Beam search over sentences of a decoder; with a width of 1 it is greedy.

The best sentence is that of the largest sum of log-probabilities over the number of words, the end
included, to the power of `EXPONENT` (length normalisation, arXiv 1609.08144 without its constant).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searchengine.models.captioner.decoder import Decoder, Floats
from searchengine.models.captioner.words import END, START, UNKNOWN

EXPONENT = 0.7


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence as far as it goes.

    Attributes:
        words: Numbers, the end included once it has one.
        logprobs: Of each of them.
        attention: (L,) for each of them; empty without attention.
        total: Sum of the log-probabilities.
    """

    words: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    attention: tuple[Floats, ...] = ()
    total: float = 0.0

    def and_then(self, word: int, logprob: float, attention: Floats | None) -> Line:
        """Return the sentence with one more word."""
        maps = self.attention if attention is None else (*self.attention, attention)
        return Line((*self.words, word), (*self.logprobs, logprob), maps, self.total + logprob)

    def score(self, exponent: float) -> float:
        """Return what is compared between sentences of different lengths."""
        return self.total / float(max(len(self.words), 1) ** exponent)


def search(
    decoder: Decoder,
    features: Floats,
    *,
    width: int,
    longest: int,
    begin: Sequence[int] = (),
    exponent: float = EXPONENT,
) -> list[Line]:
    """Return the best sentence about each picture; it has at least one word, and the end.

    A picture is done when `width` of its sentences have come to an end. At `longest` words only the
    end is left to choose, so all come to one.

    Args:
        decoder: What says how probable a word is.
        features: (n, L, channels).
        width: Sentences that are followed at a time, at least 1.
        longest: Most words, at least 1, and as many as `begin` has.
        begin: Words that every sentence begins with.
        exponent: 0 compares sums, 1 means.
    """
    state = decoder.start(features)
    live = [Line() for _ in features]
    ended: list[list[Line]] = [[] for _ in features]
    for position in range(longest + 1):
        words = np.array([line.words[-1] if line.words else START for line in live])
        logprobs, state, attention = decoder.step(state, words)
        _forbid(logprobs, position, longest, begin)
        parents: list[int] = []
        fresh: list[Line] = []
        owners = state.owner
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        for first, after in zip(starts, [*starts[1:], len(owners)], strict=True):
            done = ended[owners[first]]
            totals = np.array([line.total for line in live[first:after]])[:, None]
            for row, word in _best(totals + logprobs[first:after], width):
                parent = int(first) + row
                line = live[parent].and_then(
                    word,
                    float(logprobs[parent, word]),
                    None if attention is None else attention[parent],
                )
                if word == END:
                    done.append(line)
                else:
                    parents.append(parent)
                    fresh.append(line)
            if len(done) >= width:  # its sentences that go on are dropped
                going = len(parents) - sum(1 for parent in parents if parent >= first)
                del parents[going:], fresh[going:]
        if not fresh:
            break
        state, live = state.select(np.array(parents)), fresh
    return [max(lines, key=lambda line: line.score(exponent)) for lines in ended]


def _forbid(logprobs: Floats, position: int, longest: int, begin: Sequence[int]) -> None:
    """Make impossible what a sentence must not have at a position."""
    logprobs[:, [START, UNKNOWN]] = -np.inf
    if position < len(begin):
        allowed = logprobs[:, begin[position]].copy()
        logprobs[:] = -np.inf
        logprobs[:, begin[position]] = allowed
    elif position == longest:
        logprobs[:, END + 1 :] = -np.inf
    elif position == 0:
        logprobs[:, END] = -np.inf


def _best(scores: Floats, width: int) -> list[tuple[int, int]]:
    """Return rows and columns of the largest entries, the largest first, of equals the first."""
    flat = scores.ravel()
    possible = np.flatnonzero(np.isfinite(flat))
    if len(possible) > width:
        least = np.partition(flat[possible], len(possible) - width)[len(possible) - width]
        possible = possible[flat[possible] >= least]
    chosen = possible[np.argsort(-flat[possible], kind="stable")][:width]
    return [divmod(int(place), scores.shape[1]) for place in chosen]
