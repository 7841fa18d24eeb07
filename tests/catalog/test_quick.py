"""A catalog that loads SQLAlchemy late, beside the whole one over the same files."""

from __future__ import annotations

import inspect
import json
import os
import sqlite3
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchengine.catalog.database import open_database
from searchengine.catalog.opening import CATALOG_FILE
from searchengine.catalog.quick import QuickCatalog, open_catalog
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.errors import LibraryError, NothingIndexed
from searchengine.types import FileStat, Vector
from searchengine.vectors import unit_rows
from tests.support.colour_library import paint
from tests.support.command import lexpix
from tests.support.fresh_interpreter import loaded_by

DIM = 32
MODEL = "model"

frames = st.lists(st.integers(0, 3), max_size=4, unique=True)
"""Seconds of the frames of a film."""


def vector(number: int) -> Vector:
    row: Vector = unit_rows(np.random.default_rng(number).standard_normal((1, DIM)))[0]
    return row


def record(number: int, seconds: list[int]) -> PictureRecord:
    return PictureRecord(
        FileStat(f"/photos/{number}.mp4", number, number, number),
        "/photos",
        f"{number:064x}",
        vector=vector(number),
        format="video",
        frames={float(one): vector(100 * number + one) for one in seconds},
    )


def fill(library: Path, films: list[list[int]]) -> None:
    catalog = Catalog(open_database(library, create=True))
    records = [record(number, seconds) for number, seconds in enumerate(films, 1)]
    catalog.write(records, fingerprint=MODEL, model_name=MODEL, dim=DIM, scan=1)
    catalog.close()


def quick(library: Path) -> QuickCatalog:
    catalog = open_catalog(library, create=False)
    assert isinstance(catalog, QuickCatalog)
    return catalog


def is_whole(catalog: QuickCatalog) -> bool:
    """Return whether the whole catalog was needed."""
    return catalog._opened is not None


def same(one: Mapping[Any, Vector], other: Mapping[Any, Vector]) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[key], other[key]) for key in one)


