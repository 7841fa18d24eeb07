"""Queries whose right answers are known from captions, of every kind that a user can ask.

=========  =====================================  ================================================
kind       query                                  a picture is right if its captions
=========  =====================================  ================================================
words      a concept that captions can judge      name it, in any inflection
sentence   a caption                              name `SENTENCE` of its content words, or it is
                                                  the picture of the caption
picture    a picture of the pairs                 name half of what it shows, two concepts or more
mixture    a picture - what it shows + a concept  name the concept and not what was taken away
=========  =====================================  ================================================

Each but a picture is asked twice. It is *present* in a library that shows it; it is *absent* from
the same library without the pictures that may show it (`indexer/evaluation/concepts.py`), so both
are asked about one thing and differ in nothing but the answer. To a picture something is always
nearest, and shown, so that it is asked once, of the library as it is. Pictures that may show it
though no caption names it are in neither library: nobody knows whether they are right (as unjudged
images are left out in LVIS, arXiv 1908.03195). Captions name only part of what a picture shows even
so: what is counted as wrong is at times right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Literal

import numpy as np
import numpy.typing as npt

from indexer.evaluation.concepts import Concept, Concepts, Named, named
from searchengine.errors import TrainingDataError, UnknownWords
from searchengine.types import Encoder, QueryKind, Vector, Vectors
from searchengine.vectors import compose

SENTENCE = 2 / 3
TOP = 10
"""Hits that are looked at: what a user sees."""
SAMPLE = 500
"""Most queries of a kind; drawn by the seed."""
SHARES = (4, 16)
"""A library is also asked in parts of one in so many of its pictures."""
PARTS = 4
"""Parts of each size that are asked."""
LEFT = 0.5
"""Share of the library that must be left after what may show the concept was taken out."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Question:
    """A query and what is known of its answers among n pictures.

    Attributes:
        kind: What the query is made of.
        text: For people.
        vector: The query.
        right: Pictures that answer it, shape (n,).
        certain: Those that leave no doubt; it is present where `least` of them are.
        maybe: Those that may answer it, the right ones among them.
        own: Pictures that the query itself names, which no answer has.
        least: See `certain`.
    """

    kind: QueryKind
    text: str
    vector: Vector
    right: Flags
    certain: Flags
    maybe: Flags
    own: Flags
    least: int

    def is_present(self, library: Flags, least: int | None = None) -> bool:
        """Tell whether a library surely has an answer, or as many as `least` says."""
        needed = self.least if least is None else least
        return int((self.certain & library & ~self.own).sum()) >= needed

    def judged(self, library: Flags) -> Flags:
        """Return the library without what may answer but is not known to, and the query's own."""
        return library & ~self.own & (self.right | ~self.maybe)

    def without(self, library: Flags) -> Flags:
        """Return the library without what may answer."""
        return library & ~self.maybe


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The first hits of one question in one library.

    Attributes:
        question: What was asked.
        present: Whether the library has an answer.
        searched: How many pictures the library has.
        hits: Rows of the pictures, by falling cosine.
        right: Which of them are right.
    """

    question: Question
    present: bool
    searched: int
    hits: npt.NDArray[np.int64]
    right: Flags


def ask(
    questions: Sequence[Question], pictures: Vectors, library: Flags, *, least: int | None = None
) -> list[QueryResult]:
    """Ask each question where it is present and where it is absent, as far as the library allows.

    A picture is asked once, whether the library has the like of it or not.

    Args:
        questions: Over all pictures.
        pictures: Unit rows, shape (n, dim).
        library: The pictures that can be found, shape (n,).
        least: Pictures that must surely answer; each question decides if None.
    """
    results: list[QueryResult] = []
    if not questions:
        return results
    every = np.stack([question.vector for question in questions]) @ pictures.T
    for question, scores in zip(questions, every, strict=True):
        if question.kind == "picture":
            present = question.is_present(library, least)
            results.append(_result(question, present, scores, question.judged(library)))
            continue
        if question.is_present(library, least):
            results.append(_result(question, True, scores, question.judged(library)))
        rest = question.without(library) & ~question.own
        if rest.sum() >= max(TOP, LEFT * library.sum()):
            results.append(_result(question, False, scores, rest))
    return results


def _result(
    question: Question, present: bool, scores: npt.NDArray[np.float32], library: Flags
) -> QueryResult:
    rows = np.flatnonzero(library)
    hits = rows[np.argsort(-scores[rows], kind="stable")[:TOP]]
    return QueryResult(question, present, len(rows), hits, question.right[hits])


@dataclass(frozen=True, slots=True)
class Source:
    """Questions about pictures of one sort, and how they are divided for a fit and a measurement.

    Attributes:
        name: For people.
        pictures: Unit rows, shape (n, dim).
        questions: Over all these pictures.
        divided: What the halves have for themselves. Captions ask hundreds of questions over and
            over, so their halves have the pictures; where a picture answers one question or two,
            halves of the questions leave the library as large as it is.
    """

    name: str
    pictures: Vectors
    questions: Mapping[QueryKind, Sequence[Question]]
    divided: Literal["pictures", "questions"]

    def whole(self) -> Part:
        """Return all questions about all pictures."""
        return Part(self, np.ones(len(self.pictures), dtype=bool), self.questions)

    def halves(self, random: np.random.Generator) -> tuple[Part, Part]:
        """Divide the source into halves, drawn at random."""
        whole = self.whole()
        if self.divided == "pictures":
            half = _half(len(self.pictures), random)
            return self._within(half), self._within(~half)
        one: dict[QueryKind, list[Question]] = {}
        other: dict[QueryKind, list[Question]] = {}
        for kind, questions in self.questions.items():
            chosen = _half(len(questions), random)
            one[kind] = list(compress(questions, chosen))
            other[kind] = list(compress(questions, ~chosen))
        return Part(self, whole.library, one), Part(self, whole.library, other)

    def _within(self, library: Flags) -> Part:
        """Return the questions about some of the pictures; a picture that asks is one of them."""
        questions = {
            kind: [each for each in asked if kind != "picture" or (each.own & library).any()]
            for kind, asked in self.questions.items()
        }
        return Part(self, library, questions)


@dataclass(frozen=True, slots=True)
class Part:
    """Questions of a source about some of its pictures, the library, shape (n,)."""

    source: Source
    library: Flags
    questions: Mapping[QueryKind, Sequence[Question]]

    @property
    def pictures(self) -> Vectors:
        """All pictures of the source, in the library or not."""
        return self.source.pictures

    def ask(self, kind: QueryKind) -> list[QueryResult]:
        """Ask the questions of a kind."""
        return ask(self.questions.get(kind, ()), self.pictures, self.library)

    def ask_smaller(self, kind: QueryKind) -> list[QueryResult]:
        """Ask in parts of the library, for what the size of a library does to its first hits."""
        questions = self.questions.get(kind, ())
        random = np.random.default_rng(len(self.pictures))
        rows = random.permutation(np.flatnonzero(self.library))
        results: list[QueryResult] = []
        for share in SHARES:
            for part in np.array_split(rows, share)[:PARTS]:
                smaller = np.zeros(len(self.pictures), dtype=bool)
                smaller[part] = True
                results += ask(questions, self.pictures, smaller, least=1)
        return results


def _half(count: int, random: np.random.Generator) -> Flags:
    half = np.zeros(count, dtype=bool)
    half[random.permutation(count)[: count // 2]] = True
    return half


class Writer:
    """Write questions over pictures that have captions."""

    def __init__(
        self,
        concepts: Concepts,
        captions: Sequence[Sequence[str]],
        pictures: Vectors,
        encoder: Encoder,
        *,
        seed: int = 1,
    ) -> None:
        """Take what is known of concepts, and pictures with captions and unit rows (n, dim).

        Raises:
            TrainingDataError: The captions have too few concepts in common to ask for.
        """
        self._concepts, self._captions = concepts, captions
        self._pictures, self._encoder = pictures, encoder
        self._named: list[Named] = [named(sentences) for sentences in captions]
        self._maybe: dict[Concept, Flags] = {}
        self._random = np.random.default_rng(seed)
        self._vectors = {
            concept: vector
            for concept in concepts.judged()
            if (vector := _encode(encoder, concepts.spelling[concept])) is not None
        }
        if len(self._vectors) < TOP:
            raise TrainingDataError(
                f"captions agree on {len(self._vectors)} concepts only; "
                f"a calibration needs {TOP} at least, and far more to be of use"
            )

    def words(self) -> list[Question]:
        """Return a question per concept that captions can judge."""
        return [
            Question(
                "words",
                self._concepts.spelling[concept],
                vector,
                *self._judge(concept),
                own=np.zeros(len(self._named), dtype=bool),
                least=2,
            )
            for concept, vector in self._vectors.items()
        ]

    def sentences(self) -> list[Question]:
        """Return a question for one caption of each picture."""
        questions = []
        for row in self._sample():
            options = self._captions[row]
            text = options[int(self._random.integers(len(options)))]
            words = sorted(concept for concept in named([text]) if len(concept) == 1)
            vector = _encode(self._encoder, text)
            if vector is None or len(words) < 2:
                continue
            share = np.mean([self._names(word) for word in words], axis=0)
            right = share >= SENTENCE
            maybe = np.mean([self._may_show(word) for word in words], axis=0) >= SENTENCE
            right[row] = True
            questions.append(
                Question("sentence", text, vector, right, right, right | maybe, right & False, 1)
            )
        return questions

    def pictures(self) -> list[Question]:
        """Return a question per picture that shows two things or more."""
        questions = []
        for row in self._sample():
            concepts = _frequent(self._named[row])
            if len(concepts) < 2:
                continue
            need = max(2.0, len(concepts) / 2)
            right = np.sum([self._names(word) for word in concepts], axis=0) >= need
            maybe = np.sum([self._may_show(word) for word in concepts], axis=0) >= need
            own = self._only(row)
            questions.append(
                Question("picture", "", self._pictures[row], right, right, right | maybe, own, 1)
            )
        return questions

    def mixtures(self) -> list[Question]:
        """Return sums: a picture, minus a concept that it shows, plus one that it does not."""
        concepts = list(self._vectors)
        questions = []
        for row in self._sample():
            named = [word for word in _frequent(self._named[row]) if word in self._vectors]
            if not named:
                continue
            gone = named[int(self._random.integers(len(named)))]
            new = concepts[int(self._random.integers(len(concepts)))]
            if self._concepts.may_show(self._named[row], new):
                continue
            terms = np.stack([self._pictures[row], self._vectors[gone], self._vectors[new]])
            right, certain, maybe = self._judge(new)
            kept = ~self._names(gone)
            text = f"- {self._concepts.spelling[gone]} + {self._concepts.spelling[new]}"
            questions.append(
                Question(
                    "mixture",
                    text,
                    compose(terms, [1.0, -1.0, 1.0]),
                    right & kept,
                    certain & kept,
                    maybe,
                    self._only(row),
                    2,
                )
            )
        return questions

    def all(self) -> dict[QueryKind, list[Question]]:
        """Return the questions of every kind."""
        return {
            "words": self.words(),
            "sentence": self.sentences(),
            "picture": self.pictures(),
            "mixture": self.mixtures(),
        }

    def _sample(self) -> Iterator[int]:
        count = len(self._named)
        chosen = self._random.choice(count, min(SAMPLE, count), replace=False)
        return iter(np.sort(chosen).tolist())

    def _judge(self, concept: Concept) -> tuple[Flags, Flags, Flags]:
        """Return which pictures name, show and may show a concept."""
        counts = np.array([picture.get(concept, 0) for picture in self._named])
        return counts > 0, counts > 1, self._may_show(concept)

    def _names(self, concept: Concept) -> Flags:
        return np.array([concept in picture for picture in self._named])

    def _may_show(self, concept: Concept) -> Flags:
        if concept not in self._maybe:
            self._maybe[concept] = np.array(
                [self._concepts.may_show(picture, concept) for picture in self._named]
            )
        return self._maybe[concept]

    def _only(self, row: int) -> Flags:
        only = np.zeros(len(self._named), dtype=bool)
        only[row] = True
        return only


def _frequent(picture: Named) -> list[Concept]:
    # Sorted, because named() goes through sets, whose order is another in each process.
    return sorted(concept for concept, count in picture.items() if len(concept) == 1 and count > 1)


def _encode(encoder: Encoder, text: str) -> Vector | None:
    try:
        vector: Vector = encoder.encode_texts([text])[0]
    except UnknownWords:
        return None
    return vector
