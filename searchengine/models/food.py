"""A second projection for food: pictures of dishes and recipes near each other.

It stands on a general joint model, whose picture vectors and word table it uses, so that no picture
is encoded again and no table is stored twice. With x the general model's vector of a picture::

    picture:  [ share * unit(x - m)      , rest * food(x) * unit(x A + a) ]
    text:     [ share * unit(g(t) - n)   , rest * unit(unit(f(t)) B + b) ]

    g(t) = sum over words of c(w) weight(w) general(w)           unit length
    f(t) = sum over words of c(w) weight(w) (FC table(w) + residual(w))
    c(w) = log(1 + sum over fields of weight(field) * how often the word is there)

where share^2 + rest^2 = 1, and all is brought to unit length. food(x) is how probable it is that
the picture shows food at all: of a moon, what the general model says is left. The logarithm keeps a
long text from being about salt; word weights start as inverse document frequencies (compare SIF,
Arora et al., ICLR 2017). A folder::

    config.json             kind "food"; text: base, fields, share, rare
    food-pictures.npy       float32 (dim of the base + 1, dim of the food part), last row a
    food-texts.npy          float32 (word dim + 1, dim of the food part), last row b
    food-means.npy          float32 (2, dim of the base), m and n
    food-gate.npy           float32 (dim of the base + 1,), logistic regression, last its offset
    food-projection.npy     float32 (dim of the table, word dim), FC
    food-rows.npy           uint32 (words,), rows of the base's word table, rising
    food-weights.npy        float32 (words,), weights of these words
    food-codes.npy          int8 (words, word dim), residuals / scale
    food-scales.npy         float32 (words,)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from searchengine.documents import Document
from searchengine.errors import ModelError, UnknownWords
from searchengine.language.words import tokenize
from searchengine.models import files
from searchengine.models.joint import JointEncoder
from searchengine.models.stored import StoredModel
from searchengine.types import MOST_SUGGESTIONS, UnknownWord, Vectors
from searchengine.vectors import unit_or_zero, unit_rows

KIND = "food"
PICTURES, TEXTS, MEANS = "food-pictures.npy", "food-texts.npy", "food-means.npy"
PROJECTION, ROWS, WEIGHTS = "food-projection.npy", "food-rows.npy", "food-weights.npy"
CODES, SCALES, GATE = "food-codes.npy", "food-scales.npy", "food-gate.npy"
FILES = (PICTURES, TEXTS, MEANS, PROJECTION, ROWS, WEIGHTS, CODES, SCALES, GATE)
FIELDS = ("title", "ingredients", "body")

Rows = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float32]


class FoodHead(StoredModel):
    """Map pictures and recipes into the space of a food head."""

    def __init__(self, folder: Path, general: JointEncoder | None = None) -> None:
        """Open a model folder.

        Args:
            folder: The food head.
            general: The joint model it was trained on; the bundled one by default.

        Raises:
            ModelError: The description is missing, of another kind, or names another joint model.
        """
        super().__init__(folder, KIND, "a food head")
        self._general = general or JointEncoder(files.resolve("default"))
        require_base(self.base, self._general.fingerprint, f"{folder}")

    def _beside(self) -> tuple[JointEncoder]:
        return (self._general,)

    @property
    def base(self) -> str:
        """Fingerprint of the joint model whose vectors it projects."""
        return str(self._config.text["base"])

    def load(self) -> None:
        """Read all files now; raise ModelError naming one that is missing or changed."""
        _ = self._parts

    def project(self, vectors: Vectors) -> Vectors:
        """Return unit rows (n, dim) for picture vectors (n, dim of the base) of the base.

        Raises:
            ValueError: The vectors are of another length.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self._general.dim:
            raise ValueError(f"vectors of shape {vectors.shape}, not of the joint model")
        parts = self._parts
        general = vectors - parts[MEANS][0]
        food = vectors @ parts[PICTURES][:-1] + parts[PICTURES][-1]
        return self._join(general, food, self.shows(vectors))

    def shows(self, vectors: Vectors) -> Numbers:
        """Return how probable it is (0..1) that pictures show food at all, shape (n,)."""
        gate = self._parts[GATE]
        odds = np.clip(vectors @ gate[:-1] + gate[-1], -60, 60)
        probable: Numbers = 1 / (1 + np.exp(-odds))
        return probable

    def encode_documents(self, documents: Sequence[Document]) -> Vectors:
        """Return unit rows (n, dim).

        Raises:
            UnknownWords: A document has no known word.
        """
        general = np.empty((len(documents), self._general.dim), dtype=np.float32)
        food = np.empty((len(documents), self._parts[TEXTS].shape[0] - 1), dtype=np.float32)
        for line, document in enumerate(documents):
            rows, counts = self._count(document.fields)
            factors = counts * self._weights(rows)
            general[line] = factors @ self._general.word_vectors(rows.tolist())
            food[line] = factors @ self._word_vectors(rows)
            if not (general[line].any() and food[line].any()):
                raise self._unknown(document)
        if not len(documents):
            return np.empty((0, self.dim), dtype=np.float32)
        parts = self._parts
        mapped = unit_rows(food) @ parts[TEXTS][:-1] + parts[TEXTS][-1]
        return self._join(unit_rows(general) - parts[MEANS][1], mapped)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit rows (n, dim) of queries such as "spicy noodle soup", read as titles.

        Raises:
            UnknownWords: A text has no known word.
        """
        return self.encode_documents([Document("text", text) for text in texts])

    def unknown_words(self, text: str, suggestions: int = MOST_SUGGESTIONS) -> list[UnknownWord]:
        """Return the words of the text that have no vector, the first with the nearest spelling."""
        return self._general.unknown_words(text, suggestions)

    def _count(self, fields: Mapping[str, Sequence[str]]) -> tuple[Rows, Numbers]:
        counts: dict[int, float] = {}
        for name, texts in fields.items():
            weight = float(self._config.text["fields"][name])
            for text in texts:
                for row in self._general.words.find(text)[0]:
                    counts[row] = counts.get(row, 0.0) + weight
        rows = np.array(sorted(counts), dtype=np.int64)
        totals = np.array([counts[row] for row in rows.tolist()], dtype=np.float32)
        return rows, np.log1p(totals)

    def _weights(self, rows: Rows) -> Numbers:
        places, known = self._places(rows)
        rare = float(self._config.text["rare"])
        weights: Numbers = np.where(known, self._parts[WEIGHTS][places], np.float32(rare))
        return weights

    def _word_vectors(self, rows: Rows) -> Numbers:
        parts = self._parts
        vectors: Numbers = self._general.words.vectors(rows) @ parts[PROJECTION]
        places, known = self._places(rows)
        places = places[known]
        vectors[known] += parts[CODES][places] * parts[SCALES][places][:, None]
        return vectors

    def _places(self, rows: Rows) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """Return where rows of the word table are among the food words, and whether they are."""
        trained = self._parts[ROWS]
        places = np.searchsorted(trained, rows).clip(max=len(trained) - 1)
        return places, trained[places] == rows

    def _join(self, general: Numbers, food: Numbers, gate: Numbers | None = None) -> Vectors:
        if not len(general):
            return np.empty((0, self.dim), dtype=np.float32)
        return join(general, food, float(self._config.text["share"]), gate)

    def _unknown(self, document: Document) -> UnknownWords:
        text = " ".join(part for parts in document.fields.values() for part in parts)
        unknown = self.unknown_words(text) or [UnknownWord(word) for word in tokenize(text)]
        return UnknownWords.of(unknown)

    @cached_property
    def _parts(self) -> Mapping[str, npt.NDArray[Any]]:
        return {
            name: np.load(
                files.verify(self.folder, self._config, name), mmap_mode="r", allow_pickle=False
            )
            for name in FILES
        }


def join(general: Numbers, food: Numbers, share: float, gate: Numbers | None = None) -> Vectors:
    """Put the two parts of a vector side by side, as unit rows.

    Args:
        general: Shape (n, dim of the joint model).
        food: Shape (n, dim of the food part).
        share: Length of the first part; their squares add up to 1.
        gate: Shape (n,), 0..1, what of the second part is left; all if None.
    """
    rest = np.sqrt(1 - share**2)
    second = unit_or_zero(food) if gate is None else unit_or_zero(food) * gate[:, None]
    return unit_rows(np.hstack([share * unit_or_zero(general), rest * second]))


def require_base(expected: str, actual: str, what: str) -> None:
    """Raise ModelError if a head of one joint model is to be used with another."""
    if expected != actual:
        raise ModelError(
            f"{what}: trained on the joint model {expected[:12]}, not on {actual[:12]}; use it "
            "with that model, or train one for this model: lexpix train food"
        )