@given(
    films=st.lists(frames, min_size=1, max_size=4),
    gone=st.sets(st.integers(1, 4)),
    words=st.dictionaries(
        st.text("ab c", min_size=1, max_size=3), st.sets(st.integers(1, 4), min_size=1)
    ),
)
@settings(max_examples=25, deadline=None)
def test_it_answers_as_the_whole_catalog_does(
    films: list[list[int]], gone: set[int], words: dict[str, set[int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder)
        fill(library, films)
        whole = Catalog(open_database(library, create=False))
        for number in gone:
            whole.sweep(f"/photos/{number}.mp4", 2)
        for name, pictures in words.items():
            paths = {f"{number:064x}": f"/photos/\udcff{number}.mp4" for number in pictures}
            whole.tags.teach(name, MODEL, vector(len(name)), paths)
        whole.embeddings.choose("default")
        ids = range(-1, 6)
        catalog = quick(library)
        assert catalog.uid == whole.uid
        assert catalog.seq() == whole.seq() > 0
        assert catalog.meta("no such fact") is None
        assert catalog.embeddings.choice() == whole.embeddings.choice() == "default"
        assert catalog.get(iter(ids)) == whole.get(ids)
        assert same(catalog.vectors(iter(ids), MODEL), whole.vectors(ids, MODEL))
        assert catalog.vectors(ids, "other") == {}
        for under in ("/photos", "/photos/2.mp4", "/elsewhere"):
            assert catalog.ids_under(under).tolist() == whole.ids_under(under).tolist()
        assert catalog.frames.count(MODEL) == whole.frames.count(MODEL)
        found, expected = catalog.frames.present(MODEL), whole.frames.present(MODEL)
        assert list(found) == list(expected)
        assert all(same(found[film], expected[film]) for film in expected)
        assert catalog.tags.taught() == whole.tags.taught()
        assert same(catalog.tags.taught_vectors(MODEL), whole.tags.taught_vectors(MODEL))
        assert not is_whole(catalog)
        assert catalog.counts() == whole.counts()  # asks for more
        assert is_whole(catalog)
        assert catalog.get(ids) == whole.get(ids)
        assert same(catalog.vectors(ids, MODEL), whole.vectors(ids, MODEL))
        catalog.close()
        whole.close()


def test_what_it_can_be_asked_is_what_the_whole_catalog_can(tmp_path: Path) -> None:
    fill(tmp_path, [[]])
    whole = Catalog(open_database(tmp_path, create=False))
    catalog = quick(tmp_path)
    parts: list[tuple[Any, Any]] = [(catalog, whole)]
    parts += [(getattr(catalog, name), getattr(whole, name)) for name in ("frames", "tags")]
    parts.append((catalog.embeddings, whole.embeddings))
    own = {"whole", "ask", "uid"}
    for quickly, wholly in parts:
        names = {name for name in vars(type(quickly)) if not name.startswith("_")} - own
        assert names
        for name in names:
            asked, answered = (inspect.signature(getattr(one, name)) for one in (quickly, wholly))
            assert asked.parameters.keys() == answered.parameters.keys(), name
    catalog.close()
    whole.close()


def test_what_others_write_is_seen_and_what_it_writes_is_kept(tmp_path: Path) -> None:
    fill(tmp_path, [[]])
    catalog = quick(tmp_path)
    assert catalog.get([1]).keys() == {1}
    other = Catalog(open_database(tmp_path, create=False))
    other.forget("/photos/1.mp4")
    assert catalog.get([1]) == {}
    assert catalog.seq() == other.seq()
    assert not is_whole(catalog)
    cast("Catalog", catalog).write(
        [record(2, [])], fingerprint=MODEL, model_name=MODEL, dim=DIM, scan=3
    )
    assert other.by_paths(["/photos/2.mp4"]).keys() == {"/photos/2.mp4"}
    assert len(catalog.get(range(10))) == 1
    catalog.close()
    other.close()


def test_threads_ask_it_at_once_while_the_whole_one_is_opened(tmp_path: Path) -> None:
    fill(tmp_path, [[] for _ in range(50)])
    catalog = quick(tmp_path)
    expected, answers = catalog.get(range(60)), []
    begin = threading.Barrier(8)

    def ask(number: int) -> None:
        begin.wait()
        for turn in range(40):
            if number == 0 and turn == 10:
                catalog.counts()
            answers.append(catalog.get(range(60)))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 320
    assert all(answer == expected for answer in answers)
    catalog.close()


def test_a_library_that_needs_more_is_opened_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(NothingIndexed):
        open_catalog(tmp_path, create=False)
    new = open_catalog(tmp_path, create=True)
    assert isinstance(new, Catalog)
    new.close()
    path = tmp_path / CATALOG_FILE
    with sqlite3.connect(path) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()
    with pytest.raises(LibraryError, match="made by a newer lexpix"):
        open_catalog(tmp_path, create=False)
    path.write_bytes(b"no database, but long enough to be read as the beginning of one" * 10)
    with pytest.raises(LibraryError, match="cannot be used as a library"):
        open_catalog(tmp_path, create=False)


def test_damage_that_is_met_later_is_named(tmp_path: Path) -> None:
    fill(tmp_path, [[]])
    path = tmp_path / CATALOG_FILE
    with sqlite3.connect(path) as other:
        page = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'images'").fetchone()
        size = other.execute("PRAGMA page_size").fetchone()[0]
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    with path.open("r+b") as file:
        file.seek((page[0] - 1) * size)
        file.write(b"\xff" * size)
    catalog = quick(tmp_path)
    with pytest.raises(LibraryError, match=r"catalog\.sqlite: cannot be used as a library"):
        catalog.get([1])
    catalog.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks for open files in /proc")
def test_a_disk_that_fails_is_what_the_error_names(tmp_path: Path) -> None:
    fill(tmp_path, [[]])
    catalog = quick(tmp_path)
    path = str(tmp_path / CATALOG_FILE)
    unreadable = os.open(path, os.O_WRONLY)
    for number in os.listdir("/proc/self/fd"):
        if os.path.realpath(f"/proc/self/fd/{number}") == path and int(number) != unreadable:
            os.dup2(unreadable, int(number))
    os.close(unreadable)
    with pytest.raises(LibraryError, match=r"\(disk I/O error\)"):
        catalog.get([1])
    catalog.close()


@pytest.mark.parametrize("films", [False, True])
def test_a_search_for_a_word_loads_no_sqlalchemy(tmp_path: Path, films: bool) -> None:
    paint(tmp_path / "photos" / "a.jpg", "red", "green")
    library = tmp_path / "library"
    lexpix("index", tmp_path / "photos", library=library)
    if films:  # what they are found by is read too
        with sqlite3.connect(library / CATALOG_FILE) as other:
            for seconds in (0.0, 1.0):
                other.execute(
                    "INSERT INTO frames SELECT image_id, encoder_id, ?, vector FROM embeddings",
                    [seconds],
                )
        other.close()
    asked = ["search", "a red dog", "--all", "--json"]
    told = json.loads(lexpix(*asked, library=library).stdout)
    assert [Path(hit["path"]).name for hit in told["hits"]] == ["a.jpg"]
    run = f"main({[*asked, '--library', str(library)]}, standalone_mode=False)"
    loaded = loaded_by(f"from searchengine.cli.main import main\n{run}")
    assert "sqlite3" in loaded
    assert "sqlalchemy" not in loaded
