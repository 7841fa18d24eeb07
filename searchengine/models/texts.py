"""Texts with several fields -> unit vectors in the space of a model of pictures.

A text is the weighted sum of its fields, a field the sum of its words, rare words counting more
(SIF, ICLR 2017, https://openreview.net/forum?id=SyK00v5xx)::

    weight(word) = a / (a + p(word)),   p by Zipf's law from the rank of the word
    text         = sum over fields of  weight(field) * unit(sum over words of weight * v(word))

The common direction that SIF takes away as well is left in: it depends on the collection, and
vectors must not change when another text is added.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from searchengine.documents import Document
from searchengine.errors import UnknownWords
from searchengine.language.words import WordVectors, tokenize
from searchengine.types import Encoder, Vectors
from searchengine.vectors import unit_rows

FIELD_WEIGHTS: Mapping[str, float] = {"title": 1.0, "ingredients": 0.5, "body": 0.5}
"""What a field counts. A default: the weights of a model for recipes are learned."""

SIF_A = 1e-3
"""`a` of SIF; the paper finds 1e-3 to 1e-4 good everywhere."""

PIECE_WORDS = 40
"""Words of a piece of text that a model of whole sentences gets at a time."""


class TextModel(Protocol):
    """Map texts into a space that the vectors of pictures can be projected into."""

    @property
    def fingerprint(self) -> str:
        """Name of all that shapes a vector, in hexadecimal, up to 64 digits."""
        ...

    @property
    def dim(self) -> int:
        """Length of its vectors."""
        ...

    def encode_documents(self, documents: Sequence[Document]) -> Vectors:
        """Return one unit row per text; raise UnknownWords if it knows no word of one of them."""
        ...

    def project(self, vectors: Vectors) -> Vectors:
        """Return the unit rows of this space for vectors of pictures of the general model."""
        ...


@runtime_checkable
class Selective(Protocol):
    """What a model of one kind of texts offers that knows which pictures they can be about."""

    def shows(self, vectors: Vectors) -> npt.NDArray[np.float32]:
        """Return how probable it is (0..1) that pictures show such things at all, shape (n,)."""
        ...


@runtime_checkable
class WordByWord(Protocol):
    """What an encoder offers whose texts are sums of word vectors."""

    @property
    def words(self) -> WordVectors:
        """The table of its words."""
        ...

    def word_vectors(self, rows: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the vectors of rows of the table, shape (n, dim), not normalised."""
        ...


class GeneralTexts:
    """Embed texts by the model of the pictures, in the space of the pictures.

    A model without word vectors of its own, such as one of open_clip, gets pieces of the text
    instead of words, all of the same weight.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._rows: dict[str, tuple[int, ...]] = {}

    @property
    def fingerprint(self) -> str:
        """That of the encoder and of the weights."""
        return fingerprint_of(self._encoder.fingerprint)

    @property
    def dim(self) -> int:
        """That of the encoder."""
        return self._encoder.dim

    def project(self, vectors: Vectors) -> Vectors:
        """Return the vectors: pictures are in this space already."""
        return vectors

    def encode_documents(self, documents: Sequence[Document]) -> Vectors:
        """Return one unit row per text, shape (n, dim).

        Raises:
            UnknownWords: A text has no known word.
        """
        rows = np.zeros((len(documents), self.dim), dtype=np.float32)
        for name, weight in FIELD_WEIGHTS.items():
            fields = [document.fields[name] for document in documents]
            if isinstance(self._encoder, WordByWord):
                sums = self._sums_of_words(self._encoder, fields)
            else:
                sums = np.stack([self._sum_of_pieces(field) for field in fields])
            lengths = np.linalg.norm(sums, axis=1, keepdims=True)
            rows += weight * sums / np.where(lengths > 0, lengths, 1.0)
        for document, row in zip(documents, rows, strict=True):
            if not row.any():
                words = [
                    word
                    for field in document.fields.values()
                    for line in field
                    for word in tokenize(line)
                ]
                raise UnknownWords(list(dict.fromkeys(words))[:5])
        return unit_rows(rows, self.dim) if len(rows) else rows

    def _sums_of_words(
        self, encoder: WordByWord, fields: Sequence[Sequence[str]]
    ) -> npt.NDArray[np.float32]:
        counts: list[Counter[int]] = []
        for lines in fields:
            rows_of_field: Counter[int] = Counter()
            for line in lines:
                for word in tokenize(line):
                    rows_of_field.update(self._rows_of(encoder, word))
            counts.append(rows_of_field)
        rows = sorted(set().union(*counts))
        vectors = encoder.word_vectors(rows)  # (words, dim)
        weights = _sif([encoder.words.rank(row) for row in rows], len(encoder.words))
        place = {row: index for index, row in enumerate(rows)}
        sums = np.zeros((len(fields), self.dim), dtype=np.float32)
        for at, count in enumerate(counts):
            if count:
                index = [place[row] for row in count]
                times = np.array(list(count.values()), dtype=np.float32)
                sums[at] = (times * weights[index]) @ vectors[index]
        return sums

    def _rows_of(self, encoder: WordByWord, word: str) -> tuple[int, ...]:
        rows = self._rows.get(word)
        if rows is None:
            rows = self._rows[word] = tuple(encoder.words.find(word)[0])
        return rows

    def _sum_of_pieces(self, lines: Sequence[str]) -> npt.NDArray[np.float32]:
        total = np.zeros(self.dim, dtype=np.float32)
        for piece in _pieces(lines):
            try:
                total += self._encoder.encode_texts([piece])[0]
            except UnknownWords:
                continue
        return total


def fingerprint_of(encoder: str) -> str:
    """Return the fingerprint of the texts that the encoder of a fingerprint embeds."""
    shape = [encoder, dict(FIELD_WEIGHTS), SIF_A, PIECE_WORDS]
    return hashlib.sha256(json.dumps(shape).encode()).hexdigest()


def _sif(ranks: Sequence[int], words: int) -> npt.NDArray[np.float32]:
    # Zipf: the word of rank r has a share of 1 / r of all words, over the harmonic number.
    harmonic = np.log(max(words, 1)) + np.euler_gamma
    shares = 1.0 / ((np.asarray(ranks, dtype=np.float64) + 1.0) * harmonic)
    return np.asarray(SIF_A / (SIF_A + shares), dtype=np.float32)


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        words = line.split()
        for start in range(0, len(words), PIECE_WORDS):
            yield " ".join(words[start : start + PIECE_WORDS])
