"""Pictures and texts of an evaluation -> vectors: many files at a time, texts without error."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from indexer.executors import Threads
from searchengine.errors import UnknownWords
from searchengine.images import open_for
from searchengine.types import Encoder, Vectors

BATCH = 32
"""Pictures that are in memory decoded and given to the model at once."""


def encode_pictures(paths: Sequence[Path], encoder: Encoder) -> Vectors:
    """Return a unit row per picture, shape (n, dim); files are decoded in threads.

    Raises:
        ImageError: A picture cannot be read; the message names it.
    """
    rows = np.empty((len(paths), encoder.dim), dtype=np.float32)
    decoded = Threads().imap(partial(open_for, encoder), paths)
    with closing(decoded):
        for start in range(0, len(paths), BATCH):
            rows[start : start + BATCH] = encoder.encode_images(list(islice(decoded, BATCH)))
    return rows


def encode_sentences(texts: Sequence[str], encoder: Encoder) -> Vectors:
    """Return a row per text; of zeros, which is far from everything, if no word is known."""
    rows = np.zeros((len(texts), encoder.dim), dtype=np.float32)
    for row, text in enumerate(texts):
        try:
            rows[row] = encoder.encode_texts([text])[0]
        except UnknownWords:
            continue
    return rows


def is_known(name: str, encoder: Encoder) -> bool:
    """Return whether the model knows a word of a name."""
    try:
        encoder.encode_texts([name])
    except UnknownWords:
        return False
    return True
