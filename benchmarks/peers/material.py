"""What all peers get: vectors of pictures, words that ask, and what is nearest to these."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from contract import SHELVES, K, Rows

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from simulated import vectors_of_pictures

from searchengine.errors import UnknownWords
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.engine import load_model
from searchengine.vectors import unit_rows

TUNING, ASKED = 100, 300
"""Words that choose an effort, and words that are reported."""
ROWS, ANSWERS, WORDS, NOTE = "rows.npy", "asked.npz", "words.json", "material.json"


def provide(folder: Path, pictures: int, photographs: Path | None) -> None:
    """Write the material below a folder, unless the same is there.

    Raises:
        SystemExit: The folder has other material.
    """
    real = None if photographs is None else np.load(photographs)
    note = {"pictures": pictures, "photographs": None if real is None else len(real)}
    place = folder / NOTE
    if place.exists():
        if (there := json.loads(place.read_text())) != note:
            raise SystemExit(f"{folder} keeps {there}, not {note}: name another folder to --keep")
        return
    encoder = load_model()
    names, vectors = words_of(encoder)
    order = np.random.default_rng(3).permutation(len(names))[: TUNING + ASKED]
    rows = write_rows(folder / ROWS, pictures, real, vectors)
    queries = vectors[order]
    best, within = nearest(rows, queries)
    np.savez(folder / ANSWERS, queries=queries, best=best, within=within)
    (folder / WORDS).write_text(json.dumps([names[number] for number in order]))
    place.write_text(json.dumps(note))


def write_rows(file: Path, pictures: int, real: Rows | None, words: Rows) -> Rows:
    """Return the vectors of pictures, mapped from a file that is written here.

    They are those of the library that `simulated.py` makes with the same photographs.
    """
    width = words.shape[1]
    rows: Rows = np.lib.format.open_memmap(file, "w+", np.float32, (pictures, width))
    for start, part in vectors_of_pictures(pictures, width, words, real):
        rows[start : start + len(part)] = part.astype(np.float16)  # what all can hold
    return rows


def nearest(rows: Rows, queries: Rows) -> tuple[Any, Any]:
    """Return what comparing every row finds for each query: among all, and on a shelf."""
    best = np.empty((len(queries), K), np.int64)
    within = np.empty((len(queries), K), np.int64)
    for place, query in enumerate(queries):
        scores = np.asarray(rows @ query)
        best[place] = np.argsort(-scores, kind="stable")[:K]
        shelf = np.arange(place % SHELVES, len(rows), SHELVES)
        within[place] = shelf[np.argsort(-scores[shelf], kind="stable")[:K]]
    return best, within


def words_of(encoder: Any) -> tuple[list[str], Rows]:
    """Return the lone words of the vocabulary that the model knows, and their vectors."""
    names, vectors = [], []
    for entry in TagVocabulary.load().entries:
        if entry.name.isalpha() and entry.name.isascii():
            try:
                vectors.append(encoder.encode_texts([entry.name])[0])
            except UnknownWords:
                continue
            names.append(entry.name)
    return names, unit_rows(np.stack(vectors))
