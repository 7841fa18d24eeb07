"""Words that a library was taught from pictures, as part of what its model understands.

`TaughtWords` finds them in texts; `with_taught` wraps an encoder so that every query, analogy and
explanation has them. A vector belongs to one model: for another it is made again from the pictures
that the word was taught from, as far as they can still be had.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from searchengine.errors import ImageError, QueryError, UnknownWords
from searchengine.language.spelling import fold, tokens
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.language.words import tokenize, word_spans
from searchengine.models.wrapping import EncoderWrapper, ExplainableWrapper
from searchengine.search.tagging import Tagger, taught_vector
from searchengine.types import (
    MOST_SUGGESTIONS,
    Encoder,
    Explainable,
    TaughtWord,
    Translated,
    UnknownWord,
    Vector,
    Vectors,
)
from searchengine.vectors import unit_rows

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog

log = logging.getLogger(__name__)

Piece: TypeAlias = str | tuple[str, Vector]
"""Plain text, or a taught word with its unit vector."""
_TYPICAL = 10_000  # words of the vocabulary so frequent say how long the vector of a word is
_WEIGHT = 0.7  # of a taught word beside a usual one; 1.0 finds fewer pictures of both


class TaughtWords:
    """The taught words of a library, in the space of one model."""

    def __init__(self, catalog: Catalog, encoder: Encoder) -> None:
        self._store, self._catalog, self._encoder = catalog.tags, catalog, encoder

    def all(self) -> list[TaughtWord]:
        """Return the taught words by name."""
        return [
            TaughtWord(name, tuple(pictures.values()), name in self.vectors)
            for name, pictures in self._pictures.items()
        ]

    @cached_property
    def vectors(self) -> dict[str, Vector]:
        """The vectors of those words that have one in this space, by name."""
        return self._store.taught_vectors(self._encoder.fingerprint)

    def split(self, text: str) -> list[Piece]:
        """Cut a text at its taught words, the longest first; the whole text if there are none.

        Raises:
            QueryError: A word was taught with another model, and its pictures are gone.
        """
        if not self._by_tokens:
            return [text]
        folded = fold(text)
        spans = word_spans(folded)
        tokens = [folded[start:end] for start, end in spans]
        pieces: list[Piece] = []
        at = done = 0
        while at < len(tokens):
            name, length = self._longest(tokens, at)
            if name is None:
                at += 1
                continue
            pieces += _trimmed(folded[done : spans[at][0]])
            pieces.append((name, self._vector(name)))
            at += length
            done = spans[at - 1][1]
        if not pieces:
            return [text]
        return [*pieces, *_trimmed(folded[done:].removeprefix("'s"))]

    def teach(self, name: str, pictures: Mapping[str, tuple[str, Vector]]) -> None:
        """Make a word of pictures, given as path and vector by sha256.

        Raises:
            QueryError: The name has no letter or digit, or there is no picture.
        """
        if not tokenize(name):
            raise QueryError(
                f'{name!r}: a word needs letters or digits, such as "grandma\'s cabin"'
            )
        if not pictures:
            raise QueryError(f"{name!r}: a word is taught from pictures; name at least one")
        vector = self._vector_of([vector for _, vector in pictures.values()])
        paths = {digest: path for digest, (path, _) in pictures.items()}
        self._store.teach(name, self._encoder.fingerprint, vector, paths)
        self._forget_cached()

    def forget(self, name: str) -> None:
        """Remove a word.

        Raises:
            QueryError: There is no such word.
        """
        if not self._store.forget_word(name):
            known = ", ".join(map(repr, self._pictures)) or "none so far"
            raise QueryError(f"{name!r}: no such word was taught; taught words: {known}")
        self._forget_cached()

    def follow(self) -> bool:
        """Take note of what another process has taught; tell whether there was anything."""
        if self._store.taught() == self._pictures:
            return False
        self._forget_cached()
        return True

    def renew_all(self) -> None:
        """Make the words of other models usable; those whose pictures are gone are left out."""
        for name in self._pictures:
            try:
                self._vector(name)
            except QueryError as error:
                log.warning("%s", error)

    @cached_property
    def _pictures(self) -> dict[str, dict[str, str]]:
        return self._store.taught()

    @cached_property
    def _by_tokens(self) -> dict[tuple[str, ...], str]:
        return {tuple(tokenize(name)): name for name in self._pictures}

    def _longest(self, tokens: Sequence[str], at: int) -> tuple[str | None, int]:
        longest = max(map(len, self._by_tokens))
        for length in range(min(longest, len(tokens) - at), 0, -1):
            name = self._by_tokens.get(tuple(tokens[at : at + length]))
            if name is not None:
                return name, length
        return None, 0

    def _vector(self, name: str) -> Vector:
        if name not in self.vectors:
            self.vectors[name] = self._renewed(name)
        return self.vectors[name]

    def _renewed(self, name: str) -> Vector:
        pictures = self._pictures[name]
        vectors = [self._picture(digest, path) for digest, path in pictures.items()]
        kept = [vector for vector in vectors if vector is not None]
        if not kept:
            raise QueryError(
                f"{name!r} was taught with another model, and its pictures are gone "
                f"({', '.join(pictures.values())}); teach it again: lexpix teach"
            )
        vector = self._vector_of(kept)
        self._store.renew(name, self._encoder.fingerprint, vector)
        log.warning(
            "%r was taught with another model; made anew from %d of its %d pictures",
            name,
            len(kept),
            len(pictures),
        )
        return vector

    def _picture(self, digest: str, path: str) -> Vector | None:
        """Return the vector of a remembered picture, None if its bytes cannot be had."""
        from searchengine.images import open_for
        from searchengine.sources.opening import open_stored

        stored = self._catalog.vector_of_content(digest, self._encoder.fingerprint)
        if stored is not None:
            return stored
        paths = [path, *(copy.path for copy in self._catalog.by_sha256(digest))]
        for one in dict.fromkeys(paths):
            try:
                with open_stored(one) as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                        continue
                    file.seek(0)
                    pixels = open_for(self._encoder, file)
                    vector: Vector = self._encoder.encode_images([pixels])[0]
                    return vector
            except (OSError, ImageError):
                continue
        return None

    def _vector_of(self, pictures: Sequence[Vector]) -> Vector:
        words = Tagger(self._encoder, TagVocabulary.load(), {}).vectors
        return taught_vector(np.stack(pictures), words)

    def _forget_cached(self) -> None:
        for name in ("vectors", "_pictures", "_by_tokens"):
            self.__dict__.pop(name, None)


def _trimmed(folded: str) -> list[str]:
    """Return a part of a text from its first word or emoji to its last, nothing if it has none."""
    words = list(tokens(folded))
    return [folded[words[0][2] : words[-1][3]]] if words else []


def with_taught(encoder: Encoder, taught: TaughtWords) -> Encoder:
    """Return an encoder that understands the taught words as well."""
    kind = _ExplainableWithTaught if isinstance(encoder, Explainable) else _WithTaught
    return kind(encoder, taught)


class _WithTaught(EncoderWrapper):
    """The sum of the unit vectors of the plain text and of each taught word in it."""

    def __init__(self, encoder: Encoder, taught: TaughtWords) -> None:
        super().__init__(encoder)
        self._taught = taught

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        pieces = [self._taught.split(text) for text in texts]
        if all(isinstance(piece, str) for some in pieces for piece in some):
            return self._encoder.encode_texts(texts)
        return unit_rows(np.stack([self._row(some) for some in pieces]), self.dim)

    def unknown_words(self, text: str, suggestions: int = MOST_SUGGESTIONS) -> list[UnknownWord]:
        if self._vocabulary is None:
            return []
        plain = self._plain(text)
        return self._vocabulary.unknown_words(plain, suggestions) if plain else []

    def translated(self, text: str) -> list[Translated]:
        return [] if self._polyglot is None else self._polyglot.translated(self._plain(text))

    def english(self, text: str) -> str:
        if self._polyglot is None:
            return text
        pieces = self._taught.split(text)
        if all(isinstance(piece, str) for piece in pieces):
            return self._polyglot.english(text)
        return " ".join(
            self._polyglot.english(piece) if isinstance(piece, str) else piece[0]
            for piece in pieces
        )

    def _plain(self, text: str) -> str:
        """Return a text without its taught words."""
        return " ".join(piece for piece in self._taught.split(text) if isinstance(piece, str))

    def _row(self, pieces: Sequence[Piece]) -> npt.NDArray[np.float32]:
        taught = [piece[1] for piece in pieces if not isinstance(piece, str)]
        plain = " ".join(piece for piece in pieces if isinstance(piece, str))
        if not taught:
            row: npt.NDArray[np.float32] = self._encoder.encode_texts([plain])[0]
            return row
        return self._sum(plain, taught)

    def _sum(self, plain: str, taught: Sequence[Vector]) -> npt.NDArray[np.float32]:
        rows = np.stack(taught)
        if plain:
            with contextlib.suppress(UnknownWords):  # the taught word alone is enough to go by
                rows = np.concatenate([rows, self._encoder.encode_texts([plain])])
        total: npt.NDArray[np.float32] = rows.sum(axis=0)
        return total


class _ExplainableWithTaught(_WithTaught, ExplainableWrapper):
    """A taught word is one more summand, as long as the vector of a usual word."""

    def encode_words(self, text: str) -> tuple[list[str], npt.NDArray[np.float32]]:
        labels: list[str] = []
        rows = [np.empty((0, self.dim), dtype=np.float32)]
        for piece in self._taught.split(text):
            if isinstance(piece, str):
                words, vectors = self._explainable.encode_words(piece)
                labels += words
                rows.append(vectors)
            else:
                labels.append(piece[0])
                rows.append(piece[1][None] * self._length)
        return labels, np.concatenate(rows)

    def _sum(self, plain: str, taught: Sequence[Vector]) -> npt.NDArray[np.float32]:
        rows = np.stack(taught) * self._length
        if plain:
            rows = np.concatenate([rows, self._explainable.encode_words(plain)[1]])
        total: npt.NDArray[np.float32] = rows.sum(axis=0)
        return total

    @cached_property
    def _length(self) -> float:
        return typical_length(self._explainable)


def typical_length(encoder: Explainable) -> float:
    """Return how long a taught word's vector is made: as a usual word's, and somewhat shorter.

    The usual are the words of the vocabulary that people use most. Shorter, because the vector of a
    taught word is not so sure (benchmarks/teaching.py).
    """
    typical = [entry.name for entry in TagVocabulary.load().entries if entry.rank < _TYPICAL]
    lengths = [
        np.linalg.norm(vectors, axis=1).mean()
        for name in typical
        if len(vectors := encoder.encode_words(name)[1])
    ]
    return _WEIGHT * float(np.mean(lengths)) if lengths else 1.0
