"""An index after any history, crash or accident answers as the catalog would."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from searchengine.catalog.database import open_database
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.sync import open_index, synchronise
from searchengine.types import FileStat, Ids, Stamp, VectorIndex, Vectors
from searchengine.vectors import unit_rows
from tests.support.at_once import REPOSITORY

Backend = Callable[[Path | None], VectorIndex]
DIM = 8
MODEL, OTHER_MODEL = "a" * 64, "b" * 64
ROOT = "/photos"
SEEDS = range(8)


@pytest.fixture(params=[ExactIndex, FaissIndex], ids=["exact", "faiss"])
def backend(request: pytest.FixtureRequest) -> Backend:
    made: Backend = request.param
    return made


@pytest.fixture(scope="module")
def empty_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    open_database(folder, create=True).dispose()
    return folder


@pytest.fixture
def library(empty_library: Path, tmp_path: Path) -> Path:
    return shutil.copytree(empty_library, tmp_path / "library")


@pytest.fixture
def catalog(library: Path) -> Iterator[Catalog]:
    with opened(library) as catalog:
        yield catalog


@contextlib.contextmanager
def opened(library: Path) -> Iterator[Catalog]:
    with contextlib.closing(Catalog(open_database(library, create=False))) as catalog:
        yield catalog


def row_of(seed: int) -> Vectors:
    return unit_rows(np.random.default_rng(seed).standard_normal((1, DIM)))


def record(name: int, seed: int | None) -> PictureRecord:
    """A picture whose bytes are told by its seed; None: one that cannot be read."""
    stat = FileStat(path=f"{ROOT}/{name}.jpg", size=1, mtime_ns=1, ctime_ns=1)
    if seed is None:
        return PictureRecord(stat=stat, root=ROOT, error="truncated")
    return PictureRecord(stat=stat, root=ROOT, sha256=f"{seed:064x}", vector=row_of(seed)[0])


def write(catalog: Catalog, pictures: dict[int, int | None], model: str = MODEL) -> None:
    scan = catalog.begin_scan(ROOT, None)
    records = [record(name, seed) for name, seed in pictures.items()]
    catalog.write(records, fingerprint=model, model_name="model", dim=DIM, scan=scan)


def check(index: VectorIndex, catalog: Catalog, model: str = MODEL) -> None:
    """Compare whole rankings with a sort of what the catalog says about each picture."""
    held = catalog.vectors(catalog.ids_under(ROOT), model)
    assert len(index) == len(held)
    queries = np.concatenate([row_of(seed) for seed in SEEDS])
    for query, ids, scores in zip(queries, *index.search(queries, len(held) + 1), strict=True):
        naive = {one: query.astype(float) @ row.astype(float) for one, row in held.items()}
        ranking = list(zip((-scores).tolist(), ids.tolist(), strict=True))
        assert {one: -cost for cost, one in ranking} == pytest.approx(
            naive | {-1: -np.inf}, abs=1e-6
        )
        assert ranking == sorted(ranking)


# Histories

names = st.integers(0, 9)
step = st.one_of(
    st.tuples(
        st.just("write"),
        st.dictionaries(names, st.none() | st.sampled_from(SEEDS), min_size=1, max_size=6),
    ),
    st.tuples(
        st.just("write for another model"),
        st.dictionaries(names, st.sampled_from(SEEDS), min_size=1, max_size=4),
    ),
    st.tuples(st.just("sweep all but"), st.sets(names, max_size=8)),
    st.tuples(st.just("forget"), names),
    st.tuples(st.just("synchronise"), st.none()),
    st.tuples(st.just("reopen"), st.none()),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(step, min_size=2, max_size=14))
def test_delta_equals_rebuild(backend: Backend, empty_library: Path, history: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        library = shutil.copytree(empty_library, Path(temporary, "library"))
        with opened(library) as catalog:

            def reopen() -> VectorIndex:
                return open_index(catalog, MODEL, DIM, library / "index", backend)

            index = reopen()
            for action, argument in history:
                if action == "write":
                    write(catalog, argument)
                elif action == "write for another model":
                    write(catalog, argument, OTHER_MODEL)
                elif action == "sweep all but":
                    scan = catalog.begin_scan(ROOT, None)
                    kept = catalog.by_paths([f"{ROOT}/{name}.jpg" for name in argument])
                    catalog.mark_seen([picture.id for picture in kept.values()], scan)
                    catalog.sweep(ROOT, scan)
                elif action == "forget":
                    catalog.forget(f"{ROOT}/{argument}.jpg")
                elif action == "synchronise":
                    synchronise(index, catalog, MODEL, DIM)
                    check(index, catalog)
                else:
                    index = reopen()
            synchronise(index, catalog, MODEL, DIM)
            check(index, catalog)
            rebuilt = backend(None)
            assert synchronise(rebuilt, catalog, MODEL, DIM)
            check(rebuilt, catalog)


def test_library_without_pictures_has_an_index(backend: Backend, catalog: Catalog) -> None:
    index = backend(None)
    synchronise(index, catalog, MODEL, DIM)
    check(index, catalog)


def test_changes_larger_than_a_batch(backend: Backend, catalog: Catalog) -> None:
    write(catalog, {name: name % 8 for name in range(5000)})
    index = backend(None)
    synchronise(index, catalog, MODEL, DIM)
    assert len(index) == 5000
    catalog.sweep(ROOT, catalog.begin_scan(ROOT, None))
    synchronise(index, catalog, MODEL, DIM)
    assert len(index) == 0


def test_what_is_current_is_not_written_again(
    backend: Backend, catalog: Catalog, library: Path
) -> None:
    write(catalog, {1: 1, 2: 2})
    index = open_index(catalog, MODEL, DIM, library / "index", backend)
    before = {path: path.stat().st_mtime_ns for path in (library / "index").iterdir()}
    assert not synchronise(index, catalog, MODEL, DIM)
    open_index(catalog, MODEL, DIM, library / "index", backend)
    assert {path: path.stat().st_mtime_ns for path in (library / "index").iterdir()} == before


def test_a_second_process_needs_no_rebuild(
    backend: Backend, catalog: Catalog, library: Path
) -> None:
    write(catalog, {1: 1, 2: 2})
    open_index(catalog, MODEL, DIM, library / "index", backend)
    write(catalog, {1: 3, 3: 1})
    reopened = open_index(catalog, MODEL, DIM, library / "index", backend)
    check(reopened, catalog)
    (stamp,) = (library / "index").glob("*.json")
    assert backend(stamp.with_name(stamp.name.rsplit(".", 2)[0])).stamp() == Stamp(
        MODEL, catalog.seq()
    )


def test_each_model_has_its_own_file(backend: Backend, catalog: Catalog, library: Path) -> None:
    write(catalog, {1: 1, 2: 2})
    write(catalog, {2: 2, 3: 3}, OTHER_MODEL)
    for model in (MODEL, OTHER_MODEL, MODEL):
        check(open_index(catalog, model, DIM, library / "index", backend), catalog, model)
    assert len(list((library / "index").glob("*.json"))) == 2


def test_another_models_index_is_rebuilt(backend: Backend, catalog: Catalog) -> None:
    write(catalog, {1: 1, 2: 2})
    write(catalog, {2: 2, 3: 3}, OTHER_MODEL)
    index = backend(None)
    synchronise(index, catalog, MODEL, DIM)
    assert synchronise(index, catalog, OTHER_MODEL, DIM)
    check(index, catalog, OTHER_MODEL)


def test_a_stamp_from_the_future_is_rebuilt(backend: Backend, catalog: Catalog) -> None:
    write(catalog, {1: 1, 2: 2})
    index = backend(None)
    index.put(np.array([99]), row_of(1))
    index.flush(Stamp(MODEL, catalog.seq() + 1))
    assert synchronise(index, catalog, MODEL, DIM)
    check(index, catalog)


def test_a_restored_catalog_of_another_size_is_rebuilt(
    backend: Backend, library: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(library) as catalog:
        write(catalog, {1: 1})
    copy = shutil.copytree(library, tmp_path / "copy")
    with opened(library) as catalog:
        write(catalog, {2: 2, 3: 3})
        open_index(catalog, MODEL, DIM, library / "index", backend)
    shutil.move(library / "index", copy / "index")
    with caplog.at_level("INFO"), opened(copy) as catalog:
        write(catalog, {4: None})
        write(catalog, {5: 5})
        check(open_index(catalog, MODEL, DIM, copy / "index", backend), catalog)
    assert "rebuilding" in caplog.text


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000])
def test_a_torn_file_is_rebuilt(
    backend: Backend, catalog: Catalog, library: Path, content: bytes
) -> None:
    write(catalog, {1: 1, 2: 2})
    open_index(catalog, MODEL, DIM, library / "index", backend)
    (rows,) = [path for path in (library / "index").iterdir() if path.suffix != ".json"]
    rows.write_bytes(content)
    check(open_index(catalog, MODEL, DIM, library / "index", backend), catalog)
    assert not rows.exists()


class Interrupted(ExactIndex):
    """An index during whose first change another process commits a picture."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(None)
        self._catalog: Catalog | None = catalog

    def put(self, ids: Ids, vectors: Vectors) -> None:
        super().put(ids, vectors)
        if catalog := self._catalog:
            self._catalog = None
            write(catalog, {1: 5, 7: 7})


