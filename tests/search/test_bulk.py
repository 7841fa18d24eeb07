"""What is read of all pictures at once, against the same read one by one, and naive counts."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchengine.catalog.database import empty_database, open_database
from searchengine.catalog.holders import every_holder, holders_of
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.columns import Columns
from searchengine.search.facets import Facets
from searchengine.search.tag_pairs import Pairs
from searchengine.search.tag_table import TagTable
from searchengine.search.values import COLUMNS
from searchengine.types import Exif, FileStat

MODEL = "f" * 64
VOCABULARY = TagVocabulary.load()
SYNONYMS = next(entry for entry in VOCABULARY.entries if entry.synonyms)
TAGS = (
    SYNONYMS.name,
    SYNONYMS.synonyms[0],
    "my hat",
    'a "quote", and a comma',
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
)

records = st.builds(
    lambda path, taken, camera, size, kind, lat, error: (
        path,
        taken,
        camera,
        size,
        kind,
        lat,
        error,
    ),
    st.sampled_from(
        ("/a.jpg", "/photos/a.jpg", "/photos/b/\udcff.png", "/photos/b/c/d", "/p/\n.gif")
    ),
    st.none() | st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)),
    st.sampled_from((None, "", "A", "Ä")),
    st.sampled_from(((None, None), (40, 30), (30, 40), (9, 9))),
    st.sampled_from((None, "jpeg", "heic")),
    st.sampled_from((None, 0.0, -12.5)),
    st.sampled_from((None, None, "damaged")),
)


def record(number: int, given: tuple) -> PictureRecord:  # type: ignore[type-arg]
    path, taken, camera, (width, height), kind, lat, error = given
    exif = Exif(taken_at=taken, camera=camera, lat=lat, lon=lat)
    folder, _, name = path.rpartition("/")
    stat = FileStat(f"{folder}/{number}{name}", 1, 1, 1)
    return PictureRecord(stat, "/", f"{number:064x}", width, height, exif, format=kind, error=error)


def store(catalog: Catalog, *some: PictureRecord) -> list[int]:
    scan = catalog.begin_scan("/", 1)
    return catalog.write(list(some), fingerprint=MODEL, model_name="none", dim=4, scan=scan)


def content(columns: Columns) -> list[list[object]]:
    """Return the values of every picture, whatever numbers stand for them."""
    return [
        [
            int(id_),
            *(columns.numbering[facet].values[columns.codes[facet][row]] for facet in COLUMNS),
            str(columns.taken[row]),
            str(columns.where[row]),
        ]
        for row, id_ in enumerate(columns.ids)
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(records, max_size=12))
def test_columns_read_at_once_are_those_of_each_picture(given_records: list) -> None:  # type: ignore[type-arg]
    catalog = Catalog(empty_database())
    store(catalog, *(record(number, one) for number, one in enumerate(given_records)))
    described, gone = catalog.descriptions(0)
    one_by_one = Columns.empty().with_changes(catalog.seq(), described, gone)
    at_once = Columns.of(catalog)
    catalog.close()
    assert content(at_once) == content(one_by_one)
    assert at_once.seq == one_by_one.seq


tag_rows = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(TAGS),
        st.sampled_from(("user", "no", "guess", "guess", "guess of another")),
        st.sampled_from((0.25, 0.5, 0.75, 1.0)),
    ),
    max_size=25,
    unique_by=lambda row: (row[0], row[1], row[2][:5]),
)


@settings(deadline=None, max_examples=60)
@given(tag_rows)
def test_tags_read_at_once_are_those_of_each_name(rows: list[tuple[int, str, str, float]]) -> None:
    catalog = Catalog(empty_database())
    ids = store(catalog, *(PictureRecord(FileStat(f"/{n}", 1, 1, 1), "/") for n in range(6)))
    with catalog._writer.begin() as connection:
        for place, name, source, sure in rows:
            kind = source.split()[0]
            fingerprint = None if kind != "guess" else MODEL if source == "guess" else "0" * 64
            row = (ids[place], name, kind, sure if kind == "guess" else None, fingerprint)
            connection.exec_driver_sql("INSERT INTO tags VALUES (?, ?, ?, ?, ?)", row)
    at_once = TagTable.of(catalog.tags, VOCABULARY, MODEL)
    expected: dict[tuple[str, int], float] = {}
    for place, name, source, sure in rows:
        denied = any(row[:3] == (place, name, "no") for row in rows)
        if source == "user" or (source == "guess" and not denied):
            pair = VOCABULARY.canonical(name), ids[place]
            worth = 1.0 if source == "user" else min(sure, float(np.nextafter(1.0, 0)))
            expected[pair] = max(expected.get(pair, 0.0), worth)
    stored = at_once.pairs
    found = zip(stored.codes.tolist(), stored.ids.tolist(), stored.confidence, strict=True)
    pairs = [(at_once.names[code], id_, sure) for code, id_, sure in found]
    assert {(name, id_): float(sure) for name, id_, sure in pairs} == expected
    assert len(pairs) == len(expected)

    with catalog._reader.begin() as connection:
        gathered = dict(every_holder(connection, MODEL))
        for name in TAGS:
            alone = holders_of(connection, MODEL, name)
            every = gathered.get(name)
            assert alone.ids.tolist() == ([] if every is None else every.ids.tolist())
            assert alone.confidence.tolist() == ([] if every is None else every.confidence.tolist())
    catalog.close()


@settings(deadline=None)
@given(
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 70_000)), max_size=40),
    st.sets(st.integers(0, 70_010), max_size=20),
)
def test_tags_of_some_pictures_are_counted_as_a_loop_counts_them(
    pairs: set[tuple[int, int]], some: set[int]
) -> None:
    codes, ids = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T
    table = TagTable.of_pairs("abcde", Pairs.of(codes, ids, np.ones(len(ids))))
    asked = np.array(sorted(some), dtype=np.int64)  # some have more than 16 bits
    naive = Counter(code for code, id_ in pairs if id_ in some)
    tagged = {id_ for _, id_ in pairs}
    expected = [*(naive[code] for code in range(5)), len(some - tagged)]
    assert table.counts(asked).tolist() == expected
    assert table.totals(asked).tolist() == expected
    assert table.untagged(asked).tolist() == [id_ not in tagged for id_ in asked.tolist()]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(open_database(tmp_path, create=True))
    yield catalog
    catalog.close()


def test_counts_go_on_when_pictures_and_tags_come_and_go(catalog: Catalog) -> None:
    def read() -> tuple[Columns, TagTable]:
        return Columns.of(catalog), TagTable.of(catalog.tags, VOCABULARY, MODEL)

    def told(facets: Facets) -> dict[str, dict[object, int]]:
        counts = facets.counts(np.arange(len(facets.ids)) % 2 == 0, {})
        return {
            name: {one.value: one.count for one in each.values} for name, each in counts.items()
        }

    first = [
        record(number, ("/x/a.jpg", None, "A", (4, 3), None, None, None)) for number in range(6)
    ]
    ids = store(catalog, *first)
    catalog.tags.set_tag(ids[::2], "my hat", "user")
    columns, tags = read()
    facets = Facets(columns, tags, ("/",), VOCABULARY)
    assert told(facets)["tag"] == {"my hat": 3}
    later = record(9, ("/y/b.png", None, "B", (3, 4), None, None, None))
    added = store(catalog, later)
    columns = columns.refreshed(catalog)
    for anew in (tags, TagTable.of(catalog.tags, VOCABULARY, MODEL)):
        followed = facets.followed_by(columns, anew, ("/",))
        assert told(followed) == told(Facets(*read(), ("/",), VOCABULARY))
        assert told(followed)["tag"] == {"my hat": 3, None: 1}
    catalog.tags.set_tag(added, "my hat", "user")
    tags = tags.with_renewed(catalog.tags, VOCABULARY, MODEL, added)
    followed = followed.followed_by(columns, tags, ("/",))
    assert told(followed)["tag"] == {"my hat": 4}
    catalog.forget("/x/0a.jpg")
    columns = columns.refreshed(catalog)
    followed = followed.followed_by(columns, tags, ("/",))
    assert told(followed) == told(Facets(*read(), ("/",), VOCABULARY))
