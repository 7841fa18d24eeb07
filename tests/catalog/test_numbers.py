"""Numbers of writes that are lower than what rows bear are found, and mended."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from searchengine.catalog.database import open_database
from searchengine.catalog.health import Finding, examine
from searchengine.catalog.mending import mend
from searchengine.catalog.opening import CATALOG_FILE
from searchengine.catalog.store import Catalog
from tests.support.earlier_libraries import make_earlier
from tests.support.kept import write


def numbers(path: Path) -> Finding:
    return next(one for one in examine(path) if one.check == "numbers")


@pytest.mark.parametrize("key", ["seq", "tags_changes", "places_changes"])
def test_a_counter_below_its_rows_is_damage_and_is_raised(tmp_path: Path, key: str) -> None:
    path = tmp_path / CATALOG_FILE
    with closing(Catalog(open_database(tmp_path, create=True))) as catalog:
        write(catalog, {"/p/a.jpg": 1})
        write(catalog, {"/p/b.jpg": 2})
        for name in ("one", "two"):
            catalog.tags.set_tag([1], name, "user")
            catalog.places.name({1: name})
    assert numbers(path).severity == "ok"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE meta SET value = '1' WHERE key = ?", [key])
    assert numbers(path).message == f"{key} is 1, but a row has 2"
    assert mend(path) == [f"raised {key} to 2"]
    assert numbers(path).severity == "ok"


@pytest.mark.parametrize("revision", ["0011", "0012"])
def test_a_library_of_an_earlier_schema_is_mended_too(tmp_path: Path, revision: str) -> None:
    path = make_earlier(tmp_path, revision)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE meta SET value = '0' WHERE key = 'seq'")
        (highest,) = other.execute("SELECT max(seq) FROM images").fetchone()
    assert highest > 0
    assert any(one.startswith("raised seq to ") for one in mend(path))
