"""What plugins implement (`Encoder`, `VectorIndex`), and what an encoder may offer besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from searchengine.types.indexes import SearchPlan, Stamp
from searchengine.types.values import (
    MOST_SUGGESTIONS,
    Band,
    Ids,
    PathLike,
    Prepare,
    QueryKind,
    Scores,
    Translated,
    UnknownWord,
    Vectors,
)

if TYPE_CHECKING:
    from PIL.Image import Image


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


class Preparing(Protocol):
    """What says how its pictures are decoded: an encoder, or a captioner."""

    @property
    def decode_size(self) -> int:
        """As of `Encoder`."""
        ...

    @property
    def prepare(self) -> Prepare | None:
        """As of `Encoder`."""
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
        """Rows and columns of the cells of a picture."""
        ...

    def encode_words(self, text: str) -> tuple[list[str], npt.NDArray[np.float32]]:
        """Return the known words of a text and their vectors, which add up to the text's."""
        ...

    def encode_regions(self, images: Sequence[PathLike | Image]) -> npt.NDArray[np.float32]:
        """Return a vector per cell, (n, cells, dim); their mean is the picture's."""
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


@runtime_checkable
class SharedIndex(VectorIndex, Protocol):
    """An index on a server, which several processes read and write.

    Its methods raise IndexUnavailable while the server does not answer. `indexes.sync` has one
    process at a time write, and the catalog remember the token.
    """

    @property
    def name(self) -> str:
        """What the server calls it."""
        ...

    @property
    def token(self) -> str | None:
        """The random name of its last `flush`, as of the last `stamp`; None if there was none."""
        ...

    def remove(self) -> None:
        """Delete it from the server."""
        ...


@runtime_checkable
class Approximate(Protocol):
    """What an index may offer whose `search` can miss a row."""

    @property
    def is_exact(self) -> bool:
        """Whether at the moment it misses none."""
        ...

    def search_exactly(
        self, queries: Vectors, k: int, within: Ids | None = None
    ) -> tuple[Ids, Scores]:
        """Answer as `search` does, without missing any."""
        ...

    def plan(self, k: int, within: Ids | None = None) -> SearchPlan:
        """Say how a search for the k best would go, and why."""
        ...


@runtime_checkable
class Reopened(VectorIndex, Protocol):
    """An index whose files another process may replace by better ones."""

    def renewed(self) -> Self | None:
        """Return the index as its files have it now, None if they are those it knows.

        What stands in memory alone is not in it; it reflects its own stamp.
        """
        ...

    def become(self, other: Self) -> None:
        """Have what another index over the same files has, which is not used afterwards."""
        ...
