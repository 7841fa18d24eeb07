"""Measure a catalog of millions of pictures, which have no vectors.

    python benchmarks/catalog.py --pictures 5000000 [--keep FOLDER] [--json] [--out FILE]

Pictures are written by SQLite itself, each with a date, one of 40 cameras, one of 60 places and up
to three tags, of which some are as frequent as words of a language are. Times are milliseconds of
processor time, and behind them of the clock, medians:

    page       what is shown of 20 pictures
    folder     the pictures of a folder of 1,000
    day, year  searches by `after:` and `before:` one day apart, and by `year:`, in a new engine
    rare, frequent  the pictures with a tag, and how many those are
    facets     reading what counts need, where nothing is kept beside the index; writing that file,
               mapping it, and the same after one tag has changed; counting the values of all facets
               among a tenth of the pictures and among half of them, and among a tenth after a tag
    kept       a search by the most frequent tag, in a new engine, once that file is there
    status     of the library
    write      rows a second, in batches of an indexer, without vectors
    server     what `lexpix serve` does before it answers, with all these rows newer than what is
               kept; and its first count of all pictures
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from large import NEW, Times, median, stored, timed
from machine import describe, publish
from simulated import ROOT, path_of

from searchengine.catalog.database import FILE_NAME, open_database
from searchengine.catalog.opening import INDEX_FOLDER
from searchengine.catalog.records import StoredEncoder, encoder_id
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.indexes.exact import ExactIndex
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.engine import Engine, load_model
from searchengine.search.status import status_of
from searchengine.types import Stamp
from searchengine.vectors import unit_rows
from searchengine.web.live import Live

TAGS = 3
SLOTS = 100_000
"""Among which the name of a tag is drawn, so that a name has as many as it is frequent."""
WRITTEN = 20_000

PICTURES = """
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :pictures)
INSERT INTO images(
    id, path, root, sha256, size, mtime_ns, ctime_ns, width, height, taken_at, camera, place,
    format, state, scan, seq
)
SELECT n + 1, CAST(printf('%s/%04d/%07d.jpg', :root, n / 1000, n) AS BLOB), CAST(:root AS BLOB),
    printf('%064x', n), 3000000 + n, 1600000000000000000 + n, 1600000000000000000 + n, 4000, 3000,
    strftime('%Y-%m-%d %H:%M:%S.000000', 1000000000 + abs(random()) % 700000000, 'unixepoch'),
    printf('Camera %d', abs(random()) % 40), printf('Town %d, Country %d', n % 60, n % 7), 'JPEG',
    'ok', 1, 1 + n / 256
FROM numbers
"""
NAMES = """
INSERT OR IGNORE INTO tags(image_id, name, source, confidence, fingerprint)
SELECT id, (SELECT name FROM temp.slots WHERE slot = abs(random() + id) % :slots), 'guess', 0.5,
    :fingerprint
