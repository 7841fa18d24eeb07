"""Libraries of simulated pictures, for benchmarks of what only depends on their number.

    python benchmarks/simulated.py FOLDER --pictures 1000000 [--photographs vectors.npy] [--tags 3]

makes one that stays, for benchmarks that take `--library`, and prints what its parts took.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from searchengine.catalog.database import open_database
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.errors import UnknownWords
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.engine import Engine, load_model
from searchengine.types import Encoder, FileStat, Vectors
from searchengine.vectors import unit_rows

BATCH = 5_000
ROOT = "/photos"
TAGS = 10
"""Tags of a picture in a library that is served."""


def path_of(root: str, number: int) -> str:
    """Return where the file of a picture is."""
    return f"{root}/{number // 1000:04}/{number:07}.jpg"


def save_photos(root: Path, pictures: int, distinct: int = 100) -> None:
    """Save a file for each picture: links to a few, which are about as rich as photographs."""
    rng = np.random.default_rng(0)
    first: list[Path] = []
    for number in range(pictures):
        path = Path(path_of(str(root), number))
        if number % 1000 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        if number < distinct:
            coarse = Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
            coarse.resize((1500, 1000), Image.Resampling.BICUBIC).save(path, quality=85)
            first.append(path)
        else:
            os.link(first[number % distinct], path)


def make_library(
    folder: Path,
    pictures: int,
    root: str = ROOT,
    tags: int = 0,
    *,
    clustered: bool = False,
    photographs: Path | None = None,
    index: bool = True,
) -> dict[str, float]:
    """Write a library of pictures below a folder, which need not exist, and its index.

    The vectors are random around a common mean, as those of photographs are; if they are clustered,
    around words of the model too. With a file of the unit rows of photographs they lie between
    pairs of those. Each picture gets so many tags at most, of which some are as frequent as words
    of a language are.

    Returns:
        Seconds that its parts took.
    """
    began, taken = time.perf_counter(), {}
    encoder = load_model()
    words = word_vectors(encoder) if clustered else None
    real = None if photographs is None else np.load(photographs)
    catalog = Catalog(open_database(folder, create=True))
    scan = catalog.begin_scan(root, None)
    for start, vectors in vectors_of_pictures(pictures, encoder.dim, words, real):
        write_pictures(
            catalog, scan, root, start, vectors, fingerprint=encoder.fingerprint, name=encoder.name
        )
    taken["catalog"], began = time.perf_counter() - began, time.perf_counter()
    if tags:
        guess_tags(catalog, encoder.fingerprint, tags)
    taken["tags"], began = time.perf_counter() - began, time.perf_counter()
    catalog.close()
    if index:
        with Engine.open(Settings(library=folder)) as engine:
            engine.keep_facets()  # as `lexpix index` does
        taken["index"] = time.perf_counter() - began
    return taken


def word_vectors(encoder: Encoder) -> Vectors:
    """Return the vectors of the words that a model tags by, unit rows."""
    known = []
    for entry in TagVocabulary.load().entries:
        with contextlib.suppress(UnknownWords):
            known.append(encoder.encode_texts([entry.name])[0])
    return unit_rows(np.stack(known))


def vectors_of_pictures(
    pictures: int, dim: int, words: Vectors | None, real: Vectors | None
) -> Iterator[tuple[int, Vectors]]:
    """Yield the vectors of simulated pictures, `BATCH` at a time, each with the first's number.

    They are the same whenever they are asked for. Each lies between two photographs, or else around
    words, if there are any; else all are random around a common mean.
    """
    rng = np.random.default_rng(0)
    centre = rng.normal(size=dim)
    for start in range(0, pictures, BATCH):
        count = min(BATCH, pictures - start)
        if real is not None:
            yield start, between_photographs(real, count, rng)
        elif words is not None:
            yield start, around_words(words, centre, count, rng)
        else:
            yield start, unit_rows(centre + 2 * rng.normal(size=(count, dim)))


def around_words(
    words: Vectors, centre: npt.NDArray[np.float64], count: int, rng: np.random.Generator
) -> Vectors:
    """Return vectors that show a thing, and a bit of another, beside what all have in common.

    What else is in them falls off over the dimensions as it does over those of 15,600 photographs:
    32 of 512 hold about two thirds of it, 128 nearly all.
    """
    frequency = 1 / np.arange(10, len(words) + 10)
    things = rng.choice(len(words), (2, count), p=frequency / frequency.sum())
    width = words.shape[1]
    spread = np.exp(-np.arange(width) / 60)
    turn, _ = np.linalg.qr(np.random.default_rng(7).standard_normal((width, width)))
    noise = rng.standard_normal((count, width)) * (spread / np.linalg.norm(spread)) @ turn
    common = centre / np.linalg.norm(centre)
    return unit_rows(0.3 * common + 0.35 * words[things[0]] + 0.2 * words[things[1]] + 0.9 * noise)


def between_photographs(real: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """Return vectors each of which lies between two of the given ones, nearer to the first."""
    one, other = real[rng.integers(0, len(real), (2, count))]
    return unit_rows(one + rng.uniform(0, 0.5, (count, 1)) * (other - one))


def write_pictures(
    catalog: Catalog,
    scan: int,
    root: str,
    first: int,
    vectors: Vectors,
    *,
    fingerprint: str,
    name: str,
) -> None:
    """Write pictures with these vectors, numbered from `first`, as an indexer does."""
    records = [
        PictureRecord(
            FileStat(path_of(root, number), 1, number, number),
            root,
            f"{number:064x}",
            width=4000,
            height=3000,
            vector=vector,
        )
        for number, vector in enumerate(vectors, start=first)
    ]
    catalog.write(
        records, fingerprint=fingerprint, model_name=name, dim=vectors.shape[1], scan=scan
    )


def guess_tags(catalog: Catalog, fingerprint: str, count: int) -> None:
    """Store guesses for all pictures of a library."""
    rng = np.random.default_rng(0)
    store = catalog.tags
    names = [entry.name for entry in TagVocabulary.load().entries]
    ranks = 1 / np.arange(10, len(names) + 10)
    ids = catalog.present().tolist()
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        drawn = rng.choice(len(names), (len(batch), count), p=ranks / ranks.sum())
        guesses = {
            id_: [(names[one], 0.5) for one in set(row)]
            for id_, row in zip(batch, drawn.tolist(), strict=True)
        }
        store.write_guesses(guesses, fingerprint, "simulated")


def main() -> None:
    """Make a library that stays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--tags", type=int, default=0, help="guesses of a picture")
    parser.add_argument(
        "--photographs", type=Path, help="unit rows (.npy) that pictures lie between"
    )
    options = parser.parse_args()
    taken = make_library(
        options.folder,
        options.pictures,
        tags=options.tags,
        clustered=True,
        photographs=options.photographs,
    )
    print(json.dumps({name: round(seconds, 1) for name, seconds in taken.items()}))


if __name__ == "__main__":
    main()
