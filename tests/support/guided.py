"""Small indexes with guides, and libraries of made-up pictures that may have one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from searchengine.catalog.records import PictureRecord
from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.guides import Guide, GuideKind
from searchengine.indexes.plans import Tuning
from searchengine.search.engine import Engine
from searchengine.types import FileStat, Stamp, Vectors
from searchengine.vectors import unit_rows

DIM, ROWS = 16, 1200
STAMP = Stamp("f" * 64, 1)


class Small(FaissIndex):
    """Map files of few rows, as those of many are."""

    fewest, share = 0, 0.5


def clustered(count: int, seed: int = 0) -> Vectors:
    """Rows around a few centres, as float16 numbers: what the catalog keeps."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((40, DIM))
    rows = centres[random.integers(0, 40, count)] + 0.6 * random.standard_normal((count, DIM))
    return unit_rows(unit_rows(rows).astype(np.float16))


def flushed(stem: Path, rows: Vectors) -> Small:
    index = Small(stem)
    index.put(np.arange(1, len(rows) + 1), rows)
    index.flush(STAMP)
    return index


def about(kind: GuideKind, effort: int) -> dict[str, object]:
    """Always ask the guide, with so much effort."""
    return Tuning(kind, ((1.0, effort), (0.0, effort)), 0).entries()


def guided(index: Small, kind: GuideKind, effort: int) -> Guide:
    guide = Guide.build(kind, index.rows_of_file.flat, threads=1)
    assert index.keep_guide(guide, about(kind, effort))
    return guide


def vectors_of(first: int, count: int, dim: int) -> Vectors:
    random = np.random.default_rng(first)
    centres = np.random.default_rng(5).standard_normal((30, dim))
    rows = centres[random.integers(0, 30, count)] + 0.5 * random.standard_normal((count, dim))
    return unit_rows(rows)


def write(engine: Engine, first: int, count: int) -> None:
    """Write pictures, as an index run does."""
    catalog, encoder = engine.catalog, engine.encoder
    catalog.write(
        [
            PictureRecord(FileStat(f"/p/{n}.jpg", 1, n, n), "/p", f"{n:064x}", vector=row)
            for n, row in enumerate(vectors_of(first, count, encoder.dim), start=first)
        ],
        fingerprint=encoder.fingerprint,
        model_name=encoder.name,
        dim=encoder.dim,
        scan=catalog.begin_scan("/p", None),
    )