FROM images WHERE id > :first AND id <= :last
"""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="a folder for the library, which may be there")
    parser.add_argument("--skip-facets", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        library = options.keep or Path(work)
        if not (library / FILE_NAME).exists():
            make_catalog(library, options.pictures)
        found = measure(library, options.runs, facets=not options.skip_facets)
    lines = [f"{name:>10}  {value}" for name, value in found.items()]
    result = found | describe(["numpy", "SQLAlchemy"])
    publish(result, table="\n".join(lines), as_json=options.json, out=options.out)


def make_catalog(library: Path, pictures: int) -> None:
    """Write the catalog of so many pictures."""
    encoder = load_model()
    catalog = Catalog(open_database(library, create=True))
    catalog.begin_scan(ROOT, None)
    with catalog._writer.begin() as connection:
        model = encoder_id(
            connection, StoredEncoder(encoder.fingerprint, encoder.name, encoder.dim)
        )
    catalog.close()
    names = [entry.name for entry in TagVocabulary.load().entries]
    shares = 1 / np.arange(10, len(names) + 10)
    bounds = np.searchsorted(np.cumsum(shares / shares.sum()), np.arange(SLOTS) / SLOTS)
    with contextlib.closing(sqlite3.connect(library / FILE_NAME)) as base:
        base.execute("PRAGMA cache_size = -500000")
        base.execute("CREATE TEMP TABLE slots(slot INTEGER PRIMARY KEY, name TEXT)")
        slots = ((n, names[min(one, len(names) - 1)]) for n, one in enumerate(bounds.tolist()))
        base.executemany("INSERT INTO slots VALUES (?, ?)", slots)
        with base:
            base.execute(PICTURES, {"pictures": pictures, "root": ROOT})
            base.execute("INSERT INTO embeddings SELECT id, ?, x'' FROM images", (model,))
            base.execute("UPDATE meta SET value = ? WHERE key = 'seq'", (str(1 + pictures // 256),))
        for first in range(0, pictures, 500_000):
            told = {"slots": SLOTS, "fingerprint": encoder.fingerprint, "first": first}
            for _ in range(TAGS):
                with base:
                    base.execute(NAMES, told | {"last": first + 500_000})


def measure(library: Path, runs: int, *, facets: bool) -> dict[str, Any]:
    """Ask the catalog of a library."""
    encoder = load_model()
    rng = np.random.default_rng(5)

    def opened() -> Engine:
        index = ExactIndex(None)
        index.put(np.array([1]), unit_rows(np.ones((1, encoder.dim))))  # so that there is any
        catalog = Catalog(open_database(library, create=False))
        return Engine(Settings(library=library), catalog, encoder, index)

    def asked(query: str) -> Times:
        with opened() as engine:
            return timed(lambda: engine.search(query))

    engine = opened()
    catalog = engine.catalog
    count = catalog.counts()["ok"]
    found: dict[str, Any] = {}

    def tell(name: str, value: Any) -> None:
        found[name] = value
        print(f"{name}: {value}", file=sys.stderr, flush=True)

    tell("pictures", count)
    tell("disk_mb", round((library / FILE_NAME).stat().st_size / 1e6))

    def page() -> None:
        catalog.get(rng.integers(1, count, 20).tolist())

    tell("page", median(page, 10 * runs))
    tell("folder", median(lambda: catalog.ids_under(f"{ROOT}/{count // 2000:04}"), runs))
    tell("day", asked("after:2015-06-01 before:2015-06-02"))
    tell("year", asked("year:2015"))
    names = [entry.name for entry in TagVocabulary.load().entries]
    for name, tag in {"rare": names[-1], "frequent": names[0]}.items():
        tell(name, (*asked(f'tag:"{tag}"'), holders(engine, tag)))
    tell("status", median(lambda: status_of(catalog, encoder, engine.settings, count), runs))
    if facets:
        tell("facets", counted(engine, runs))
        tell("kept", asked(f'tag:"{names[0]}"'))
    tell("write", written(catalog, encoder.fingerprint, count))
    engine.close()
    tell("server", started(opened()))
    return found


def started(engine: Engine) -> dict[str, Times]:
    """Serve a library whose index is up to date, and count once."""
    catalog = engine.catalog
    engine.index.flush(Stamp(engine.encoder.fingerprint, catalog.seq()))
    taken, live = returned(lambda: Live(engine, engine.settings))

    def count() -> None:
        with live.reading() as view:
            view.facets.counts(None, {})

    found = {"start": taken, "count": timed(count)}
    live.close()
    return found


def counted(engine: Engine, runs: int) -> dict[str, Any]:
    """Read what counts need, anew and as it is kept, and count among some of the pictures."""
    for file in (engine.settings.library / INDEX_FOLDER).glob("*.facets.*"):
        file.unlink()
    read, facets = returned(engine.facets)
    vocabulary = facets.vocabulary
    kept = timed(lambda: engine.kept.save(facets.columns, facets.tags, vocabulary))
    mapped, facets = returned(engine.facets)
    tenth, half = (np.arange(len(facets.ids)) % share == 0 for share in (10, 2))
    counts = {
        "tenth": median(partial(facets.counts, tenth, {}), runs),
        "half": median(partial(facets.counts, half, {}), runs),
    }
    engine.catalog.tags.set_tag(facets.ids[:1].tolist(), "benchmark", "user")
    changed, facets = returned(engine.facets)
    after = timed(partial(facets.counts, tenth, {}))
    engine.catalog.tags.set_tag(facets.ids[:1].tolist(), "benchmark", "no")
    return {
        "read": read,
        "keep": kept,
        "mapped": mapped,
        "after_a_tag": changed,
        "count": counts,
        "count_after_a_tag": after,
    }


def holders(engine: Engine, tag: str) -> int:
    """Return how many pictures have a tag."""
    found = engine.catalog.tags.holders(engine.encoder.fingerprint, [tag])
    return sum(len(selection) for _, selection in found)


def returned(act: Callable[[], Any]) -> tuple[Times, Any]:
    """Return how long something takes, and what it returns."""
    results: list[Any] = []
    taken = timed(lambda: results.append(act()))
    return taken, results[0]


def written(catalog: Catalog, fingerprint: str, first: int) -> int:
    """Return how many rows a second of processor time the catalog takes."""
    while catalog.knows(path_of(NEW, first)):  # run before
        first += WRITTEN
    vectors = unit_rows(np.random.default_rng(1).standard_normal((WRITTEN, 8)))
    taken = stored(catalog, first, vectors, fingerprint=f"small{fingerprint}"[:64], name="small")
    return round(1000 * WRITTEN / taken[0])


if __name__ == "__main__":
    main()