def test_a_commit_during_a_rebuild_is_found_the_next_time(catalog: Catalog) -> None:
    write(catalog, {1: 1, 2: 2})
    index = Interrupted(catalog)
    synchronise(index, catalog, MODEL, DIM)
    assert synchronise(index, catalog, MODEL, DIM)
    check(index, catalog)


# Folders that cannot be written


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Give up root's right to write everywhere, where there is such a right."""
    if not hasattr(os, "geteuid") or os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("behind", [False, True])
def test_a_read_only_folder_still_answers(
    backend: Backend, catalog: Catalog, behind: bool, caplog: pytest.LogCaptureFixture
) -> None:
    write(catalog, {1: 1, 2: 2})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "index")
        open_index(catalog, MODEL, DIM, folder, backend)
        if behind:
            write(catalog, {3: 3})
        Path(temporary).chmod(0o755)
        folder.chmod(0o555)
        before = sorted(folder.iterdir())
        with unprivileged(), caplog.at_level(logging.WARNING):
            index = open_index(catalog, MODEL, DIM, folder, backend)
            check(index, catalog)
            assert not synchronise(index, catalog, MODEL, DIM)
        assert sorted(folder.iterdir()) == before
        folder.chmod(0o755)
    assert ("stays in memory" in caplog.text) == behind


