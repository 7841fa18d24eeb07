"""The values that travel between layers; most are frozen dataclasses."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

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
# fmt: off
FilterKind = Literal[
    "tag", "caption", "keyword", "in", "name", "type", "shape", "after", "before", "year", "month",
    "camera", "lens", "mm", "iso", "mp", "rating", "near", "place",
]
# fmt: on
"""What a filter looks at; `language.filters` says what its value means."""
QueryKind = Literal["words", "sentence", "picture", "mixture"]
"""What a query is made of: up to two words, more words, one picture, or a sum of terms."""
Band = Literal["likely", "maybe", "unlikely"]
MinMatch: TypeAlias = float | Literal["likely", "maybe"]
"""The least match that is wanted: a probability in 0..1, or a band."""


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
class Filter:
    """Only pictures that pass, or (`excluded`) only those that do not.

    `name` is what stands behind the colon: a tag, words of a caption, or a value that
    `language.filters` reads.
    """

    name: str
    excluded: bool = False
    kind: FilterKind = "tag"


@dataclass(frozen=True, slots=True)
class Query:
    """A weighted sum of terms among the pictures that pass all filters; one of either at least.

    `hints` say what may have been meant otherwise; they are no part of what is asked.
    """

    terms: tuple[Term, ...]
    filters: tuple[Filter, ...] = ()
    hints: tuple[str, ...] = field(default=(), compare=False)


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
        at: Of a film, the time in seconds of the frame that answers, the best of its scenes; of
            the one that stands for it where nothing was compared.
        duplicates: What this one stands for: pictures with its bytes, or that are the same picture,
            which would come later. None unless it was asked for.
    """

    id: int
    path: str
    score: float | None
    match: float | None = None
    band: Band | None = None
    at: float | None = None
    duplicates: tuple[Hit, ...] = ()


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
        nothing_like_that: Every picture was an unlikely match, whether or not they are shown. Where
            they are, an approximate index has looked at the nearest only.
        calibrated: The model knows what its scores are worth, so hits have a match and a band.
        translated: Words of other languages, and emoji, as they were read.
        hints: What may have been meant otherwise than it was read.
        names_pictures: The query asks by a picture, so the nearest are hits whatever their band.
        copies: Pictures with the very bytes of a file that the query asks by, which are no hits.
    """

    query: str
    hits: tuple[Hit, ...]
    unknown_words: tuple[UnknownWord, ...]
    took_ms: float
    nothing_like_that: bool = False
    calibrated: bool = False
    translated: tuple[Translated, ...] = ()
    hints: tuple[str, ...] = ()
    names_pictures: bool = False
    copies: tuple[Hit, ...] = ()


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
    """Texts in falling order of score, and words of the question that are not known.

    Attributes:
        nothing_like_that: The picture that was asked by shows no dish, so no recipe is an answer.
    """

    query: str
    hits: tuple[TextHit, ...]
    unknown_words: tuple[UnknownWord, ...]
    took_ms: float
    translated: tuple[Translated, ...] = ()
    nothing_like_that: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What one word, or one picture of a query, gave to a score.

    Attributes:
        label: The word, or the picture as the query named it.
        share: Its part of the score, negative if it spoke against the picture.
        grid: Shape (rows, columns), the cells of the picture that gave it; adds up to `share`.
    """

    label: str
    share: float
    grid: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score, the parts that add up to it, and words of the query that took no part.

    Of a film of the library `at` is the time in seconds of the frame that answers, if it has
    several; None if it is the one that stands for it.
    """

    score: float
    parts: tuple[Part, ...]
    unknown_words: tuple[UnknownWord, ...] = ()
    translated: tuple[Translated, ...] = ()
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence that a model wrote about a picture.

    Attributes:
        text: The sentence.
        words: What it was put together from, word by word (or letter by letter).
        logprobs: The natural logarithm of each word's probability, given those before it.
        end: The same of ending there.
        attention: How much each cell counted for each word, shape (words, rows, columns), 0..1,
            a word's cells add up to 1; None if the model has no attention.
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
    `sidecar_ns` is the sum of the mtimes of the files beside it that tell of it (XMP, and the JSON
    of Google Takeout); None if there is none. `place` is where the bytes of a member of an archive
    begin in it, or its row, and how many they are; None of any other file.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    sidecar_ns: int | None = None
    place: tuple[int, int] | None = field(default=None, compare=False)


METADATA_VERSION = 1
"""Raised when more is read of files than before; the next run of an indexer then catches up."""


@dataclass(frozen=True, slots=True)
class Exif:
    """What a file says of its picture, in EXIF, IPTC or XMP; None where it says nothing usable.

    Attributes:
        taken_at: On the camera's clock, without a zone.
        taken_offset: Minutes that this clock is ahead of UTC.
        camera: Maker and model.
        lens: The lens.
        focal: Its length in millimetres.
        iso: Sensitivity.
        lat: Degrees north.
        lon: Degrees east.
        rating: -1 (rejected) to 5.
        description: What somebody wrote about it.
        keywords: Each once.
    """

    taken_at: dt.datetime | None = None
    taken_offset: int | None = None
    camera: str | None = None
    lens: str | None = None
    focal: float | None = None
    iso: int | None = None
    lat: float | None = None
    lon: float | None = None
    rating: int | None = None
    description: str | None = None
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A row of the catalog: one file, present (`ok`), gone (`missing`) or unreadable (`bad`).

    Attributes:
        format: As `formats.FORMATS` names it, by the content; None if the file was not read since.
        damage: What is wrong with a file of which a part can be seen.
        at: Of a film, the time in seconds of the frame that stands for it.
        place: The nearest town to where it was taken; "" if none is near.
        sidecar_ns: The mtimes of the files beside it that were read with it, as of `FileStat`.
        metadata_version: The `METADATA_VERSION` that read it.
        phash: The perceptual hash of what it looks like, as `look.Look` says; None if not known.
        sharpness: Likewise.
    """

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
    format: str | None = None
    damage: str | None = None
    at: float | None = None
    place: str | None = None
    sidecar_ns: int | None = None
    metadata_version: int = METADATA_VERSION
    phash: int | None = None
    sharpness: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A file or folder that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What one run of the indexer did, in numbers of files.

    `damaged` of them can be seen in part, and count as added or updated too; `skipped` are no
    pictures, or of formats that nothing installed reads. `ignored` files and folders are passed
    over because a `.nomedia`, a `.lexpixignore` or `exclude` says so. `unconfirmed` pictures are
    gone, but so many of their folder that none is marked as missing before somebody says yes.
    """

    added: int = 0
    updated: int = 0
    moved: int = 0
    restored: int = 0
    missing: int = 0
    unchanged: int = 0
    failed: int = 0
    damaged: int = 0
    skipped: int = 0
    ignored: int = 0
    unconfirmed: int = 0
