"""A catalog in a real PostgreSQL: many writers, one order of writes, and servers that die."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from searchengine.catalog import postgres
from searchengine.catalog.database import open_database
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.catalog.tables import ImageRow, Schema
from searchengine.errors import ConfigError, LibraryError, NothingIndexed
from searchengine.types import FileStat
from searchengine.vectors import unit_rows

pytest.importorskip("pgserver", reason="a real PostgreSQL is missing: pip install -e '.[dev]'")
pytest.importorskip("psycopg", reason="its driver is missing: pip install -e '.[dev]'")

from searchengine.search.facets import Facets
from tests.support import kept
from tests.support.postgres_server import RealPostgres
from tests.support.slow_line import slow_line

MODEL, DIM = "a" * 64, 8


@pytest.fixture(scope="module")
def server() -> Iterator[RealPostgres]:
    server = RealPostgres()
    server.start()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def address(server: RealPostgres) -> str:
    return server.new_database()


@contextlib.contextmanager
def opened(address: str, library: Path, *, create: bool = True) -> Iterator[Catalog]:
    with contextlib.closing(
        Catalog(open_database(library, create=create, address=address))
    ) as catalog:
        yield catalog


def record(path: str, seed: int = 1, **changes: object) -> PictureRecord:
    fields: dict[str, object] = {
        "stat": FileStat(path, 1, 1, 1),
        "root": "/photos",
        "sha256": f"{seed:064x}",
        "vector": unit_rows(np.random.default_rng(seed).standard_normal((1, DIM)))[0],
    }
    return PictureRecord(**(fields | changes))  # type: ignore[arg-type]


def write(catalog: Catalog, *records: PictureRecord) -> list[int]:
    return catalog.write(records, fingerprint=MODEL, model_name="model", dim=DIM, scan=1)


def test_nothing_is_made_unless_asked_and_tables_are_those_of_the_models(
    address: str, tmp_path: Path
) -> None:
    with pytest.raises(NothingIndexed, match="lexpix index FOLDER"):
        open_database(tmp_path, create=False, address=address)
    database = open_database(tmp_path, create=True, address=address)
    made = sa.MetaData()
    made.reflect(database)
    database.dispose()
    known = Schema.metadata.tables
    assert set(made.tables) - {"alembic_version"} == set(known)
    for name, table in known.items():
        assert set(made.tables[name].columns.keys()) == set(table.columns.keys())
        for index in table.indexes:
            assert index.name in {one.name for one in made.tables[name].indexes}
    with opened(address, tmp_path, create=False) as catalog:
        assert catalog.seq() == 0


def test_indexers_at_once_take_every_number_once_in_the_order_of_commits(
    address: str, tmp_path: Path
) -> None:
    """A reader that follows the changes meanwhile, as a server does, misses none of them."""
    writers, batches = 4, 8
    followed: dict[int, int] = {}
    done = threading.Event()

    def index(writer: int) -> None:
        with opened(address, tmp_path) as catalog:
            for batch in range(batches):
                write(catalog, *(record(f"/photos/{writer}-{batch}-{n}.jpg") for n in range(3)))

    def follow() -> None:
        with opened(address, tmp_path) as catalog:
            seq = 0
            while not (done.is_set() and seq == catalog.seq()):
                now = catalog.seq()
                for change in catalog.changes(MODEL, seq):
                    followed.update(dict.fromkeys(change.put_ids.tolist(), now))
                seq = now

    with opened(address, tmp_path) as catalog, ThreadPoolExecutor(writers + 1) as pool:
        follower = pool.submit(follow)
        for future in [pool.submit(index, writer) for writer in range(writers)]:
            future.result()
        done.set()
        follower.result()
        assert catalog.seq() == writers * batches
        with catalog._reader.begin() as connection:
            numbers = connection.execute(
                sa.select(ImageRow.seq, sa.func.count()).group_by(ImageRow.seq)
            )
            assert {row[0]: row[1] for row in numbers} == dict.fromkeys(
                range(1, writers * batches + 1), 3
            )
        assert sorted(followed) == catalog.present().tolist()
        assert len(followed) == writers * batches * 3


def test_odd_names_odd_texts_and_order_are_those_of_sqlite(address: str, tmp_path: Path) -> None:
    names = ["/photos/b", "/photos/B", "/photos/ä", "/photos/a b", "/photos/a-b", "/photos/\udcff"]
    with (
        opened(address, tmp_path / "server") as server,
        opened("", tmp_path / "file") as file,
    ):
        for catalog in (server, file):
            ids = write(catalog, *(record(name, seed) for seed, name in enumerate(names)))
            for name in ("Zebra", "apple", "Äpfel", "zoo", "a b", "a-b"):
                catalog.tags.set_tag(ids, name, "user")
        assert [one.name for one in server.tags.counts(MODEL)] == [
            one.name for one in file.tags.counts(MODEL)
        ]
        for folder in ("/photos", "/photos/a", "/photos/b"):
            assert server.ids_under(folder).tolist() == file.ids_under(folder).tolist()
        assert {one.path for one in server.get(range(1, 9)).values()} == set(names)
        assert server.get([2**31, 2**40, 2**70]) == file.get([2**31, 2**40, 2**70]) == {}
        bad = record("/photos/c", sha256=None, vector=None, error="EXIF\0 with \0 in it")
        write(server, bad)
        (failure,) = server.failures()
        assert failure.reason == r"EXIF\x00 with \x00 in it"


def test_facets_that_are_kept_follow_what_is_written_to_a_server(
    address: str, tmp_path: Path
) -> None:
    with opened(address, tmp_path) as catalog:
        ids = kept.write(catalog, {f"/p/{folder}/{n}.jpg": n for folder in "ab" for n in range(5)})
        catalog.tags.set_tag(ids[:4], "my hat", "user")
        catalog.tags.write_guesses(
            {ids[5]: [("cat", 0.5)], ids[6]: [("cat", 0.5)]}, kept.MODEL, "v"
        )
        catalog.places.name({ids[0]: "Bern", ids[1]: "Bern"})
        file, first = kept.kept_of(catalog, tmp_path), kept.read_anew(catalog)
        assert file.save(first.columns, first.tags, kept.VOCABULARY)
        now = catalog.tags.changes()
        catalog.tags.set_tag([ids[0]], "my hat", "no")
        catalog.tags.set_tag([ids[0], ids[8]], "new", "user")
        changed = catalog.tags.changed(now, 5)
        assert changed is not None
        assert sorted(changed.tolist()) == [ids[0], ids[8]]
        assert catalog.tags.changed(now, 1) is None
        catalog.tags.forget_word("cat")
        catalog.places.name({ids[1]: "Rome"})
        catalog.forget("/p/b/4.jpg")
        current = file.current(kept.VOCABULARY)
        assert current is not None
        followed = Facets(current.columns, current.tags, ("/p",), kept.VOCABULARY)
        assert kept.told(followed) == kept.told(kept.read_anew(catalog))


def test_server_killed_between_writes_loses_nothing_and_writes_nothing_twice(
    server: RealPostgres, address: str, tmp_path: Path
) -> None:
    written: list[str] = []
    started = threading.Event()

    def index(catalog: Catalog) -> None:
        for batch in range(10_000):
            paths = [f"/photos/{batch}-{n}.jpg" for n in range(3)]
            write(catalog, *map(record, paths))
            written.extend(paths)
            if batch == 3:
                started.set()

    with opened(address, tmp_path) as catalog, ThreadPoolExecutor(1) as pool:
        run = pool.submit(index, catalog)
        assert started.wait(60)
        server.kill()
        with pytest.raises(LibraryError, match=r"see that it runs.*what was committed is safe"):
            run.result()
        server.start()
        # The same catalog goes on: its connections are made anew.
        kept = catalog.by_paths(
            f"/photos/{batch}-{n}.jpg" for batch in range(200) for n in range(3)
        )
        assert set(written) <= set(kept), "what was reported as written is there"
        assert len(kept) in {len(written), len(written) + 3}, "and whole batches only"
        assert catalog.seq() == len(kept) // 3
        again = write(catalog, *map(record, sorted(kept)))
        assert sorted(again) == sorted(picture.id for picture in kept.values())


def test_server_that_is_stopped_is_given_up_and_nothing_is_half_written(
    server: RealPostgres, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "SILENCE", 1)
    monkeypatch.setattr(postgres, "CONNECT", 2)
    with opened(address, tmp_path) as catalog:
        write(catalog, record("/photos/a.jpg"))
        engine = postgres.connect_postgres(address)
        in_use = engine.connect()
        server.pause()
        try:
            with pytest.raises(LibraryError, match=r"no answer for 1 s\); see that it runs"):
                in_use.execute(sa.text("SELECT 1"))
            told = r"postgres@/postgres.*see that it runs"
            with pytest.raises(LibraryError, match=told):
                write(catalog, record("/photos/b.jpg"))
            with pytest.raises(LibraryError, match=told):
                open_database(tmp_path, create=False, address=address)
        finally:
            server.resume()
            in_use.close()
            engine.dispose()
        assert set(catalog.by_paths(["/photos/a.jpg", "/photos/b.jpg"])) == {"/photos/a.jpg"}
        write(catalog, record("/photos/b.jpg"))
        write(catalog, record("/photos/b.jpg"))
        assert len(catalog.present()) == 2


def test_slow_line_to_the_server_changes_nothing_but_time(
    server: RealPostgres, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "line"
    folder.mkdir()
    monkeypatch.chdir(folder)  # the path of a socket has few letters
    monkeypatch.setattr(postgres, "SILENCE", 1)
    monkeypatch.setattr(postgres, "CONNECT", 2)
    real = Path(server.socket)
    with slow_line(server.socket, real.name) as line:
        slow = address.replace(str(real.parent), str(folder))
        with opened(slow, tmp_path) as catalog:
            line.delay = 0.02
            for batch in range(5):
                write(catalog, record(f"/photos/{batch}.jpg"))
            assert len(catalog.present()) == catalog.seq() == 5
            line.delay = 3.0
            with pytest.raises(LibraryError, match="see that it runs"):
                write(catalog, record("/photos/late.jpg"))
            line.delay = 0.0
            assert len(catalog.present()) == 5
    with opened(address, tmp_path) as catalog:
        assert len(catalog.present()) == 5


@pytest.mark.parametrize(
    "wrong", ["mysql://host/db", "host/db", "postgresql", "sqlite:///file.sqlite"]
)
def test_an_address_of_something_else_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"write postgresql\+psycopg://USER@HOST/DATABASE"):
        open_database(tmp_path, create=False, address=wrong)


def test_messages_never_show_the_password(tmp_path: Path) -> None:
    wrong = "postgresql://me:secret@127.0.0.1:1/db"
    with pytest.raises(LibraryError, match=r"me:\*\*\*@127\.0\.0\.1:1/db") as caught:
        open_database(tmp_path, create=False, address=wrong)
    assert "secret" not in str(caught.value)
