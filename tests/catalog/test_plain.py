"""What is read by plain SQL beside the same read by SQLAlchemy, in real catalogs."""

from __future__ import annotations

import datetime as dt
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from searchengine.catalog import plain
from searchengine.catalog.database import open_database, plain_connection
from searchengine.catalog.pictures import PICTURE, VECTOR, picture_of, under
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.statements import select_in
from searchengine.catalog.store import Catalog
from searchengine.catalog.tables import EmbeddingRow, ImageRow
from searchengine.errors import LibraryError
from searchengine.look import Look
from searchengine.types import Exif, FileStat, Picture
from searchengine.vectors import unit_rows
from tests.support.fresh_interpreter import loaded_by

DIM = 32
MODELS = ("model", "other")

texts = st.none() | st.text(max_size=5)
whole = st.none() | st.integers(-(2**31), 2**31)
fractions = st.none() | st.floats(-1e6, 1e6)
names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
odd_names = st.binary(min_size=1, max_size=6).map(
    lambda name: name.replace(b"/", b"_").replace(b"\0", b"_").decode("utf-8", "surrogateescape")
)
exifs = st.builds(
    Exif,
    st.none() | st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)),
    whole,
    texts,
    texts,
    fractions,
    whole,
    fractions,
    fractions,
    whole,
    texts,
    st.lists(st.text(max_size=4), max_size=3, unique=True).map(tuple),
)
looks = st.none() | st.builds(Look, st.integers(-(2**63), 2**63 - 1), st.floats(0, 1e3))


@st.composite
def records(draw: st.DrawFn) -> list[PictureRecord]:
    """Return records of different paths, some of them unreadable."""
    paths = draw(st.lists(names | odd_names, min_size=1, max_size=8, unique=True))
    written = []
    for number, name in enumerate(paths, 1):
        is_readable = draw(st.booleans())
        written.append(
            PictureRecord(
                FileStat(
                    f"/photos/{name}", draw(st.integers(0, 2**40)), number, -number, draw(whole)
                ),
                "/photos",
                f"{number:064x}" if is_readable else None,
                draw(whole),
                draw(whole),
                draw(exifs),
                vector=_vector(number) if is_readable else None,
                error=None if is_readable else f"no picture: {name}",
                format=draw(st.none() | st.just("jpeg")),
                damage=draw(texts) if is_readable else None,
                at=draw(fractions),
                look=draw(looks) if is_readable else None,
            )
        )
    return written


def _vector(number: int) -> np.ndarray:
    row: np.ndarray = unit_rows(np.random.default_rng(number).standard_normal((1, DIM)))[0]
    return row


def by_sqlalchemy(catalog: Catalog, ids: list[int]) -> dict[int, Picture]:
    with catalog._reader.begin() as connection:
        rows = select_in(connection, PICTURE, ImageRow.id, ids)
        return {row.id: picture_of(row) for row in rows}


@given(written=records(), wanted=st.sets(st.integers(-2, 12)), data=st.data())
@settings(max_examples=40, deadline=None)
def test_pictures_and_vectors_are_those_that_sqlalchemy_reads(
    written: list[PictureRecord], wanted: set[int], data: st.DataObject
) -> None:
    model = data.draw(st.sampled_from(MODELS))
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(open_database(Path(folder), create=True))
        catalog.write(written, fingerprint=model, model_name=model, dim=DIM, scan=1)
        ids = sorted(wanted)
        with plain_connection(catalog._reader) as connection:
            assert plain.pictures(connection, ids) == by_sqlalchemy(catalog, ids)
            stored = plain.vectors(connection, np.array(ids, dtype=np.int64), "model")
            assert plain.fact(connection, "uid") == catalog.uid
            assert plain.fact(connection, "no such fact") is None
        with catalog._reader.begin() as connection:
            rows = select_in(
                connection, VECTOR, EmbeddingRow.image_id, ids, {"fingerprint": "model"}
            )
            packed = {row.image_id: row.vector for row in rows}
        assert {id_: row.astype("<f2").tobytes() for id_, row in stored.items()} == packed
        assert bool(stored) <= (model == "model")
        assert catalog.get(wanted) == by_sqlalchemy(catalog, ids)
        catalog.close()


@given(
    paths=st.lists(
        st.lists(
            st.sampled_from(["a", "a-2", "a.b", "ab", "A", "\udcff", "%"]), min_size=1, max_size=4
        ),
        min_size=1,
        max_size=12,
        unique_by=tuple,
    ),
    folder=st.lists(st.sampled_from(["a", "a-2", "ab", "\udcff", "%"]), max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_a_folder_has_what_lies_below_it(paths: list[list[str]], folder: list[str]) -> None:
    asked = "/" + "/".join(folder)
    with tempfile.TemporaryDirectory() as library:
        catalog = Catalog(open_database(Path(library), create=True))
        records = [
            PictureRecord(
                FileStat("/" + "/".join(parts), 1, 1, 1),
                "/",
                None if number % 5 == 4 else f"{number:064x}",
                error="no picture" if number % 5 == 4 else None,
            )
            for number, parts in enumerate(paths)
        ]
        ids = catalog.write(records, fingerprint="model", model_name="model", dim=DIM, scan=1)
        inside = [
            id_
            for number, (id_, parts) in enumerate(zip(ids, paths, strict=True))
            if parts[: len(folder)] == folder and number % 5 != 4
        ]
        assert catalog.ids_under(asked).tolist() == sorted(inside)
        query = sa.select(ImageRow.id).where(under(ImageRow.path, asked), ImageRow.state == "ok")
        assert catalog.ids_under(asked).tolist() == catalog._sorted_ids(query).tolist()
        catalog.close()


@pytest.mark.parametrize("beyond", [0, -1, 2**31, 2**63, 2**70])
def test_numbers_that_no_row_can_have_are_absent(tmp_path: Path, beyond: int) -> None:
    catalog = Catalog(open_database(tmp_path, create=True))
    record = PictureRecord(FileStat("/photos/a.jpg", 1, 1, 1), "/photos", f"{1:064x}")
    catalog.write([record], fingerprint="model", model_name="model", dim=DIM, scan=1)
    assert catalog.get([beyond, 1]).keys() == {1}
    assert catalog.vectors([beyond], "model") == {}
    catalog.close()


def test_a_catalog_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    catalog = Catalog(open_database(tmp_path, create=True))
    with sqlite3.connect(tmp_path / "catalog.sqlite") as other:
        page = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'images'").fetchone()
        size = other.execute("PRAGMA page_size").fetchone()[0]
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    catalog.close()
    with (tmp_path / "catalog.sqlite").open("r+b") as file:
        file.seek((page[0] - 1) * size)
        file.write(b"\xff" * size)
    catalog = Catalog(open_database(tmp_path, create=False))
    with pytest.raises(LibraryError, match=r"catalog\.sqlite: cannot be used as a library"):
        catalog.get([1])
    catalog.close()


def test_it_is_read_without_sqlalchemy() -> None:
    """A process that asks once has no time to import it."""
    assert "sqlalchemy" not in loaded_by("import searchengine.catalog.plain")
