"""A real server that starts from what is kept beside the index, while others change the library."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")

from searchengine.catalog.opening import INDEX_FOLDER
from searchengine.config import Settings
from searchengine.search.engine import Engine
from searchengine.search.facets import FACETS
from tests.support.served import draw_pictures, run, serving

WAIT = 60.0
"""Seconds until a server has followed; it looks once in a second, on a machine that may be busy."""


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    draw_pictures(tmp_path / "drawn")
    return tmp_path / "drawn"


def counts_now(library: Path) -> dict[str, dict[Any, int]]:
    """Count as an engine does that has nothing kept."""
    with Engine.open(Settings(library=library)) as engine:
        assert engine.kept.load(engine.tags.vocabulary) is None
        counts = engine.facets().counts(None, {})
    return {name: {one.value: one.count for one in counts[name].values} for name in FACETS}


def counts_served(url: str) -> dict[str, dict[Any, int]]:
    answer = httpx.get(f"{url}/api/v1/facets", timeout=60, trust_env=False).raise_for_status()
    facets: dict[str, list[dict[str, Any]]] = answer.json()
    return {name: {one["value"]: one["count"] for one in facets[name]} for name in FACETS}


def test_counts_are_those_of_a_library_that_nothing_is_kept_of(drawn: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    run(library, "index", str(drawn))
    for number in range(6):
        run(library, "tag", str(drawn / f"{number:03}.jpg"), "--add", "blot")
    run(library, "backup", str(tmp_path / "copy.sqlite"))
    run(library, "tag", str(drawn / "000.jpg"), "--add", "first")
    with Engine.open(Settings(library=library)) as engine:
        facets = engine.facets()
        assert engine.kept.save(facets.columns, facets.tags, facets.vocabulary)
    files = {one.name for one in (library / INDEX_FOLDER).glob("*.facets.*")}
    assert len(files) == 2
    run(library, "tag", str(drawn / "001.jpg"), "--add", "second")
    run(library, "tag", str(drawn / "002.jpg"), "--remove", "blot")
    run(library, "forget", "--yes", str(drawn / "003.jpg"))

    def follows(url: str) -> None:
        with Engine.open(Settings(library=library)) as engine:
            columns, tags = engine.facets().columns, engine.tags.table()
        hidden = [one.rename(one.with_name(f"{one.name}~")) for one in stamps(library)]
        expected = counts_now(library)
        for one in hidden:
            one.rename(one.with_name(one.name.rstrip("~")))
        assert len(columns.ids) == sum(expected["format"].values())
        assert set(tags.names) >= {name for name in expected["tag"] if name is not None}
        deadline = time.monotonic() + WAIT
        while (served := counts_served(url)) != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        assert served == expected

    with serving(library) as url:
        follows(url)
        run(library, "tag", str(drawn / "004.jpg"), "--add", "third")
        run(library, "tag", str(drawn / "005.jpg"), "--remove", "blot")
        follows(url)
        (drawn / "006.jpg").unlink()
        (drawn / "007.jpg").rename(drawn / "renamed.jpg")
        run(library, "index", str(drawn))
        follows(url)
        run(library, "undo")
        follows(url)
    assert {one.name for one in (library / INDEX_FOLDER).glob("*.facets.*")} == files
    run(library, "restore", str(tmp_path / "copy.sqlite"))
    assert not stamps(library)
    with serving(library) as url:
        assert counts_served(url) == counts_now(library)


def stamps(library: Path) -> list[Path]:
    return list((library / INDEX_FOLDER).glob("*.facets.json"))
