"""Measure a library on itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from indexer.evaluation.metrics import hubness, overlap
from searchengine.catalog.store import Catalog
from searchengine.errors import NothingIndexed
from searchengine.indexes.exact import ExactIndex
from searchengine.language.words import tokenize
from searchengine.types import Encoder, Ids, VectorIndex, Vectors, Vocabulary

NEAREST = 10
"""Neighbours that are compared between indexes and counted for hubness."""


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
    query_ids = random.choice(population, min(sample, len(population)), replace=False)
    stored = catalog.vectors(query_ids, encoder.fingerprint)
    vectors: Vectors = np.stack([stored[int(id_)] for id_ in query_ids])
    exact, _ = oracle.search(vectors, NEAREST + 1)
    results, spent = _ask(index, vectors)
    # A picture is its own nearest neighbour; that says nothing of hubs.
    others = exact[(exact != query_ids[:, None]) & (exact >= 0)]
    return LibraryScores(
        pictures=len(population),
        queries=len(query_ids),
        index_recall=round(100 * overlap(results, exact[:, :NEAREST]), 2),
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
