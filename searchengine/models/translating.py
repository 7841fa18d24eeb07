"""An encoder that reads texts in any language: each word is looked up, then encoded in English."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from searchengine.errors import UnknownWords
from searchengine.language.aliases import ENGLISH
from searchengine.language.spelling import fold, script
from searchengine.language.translator import Piece, Translator, knowing
from searchengine.language.words import WordVectors
from searchengine.models.wrapping import EncoderWrapper, ExplainableWrapper
from searchengine.types import (
    MOST_SUGGESTIONS,
    Encoder,
    Explainable,
    Translated,
    UnknownWord,
    Vectors,
)
from searchengine.vectors import unit_rows


def translator_for(encoder: object, language: str | None) -> Translator:
    """Return what reads texts for a model, by the words that it knows.

    A model that has no table of words is taken to know what is written in Latin letters.
    """
    table = getattr(encoder, "words", None)
    return Translator(
        knowing(table.find) if isinstance(table, WordVectors) else _is_latin, language
    )


def _is_latin(text: str) -> bool:
    return script(text) in ("LATIN", "")


def with_languages(encoder: Encoder, language: str | None) -> Translating:
    """Return an encoder that reads texts in any language.

    Args:
        encoder: Reads English.
        language: What comes first where a word is of several languages; None for English.
    """
    translator = translator_for(encoder, language)
    kind = _ExplainableTranslating if isinstance(encoder, Explainable) else Translating
    return kind(encoder, translator)


class Translating(EncoderWrapper):
    """An encoder whose texts are put into English first."""

    def __init__(self, encoder: Encoder, translator: Translator) -> None:
        super().__init__(encoder)
        self.translator = translator

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, shape (n, dim).

        Raises:
            UnknownWords: No word of a text is known.
        """
        read = [self.translator.read(text) for text in texts]
        if not any(_is_changed(pieces) for pieces in read):
            return self._encoder.encode_texts(texts)
        rows = [
            self._row(pieces) if _is_changed(pieces) else self._encoder.encode_texts([text])[0]
            for text, pieces in zip(texts, read, strict=True)
        ]
        return unit_rows(np.stack(rows), self.dim)

    def unknown_words(self, text: str, suggestions: int = MOST_SUGGESTIONS) -> list[UnknownWord]:
        """Return the words that are not known in any language, the first with near spellings."""
        if self._vocabulary is None:
            return []
        unknown: dict[str, UnknownWord] = {}
        for piece in self.translator.read(text):
            left = max(0, suggestions - len(unknown))
            if piece.language != ENGLISH:
                continue
            if script(piece.source) in ("LATIN", ""):
                for place, one in enumerate(self._vocabulary.unknown_words(piece.source, left)):
                    near = one.suggestion or self._nearest(one.word, left - place)
                    unknown.setdefault(one.word, UnknownWord(one.word, near))
            elif not piece.known:
                near = self._nearest(piece.source, left)
                unknown.setdefault(piece.source, UnknownWord(piece.source, near))
        return list(unknown.values())

    def _nearest(self, word: str, left: int) -> str | None:
        """Return a near spelling in another language while any may still be looked for."""
        return self.translator.nearest(word) if left > 0 and len(word) <= _LONGEST else None

    def translated(self, text: str) -> list[Translated]:
        """Return the words of a text that were put into English, in order, each once."""
        words = {
            piece.source: Translated(piece.source, piece.english, piece.language)
            for piece in self.translator.read(text)
            if piece.is_translated and fold(piece.source) != piece.english
        }
        return list(words.values())

    def english(self, text: str) -> str:
        """Return a text in English, as it is if it is English."""
        pieces = self.translator.read(text)
        return _english(pieces) if _is_changed(pieces) else text

    def _row(self, pieces: Sequence[Piece]) -> npt.NDArray[np.float32]:
        if not any(piece.english for piece in pieces):
            raise UnknownWords([piece.source for piece in pieces])
        row: npt.NDArray[np.float32] = self._encoder.encode_texts([_english(pieces)])[0]
        return row


class _ExplainableTranslating(Translating, ExplainableWrapper):
    """The same for an encoder whose scores can be split: parts are called as the user wrote."""

    def encode_words(self, text: str) -> tuple[list[str], npt.NDArray[np.float32]]:
        pieces = self.translator.read(text)
        if not _is_changed(pieces):
            return self._explainable.encode_words(text)
        return self._encode_pieces(pieces)

    def _encode_pieces(self, pieces: Sequence[Piece]) -> tuple[list[str], npt.NDArray[np.float32]]:
        labels: list[str] = []
        rows = [np.empty((0, self.dim), dtype=np.float32)]
        for piece in pieces:
            if not piece.english:
                continue
            words, vectors = self._explainable.encode_words(piece.english)
            labels += [piece.source] * len(words) if piece.is_translated else words
            rows.append(vectors)
        return labels, np.concatenate(rows)

    def _row(self, pieces: Sequence[Piece]) -> npt.NDArray[np.float32]:
        # The sum over the pieces, as an explanation has it: words of two may make a phrase.
        total: npt.NDArray[np.float32] = self._encode_pieces(pieces)[1].sum(axis=0)
        return total if total.any() else super()._row(pieces)


def _is_changed(pieces: Sequence[Piece]) -> bool:
    return any(piece.language != ENGLISH for piece in pieces)


def _english(pieces: Sequence[Piece]) -> str:
    return " ".join(piece.english for piece in pieces if piece.english)


_LONGEST = 40
"""Letters of a word; nothing that is longer is the misspelling of another."""