def test_a_file_in_place_of_the_folder_still_answers(
    backend: Backend, catalog: Catalog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(catalog, {1: 1, 2: 2})
    (tmp_path / "index").write_text("not a folder")
    check(open_index(catalog, MODEL, DIM, tmp_path / "index", backend), catalog)
    assert "stays in memory" in caplog.text


# Crashes

CRASH = """
import shutil, sys
from pathlib import Path
from searchengine.catalog.store import Catalog
from searchengine.catalog.database import open_database
from searchengine.indexes.{module} import {name}
from searchengine.indexes.sync import open_index
from tests.support.crashes import crash_at_each_step

def sync(step, begin):
    copy = shutil.copytree(sys.argv[1], Path(sys.argv[2], str(step)))
    begin()
    catalog = Catalog(open_database(copy, create=False))
    open_index(catalog, {model!r}, {dim}, copy / "the-index", {name})

crash_at_each_step(sync)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("first", [True, False], ids=["first flush", "later flush"])
def test_a_crash_at_any_step_heals_at_the_next_open(
    backend: Backend, library: Path, tmp_path: Path, first: bool
) -> None:
    with opened(library) as catalog:
        write(catalog, {1: 1, 2: 2})
        if not first:
            open_index(catalog, MODEL, DIM, library / "the-index", backend)
        write(catalog, {1: 3, 4: 4})
    script = CRASH.format(
        module=backend.__module__.rpartition(".")[2],
        name=backend.__name__,
        model=MODEL,
        dim=DIM,
    )
    copies = tmp_path / "copies"
    command = [sys.executable, "-c", script, str(library), str(copies)]
    subprocess.run(command, check=True, cwd=REPOSITORY)
    assert 5 < len(list(copies.iterdir())) < 30
    for copy in copies.iterdir():
        with opened(copy) as catalog:
            check(open_index(catalog, MODEL, DIM, copy / "the-index", backend), catalog)
            (stamp,) = (copy / "the-index").glob("*.json")
            assert backend(stamp.with_name(stamp.name.rsplit(".", 2)[0])).stamp() == Stamp(
                MODEL, catalog.seq()
            )
            fields = json.loads(stamp.read_text())
            named = {one["file"] for one in (fields["rows"], fields["changes"]) if one}
            assert {path.name for path in (copy / "the-index").iterdir()} == {stamp.name, *named}
