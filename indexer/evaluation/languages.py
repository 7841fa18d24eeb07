"""Measure whether words of other languages, and emoji, find what the English ones find.

Two kinds of question. By the table: each alias whose English is a label. By Unicode CLDR, which is
independent of how the table was made: the name of an emoji in a language must find the pictures
whose label is its English name. Beside each stands the English word, over the same questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.evaluation.encode import encode_pictures, encode_sentences
from indexer.evaluation.labels import ROUNDED
from indexer.evaluation.metrics import percent
from indexer.readers.jsonl import read_text
from searchengine.errors import TrainingDataError
from searchengine.language.aliases import EMOJI, ENGLISH, PLAIN
from searchengine.language.spelling import fold, plain_emoji
from searchengine.language.translator import aliases
from searchengine.models.translating import with_languages
from searchengine.types import Encoder

FIRST = 10
"""Hits among which a right picture must be."""


@dataclass(frozen=True, slots=True)
class LanguageScores:
    """How often words of a language find a right picture within the first ten.

    Attributes:
        language: Its code; "und" for emoji.
        words: How many were asked.
        found: Share of them that found one, in percent, with the language asked for.
        unasked: The same if nobody says which language it is.
        english: The same of the English words, over the same questions.
    """

    language: str
    words: int
    found: float
    unasked: float
    english: float


def questions_of_table(labels: set[str]) -> dict[str, list[tuple[str, str]]]:
    """Return alias and label, by language, for the aliases whose English is a label."""
    questions: dict[str, list[tuple[str, str]]] = {}
    for alias, meanings in aliases():
        for one in meanings:
            if one.english in labels and one.language != ENGLISH and one.level > PLAIN:
                questions.setdefault(one.language, []).append((alias, one.english))
    return questions


def questions_of_cldr(labels: set[str], package: Path) -> dict[str, list[tuple[str, str]]]:
    """Return the name of an emoji and its English name, by language, where that is a label.

    Args:
        labels: Of the pictures.
        package: The npm package cldr-annotations-full, unpacked.

    Raises:
        TrainingDataError: It is not that.
    """
    english = {emoji: name for emoji, name in _names(package, ENGLISH).items() if name in labels}
    questions = {}
    for language in aliases().languages:
        if language not in (ENGLISH, EMOJI):
            names = _names(package, language)
            questions[language] = [(names[e], name) for e, name in english.items() if names.get(e)]
    return {EMOJI: [*english.items()], **questions}


def evaluate_languages(
    encoder: Encoder,
    labelled: Sequence[tuple[Path, Sequence[str]]],
    questions: Mapping[str, Sequence[tuple[str, str]]],
) -> list[LanguageScores]:
    """Measure languages.

    Args:
        encoder: The model.
        labelled: Pictures with their names.
        questions: Word and label, by language.

    Raises:
        ImageError: A picture cannot be read.
        TrainingDataError: There is no question.
    """
    if not any(questions.values()):
        raise TrainingDataError("no word of any language stands for a label of these pictures")
    pictures = encode_pictures([path for path, _ in labelled], encoder)
    truths = [{fold(name) for name in names} for _, names in labelled]

    def hits(texts: Sequence[str], reading: Encoder, labels: Sequence[str]) -> float:
        scores = np.round(encode_sentences(texts, reading) @ pictures.T, ROUNDED)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :FIRST]
        right = [
            bool(line.any()) and any(label in truths[place] for place in row)
            for line, row, label in zip(scores, best, labels, strict=True)
        ]
        return percent(right)

    results = []
    for language, pairs in questions.items():
        if not pairs:
            continue
        texts, labels = [word for word, _ in pairs], [label for _, label in pairs]
        preferred = None if language == EMOJI else language
        results.append(
            LanguageScores(
                language,
                len(pairs),
                found=hits(texts, with_languages(encoder, preferred), labels),
                unasked=hits(texts, with_languages(encoder, None), labels),
                english=hits(labels, encoder, labels),
            )
        )
    return results


def _names(package: Path, language: str) -> dict[str, str]:
    import json

    path = package / "annotations" / language / "annotations.json"
    text = read_text(path)
    try:
        entries = json.loads(text)["annotations"]["annotations"]
        return {
            plain_emoji(emoji): fold(one["tts"][0])
            for emoji, one in entries.items()
            if "tts" in one
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingDataError(
            f"{path}: cannot be read as annotations of CLDR ({error}); unpack the npm package "
            "cldr-annotations-full"
        ) from error
