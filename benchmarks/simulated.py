"""Libraries of simulated pictures, for benchmarks of what only depends on their number."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from searchengine.catalog import Catalog
from searchengine.config import Settings
from searchengine.database import open_database
from searchengine.engine import Engine, load_model
from searchengine.records import PictureRecord
from searchengine.types import FileStat
from searchengine.vectors import unit_rows

BATCH = 5_000


def make_library(folder: Path, pictures: int) -> None:
    """Write a library of pictures that have vectors but no files, and its index.

    The vectors are random around a common mean, as those of photographs are.
    """
    encoder = load_model()
    rng = np.random.default_rng(0)
    centre = rng.normal(size=encoder.dim)
    catalog = Catalog(open_database(folder, create=True))
    scan = catalog.begin_scan("/photos", None)
    for start in range(0, pictures, BATCH):
        count = min(BATCH, pictures - start)
        vectors = unit_rows(centre + 2 * rng.normal(size=(count, encoder.dim)))
        records = [
            PictureRecord(
                FileStat(f"/photos/{number // 1000:04}/{number:07}.jpg", 1, number, number),
                "/photos",
                f"{number:064x}",
                width=4000,
                height=3000,
                vector=vectors[number - start],
            )
            for number in range(start, start + count)
        ]
        catalog.write(
            records,
            fingerprint=encoder.fingerprint,
            model_name=encoder.name,
            dim=encoder.dim,
            scan=scan,
        )
    catalog.close()
    Engine.open(Settings(library=folder)).close()
