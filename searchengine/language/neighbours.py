"""Neighbours, analogies and odd ones among the words of a table.

Vectors are brought to unit length first, and the words of a query are no answers (the rules of
gensim's `most_similar`; 3CosAdd of Levy and Goldberg, CoNLL 2014).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from searchengine.errors import QueryError, UnknownWords, named
from searchengine.language.translator import Translator
from searchengine.language.words import WordVectors
from searchengine.vectors import unit_or_zero

Vector = npt.NDArray[np.float32]
BLOCK = 8192
"""Rows that are unpacked at once."""
SUM = 0.999
"""Cosine from which a phrase is the sum of its words, but for the rounding of the table."""


@dataclass(frozen=True, slots=True)
class WordScore:
    """A word and its cosine to the query, in -1..1."""

    word: str
    score: float


class Neighbours:
    """Ask a table which words are alike.

    Args:
        table: The words.
        translator: Puts words of other languages into English; nobody does if None.
    """

    def __init__(self, table: WordVectors, translator: Translator | None = None) -> None:
        self._table, self._translator = table, translator

    def near(self, word: str, limit: int = 10) -> list[WordScore]:
        """Return the words most like a word or phrase, the nearest first.

        Raises:
            UnknownWords, QueryError: It, or a part of it, is not in the table.
        """
        return self._nearest([(word, 1.0)], limit)

    def analogy(self, one: str, other: str, third: str, limit: int = 10) -> list[WordScore]:
        """Return what is to `third` as `other` is to `one`: the nearest to other - one + third.

        Raises:
            UnknownWords, QueryError: A word is not in the table.
        """
        return self._nearest([(other, 1.0), (one, -1.0), (third, 1.0)], limit)

    def odd(self, words: Sequence[str]) -> list[WordScore]:
        """Return words by their cosine to the mean of the others; the first is the odd one.

        Raises:
            QueryError: There are fewer than three words.
            UnknownWords, QueryError: A word is not in the table.
        """
        if len(words) < 3:
            raise QueryError("name three words or more, or none is the odd one")
        vectors = np.stack([self._vector(self._rows(word)) for word in words])
        others = vectors.sum(axis=0) - vectors
        lengths = np.linalg.norm(others, axis=1)
        scores = (vectors * others).sum(axis=1) / np.where(lengths > 0, lengths, 1)
        order = np.argsort(scores, kind="stable")
        return [WordScore(words[place], float(scores[place])) for place in order]

    def _nearest(self, terms: Sequence[tuple[str, float]], limit: int) -> list[WordScore]:
        weighted = [(self._rows(word), weight) for word, weight in terms]
        total = np.sum([weight * self._vector(rows) for rows, weight in weighted], axis=0)
        length = float(np.linalg.norm(total))
        if length < 1e-6:
            raise QueryError("the words add up to nothing; ask for other ones")
        scores = np.concatenate([block @ (total / length) for block in self._blocks()])
        scores[[row for rows, _ in weighted for row in rows]] = -np.inf
        words = {part for rows, _ in weighted for row in rows for part in self._parts(row)}
        nearest: list[WordScore] = []
        for row in np.argsort(-scores, kind="stable"):
            if len(nearest) == limit or scores[row] == -np.inf:
                break
            if words.isdisjoint(self._parts(row)) or not self._is_sum(row):
                nearest.append(WordScore(self._table.word(int(row)), float(scores[row])))
        return nearest

    def _parts(self, row: int) -> list[str]:
        return self._table.word(int(row)).split()

    def _is_sum(self, row: int) -> bool:
        """Tell whether a phrase has the vector of its words, so that it is like any of them."""
        parts = [self._table.row(part) for part in self._parts(row)]
        known = [part for part in parts if part is not None]
        if len(parts) < 2 or len(known) < len(parts):
            return False
        total = self._table.vectors(known).sum(axis=0)
        own = self._table.vectors([row])[0]
        return bool(own @ total > SUM * np.linalg.norm(own) * np.linalg.norm(total))

    def _blocks(self) -> Iterator[Vector]:
        for start in range(0, len(self._table), BLOCK):
            yield self.units(np.arange(start, min(start + BLOCK, len(self._table))))

    def units(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Vector:
        """Return the unit vectors of rows, shape (len(rows), dim); zero where there is none."""
        return unit_or_zero(self._table.vectors(rows))

    def _vector(self, rows: Sequence[int]) -> Vector:
        """Return the unit vector of a word, or of the mean of the words of a phrase."""
        mean = self.units(rows).mean(axis=0)
        length = np.linalg.norm(mean)
        return np.asarray(mean / length if length > 0 else mean, dtype=np.float32)

    def _rows(self, word: str) -> list[int]:
        if self._translator is not None:
            word = self._translator.translate(word) or word
        rows, missing = self._table.find(word)
        unknown = self._table.unknown(word) if missing else []
        if unknown and rows:
            raise QueryError(
                f"{word!r}: a part of it is not known: {named(unknown)}; use other words"
            )
        if not rows:
            raise UnknownWords.of(unknown)
        return rows
