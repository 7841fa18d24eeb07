"""The values that travel between layers, and the Protocols that plugins implement."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from searchengine.documents import Kind

if TYPE_CHECKING:
    from PIL.Image import Image

Vector: TypeAlias = npt.NDArray[np.float32]
"""One unit vector, shape (dim,)."""
Vectors: TypeAlias = npt.NDArray[np.float32]
"""Rows of unit length, shape (n, dim), C-contiguous, finite; `vectors.unit_rows` makes them."""
Scores: TypeAlias = npt.NDArray[np.float32]
"""Cosines, shape (q, k); -inf pads a short row."""
Ids: TypeAlias = npt.NDArray[np.int64]
"""Library ids, shape (n,); ids are positive, -1 pads a short row."""
PathLike: TypeAlias = str | os.PathLike[str]
Prepare: TypeAlias = "Callable[[Image], Image]"
"""From an upright RGB picture of any size to what an encoder looks at; called in any thread."""

State = Literal["ok", "missing", "bad"]
TermKind = Literal["words", "picture", "id"]
FilterKind = Literal["tag", "caption"]
QueryKind = Literal["words", "sentence", "picture", "mixture"]
"""What a query is made of: up to two words, more words, one picture, or a sum of terms."""
Band = Literal["likely", "maybe", "unlikely"]


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of a query.

    Attributes:
        weight: Signed factor, applied after the term's vector has been normalised.
        kind: `words` (value is text), `picture` (value is a file path) or `id` (a library id).
        value: The text, the path as the user wrote it without a leading `@`, or the digits.
    """

    weight: float
    kind: TermKind
    value: str


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Only pictures with a tag, or with words in their caption, or only those without."""

    name: str
    excluded: bool = False
    kind: FilterKind = "tag"


@dataclass(frozen=True, slots=True)
class Query:
    """A weighted sum of terms among the pictures that pass all filters; one of either at least."""

    terms: tuple[Term, ...]
    filters: tuple[TagFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class Tag:
    """A name for a picture: the user's, or a model's guess with its probability, if known."""

    name: str
    source: Literal["user", "guess"]
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class TaughtWord:
    """A word that was taught from pictures; `usable` if this model has its vector."""

    name: str
    pictures: tuple[str, ...]
    usable: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """One picture of an answer.

    Attributes:
        id, path: The picture.
        score: Its cosine to the query, in -1..1; decides the order. Of a query of filters alone it
            is how sure the least sure of its tags is, 1 for the user's own. None if nothing was
            searched for: pictures in order of their dates.
        match: How probable it is that it shows what was asked for, in 0..1; None if the model is
            not calibrated.
        band: The same in a word.
    """

    id: int
    path: str
    score: float | None
    match: float | None = None
    band: Band | None = None


MOST_SUGGESTIONS = 5
"""Most unknown words for which spellings are looked for: each takes milliseconds."""


@dataclass(frozen=True, slots=True)
class UnknownWord:
    """A word of the query that the model does not know, with the nearest known spelling if any."""

    word: str
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Translated:
    """A word of the query, as the user wrote it, and what it was read as in English.

    `language` is the one it was taken from, as BCP 47 names it; "und" for emoji.
    """

    word: str
    english: str
    language: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found: hits in falling order of score, and what could not be understood.

    Attributes:
        nothing_like_that: Every picture was an unlikely match, whether or not they are shown.
        calibrated: The model knows what its scores are worth, so hits have a match and a band.
        translated: Words of other languages, and emoji, as they were read.
    """

    query: str
    hits: tuple[Hit, ...]
    unknown_words: tuple[UnknownWord, ...]
    took_ms: float
    nothing_like_that: bool = False
    calibrated: bool = False
    translated: tuple[Translated, ...] = ()


