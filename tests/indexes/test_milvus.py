"""The index on a real Milvus answers as the exact one does, whatever becomes of the server."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from searchengine.catalog.database import open_database
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.errors import IndexUnavailable, MissingPlugin
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.sync import open_index, remove_index, synchronise
from searchengine.plugins import load_at
from searchengine.types import FileStat, Stamp, VectorIndex, Vectors
from searchengine.vectors import unit_rows

pytest.importorskip("milvus", reason="a real Milvus is missing: pip install -e '.[dev]'")
pytest.importorskip("pymilvus", reason="its client is missing: pip install -e '.[dev]'")

from searchengine.indexes.milvus import MilvusIndex
from tests.support.milvus_server import RealMilvus, free_port
from tests.support.slow_line import slow_line

DIM = 16
MODEL = "a" * 64


class Impatient(MilvusIndex):
    """Gives up early, and takes few rows at a time, so that answers come in several parts."""

    patience = 1.0
    most = 64


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMilvus]:
    server = RealMilvus(tmp_path_factory.mktemp("milvus"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with contextlib.closing(Catalog(open_database(tmp_path / "library", create=True))) as made:
        yield made


def rows_of(seeds: list[int]) -> Vectors:
    rows = [np.random.default_rng(seed).standard_normal(DIM) for seed in seeds]
    return unit_rows(np.array(rows).reshape(len(seeds), DIM)).astype(np.float16).astype(np.float32)


def write(catalog: Catalog, pictures: dict[int, int]) -> None:
    scan = catalog.begin_scan("/photos", None)
    records = [
        PictureRecord(
            stat=FileStat(path=f"/photos/{name}.jpg", size=1, mtime_ns=1, ctime_ns=1),
            root="/photos",
            sha256=f"{seed:064x}",
            vector=rows_of([seed])[0],
        )
        for name, seed in pictures.items()
    ]
    catalog.write(records, fingerprint=MODEL, model_name="model", dim=DIM, scan=scan)


def check_same(index: VectorIndex, oracle: VectorIndex, ks: tuple[int, ...] = (7, 300)) -> None:
    assert len(index) == len(oracle)
    queries = rows_of([3, 99])
    for k in ks:
        for within in (None, np.array([1, 5, 1000]), np.arange(1, 150)):
            found, expected = index.search(queries, k, within), oracle.search(queries, k, within)
            assert found[0].tolist() == expected[0].tolist()
            assert found[1] == pytest.approx(expected[1], abs=1e-6)


def exact_of(catalog: Catalog) -> VectorIndex:
    index = ExactIndex(None)
    synchronise(index, catalog, MODEL, DIM)
    return index


def synchronise_in_the_end(index: VectorIndex, catalog: Catalog) -> None:
    """Wait until a server that is there again has taken what it missed."""
    for _ in range(60):
        if synchronise(index, catalog, MODEL, DIM):
            return
        time.sleep(0.5)
    raise AssertionError("the server was never asked again")


def change_at_random(indexes: list[VectorIndex], rounds: int) -> None:
    rng = np.random.default_rng(5)
    for _ in range(rounds):
        ids, seeds = rng.integers(1, 200, 40), rng.integers(0, 12, 40)  # ties are the rule
        gone = rng.integers(1, 200, 15)
        for index in indexes:
            index.put(ids, rows_of(seeds.tolist()))
            index.drop(gone)


def test_any_history_on_a_server_gives_the_answers_of_exact(server: RealMilvus) -> None:
    index, oracle = Impatient(None, server.url), ExactIndex(None)
    change_at_random([index, oracle], rounds=4)
    check_same(index, oracle)
    with pytest.raises(ValueError, match="k is 0"):
        index.search(rows_of([1]), 0)
    with pytest.raises(ValueError, match="ids"):
        index.put(np.array([0]), rows_of([1]))
    index.remove()
    assert len(index) == 0


def test_any_history_in_a_file_gives_the_answers_of_exact(tmp_path: Path) -> None:
    pytest.importorskip("milvus_lite", reason="pip install -e '.[dev]'")
    stem, file = tmp_path / "index" / "library-model", str(tmp_path / "new" / "file.db")
    index, oracle = MilvusIndex(stem, file), ExactIndex(None)
    change_at_random([index, oracle], rounds=3)
    index.flush(Stamp(MODEL, 7))
    check_same(index, oracle, ks=(1, 40))
    again = MilvusIndex(stem, file)
    assert again.stamp() == Stamp(MODEL, 7)
    check_same(again, oracle, ks=(5,))


def test_processes_share_what_one_of_them_has_written(
    server: RealMilvus, catalog: Catalog, tmp_path: Path
) -> None:
    backend = partial(Impatient, address=server.url)
    write(catalog, {name: name % 9 for name in range(60)})
    one, other = (open_index(catalog, MODEL, DIM, tmp_path, backend) for _ in range(2))
    check_same(other, exact_of(catalog), ks=(7,))
    write(catalog, {name: name % 7 for name in range(40, 80)})
    catalog.forget("/photos/3.jpg")
    assert synchronise(one, catalog, MODEL, DIM)
    assert not synchronise(other, catalog, MODEL, DIM), "the first has done it for both"
    check_same(other, exact_of(catalog), ks=(7,))
    remove_index(catalog, MODEL, tmp_path, backend)
    assert backend(tmp_path / f"{catalog.uid[:12]}-{MODEL[:12]}").stamp() is None


def test_index_of_a_copy_of_the_library_that_wrote_last_is_made_anew(
    server: RealMilvus, catalog: Catalog, tmp_path: Path
) -> None:
    """Both are at the same seq with as many pictures, so only the token tells them apart."""
    backend = partial(Impatient, address=server.url)
    write(catalog, {1: 1})
    open_index(catalog, MODEL, DIM, tmp_path, backend)
    catalog.close()
    shutil.copytree(tmp_path / "library", tmp_path / "copy")
    with contextlib.closing(Catalog(open_database(tmp_path / "copy", create=False))) as copy:
        write(copy, {2: 2})
        open_index(copy, MODEL, DIM, tmp_path, backend)
    write(catalog, {3: 3})
    index = open_index(catalog, MODEL, DIM, tmp_path, backend)
    check_same(index, exact_of(catalog), ks=(3,))


def test_killed_server_is_stood_in_for_and_misses_nothing_when_it_is_back(
    server: RealMilvus, catalog: Catalog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    url = server.url
    backend = partial(Impatient, address=url)
    write(catalog, {name: name % 9 for name in range(60)})
    index = open_index(catalog, MODEL, DIM, tmp_path, backend)
    server.kill()
    write(catalog, {name: name % 7 for name in range(40, 80)})  # while it is down
    assert not synchronise(index, catalog, MODEL, DIM)
    check_same(index, exact_of(catalog), ks=(7,))
    (told,) = [record.message for record in caplog.records if "Milvus" in record.message]
    assert url in told
    assert "--index faiss" in told
    with pytest.raises(IndexUnavailable, match=url):
        index.put(np.array([1]), rows_of([1]))
    fresh = open_index(catalog, MODEL, DIM, tmp_path, backend)
    check_same(fresh, exact_of(catalog), ks=(7,))
    server.start()
    assert synchronise(index, catalog, MODEL, DIM)
    check_same(backend(tmp_path / f"{catalog.uid[:12]}-{MODEL[:12]}"), exact_of(catalog), ks=(7,))


@pytest.mark.slow
def test_stopped_server_is_stood_in_for_and_misses_nothing_when_it_goes_on(
    server: RealMilvus, catalog: Catalog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    backend = partial(Impatient, address=server.url)
    write(catalog, {name: name % 9 for name in range(60)})
    index = open_index(catalog, MODEL, DIM, tmp_path, backend)
    server.pause()
    try:
        write(catalog, {name: name % 7 for name in range(40, 80)})
        assert not synchronise(index, catalog, MODEL, DIM)
        check_same(index, exact_of(catalog), ks=(7,))
        (told,) = [record.message for record in caplog.records if "Milvus" in record.message]
        assert server.url in told
        assert "--index faiss" in told
        with pytest.raises(IndexUnavailable, match=server.url):
            index.put(np.array([1]), rows_of([1]))
    finally:
        server.resume()
    synchronise_in_the_end(index, catalog)
    check_same(backend(tmp_path / f"{catalog.uid[:12]}-{MODEL[:12]}"), exact_of(catalog), ks=(7,))


@pytest.mark.slow
def test_slow_line_to_the_server_is_waited_for_or_stood_in_for(
    server: RealMilvus, catalog: Catalog, tmp_path: Path
) -> None:
    at = ("127.0.0.1", free_port())
    with slow_line(server.place, at) as line:
        backend = partial(Impatient, address=f"http://127.0.0.1:{at[1]}")
        line.delay = 0.01
        write(catalog, {name: name % 9 for name in range(60)})
        index = open_index(catalog, MODEL, DIM, tmp_path, backend)
        check_same(index, exact_of(catalog), ks=(7,))
        line.delay = 5.0  # longer than it is waited for
        write(catalog, {name: name % 7 for name in range(40, 80)})
        assert not synchronise(index, catalog, MODEL, DIM)
        check_same(index, exact_of(catalog), ks=(7,))
        line.delay = 0.0
        synchronise_in_the_end(index, catalog)
        check_same(index, exact_of(catalog), ks=(7,))


def test_only_an_index_with_an_address_takes_one() -> None:
    assert load_at("lexpix.indexes", "exact") is ExactIndex
    with pytest.raises(MissingPlugin, match="'exact:x' takes no address; write 'exact'"):
        load_at("lexpix.indexes", "exact:x")
    with pytest.raises(MissingPlugin, match="has no address behind its colon"):
        load_at("lexpix.indexes", "milvus:")


def test_thousand_operations_on_milvus_and_postgresql_and_on_faiss_and_sqlite_agree(
    server: RealMilvus, tmp_path: Path
) -> None:
    pytest.importorskip("pgserver", reason="a real PostgreSQL is missing: pip install -e '.[dev]'")
    from tests.support.postgres_server import RealPostgres

    postgres = RealPostgres()
    postgres.start()
    with contextlib.ExitStack() as stack:
        stack.callback(postgres.close)
        catalogs = [
            stack.enter_context(contextlib.closing(Catalog(open_database(folder, **where))))
            for folder, where in (
                (tmp_path / "file", {"create": True}),
                (tmp_path / "server", {"create": True, "address": postgres.new_database()}),
            )
        ]
        backends: list[Callable[[Path], VectorIndex]] = [
            FaissIndex,
            partial(MilvusIndex, address=server.url),
        ]
        indexes = [
            open_index(catalog, MODEL, DIM, tmp_path / str(number), backend)
            for number, (catalog, backend) in enumerate(zip(catalogs, backends, strict=True))
        ]
        rng = np.random.default_rng(11)
        for number in range(1, 1001):
            name, seed, action = (int(rng.integers(most)) for most in (80, 12, 10))
            for catalog in catalogs:
                operate(catalog, action, name, seed)
            if number % 250 == 0:
                for index, catalog in zip(indexes, catalogs, strict=True):
                    synchronise(index, catalog, MODEL, DIM)
                one, other = catalogs
                assert one.seq() == other.seq()
                assert one.present().tolist() == other.present().tolist()
                assert one.get(range(1, 2000)) == other.get(range(1, 2000))
                tags = [list(map(repr, each.tags.counts(MODEL))) for each in catalogs]
                assert tags[0] == tags[1]
                check_same(indexes[1], indexes[0], ks=(9,))


def operate(catalog: Catalog, action: int, name: int, seed: int) -> None:
    path = f"/photos/{name}.jpg"
    if action < 6:
        write(catalog, {name: seed})
    elif action == 6:
        catalog.forget(path)
    elif action == 7:
        scan = catalog.begin_scan("/photos", None)
        present = catalog.present()
        catalog.mark_seen(present[present % 13 != name % 13].tolist(), scan)
        catalog.sweep("/photos", scan)
    elif known := catalog.by_paths([path]):
        catalog.tags.set_tag([known[path].id], f"tag {seed}", "user" if action == 8 else "no")
