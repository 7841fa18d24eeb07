"""Facets that are kept in a file, beside what is read anew of the same catalog."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchengine.catalog import backups
from searchengine.catalog.database import open_database
from searchengine.catalog.opening import CATALOG_FILE
from searchengine.catalog.store import Catalog
from searchengine.catalog.tags import Told
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search import kept_facets
from searchengine.search.columns import Columns
from searchengine.search.facets import Facets
from searchengine.search.kept_facets import KeptFacets
from tests.support.at_once import REPOSITORY
from tests.support.kept import MODEL, VOCABULARY, kept_of, read_anew, told, write

SYNONYMS = next(entry for entry in VOCABULARY.entries if entry.synonyms)
NAMES = (SYNONYMS.name, SYNONYMS.synonyms[0], "my hat", "caf\N{LATIN SMALL LETTER E WITH ACUTE}")
PATHS = [f"/p/{folder}/{name}.jpg" for folder in ("a", "b", "\udcff") for name in range(4)]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(open_database(tmp_path, create=True))
    yield catalog
    catalog.close()


def sweep(catalog: Catalog, folder: str) -> None:
    scan = catalog.begin_scan(folder, 1)
    catalog.sweep(folder, scan, run=scan)


paths = st.sampled_from(PATHS)
ids = st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True)
names = st.sampled_from(NAMES)


def present(catalog: Catalog, wanted: list[int]) -> list[int]:
    return [one for one in wanted if one in catalog.get(wanted)]


Act = Callable[[Catalog], object]
acts: st.SearchStrategy[Act] = st.one_of(
    st.dictionaries(paths, st.integers(1, 9), min_size=1, max_size=4).map(
        lambda some: lambda catalog: write(catalog, some)
    ),
    st.tuples(ids, names, st.sampled_from(("user", "no"))).map(
        lambda one: lambda catalog: catalog.tags.set_tag(present(catalog, one[0]), *one[1:])
    ),
    st.tuples(
        ids, st.lists(names, unique=True, max_size=3), st.sampled_from((MODEL, "0" * 64))
    ).map(
        lambda one: (
            lambda catalog: catalog.tags.write_guesses(
                {id_: [(name, 0.25) for name in one[1]] for id_ in one[0]}, one[2], "v"
            )
        )
    ),
    names.map(lambda name: lambda catalog: catalog.tags.forget_word(name)),
    st.sampled_from(("/p/a", "/p/b", PATHS[0])).map(
        lambda folder: lambda catalog: catalog.forget(folder)
    ),
    st.sampled_from(("/p/a", "/p/b")).map(lambda folder: lambda catalog: sweep(catalog, folder)),
    st.just(lambda catalog: catalog.undo.take_back()),
    st.tuples(ids, st.sampled_from(("Bern, Switzerland", "Rome, Italy", ""))).map(
        lambda one: lambda catalog: catalog.places.name(dict.fromkeys(one[0], one[1]))
    ),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(acts, max_size=8),
    st.lists(st.lists(acts, min_size=1, max_size=3), min_size=1, max_size=3),
    st.sampled_from((1000, 1000, 0)),
)
def test_what_is_kept_and_followed_is_what_is_read_anew(
    before: list[Act], rounds: list[list[Act]], few: int
) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_facets, "FEW", few)
        catalog = Catalog(open_database(Path(name), create=True))
        write(catalog, dict.fromkeys(PATHS[:6], 1))
        for act in before:
            act(catalog)
        kept = kept_of(catalog, Path(name))
        first = read_anew(catalog)
        assert kept.save(first.columns, first.tags, VOCABULARY)
        served = first
        for acting in rounds:
            for act in acting:
                act(catalog)
            expected = told(read_anew(catalog))
            for current in (
                kept_of(catalog, Path(name)).current(VOCABULARY),
                kept.current(VOCABULARY),
            ):
                if few:
                    assert current is not None
                if current is not None:
                    served = Facets(current.columns, current.tags, ("/p",), VOCABULARY)
                    assert told(served) == expected
            table = kept.tags(VOCABULARY)  # goes on from the round before
            if table is not None:
                again = Facets(Columns.of(catalog), table, ("/p",), VOCABULARY)
                assert told(again) == expected
        if few:  # what was brought up is kept in its turn
            assert kept.save(served.columns, served.tags, VOCABULARY)
            loaded = kept.load(VOCABULARY)
            assert loaded is not None
            again = Facets(loaded.columns, loaded.tags, ("/p",), VOCABULARY)
            assert told(again) == expected
        catalog.close()


WRITES: dict[str, Act] = {
    "a tag": lambda catalog: catalog.tags.set_tag([2], "my hat", "user"),
    "a no to all that one has said": lambda catalog: catalog.tags.set_tag([1, 3], "my hat", "no"),
    "a no": lambda catalog: catalog.tags.set_tag([4], NAMES[0], "no"),
    "guesses": lambda catalog: catalog.tags.write_guesses({5: [(NAMES[2], 0.5)]}, MODEL, "v"),
    "no guesses": lambda catalog: catalog.tags.write_guesses({5: []}, MODEL, "v"),
    "guesses of another": lambda catalog: catalog.tags.write_guesses({5: []}, "0" * 64, "v"),
    "tags of a sidecar": lambda catalog: catalog.tags.take_over(
        {1: Told(names=("new",), gone=("my hat",))}, str
    ),
    "a word that is forgotten": lambda catalog: catalog.tags.forget_word(NAMES[0]),
    "tags that are inherited": lambda catalog: catalog.following.inherit_tags(9, 1),
    "a file of another's": lambda catalog: catalog.following.succeed(1, 9),
    "a name of a place": lambda catalog: catalog.places.name({3: "Bern", 4: "Rome"}),
    "an edit": lambda catalog: write(catalog, {PATHS[4]: 50}),
    "a new picture": lambda catalog: write(catalog, {"/p/new.jpg": 51}),
    "a folder that is forgotten": lambda catalog: catalog.forget("/p/a"),
    "a folder that is gone": lambda catalog: sweep(catalog, "/p/a"),
    "a folder that came back": lambda catalog: catalog.undo.take_back(),
}


@pytest.mark.parametrize("name", WRITES)
def test_each_kind_of_write_is_followed(name: str, catalog: Catalog, tmp_path: Path) -> None:
    some = write(catalog, {path: number + 1 for number, path in enumerate(PATHS)})
    catalog.tags.set_tag(some[:3:2], "my hat", "user")
    catalog.tags.write_guesses({one: [(NAMES[0], 0.5)] for one in some[3:]}, MODEL, "v")
    catalog.tags.write_guesses({some[11]: [("my hat", 0.5)]}, MODEL, "v")
    if name == "a folder that came back":
        sweep(catalog, "/p/b")
    kept, before = kept_of(catalog, tmp_path), read_anew(catalog)
    assert kept.save(before.columns, before.tags, VOCABULARY)
    known = told(before)
    WRITES[name](catalog)
    expected = told(read_anew(catalog))
    assert expected != known  # else nothing would be proven
    current = kept.current(VOCABULARY)
    assert current is not None
    assert told(Facets(current.columns, current.tags, ("/p",), VOCABULARY)) == expected


def filled(catalog: Catalog, folder: Path) -> KeptFacets:
    """Keep facets of a few pictures with tags."""
    some = write(catalog, {path: number + 1 for number, path in enumerate(PATHS)})
    catalog.tags.set_tag(some[:5], "my hat", "user")
    catalog.tags.write_guesses({one: [(NAMES[0], 0.5)] for one in some[3:]}, MODEL, "v")
    kept, facets = kept_of(catalog, folder), read_anew(catalog)
    assert kept.save(facets.columns, facets.tags, VOCABULARY)
    return kept


def test_a_damaged_file_is_not_read(catalog: Catalog, tmp_path: Path) -> None:
    kept = filled(catalog, tmp_path)
    [file] = [one for one in (tmp_path / "index").iterdir() if not one.name.endswith("json")]
    sound = file.read_bytes()
    random = np.random.default_rng(2)
    for place in [0, 9, 20, *random.integers(0, len(sound), 60).tolist(), len(sound) - 1]:
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        assert kept.load(VOCABULARY) is None
    for length in (0, 15, len(sound) // 2, len(sound) - 1):
        file.write_bytes(sound[:length])
        assert kept.load(VOCABULARY) is None
    file.write_bytes(sound)
    loaded = kept.load(VOCABULARY)
    assert loaded is not None
    facets = Facets(loaded.columns, loaded.tags, ("/p",), VOCABULARY)
    assert told(facets) == told(read_anew(catalog))
    file.unlink()
    assert kept.current(VOCABULARY) is None


def test_a_file_of_another_library_model_vocabulary_or_version_is_none(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = filled(catalog, tmp_path)
    other = TagVocabulary("cat\tnoun\t1\tkitty\t\n")
    assert kept.load(other) is None
    assert KeptFacets(catalog, "0" * 64, tmp_path / "index").load(VOCABULARY) is None
    assert kept.load(VOCABULARY) is not None
    monkeypatch.setattr(kept_facets, "version", lambda _: "0.0.1")
    assert kept.load(VOCABULARY) is None


def test_a_library_that_was_restored_is_read_anew(tmp_path: Path) -> None:
    catalog = Catalog(open_database(tmp_path, create=True))
    write(catalog, dict.fromkeys(PATHS[:3], 1))
    backups.save(tmp_path, tmp_path / "copy.sqlite")
    kept = filled(catalog, tmp_path)
    catalog.close()
    backups.restore(tmp_path, tmp_path / "copy.sqlite")
    catalog = Catalog(open_database(tmp_path, create=False))
    while catalog.seq() < 5:  # as many writes as before, of other things
        write(catalog, {PATHS[9]: catalog.seq() + 5})
    assert kept_of(catalog, tmp_path).load(VOCABULARY) is None
    assert kept.current(VOCABULARY) is None
    catalog.close()


def test_a_copy_from_before_that_was_put_in_place_by_hand_is_read_anew(tmp_path: Path) -> None:
    catalog = Catalog(open_database(tmp_path, create=True))
    write(catalog, dict.fromkeys(PATHS[:3], 1))
    backups.save(tmp_path, tmp_path / "copy.sqlite")
    filled(catalog, tmp_path)
    catalog.close()
    for one in tmp_path.glob("catalog.sqlite*"):
        one.unlink()
    (tmp_path / "copy.sqlite").rename(tmp_path / "catalog.sqlite")
    catalog = Catalog(open_database(tmp_path, create=False))
    assert kept_of(catalog, tmp_path).load(VOCABULARY) is None
    catalog.close()


EARLIER = (
    """
    INSERT INTO tags (image_id, name, source) VALUES (2, 'by another', 'user');
    INSERT INTO meta VALUES ('tags_changes', '1')
    ON CONFLICT (key) DO UPDATE SET value = value + 1;
    """,
    """
    UPDATE images SET place = 'Bern' WHERE id = 3;
    INSERT INTO meta VALUES ('places_changes', '1')
    ON CONFLICT (key) DO UPDATE SET value = value + 1;
    """,
)
"""What a version writes that notes no pictures, for a tag and for the name of a place."""


@pytest.mark.parametrize("earlier", EARLIER)
@pytest.mark.parametrize("noted", [(), ("before",), ("after",), ("before", "after")])
def test_what_an_earlier_version_writes_beside_is_not_missed(
    earlier: str, noted: tuple[str, ...], catalog: Catalog, tmp_path: Path
) -> None:
    def note() -> None:
        catalog.tags.set_tag([1], "my hat", "user")
        catalog.places.name({1: "Rome, Italy"})

    write(catalog, {path: number + 1 for number, path in enumerate(PATHS)})
    if "before" in noted:
        note()
    kept, before = kept_of(catalog, tmp_path), read_anew(catalog)
    assert kept.save(before.columns, before.tags, VOCABULARY)
    with sqlite3.connect(tmp_path / CATALOG_FILE) as other:
        other.executescript(earlier)
    other.close()
    if "after" in noted:
        note()
    expected = read_anew(catalog)
    assert told(expected) != told(before)
    assert told(
        Facets(before.columns.refreshed(catalog), expected.tags, ("/p",), VOCABULARY)
    ) == told(expected)
    current = kept.current(VOCABULARY)
    if current is not None:  # it may well be too much to ask for
        assert told(Facets(current.columns, current.tags, ("/p",), VOCABULARY)) == told(expected)
    # Who has read all of it since asks for little again.
    assert kept.save(expected.columns, expected.tags, VOCABULARY)
    note()
    current = kept.current(VOCABULARY)
    assert current is not None
    facets = Facets(current.columns, current.tags, ("/p",), VOCABULARY)
    assert told(facets) == told(read_anew(catalog))


def test_small_libraries_are_not_worth_a_file_and_large_ones_now_and_then(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = kept_of(catalog, tmp_path)
    write(catalog, dict.fromkeys(PATHS[:6], 1))
    assert not kept.is_due(VOCABULARY)
    monkeypatch.setattr(kept_facets, "FEWEST", 5)
    monkeypatch.setattr(kept_facets, "FEW", 2)
    assert kept.is_due(VOCABULARY)
    facets = read_anew(catalog)
    kept.save(facets.columns, facets.tags, VOCABULARY)
    assert not kept.is_due(VOCABULARY)
    catalog.tags.set_tag([1, 2], "my hat", "user")
    assert not kept.is_due(VOCABULARY)
    catalog.tags.set_tag([3], "my hat", "user")
    assert kept.is_due(VOCABULARY)


KEEP = """
import sys
from pathlib import Path
from searchengine.catalog.database import open_database
from searchengine.catalog.opening import CATALOG_FILE
from searchengine.catalog.store import Catalog
from tests.support.kept import VOCABULARY, kept_of, read_anew