@dataclass(frozen=True, slots=True)
class TextHit:
    """One text of an answer; `title` is its beginning if it has none, `source` its file."""

    id: int
    kind: Kind
    title: str
    score: float
    source: str


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """Texts in falling order of score, and words of the question that are not known."""

    query: str
    hits: tuple[TextHit, ...]
    unknown_words: tuple[UnknownWord, ...]
    took_ms: float
    translated: tuple[Translated, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one word, or one picture of a query, gave to a score.

    Attributes:
        label: The word, or the picture as the query named it.
        share: Its part of the score, negative if it spoke against the picture.
        grid: Shape (rows, columns), the places of the picture that gave it; adds up to `share`.
    """

    label: str
    share: float
    grid: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score, the parts that add up to it, and words of the query that took no part."""

    score: float
    parts: tuple[Part, ...]
    unknown_words: tuple[UnknownWord, ...] = ()
    translated: tuple[Translated, ...] = ()


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence that a model wrote about a picture.

    Attributes:
        text: The sentence.
        words: What it was put together from, word by word (or letter by letter).
        logprobs: The natural logarithm of each word's probability, given those before it.
        end: The same of ending there.
        attention: How much each place counted for each word, shape (words, rows, columns), 0..1,
            a word's places add up to 1; None if the model has no attention.
        confidence: How probable it is that most of the sentence is true, 0..1; None if the model
            was never calibrated.
        sure: Whether it is worth showing; True if the model was never calibrated.
    """

    text: str
    words: tuple[str, ...]
    logprobs: tuple[float, ...]
    end: float
    attention: npt.NDArray[np.float32] | None = None
    confidence: float | None = None
    sure: bool = True

    @property
    def logprob(self) -> float:
        """The mean over the words and the end."""
        return (sum(self.logprobs) + self.end) / (len(self.logprobs) + 1)


@dataclass(frozen=True, slots=True)
class FileStat:
    """What tells a changed file from an unchanged one without reading it.

    `ctime_ns` notices what size and mtime cannot: two files of one size and mtime, swapped.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Exif:
    """What a camera wrote into the file; None where it wrote nothing usable."""

    taken_at: dt.datetime | None = None
    camera: str | None = None
    lens: str | None = None
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A row of the catalog: one file, present (`ok`), gone (`missing`) or unreadable (`bad`)."""

    id: int
    path: str
    root: str
    sha256: str | None
    size: int
    mtime_ns: int
    ctime_ns: int
    state: State
    width: int | None = None
    height: int | None = None
    exif: Exif = field(default_factory=Exif)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A file or folder that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What one run of the indexer did, in numbers of files."""

    added: int = 0
    updated: int = 0
    moved: int = 0
    restored: int = 0
    missing: int = 0
    unchanged: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an index reflects: the model's fingerprint and the catalog's seq."""

    fingerprint: str
    seq: int


@runtime_checkable
class Encoder(Protocol):
    """Map texts and pictures into one space.

    `fingerprint` names weights, configuration and preprocessing; vectors of two fingerprints are
    never compared. Every member is required: `plugins.require` refuses a plugin that lacks one.
    Whoever reads a picture for an encoder, from a file, an upload or the library, opens it with its
    `decode_size` and `prepare`, so that the same picture has the same vector on every way.
    """

    @property
    def fingerprint(self) -> str:
        """Name of the model's every weight and setting, in hexadecimal."""
        ...

    @property
    def name(self) -> str:
        """What people call the model."""
        ...

    @property
    def dim(self) -> int:
        """Length of its vectors."""
        ...

    @property
    def decode_size(self) -> int:
        """Pixels that the shorter side of a picture needs; no more of it is decoded."""
        ...

    @property
    def prepare(self) -> Prepare | None:
        """What is done to a picture while it is decoded; None scales it down to `decode_size`."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, shape (n, dim); raise UnknownWords if none is known."""
        ...

    def encode_images(self, images: Sequence[PathLike | Image]) -> Vectors:
        """Return one unit row per picture, shape (n, dim); raise ImageError naming a bad file.

        One that is opened already is upright, and was mostly prepared; a path is to be opened by
        `images.open_for`.
        """
        ...


@runtime_checkable
class Vocabulary(Protocol):
    """What an encoder that works word by word can say about words it does not know."""

    def unknown_words(self, text: str, suggestions: int = MOST_SUGGESTIONS) -> list[UnknownWord]:
        """Return the words of the text that have no vector, in order, each once.

        At most the first `suggestions` of them come with a spelling, which is looked for at length.
        """
        ...


@runtime_checkable
class Polyglot(Protocol):
    """What an encoder can say that reads words of other languages."""

    def translated(self, text: str) -> list[Translated]:
        """Return the words of the text that were put into English, in order, each once."""
        ...

    def english(self, text: str) -> str:
        """Return the text in English, as it is if it is English."""
        ...


@runtime_checkable
class Explainable(Protocol):
    """What an encoder offers whose branches are linear, so that scores can be split exactly."""

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the places of a picture."""
        ...

    def encode_words(self, text: str) -> tuple[list[str], npt.NDArray[np.float32]]:
        """Return the known words of a text and their vectors, which add up to the text's."""
        ...

    def encode_regions(self, images: Sequence[PathLike | Image]) -> npt.NDArray[np.float32]:
        """Return a vector per place, (n, cells, dim); their mean is the picture's."""
        ...


class Matcher(Protocol):
    """Say how probable it is that pictures show what queries ask for."""

    @property
    def bands(self) -> Mapping[QueryKind, Mapping[str, float]]:
        """For each kind of query, the least match of the bands likely and maybe."""
        ...

    def match(
        self,
        queries: Vectors,
        pictures: Vectors,
        kinds: Sequence[QueryKind],
        searched: int | Sequence[int] = ...,
    ) -> npt.NDArray[np.float32]:
        """Return a probability per query and picture, shape (q, p), in 0..1.

        The pictures are the nearest of as many as were searched.
        """
        ...

    def band(self, match: float, kind: QueryKind = "words") -> Band:
        """Say in a word how much a match of a kind of query is worth."""
        ...


@runtime_checkable
class Calibrated(Protocol):
    """What an encoder may offer that knows what its cosines are worth."""

    @property
    def calibration(self) -> Matcher | None:
        """What turns cosines into probabilities, None if the model's folder has nothing for it."""
        ...


class VectorIndex(Protocol):
    """Find the nearest rows by cosine; an id is present at most once.

    Rows of an answer are ordered by falling score, then by rising id, so that every backend gives
    the same answer. Short rows are padded with id -1 and score -inf.
    """

    def __len__(self) -> int: ...

    def put(self, ids: Ids, vectors: Vectors) -> None:
        """Insert rows, replacing those of ids that are present."""
        ...

    def drop(self, ids: Ids) -> None:
        """Remove rows; unknown ids are ignored."""
        ...

    def search(self, queries: Vectors, k: int, within: Ids | None = None) -> tuple[Ids, Scores]:
        """Return ids and scores, both (q, k), of the best rows, only among `within` if given."""
        ...

    def stamp(self) -> Stamp | None:
        """Return what the index reflects, or None if it must be rebuilt."""
        ...

    def flush(self, stamp: Stamp) -> None:
        """Write the index atomically, then the stamp."""
        ...

    def clear(self, dim: int) -> None:
        """Forget every row and the stamp; rows put from now on have `dim` columns."""
        ...
