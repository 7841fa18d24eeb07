"""The kind of an index: chosen by a budget, and described with what it finds."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from searchengine.config import Settings
from searchengine.errors import UnknownWords
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.types import Approximate, Budget, Encoder, VectorIndex, Vectors
from searchengine.vectors import unit_rows

if TYPE_CHECKING:
    from searchengine.indexes.faiss import FaissIndex

log = logging.getLogger(__name__)

TUNING = 1000
"""Words that ask when a guide is tuned and measured, one half for each.

What one hundred find differs by one or two percent from what another hundred do.
"""
EASIER = 300
"""Vectors near those of pictures that ask then; they are found with less effort."""
SAMPLE = 50
"""Words, and as many pictures, that ask when an index is described."""
JITTER = 0.5
"""Length of what is added to the vector of a picture that asks; so it is none of the library."""
BEST = 10


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What can be said of an index.

    Attributes:
        index: The index plugin.
        kind: flat, or that of the guide.
        pictures: How many it finds.
        memory: Bytes that searches touch again and again, mapped or not; None if nobody knows.
        disk: Bytes of its files; None if nobody knows.
        build_s: Seconds in which the guide was made; None without one.
        effort: How hard the guide looks (`nprobe` or `efSearch`); None without one.
        recall: Share of the ten best that is found, by what asks: words, pictures.
        why: Why it has this kind.
        tuned: What was measured when the kind was chosen.
    """

    index: str
    kind: str
    pictures: int
    memory: int | None = None
    disk: int | None = None
    build_s: float | None = None
    effort: int | None = None
    recall: Mapping[str, float] = field(default_factory=dict)
    why: str = ""
    tuned: Mapping[str, Any] = field(default_factory=dict)


def budget_of(settings: Settings) -> Budget:
    """Return what the user is ready to pay for searches."""
    return Budget(settings.index_memory or None, settings.latency or None, settings.recall)


def improve(
    index: VectorIndex,
    encoder: Encoder,
    settings: Settings,
    progress: Callable[[str, int, int], None] | None = None,
) -> Mapping[str, Any] | None:
    """Make the guide that suits the budget of the settings; None if nothing was to be done."""
    guided = _guidable(index)
    if guided is None:
        return None
    from searchengine.indexes.building import build, suits

    budget = budget_of(settings)
    if suits(guided.about, guided, budget):
        return None
    asked = questions(guided, encoder, TUNING)
    queries = [asked["words"], *([asked["pictures"][:EASIER]] if "pictures" in asked else [])]
    try:
        return build(guided, budget, queries, threads=settings.workers, progress=progress)
    except OSError as error:
        log.warning("the index stays as it is, its folder cannot be written: %s", error)
        return None


def index_info(index: VectorIndex, encoder: Encoder, settings: Settings) -> IndexInfo:
    """Describe an index, and compare its answers with those of comparing every row."""
    guided = _guidable(index)
    if guided is None or not len(index):
        return IndexInfo(settings.index, settings.index, len(index), why="it has one kind only")
    from searchengine.indexes.guides import memory_of
    from searchengine.indexes.measuring import recall

    about, guide = dict(guided.about or {}), guided.guide
    kind = "flat" if guide is None else guide.kind
    found = {
        name: recall(
            np.vstack([guided.search(query[None], BEST)[0] for query in queries]),
            guided.search_exactly(queries, BEST)[0],
        )
        for name, queries in questions(guided, encoder, SAMPLE, tuning=False).items()
    }
    return IndexInfo(
        index=settings.index,
        kind=kind,
        pictures=len(index),
        memory=memory_of(kind, len(index), encoder.dim),
        disk=guided.bytes_on_disk,
        build_s=about.get("build_s"),
        effort=guided.plan(BEST).effort,
        recall={name: round(share, 4) for name, share in found.items()},
        why=_why(guided),
        tuned=about,
    )


def _why(index: FaissIndex) -> str:
    """Say why an index has the kind it has."""
    from searchengine.indexes.building import FEWEST

    if said := str((index.about or {}).get("why") or ""):
        return said
    if index.guide is not None:
        return "it suits the budget"
    if index.about is None and len(index) >= FEWEST:
        return "nothing was chosen since its rows were written; run: lexpix index"
    return "few pictures"


def _guidable(index: VectorIndex) -> FaissIndex | None:
    """Return an index that may have a guide, None if it is of another plugin."""
    if not isinstance(index, Approximate):
        return None
    from searchengine.indexes.faiss import FaissIndex

    return index if isinstance(index, FaissIndex) else None


def questions(
    index: FaissIndex, encoder: Encoder, count: int, *, tuning: bool = True
) -> dict[str, Vectors]:
    """Return what may ask: words of the vocabulary, and vectors near those of pictures.

    What tunes an index is never among what describes it.
    """
    random = np.random.default_rng(1)
    names = random.permutation([entry.name for entry in TagVocabulary.load().entries])
    half = len(names) // 2
    words = _encoded(encoder, (names[:half] if tuning else names[half:])[:count])
    rows = index.rows_of_file
    if not len(rows):
        return {"words": words}
    places = np.random.default_rng(2 if tuning else 3).choice(len(rows), min(count, len(rows)))
    pictures = rows.fetch(places)
    noise = unit_rows(random.standard_normal(pictures.shape).astype(np.float32))
    return {"words": words, "pictures": unit_rows(pictures + JITTER * noise)}


def _encoded(encoder: Encoder, names: Iterable[str]) -> Vectors:
    """Return the vectors of the words that a model knows."""
    known = []
    for name in names:
        with contextlib.suppress(UnknownWords):
            known.append(encoder.encode_texts([str(name)])[0])
    return unit_rows(np.array(known, dtype=np.float32).reshape(len(known), encoder.dim))
