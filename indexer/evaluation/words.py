"""How good word vectors are: analogies and similarities that the field has measured for years.

questions-words is that of word2vec (Mikolov et al., arXiv 1301.3781): sections that begin with
"gram" are syntactic, the others semantic. WordSim-353 (Finkelstein et al., 2002) and SimLex-999
(Hill et al., 2015) are pairs of words with what people think of their similarity. The sets are
those that gensim ships.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.evaluation.metrics import analogy_answers, spearman
from searchengine.errors import MissingPlugin, TrainingDataError
from searchengine.language.words import normalise
from searchengine.types import Vectors

SIMILARITIES = {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"}
QUESTIONS = "questions-words.txt"


@dataclass(frozen=True, slots=True)
class Analogies:
    """Questions asked of a section, those of which all words are known, and what came out.

    Attributes:
        coverage: Known questions in percent of all.
        accuracy: Right answers in percent of the known questions; None if there is none.
    """

    questions: int
    known: int
    correct: int
    coverage: float
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Similarity:
    """Pairs of words, those that are known, and the rank correlation with people, -100..100."""

    pairs: int
    known: int
    coverage: float
    spearman: float | None


@dataclass(frozen=True, slots=True)
class WordScores:
    """What `evaluate_words` measures; sections in the order of their file."""

    words: int
    dim: int
    sections: Mapping[str, Analogies]
    semantic: Analogies
    syntactic: Analogies
    total: Analogies
    similarity: Mapping[str, Similarity]


def packaged_sets() -> Path:
    """Return the folder of the sets, without importing gensim.

    Raises:
        MissingPlugin: gensim is not installed.
    """
    spec = importlib.util.find_spec("gensim")
    if spec is None or spec.origin is None:
        raise MissingPlugin("the questions come with gensim: pip install 'lexpix[train]'")
    return Path(spec.origin).parent / "test" / "test_data"


def read_questions(path: Path) -> dict[str, list[tuple[str, str, str, str]]]:
    """Return the questions of each section, lower case.

    Raises:
        TrainingDataError: A line is no question; the message names it.
    """
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    name = path.stem
    for number, line in enumerate(_lines(path), 1):
        words = line.split()
        if line.startswith(":"):
            name = line[1:].strip()
        elif len(words) == 4:
            one, other, third, fourth = (normalise(word) for word in words)
            sections.setdefault(name, []).append((one, other, third, fourth))
        elif words:
            raise TrainingDataError(
                f"{path}:{number}: expected four words, or a section such as ': family'"
            )
    if not sections:
        raise TrainingDataError(f"{path}: no questions in it")
    return sections


def read_similarities(path: Path) -> list[tuple[str, str, float]]:
    """Return pairs of words and what people think of their similarity.

    Raises:
        TrainingDataError: A line is malformed; the message names it.
    """
    pairs = []
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            one, other, score = line.split("\t")
            pairs.append((normalise(one), normalise(other), float(score)))
        except ValueError as error:
            raise TrainingDataError(
                f"{path}:{number}: expected two words and a number, with tabs between ({error})"
            ) from error
    return pairs


def evaluate_words(
    words: Sequence[str],
    units: Vectors,
    questions: Mapping[str, Sequence[tuple[str, str, str, str]]],
    similarities: Mapping[str, Sequence[tuple[str, str, float]]],
) -> WordScores:
    """Measure word vectors, shape (words, dim), unit rows; any of the words may be an answer."""
    places = {word: row for row, word in enumerate(words)}
    sections: dict[str, Analogies] = {}
    for name, section in questions.items():
        rows = [[places.get(word, -1) for word in question] for question in section]
        known = np.array([row for row in rows if min(row) >= 0], dtype=np.int64).reshape(-1, 4)
        correct = int((analogy_answers(units, known[:, :3]) == known[:, 3]).sum())
        sections[name] = _analogies(len(section), len(known), correct)
    return WordScores(
        len(words),
        units.shape[1],
        sections,
        _sum([s for name, s in sections.items() if not name.startswith("gram")]),
        _sum([s for name, s in sections.items() if name.startswith("gram")]),
        _sum(list(sections.values())),
        {name: _similarity(places, units, pairs) for name, pairs in similarities.items()},
    )


def _similarity(
    places: Mapping[str, int], units: Vectors, pairs: Sequence[tuple[str, str, float]]
) -> Similarity:
    known = [(places[a], places[b], score) for a, b, score in pairs if {a, b} <= places.keys()]
    if len(known) < 2:
        return Similarity(len(pairs), len(known), _percent(len(known), len(pairs)) or 0.0, None)
    left, right = units[[pair[0] for pair in known]], units[[pair[1] for pair in known]]
    cosines = (left * right).sum(axis=1)
    people = np.array([score for _, _, score in known])
    return Similarity(
        len(pairs),
        len(known),
        _percent(len(known), len(pairs)) or 0.0,
        round(100 * spearman(cosines.astype(np.float64), people), 2),
    )


def _sum(sections: Sequence[Analogies]) -> Analogies:
    return _analogies(
        sum(each.questions for each in sections),
        sum(each.known for each in sections),
        sum(each.correct for each in sections),
    )


def _analogies(questions: int, known: int, correct: int) -> Analogies:
    coverage = _percent(known, questions) or 0.0
    return Analogies(questions, known, correct, coverage, _percent(correct, known))


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingDataError(f"{path}: cannot be read ({error})") from error
