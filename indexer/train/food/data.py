"""What a food head learns from: recipes, their words, labelled dishes and picture vectors."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.readers.documents import read_documents
from indexer.readers.jsonl import parsed_lines, read_text
from indexer.readers.pairs import SPLITS
from searchengine.documents import Document
from searchengine.errors import TrainingDataError
from searchengine.images import open_image
from searchengine.language.words import WordVectors, tokenize
from searchengine.models.food import FIELDS
from searchengine.pixels import views as all_views
from searchengine.types import Encoder, Failure, Vectors

Numbers = npt.NDArray[np.float32]
BATCH = 16


@dataclass(frozen=True, slots=True)
class Dish:
    """A labelled picture."""

    image: Path
    name: str
    split: str


def read_recipes(path: Path) -> list[Document]:
    """Read recipes from a file of any form that `docs/texts.md` shows.

    Raises:
        TrainingDataError: An entry is malformed or its picture missing, or there is no recipe; the
            message names the line.
    """
    recipes = []
    for result in read_documents(path, "recipe"):
        if isinstance(result, Failure):
            raise TrainingDataError(f"{result.path}: {result.reason}")
        recipes.append(result)
    if not recipes:
        raise TrainingDataError(f"{path}: no recipes in it")
    return recipes


def read_dishes(path: Path) -> list[Dish]:
    """Read labelled pictures with their splits; a line without one is of the split train.

    Raises:
        TrainingDataError: A line is malformed; the message names it.
    """

    def dishes(entry: Any) -> list[Dish]:
        split = SPLITS.get(entry.get("split", "train"))
        image, labels = entry["image"], entry["labels"]
        if split is None or not isinstance(image, str) or not isinstance(labels, list):
            raise TypeError("image is a path, labels are names, split is train, dev or test")
        return [Dish(path.parent / image, str(name), split) for name in labels[:1]]

    form = '{"image": path, "labels": [..], "split": ..}'
    return [dish for line in parsed_lines(path, read_text(path), dishes, form) for dish in line]


class Counter:
    """Count the words of documents, field by field, as rows of a word table."""

    def __init__(self, table: WordVectors) -> None:
        self._table = table
        self._rows: dict[str, list[int]] = {}

    def rows(self, text: str) -> Iterator[int]:
        """Yield the rows of the words of a text; equal to `WordVectors.find`, but remembered."""
        for word in tokenize(text):
            if word not in self._rows:
                self._rows[word] = self._table.find(word)[0]
            yield from self._rows[word]

    def count(self, documents: Sequence[Document]) -> dict[str, Any]:
        """Return a sparse matrix (documents, words of the table) of counts for each field."""
        from scipy.sparse import csr_matrix

        result = {}
        for field in FIELDS:
            starts = [0]
            words: list[int] = []
            for document in documents:
                for text in document.fields[field]:
                    words.extend(self.rows(text))
                starts.append(len(words))
            ones = np.ones(len(words), dtype=np.float32)
            shape = (len(documents), len(self._table))
            matrix = csr_matrix((ones, np.array(words, dtype=np.int64), starts), shape=shape)
            matrix.sum_duplicates()
            result[field] = matrix
        return result


def titled(documents: Sequence[Document], names: Sequence[str]) -> dict[str, list[int]]:
    """Return, for each name of a dish, the documents whose titles have all of its words."""
    titles = [frozenset(map(_singular, tokenize(document.title))) for document in documents]
    words_of = {name: frozenset(map(_singular, tokenize(name))) for name in names}
    return {
        name: [place for place, title in enumerate(titles) if words and words <= title]
        for name, words in words_of.items()
    }


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def picture_vectors(
    encoder: Encoder,
    images: Sequence[Path],
    work: Path,
    *,
    views: bool,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Vectors:
    """Return vectors (pictures, views, dim) of a model, from the cache in `work` if it has them.

    Args:
        encoder: The model.
        images: Paths.
        work: A folder.
        views: The whole, the mirrored and the middle of each picture, else only the whole.
        progress: Called with what is done and what there is to do.

    Raises:
        ImageError: A picture cannot be read.
    """
    stats = [(os.fspath(p), p.stat().st_mtime_ns if p.exists() else 0) for p in images]
    key = hashlib.sha256(json.dumps([encoder.fingerprint, views, stats]).encode()).hexdigest()
    cache = work / f"vectors-{key[:16]}.npy"
    if cache.exists():
        cached: Vectors = np.load(cache, allow_pickle=False)
        return cached
    parts = []
    for start in range(0, len(images), BATCH):
        batch = [
            open_image(path, size=encoder.decode_size) for path in images[start : start + BATCH]
        ]
        pictures = [view for image in batch for view in (all_views(image) if views else [image])]
        parts.append(encoder.encode_images(pictures).reshape(len(batch), -1, encoder.dim))
        progress(start + len(batch), len(images))
    result: Vectors = (
        np.concatenate(parts) if parts else np.empty((0, 1, encoder.dim), dtype=np.float32)
    )
    work.mkdir(parents=True, exist_ok=True)
    fresh = cache.with_suffix(".new.npy")
    np.save(fresh, result, allow_pickle=False)
    os.replace(fresh, cache)
    return result
