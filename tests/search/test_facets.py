"""Facets against a naive loop over the pictures, and columns that follow a real catalog."""

from __future__ import annotations

import datetime as dt
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchengine.catalog.database import open_database
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.rows import Description
from searchengine.catalog.store import Catalog
from searchengine.formats import format_of
from searchengine.language.filters import shape_of
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.columns import Columns
from searchengine.search.facets import FACETS, MOST, Facet, Facets
from searchengine.search.tag_pairs import Pairs
from searchengine.search.tag_table import TagTable
from searchengine.search.values import COLUMNS, Value
from searchengine.search.whereabouts import months_of, spots_of
from searchengine.types import Exif, FileStat

VOCABULARY = TagVocabulary.load()
FOLDERS = ("/photos", "/photos/a", "/photos/a/deep", "/photos/ab", "/other")
ROOTS = ("/photos", "/other")
DATES = (None, dt.datetime(2023, 5, 1), dt.datetime(2023, 6, 2, 3), dt.datetime(2024, 5, 9))
SPOTS = (
    (None, None, None),
    ("", -40.0, 100.0),  # far from every town
    ("Kloten, Zurich, Switzerland", 47.45, 8.58),
    ("Zurich, Switzerland", 47.37, 8.54),
    ("Bern, Switzerland", 46.95, 7.44),
    ("New Zurich, Illinois, United States", 42.2, -88.1),
)
TAGS = ("my hat", "zebra crossing of ours", "dog")
NAMES = ("x.jpg", "x.JPEG", "x.png", "x.unknown")

descriptions = st.builds(
    lambda folder, name, taken, camera, width, height, place: (
        f"{folder}/{name}",
        taken,
        camera,
        width,
        height,
        None,
        *place,
    ),
    st.sampled_from(FOLDERS),
    st.sampled_from(NAMES),
    st.sampled_from(DATES),
    st.sampled_from((None, "A", "B")),
    st.sampled_from((None, 100, 104, 150, 300)),
    st.sampled_from((None, 100, 150, 300)),
    st.sampled_from(SPOTS),
)
choices: st.SearchStrategy[dict[Facet, list[Value]]] = st.fixed_dictionaries(
    {},
    optional={
        "folder": st.lists(st.sampled_from((*FOLDERS, "/nowhere")), max_size=2),
        "year": st.lists(st.sampled_from((None, 2023, 2024, 1999)), max_size=2),
        "month": st.lists(st.sampled_from((None, "2023-05", "2023-06")), max_size=2),
        "place": st.lists(
            st.sampled_from((None, "Zurich, Switzerland", "Switzerland", "Bern, Switzerland", "x")),
            max_size=2,
        ),
        "camera": st.lists(st.sampled_from((None, "A", "B", "C")), max_size=2),
        "tag": st.lists(st.sampled_from((None, *TAGS, "nobody has it")), max_size=2),
        "shape": st.lists(st.sampled_from((None, "square", "panorama")), max_size=2),
        "format": st.lists(st.sampled_from((None, "jpeg", "png")), max_size=2),
    },
)


def values_of(facet: Facet, one: Description, tags: set[str]) -> set[Value]:
    """Return what a picture has of a facet, from what is known of it."""
    if facet == "folder":
        inside = [f for f in FOLDERS if (os.path.dirname(one.path) + "/").startswith(f + "/")]
        return set(inside)
    if facet == "tag":
        return set(tags) or {None}
    if facet == "year":
        return {one.taken_at.year if one.taken_at else None}
    if facet == "month":
        return {f"{one.taken_at.year}-{one.taken_at.month:02}" if one.taken_at else None}
    if facet == "place":
        parts = one.place.split(", ") if one.place else []
        return {", ".join(parts[at:]) for at in range(len(parts))} or {None}
    if facet == "camera":
        return {one.camera}
    return {shape_of(one.width, one.height) if facet == "shape" else format_of(one.path)}


def passes(facet: Facet, has: set[Value], wanted: list[Value]) -> bool:
    if not wanted:
        return True
    together = all if facet == "tag" else any
    return together(value in has for value in wanted)


