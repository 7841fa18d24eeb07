"""Which words of a model's own table a map shows: the frequent ones, or those near another."""

from __future__ import annotations

import numpy as np

from searchengine.errors import ModelError
from searchengine.models.joint import JointEncoder
from searchengine.types import Encoder

_ROWS = 8192


def frequent_words(encoder: Encoder, most: int) -> list[str]:
    """Return the words of a model's table that are used most, the most frequent first.

    Raises:
        ModelError: The model has no table of words.
    """
    words = _joint(encoder).words
    rows = sorted(range(len(words)), key=words.rank)
    return [words.word(row) for row in rows[:most]]


def nearest_words(model: Encoder, reader: Encoder, query: str, most: int) -> list[str]:
    """Return a text, then the words of a model's table that are nearest to it by cosine.

    Args:
        model: Has the table.
        reader: Makes the vector of the text; it may know taught words as well.
        query: One or several words.
        most: How many to return, the text included.

    Raises:
        UnknownWords: No word of the text is known.
        ModelError: The model has no table of words.
    """
    joint = _joint(model)
    target = reader.encode_texts([query])[0]
    scores = np.empty(len(joint.words), dtype=np.float32)
    for start in range(0, len(scores), _ROWS):
        vectors = joint.word_vectors(range(start, min(start + _ROWS, len(scores))))
        lengths = np.linalg.norm(vectors, axis=1)
        scores[start : start + len(vectors)] = np.divide(
            vectors @ target,
            lengths,
            out=np.full(len(vectors), -1.0, np.float32),
            where=lengths > 0,
        )
    rows = np.argsort(-scores, kind="stable")[: most + 1]
    words = [joint.words.word(int(row)) for row in rows]
    return [query, *(word for word in words if word != query)][:most]


def _joint(encoder: Encoder) -> JointEncoder:
    if not isinstance(encoder, JointEncoder):
        raise ModelError(
            f"model {encoder.name!r}: has no table of words to choose from; name the words instead"
        )
    return encoder