folder = Path(sys.argv[1])
catalog = Catalog(open_database(folder, create=False))
print("begun", flush=True)
while True:
    catalog.tags.set_tag([1], "my hat", "user")
    facets = read_anew(catalog)
    kept_of(catalog, folder).save(facets.columns, facets.tags, VOCABULARY)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills by a signal")
def test_who_is_killed_while_keeping_leaves_the_file_from_before_or_the_new_one(
    tmp_path: Path,
) -> None:
    catalog = Catalog(open_database(tmp_path, create=True))
    filled(catalog, tmp_path)
    for milliseconds in (1, 7, 13, 29, 41):
        with subprocess.Popen(
            [sys.executable, "-c", KEEP, str(tmp_path)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            time.sleep(milliseconds / 1000)
            process.send_signal(signal.SIGKILL)
        current = kept_of(catalog, tmp_path).current(VOCABULARY)
        assert current is not None
        facets = Facets(current.columns, current.tags, ("/p",), VOCABULARY)
        assert told(facets) == told(read_anew(catalog))
    facets = read_anew(catalog)
    assert kept_of(catalog, tmp_path).save(facets.columns, facets.tags, VOCABULARY)
    assert len(list((tmp_path / "index").iterdir())) == 2  # the stamp and the file
    catalog.close()