@settings(deadline=None)
@given(
    st.lists(descriptions, max_size=25),
    st.lists(st.tuples(st.integers(1, 25), st.sampled_from(TAGS)), max_size=20),
    choices,
    st.randoms(use_true_random=False),
)
def test_counts_and_masks_are_those_of_a_naive_loop(
    rows: list[tuple[Any, ...]],
    pairs: list[tuple[int, str]],
    chosen: dict[Facet, list[Value]],
    random: random.Random,
) -> None:
    pictures = [Description(number, *row) for number, row in enumerate(rows, 1)]
    tags = {one.id: {name for id_, name in pairs if id_ == one.id} for one in pictures}
    shuffled = random.sample(pictures, len(pictures))  # rows of a catalog come in any order
    columns = Columns.empty().with_changes(1, shuffled, np.empty(0, dtype=np.int64))
    table = sorted({(TAGS.index(name), id_) for id_, name in pairs})
    pairs_of = Pairs.of(
        np.array([code for code, _ in table], dtype=np.int32),
        np.array([id_ for _, id_ in table], dtype=np.int64),
        np.ones(len(table)),
    )
    found = TagTable.of_pairs(TAGS, pairs_of)
    facets = Facets(columns, found, ROOTS, VOCABULARY)
    base = np.array([random.random() < 0.8 for _ in pictures], dtype=np.bool_)
    in_base = dict(zip(facets.ids.tolist(), base.tolist(), strict=True))

    masks = facets.masks(chosen)
    counts = facets.counts(base, chosen)

    for facet in FACETS:
        has = {one.id: values_of(facet, one, tags[one.id]) for one in pictures}
        wanted = chosen.get(facet, [])
        if wanted:
            expected = [passes(facet, has[id_], wanted) for id_ in facets.ids.tolist()]
            assert masks[facet].tolist() == expected
        naive: Counter[Value] = Counter()
        for one in pictures:
            others = all(
                passes(other, values_of(other, one, tags[one.id]), chosen.get(other, []))
                for other in FACETS
                if other != facet or facet == "tag"
            )
            if others and in_base[one.id]:
                naive.update(has[one.id])
        listed = {one.value: one.count for one in counts[facet].values}
        assert listed == {**dict.fromkeys(wanted, 0), **naive}
        assert counts[facet].in_all == len(listed)

    left = [one for one in pictures if in_base[one.id]]
    ids = np.array([one.id for one in left], dtype=np.int64)
    months = [f"{d.year}-{d.month:02}" if (d := one.taken_at) else None for one in left]
    assert months_of(columns, ids) == Counter(months)
    assert list(months_of(columns, ids)) == sorted(set(months), key=lambda m: m or "", reverse=True)
    spots = spots_of(columns, ids)
    told = zip(spots.ids.tolist(), spots.where.tolist(), spots.names.tolist(), strict=True)
    assert [(id_, *where, spots.called[name]) for id_, where, name in told] == [
        (one.id, one.lat, one.lon, one.place or None) for one in left if one.lat is not None
    ]


AnyArray = np.ndarray[Any, np.dtype[Any]]


def _sorted(codes: AnyArray, ids: AnyArray, sure: AnyArray) -> Pairs:
    order = np.lexsort((ids, codes))
    return Pairs.of(codes[order], ids[order], sure[order])


def facets_of(tags: dict[str, dict[int, float]], pictures: int) -> Facets:
    """Return facets of pictures with these tags, and how sure each is."""
    described = [Description(n, f"/photos/{n}.jpg", None, None, 9, 9) for n in range(pictures)]
    columns = Columns.empty().with_changes(1, described, np.empty(0, dtype=np.int64))
    pairs = [(code, *one) for code, each in enumerate(tags.values()) for one in each.items()]
    codes, ids, sure = (np.array(column) for column in zip(*pairs, strict=True))
    table = TagTable.of_pairs(tuple(tags), _sorted(codes, ids, sure))
    return Facets(columns, table, ROOTS, VOCABULARY)


def test_tags_of_the_user_come_before_guesses_and_none_is_pushed_out_by_them() -> None:
    guesses = {f"guess {n:03}": dict.fromkeys(range(5), 0.9) for n in range(MOST + 50)}
    tags = {**guesses, "mine": {3: 1.0}, "half mine": {1: 1.0, 2: 0.4}}
    counted = facets_of(tags, 5).counts(None, {})["tag"]
    assert [(one.value, one.count, one.own) for one in counted.values[:3]] == [
        ("half mine", 2, True),
        ("mine", 1, True),
        ("guess 000", 5, False),
    ]
    assert (len(counted.values), counted.in_all) == (MOST, MOST + 52)


def test_tags_are_looked_up_by_the_beginning_of_a_word() -> None:
    tags = {name: {0: 0.5} for name in ("beach", "the Beachball", "sand", "red beach hut")}
    counted = facets_of(tags, 2).counts(None, {"tag": ["sand"]}, tag_prefix="BEA")["tag"]
    assert {one.value: one.count for one in counted.values} == dict.fromkeys(tags, 1)
    assert counted.in_all == 4
    alone = facets_of(tags, 2).counts(None, {}, tag_prefix="BEA")["tag"]
    assert {one.value for one in alone.values} == {"beach", "the Beachball", "red beach hut"}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(open_database(tmp_path, create=True))
    yield catalog
    catalog.close()


def record(path: str, *, year: int | None = None, camera: str | None = None) -> PictureRecord:
    taken = None if year is None else dt.datetime(year, 2, 3)
    digest = f"{abs(hash(path)):064x}"
    exif = Exif(taken_at=taken, camera=camera)
    return PictureRecord(FileStat(path, 1, 1, 1), "/photos", digest, 40, 30, exif)


def write(catalog: Catalog, *records: PictureRecord) -> list[int]:
    return catalog.write(
        list(records),
        fingerprint="f" * 64,
        model_name="none",
        dim=4,
        scan=catalog.begin_scan("/p", 1),
    )


