"""The same pictures and the same model give the same vectors, and hits in the same order."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.library.demo import photographs
from searchengine.catalog.database import FILE_NAME
from searchengine.config import Settings
from searchengine.search.engine import Engine
from tests.support.command import environment

TOLERANCE = 2.0**-12
"""By how much a number of a vector of length 1 may differ where work is divided in another way:
a step of half precision at 0.25 to 0.5."""

QUERIES = ("a motorcycle", "flower", "a cat", "space", "text on paper", "coffee + red", "old - new")

INDEX = """
import sys
from indexer.executors import Serial, Threads
from indexer.library.pipeline import index_images
from searchengine import open

folder, executor, batch = sys.argv[1:]
with open(create=True) as engine:
    index_images(
        folder,
        engine.catalog,
        engine.encoder,
        executor=Serial() if executor == "serial" else Threads(int(executor)),
        batch=int(batch),
    )
"""


def vectors_in(library: Path) -> dict[str, NDArray[np.float16]]:
    """Return the stored vectors by the hash of the pictures' bytes."""
    with closing(sqlite3.connect(library / FILE_NAME)) as catalog:
        rows = catalog.execute(
            "SELECT sha256, vector FROM images JOIN embeddings ON image_id = images.id"
        ).fetchall()
    return {key: np.frombuffer(vector, dtype=np.float16) for key, vector in rows}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for shipped in photographs():
        shutil.copytree(
            shipped, folder / Path(shipped).name, ignore=shutil.ignore_patterns("*.py*")
        )
    return folder


def indexed(photos: Path, library: Path, executor: str, batch: int, threads: int) -> Path:
    """Index in a process of its own."""
    command = [sys.executable, "-c", INDEX, str(photos), executor, str(batch)]
    chosen = environment(library) | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, env=chosen, check=True)
    return library


@pytest.fixture(scope="module")
def first(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return indexed(photos, tmp_path_factory.mktemp("first"), "serial", 32, 1)


def hits(library: Path) -> dict[str, list[str]]:
    """Return the paths of all pictures for each query, the best first."""
    with Engine.open(Settings(library=library)) as engine:
        return {
            query: [hit.path for hit in engine.search(query, limit=40, unlikely=True).hits]
            for query in QUERIES
        }


def test_another_run_gives_the_same_bits(photos: Path, first: Path, tmp_path: Path) -> None:
    again = vectors_in(indexed(photos, tmp_path, "serial", 32, 1))
    assert len(again) >= 25
    assert {k: v.tobytes() for k, v in again.items()} == {
        k: v.tobytes() for k, v in vectors_in(first).items()
    }


@pytest.mark.parametrize(
    ("executor", "batch", "threads"),
    [("2", 32, 2), ("4", 1, 1), ("serial", 7, 2)],
)
def test_threads_and_batches_change_a_rounding_at_most_and_no_order(
    photos: Path, first: Path, tmp_path: Path, executor: str, batch: int, threads: int
) -> None:
    expected = vectors_in(first)
    other = vectors_in(indexed(photos, tmp_path, executor, batch, threads))
    assert other.keys() == expected.keys()
    differences = [
        np.abs(other[key].astype(float) - expected[key].astype(float)).max() for key in expected
    ]
    assert max(differences) <= TOLERANCE
    order = hits(first)
    assert {len(paths) for paths in order.values()} == {len(expected)}
    assert hits(tmp_path) == order
