"""Evaluate a model on captioned or labelled pictures, and a library on itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.jsonl import parsed_lines, read_text
from indexer.metrics import (
    Recall,
    average_precisions,
    best_ranks,
    hubness,
    overlap,
    recall,
    retrieval,
)
from searchengine.catalog import Catalog
from searchengine.errors import NothingIndexed, TrainingDataError, UnknownWords
from searchengine.indexes.exact import ExactIndex
from searchengine.types import Encoder, Ids, VectorIndex, Vectors, Vocabulary
from searchengine.words import tokenize

NEAREST = 10
"""Neighbours that are compared between indexes and counted for hubness."""


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """Sentence -> picture (t2i) and picture -> sentence (i2t), and what they were measured on."""

    t2i: Recall
    i2t: Recall
    images: int
    captions: int


@dataclass(frozen=True, slots=True)
class LabelScores:
    """How well names find pictures and pictures names.

    Attributes:
        n2p: Name -> picture; the rank is that of the best picture of the name.
        top1, top5: Pictures of which one of their names is the nearest, or among the five nearest
            names, in percent.
        mean_average_precision: Over the names, in percent.
        images, names: What it was measured on.
        unknown: Names of which the model knows no word; they are left out.
    """

    n2p: Recall
    top1: float
    top5: float
    mean_average_precision: float
    images: int
    names: int
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LibraryScores:
    """What can be said of a library without labels.

    Attributes:
        pictures: How many can be found.
        queries: Pictures of the library, drawn by chance, that were asked.
        index_recall: Share of the exact ten nearest that the index gives.
        p50_ms, p95_ms: Time of one query in the index.
        hubness: Skewness of how often a picture is among the ten nearest of others.
        unknown_words: Share of the words of the given queries that the model does not know, None
            without queries.
    """

    pictures: int
    queries: int
    index_recall: float
    p50_ms: float
    p95_ms: float
    hubness: float
    unknown_words: float | None


def evaluate_retrieval(
    encoder: Encoder, images: Sequence[Path], captions: Sequence[Sequence[str]]
) -> RetrievalScores:
    """Measure sentences and pictures against each other.

    A caption without any known word finds nothing: it stays in and counts as the worst rank.

    Args:
        encoder: The model.
        images: Pictures.
        captions: For each picture its sentences, at least one.

    Raises:
        ImageError: A picture cannot be read.
        TrainingDataError: No caption has a known word.
    """
    owner = [row for row, sentences in enumerate(captions) for _ in sentences]
    sentences = _encode([text for options in captions for text in options], encoder)
    if not sentences.any():
        raise TrainingDataError("the model knows no word of any caption")
    pictures = encoder.encode_images(list(images))
    t2i, i2t = retrieval(pictures, sentences, owner)
    return RetrievalScores(t2i, i2t, len(images), len(owner))


def read_labels(path: Path) -> list[tuple[Path, tuple[str, ...]]]:
    """Read JSON lines `{"image": path relative to the file, "labels": [..]}`.

    Raises:
        TrainingDataError: A line is malformed, or there is none; the message names the line.
    """
    form = '{"image": path, "labels": [..]}'
    found = parsed_lines(path, read_text(path), _labelled, form)
    entries = [(path.parent / image, labels) for image, labels in found if labels]
    if not entries:
        raise TrainingDataError(f"{path}: no labelled pictures in it")
    return entries


def _labelled(entry: Any) -> tuple[str, tuple[str, ...]]:
    image, labels = entry["image"], entry["labels"]
    if not isinstance(image, str) or not all(isinstance(name, str) for name in labels):
        raise TypeError("image is a path, labels are names")
    return image, tuple(labels)


def evaluate_labels(
    encoder: Encoder, labelled: Sequence[tuple[Path, Sequence[str]]]
) -> LabelScores:
    """Measure names against pictures.

    Args:
        encoder: The model.
        labelled: Pictures with their names.

    Raises:
        ImageError: A picture cannot be read.
        TrainingDataError: The model knows no word of any name.
    """
    every = sorted({name for _, names in labelled for name in names})
    known = [name for name in every if _is_known(name, encoder)]
    kept = [(path, set(names) & set(known)) for path, names in labelled]
    kept = [(path, names) for path, names in kept if names]
    if not kept:
        raise TrainingDataError(f"the model knows none of the names {', '.join(every[:5])} ...")
    pictures = encoder.encode_images([path for path, _ in kept])
    scores = encoder.encode_texts(known) @ pictures.T  # (names, pictures)
    relevant = np.array([[name in names for _, names in kept] for name in known])
    ranks = best_ranks(scores.T, relevant.T)
    precision = average_precisions(scores, relevant)
    return LabelScores(
        n2p=recall(best_ranks(scores, relevant)),
        top1=_percent(ranks <= 1),
        top5=_percent(ranks <= 5),
        mean_average_precision=_percent(precision),
        images=len(kept),
        names=len(known),
        unknown=tuple(name for name in every if name not in set(known)),
    )


def evaluate_library(
    catalog: Catalog,
    encoder: Encoder,
    index: VectorIndex,
    *,
    queries: Iterable[str] = (),
    sample: int = 1000,
    seed: int = 1,
) -> LibraryScores:
    """Measure an index by asking it for the neighbours of its own pictures.

    Args:
        catalog: The library's.
        encoder: The model of the index; it is asked for unknown words only.
        index: What answers.
        queries: What people ask, to count unknown words.
        sample: At most so many pictures are asked.
        seed: Decides which.

    Raises:
        NothingIndexed: The library has no picture with a vector of this model.
    """
    oracle = ExactIndex(None)
    oracle.clear(encoder.dim)
    ids: list[Ids] = []
    for change in catalog.changes(encoder.fingerprint, after=0):
        if len(change.put_ids):
            oracle.put(change.put_ids, change.put_vectors)
            ids.append(change.put_ids)
    if not ids:
        raise NothingIndexed("no picture is indexed by this model; run: lexpix index FOLDER")
    population = np.sort(np.concatenate(ids))
    random = np.random.default_rng(seed)
    asked = random.choice(population, min(sample, len(population)), replace=False)
    stored = catalog.vectors(asked, encoder.fingerprint)
    vectors: Vectors = np.stack([stored[int(id_)] for id_ in asked])
    exact, _ = oracle.search(vectors, NEAREST + 1)
    found, spent = _ask(index, vectors)
    # A picture is its own nearest neighbour; that says nothing of hubs.
    others = exact[(exact != asked[:, None]) & (exact >= 0)]
    return LibraryScores(
        pictures=len(population),
        queries=len(asked),
        index_recall=round(100 * overlap(found, exact[:, :NEAREST]), 2),
        p50_ms=round(float(np.percentile(spent, 50)), 3),
        p95_ms=round(float(np.percentile(spent, 95)), 3),
        hubness=round(hubness(np.searchsorted(population, others), len(population)), 2),
        unknown_words=_unknown_share(queries, encoder),
    )


def _ask(index: VectorIndex, vectors: Vectors) -> tuple[Ids, list[float]]:
    """Return what an index finds for each vector asked alone, and the milliseconds it took."""
    rows, spent = [], []
    for vector in vectors:
        started = time.perf_counter()
        ids, _ = index.search(vector[None], NEAREST)
        spent.append((time.perf_counter() - started) * 1000)
        rows.append(ids[0])
    return np.stack(rows), spent


def _encode(texts: Sequence[str], encoder: Encoder) -> Vectors:
    """Return a row per text; of zeros, which is far from everything, if no word is known."""
    rows = np.zeros((len(texts), encoder.dim), dtype=np.float32)
    for row, text in enumerate(texts):
        try:
            rows[row] = encoder.encode_texts([text])[0]
        except UnknownWords:
            continue
    return rows


def _is_known(name: str, encoder: Encoder) -> bool:
    try:
        encoder.encode_texts([name])
    except UnknownWords:
        return False
    return True


def _unknown_share(queries: Iterable[str], encoder: Encoder) -> float | None:
    texts = [query for query in queries if query.strip()]
    if not texts or not isinstance(encoder, Vocabulary):
        return None
    words = list(_words(texts))
    unknown = {text: {word.word for word in encoder.unknown_words(text)} for text in set(texts)}
    missed = sum(word in unknown[text] for text, word in words)
    return round(100 * missed / len(words), 2) if words else None


def _words(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        for word in tokenize(text):
            yield text, word


def _percent(shares: npt.NDArray[np.bool_] | npt.NDArray[np.float64]) -> float:
    return round(100 * float(shares.mean()), 2)
