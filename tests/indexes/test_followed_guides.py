"""Whoever has an index open goes on from a guide that another process has made since."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from searchengine.config import Settings
from searchengine.indexes import building
from searchengine.search.engine import Engine
from searchengine.types import Stamp
from tests.support.at_once import REPOSITORY
from tests.support.guided import (
    DIM,
    ROWS,
    STAMP,
    Small,
    clustered,
    flushed,
    guided,
    vectors_of,
    write,
)

PICTURES = 1500

ELSEWHERE = """
import sys
from pathlib import Path
from searchengine.config import Settings
from searchengine.indexes import building
from searchengine.search import index_kinds
from searchengine.search.engine import Engine
from tests.support.guided import write

building.PAYS = 1e9  # time says nothing of so few rows
index_kinds.TUNING = 60
with Engine.open(Settings(library=Path(sys.argv[1]), index_memory=int(sys.argv[3]))) as engine:
    if added := int(sys.argv[2]):
        write(engine, 10_000, added)
        engine.refresh()
    print(engine.improve_index()["kind"])
"""


def made_elsewhere(library: Path, *, added: int = 0, memory: int = 1_300_000) -> str:
    """Have another process add pictures and make the guide that suits a budget; return its kind."""
    command = [sys.executable, "-c", ELSEWHERE, str(library), str(added), str(memory)]
    ran = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    return ran.stdout.strip()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine.open(Settings(library=tmp_path / "library"), create=True) as engine:
        write(engine, 0, PICTURES)
        engine.refresh()
        yield engine


def plan_kind(engine: Engine) -> tuple[str, bool]:
    """What `--plan` says: the kind of index, and whether a guide is asked."""
    plan = engine.plan("dog")
    return plan.kind, plan.effort is not None


def test_an_open_library_takes_up_a_guide_and_lets_it_go(engine: Engine) -> None:
    library = engine.settings.library
    assert plan_kind(engine) == ("flat", False)
    kind = made_elsewhere(library)
    assert kind != "flat"
    assert plan_kind(engine)[0] == "flat"  # nobody has looked yet
    engine.refresh()
    assert plan_kind(engine)[0] == kind
    assert made_elsewhere(library, memory=1_000_000_000) == "flat"
    engine.refresh()
    assert plan_kind(engine)[0] == "flat"


def test_a_flat_index_says_why_it_is_flat(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.index_info().why == "few pictures"
    monkeypatch.setattr(building, "FEWEST", PICTURES)
    assert "run: lexpix index" in engine.index_info().why  # many, and nobody has chosen
    assert engine.improve_index() is not None
    assert engine.index_info().why not in ("", "few pictures")


def test_a_budget_for_no_pictures_is_no_question(tmp_path: Path) -> None:
    settings = Settings(library=tmp_path / "library", latency=5.0)
    with Engine.open(settings, create=True) as empty:
        assert empty.improve_index() == {
            "rows": 0,
            "kind": "flat",
            "why": "few pictures",
            "budget": {"memory": None, "latency": 5.0, "recall": settings.recall},
        }


def test_rows_that_could_not_be_written_are_not_given_up_for_older_ones(tmp_path: Path) -> None:
    stem = tmp_path / "s"
    index = flushed(stem, clustered(ROWS))
    guided(index, "ivf-sq8", 4)
    index.clear(DIM)
    index.put(np.arange(1, ROWS + 101), clustered(ROWS + 100))

    def full(*_: object) -> None:
        raise OSError("full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="full"):
            index.flush(Stamp(STAMP.fingerprint, STAMP.seq + 1))
    assert index.renewed() is None
    assert index.renewed() is None
    assert len(index) == ROWS + 100


def test_a_server_takes_up_a_guide_by_itself(engine: Engine) -> None:
    pytest.importorskip("fastapi")
    from searchengine.web.live import Live

    seconds = iter(range(1_000_000))
    live = Live(engine, engine.settings, clock=lambda: 1000.0 * next(seconds))
    library, query = engine.settings.library, vectors_of(77, 1, engine.encoder.dim)
    with live.reading() as view:
        assert view.engine.index is engine.index
        assert plan_kind(view.engine)[0] == "flat"
        before = engine.index.search(query, PICTURES)
    kind = made_elsewhere(library)
    with live.reading() as view:
        assert plan_kind(view.engine)[0] == kind != "flat"
        assert np.array_equal(engine.index.search(query, PICTURES)[0], before[0])
    # What only this process has written is in no file yet, and stays.
    write(engine, 5000, 3)
    live.refresh()
    # The rows are written anew, and have another guide.
    assert made_elsewhere(library, added=200) == kind
    with live.reading() as view:
        assert plan_kind(view.engine)[0] == kind
        assert live.count() == PICTURES + 203
        fresh = Engine.open(Settings(library=library))
        with fresh:
            expected = fresh.index.search(query, 1000)
        found = engine.index.search(query, 1000)
        assert np.array_equal(found[0], expected[0])
        assert np.array_equal(found[1], expected[1])


def test_files_are_opened_again_only_if_others_have_replaced_them(tmp_path: Path) -> None:
    stem = tmp_path / "s"
    index = flushed(stem, clustered(ROWS))
    mine = Small(stem)
    assert mine.renewed() is None
    index.put(np.array([9000]), clustered(1))
    index.flush(index.stamp() or pytest.fail("it was flushed"))
    assert mine.renewed() is None  # changes are taken from the catalog
    guided(index, "ivf-sq8", 4)
    renewed = mine.renewed()
    assert renewed is not None
    mine.become(renewed)
    assert mine.guide is not None
    assert len(mine) == ROWS + 1
    assert mine.renewed() is None
    assert index.renewed() is None  # it has made the guide itself
    index.clear(index.rows_of_file.flat.d)
    assert index.renewed() is None


def test_a_guide_that_is_damaged_is_tried_once(tmp_path: Path) -> None:
    stem = tmp_path / "s"
    index, mine = flushed(stem, clustered(ROWS)), Small(stem)
    guided(index, "ivf-sq8", 4)
    named = json.loads((tmp_path / "s.faiss.json").read_text())
    guide = tmp_path / named["guide"]["file"]
    guide.write_bytes(bytes(guide.stat().st_size))
    renewed = mine.renewed()
    assert renewed is not None
    mine.become(renewed)
    assert mine.guide is None
    assert mine.renewed() is None