def content(columns: Columns) -> dict[int, list[object]]:
    """Return the values of every picture, whatever numbers stand for them."""
    return {
        int(id_): [
            *(columns.numbering[facet].values[columns.codes[facet][row]] for facet in COLUMNS),
            str(columns.taken[row]),
        ]
        for row, id_ in enumerate(columns.ids)
    }


def test_columns_that_follow_are_those_that_are_read_anew(catalog: Catalog) -> None:
    columns = Columns.of(catalog)
    first, second, third = write(
        catalog,
        record("/photos/a/1.jpg", year=2020),
        record("/photos/2.png"),
        record("/photos/3.jpg"),
    )
    columns = columns.refreshed(catalog)
    assert content(columns) == content(Columns.of(catalog))
    write(catalog, record("/photos/2.png", year=2021, camera="New"), record("/photos/0.jpg"))
    catalog.forget("/photos/a")
    columns = columns.refreshed(catalog)
    assert content(columns) == content(Columns.of(catalog))
    assert first not in columns.ids
    assert {second, third} < set(columns.ids.tolist())
    catalog.sweep("/photos", catalog.begin_scan("/photos", 1))
    assert len(columns.refreshed(catalog).ids) == 0
    assert columns.refreshed(catalog).refreshed(catalog).seq == catalog.seq()


def test_old_columns_stay_as_they_are_when_new_ones_are_made(catalog: Catalog) -> None:
    write(catalog, record("/photos/1.jpg", year=2020))
    old = Columns.of(catalog)
    before = content(old)
    write(catalog, record("/photos/1.jpg", year=1999), record("/photos/b/2.jpg", camera="New"))
    assert content(old.refreshed(catalog)) != before
    assert content(old) == before


def test_names_of_places_are_seen_though_they_take_no_seq(catalog: Catalog) -> None:
    id_, other = write(catalog, record("/photos/1.jpg"), record("/photos/2.jpg"))
    columns = Columns.of(catalog)
    catalog.places.name({id_: "Bern, Switzerland"})
    after = columns.refreshed(catalog)
    assert after.seq == columns.seq
    place = COLUMNS.index("place")
    named = {id_: values[place] for id_, values in content(after).items()}
    assert named == {id_: "Bern, Switzerland", other: None}
    assert after.refreshed(catalog) is after


def test_tags_are_those_that_a_filter_finds(catalog: Catalog) -> None:
    ids = write(catalog, *(record(f"/photos/{number}.jpg") for number in range(4)))
    store = catalog.tags
    synonym = VOCABULARY.entries[0].synonyms or (VOCABULARY.entries[0].name,)
    name = VOCABULARY.entries[0].name
    store.write_guesses(
        {ids[0]: [(name, 0.9)], ids[1]: [(name, 0.4), ("my hat", 0.3)]}, "f" * 64, "v"
    )
    store.set_tag([ids[2]], synonym[0], "user")
    store.set_tag([ids[1]], name, "no")
    store.set_tag([ids[3]], "my hat", "user")
    table = TagTable.of(store, VOCABULARY, "f" * 64)
    assert sureness(table, name) == {ids[0]: 0.9, ids[2]: 1.0}
    assert sureness(table, "my hat") == {ids[1]: 0.3, ids[3]: 1.0}
    for tag in (name, "my hat", "nobody has it"):
        alone = TagTable.of(store, VOCABULARY, "f" * 64, [tag])
        assert sureness(alone, tag) == sureness(table, tag)
    before = store.changes()
    store.set_tag([ids[0]], "brand new", "user")
    store.set_tag([ids[3]], "my hat", "no")
    assert store.changes() > before
    assert table.with_renewed(store, VOCABULARY, "f" * 64, [10**6]) is table
    table = table.with_renewed(store, VOCABULARY, "f" * 64, [ids[0], ids[3]])
    anew = TagTable.of(store, VOCABULARY, "f" * 64)
    for tag in {*table.names, *anew.names}:
        assert sureness(table, tag) == sureness(anew, tag)


def sureness(table: TagTable, tag: str) -> dict[int, float]:
    holders = table.holders([tag])
    return dict(zip(holders.ids.tolist(), holders.confidence.tolist(), strict=True))


def test_folders_are_called_as_seen_from_above_their_root() -> None:
    empty = Columns.empty()
    tags = TagTable.empty()
    facets = Facets(empty, tags, ("/home/me/Pictures",), VOCABULARY)
    assert facets.folder_label("/home/me/Pictures") == "Pictures"
    assert facets.folder_label("/home/me/Pictures/2024/May") == "Pictures/2024/May"
    twins = Facets(empty, tags, ("/a/Pictures", "/b/Pictures"), VOCABULARY)
    assert twins.folder_label("/b/Pictures/2024") == "/b/Pictures/2024"


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [
        (100, 100, "square"),
        (104, 100, "square"),
        (106, 100, "landscape"),
        (100, 150, "portrait"),
        (200, 100, "panorama"),
        (100, 250, "panorama"),
        (None, 100, None),
    ],
)
def test_shapes(width: int | None, height: int, shape: str | None) -> None:
    assert shape_of(width, height) == shape
