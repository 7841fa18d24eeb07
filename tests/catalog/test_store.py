"""The catalog against naive models, in real databases, threads and processes."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from searchengine.catalog.database import open_database
from searchengine.catalog.records import PictureRecord, StoredEncoder
from searchengine.catalog.store import Catalog
from searchengine.errors import LibraryError
from searchengine.types import Exif, Failure, FileStat, Picture
from searchengine.vectors import unit_rows
from tests.support.at_once import run_at_once

DIM = 8
Index = dict[int, tuple[float, ...]]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(open_database(tmp_path / "library", create=True))
    yield opened
    opened.close()


def vector(number: int, dim: int = DIM) -> np.ndarray:
    row: np.ndarray = unit_rows(np.random.default_rng(number).standard_normal((1, dim)))[0]
    return row


def record(path: str, content: int | None = 0, **changes: Any) -> PictureRecord:
    """Describe a readable picture with the bytes number `content`, or an unreadable one (None)."""
    fields: dict[str, Any] = {
        "stat": FileStat(path, 10, 20, 30),
        "root": "/photos",
        "sha256": None if content is None else f"{content:064x}",
        "vector": None if content is None else vector(content),
        "error": "not a readable image" if content is None else None,
    }
    return PictureRecord(**(fields | changes))


def write(
    catalog: Catalog, *records: PictureRecord, fingerprint: str = "model", scan: int = 0
) -> list[int]:
    return catalog.write(
        records, fingerprint=fingerprint, model_name=fingerprint, dim=DIM, scan=scan
    )


def replay(
    catalog: Catalog,
    fingerprint: str = "model",
    after: int = 0,
    index: Index | None = None,
    batch: int = 4096,
) -> Index:
    """Apply the changes to an index that is a plain dict of tuples."""
    index = {} if index is None else index
    for change in catalog.changes(fingerprint, after, batch):
        for one in change.drop_ids.tolist():
            index.pop(one, None)
        for one, row in zip(change.put_ids.tolist(), change.put_vectors, strict=True):
            index[one] = tuple(row)
    return index


# Writing and reading back


def test_every_field_of_a_record_comes_back(catalog: Catalog) -> None:
    exif = Exif(
        dt.datetime(2024, 5, 1, 12, 30),
        -210,
        "Ricoh GR",
        "18.3 mm",
        18.3,
        1600,
        48.137154,
        -11.576124,
        4,
        "A dog.",
        ("dog", "\N{DOG FACE}"),
    )
    stat = FileStat("/photos/a.jpg", 2**40, -5, 1_700_000_000_123_456_789, 17)
    fields: dict[str, Any] = {"width": 4000, "height": 3000, "format": "heic", "damage": "no end"}
    written = record("/photos/a.jpg", stat=stat, exif=exif, **fields)
    [one] = write(catalog, written)
    expected = Picture(
        one,
        "/photos/a.jpg",
        "/photos",
        f"{0:064x}",
        2**40,
        -5,
        stat.ctime_ns,
        "ok",
        4000,
        3000,
        exif,
        format="heic",
        damage="no end",
        sidecar_ns=17,
    )
    assert catalog.get([one, 999]) == {one: expected}
    assert catalog.by_paths(["/photos/a.jpg", "/photos/b.jpg"]) == {"/photos/a.jpg": expected}
    assert catalog.by_sha256(f"{0:064x}") == [expected]


def test_ids_come_in_the_order_of_the_records_with_old_and_new_mixed(catalog: Catalog) -> None:
    [middle] = write(catalog, record("/photos/m.jpg"))
    paths = ["/photos/z.jpg", "/photos/m.jpg", "/photos/a.jpg", "/photos/y.jpg"]
    ids = write(catalog, *(record(path) for path in paths))
    assert ids[1] == middle
    assert [catalog.get([one])[one].path for one in ids] == paths


def test_more_values_than_a_statement_takes_parameters(catalog: Catalog) -> None:
    paths = [f"/photos/{number}.jpg" for number in range(2500)]
    ids = write(catalog, *(record(path, sha256=path, vector=None) for path in paths))
    assert [picture.path for picture in catalog.get(np.array(ids)).values()] == paths
    assert catalog.by_paths(iter(paths)).keys() == set(paths)
    assert catalog.without_vector(ids, "model") == set(ids)


@pytest.mark.parametrize(
    "name", [b"caf\xe9.jpg", b"\xff\xfe", "Füße 猫 🐈.jpg".encode(), b"a\nb'\"%_\\.jpg", b" "]
)
def test_a_name_in_any_bytes_comes_back_and_is_found(catalog: Catalog, name: bytes) -> None:
    path = os.fsdecode(b"/photos/" + name)
    ids = write(catalog, record(path))
    assert catalog.by_paths([path])[path].path == path
    assert catalog.ids_under(path).tolist() == ids
    assert catalog.forget(path) == 1


def test_a_failure_that_quotes_an_odd_name_is_stored(catalog: Catalog) -> None:
    path = os.fsdecode(b"/photos/\xff.jpg")
    write(catalog, record(path, None, error=f"{path}: truncated"))
    assert catalog.failures() == [Failure(path, "/photos/\\udcff.jpg: truncated")]


def test_failures_are_ordered_by_path_and_limited_to_a_folder(catalog: Catalog) -> None:
    names = ["/photos/b/2.jpg", "/photos/a/1.jpg", "/photos/b.jpg"]
    write(catalog, *(record(name, None, error=name) for name in names), record("/photos/b/ok.jpg"))
    assert [failure.path for failure in catalog.failures()] == sorted(names)
    assert catalog.failures("/photos/b") == [Failure("/photos/b/2.jpg", "/photos/b/2.jpg")]
    assert catalog.counts() == {"ok": 1, "missing": 0, "bad": 3}


def test_encoders_and_the_number_of_searchable_pictures_are_known_per_model(
    catalog: Catalog,
) -> None:
    write(catalog, record("/photos/a.jpg", 1), record("/photos/b.jpg", 2), fingerprint="old")
    write(catalog, record("/photos/a.jpg", 1), record("/photos/c.jpg", None), fingerprint="new")
    expected = [StoredEncoder("old", "old", DIM), StoredEncoder("new", "new", DIM)]
    assert [encoder for encoder, _ in catalog.embeddings.counts()] == expected
    found = [catalog.searchable(name) for name in ("old", "new", "other")]
    assert found == [2, 1, 0]
    assert catalog.without_vector([1, 2, 3], "new") == {2, 3}
    assert catalog.has_vector([9, 3, 1], "new")
    assert not catalog.has_vector([2, 3, 2**70], "new")
    assert not catalog.has_vector([], "new")


# Vectors


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([64, 512]))
def test_a_vector_survives_float16_and_being_copied_moves_it_by_one_float16_at_most(
    seed: int, dim: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(open_database(Path(folder), create=True))
        given_one = vector(seed, dim)
        options: dict[str, Any] = {"fingerprint": "model", "model_name": "m", "dim": dim, "scan": 1}
        first = catalog.write([record("/a.jpg", vector=given_one)], **options)
        stored = catalog.vectors(first, "model")[first[0]]
        second = catalog.write([record("/b.jpg", vector=stored)], **options)
        copied = catalog.vectors(second, "model")[second[0]]
        catalog.close()
    assert stored.dtype == np.float32
    # Half a unit in the last of 11 bits, and the same again for making the length one.
    np.testing.assert_allclose(stored, given_one, rtol=2**-10, atol=2**-24)
    assert np.linalg.norm(stored.astype(np.float64)) == pytest.approx(1, abs=1e-6)
    # Making the length one can push a number over the middle between two float16.
    np.testing.assert_allclose(copied, stored, rtol=2**-10, atol=2**-24)


def test_a_copied_vector_of_few_dimensions_moves_by_one_float16_at_most(catalog: Catalog) -> None:
    # In 8 dimensions the rounding errors of the entries do not cancel out in the length, so that
    # normalising can push a number over the middle between two float16. This vector is such a case.
    given_one = vector(229238266, DIM)
    first = write(catalog, record("/photos/a.jpg", vector=given_one))
    stored = catalog.vectors(first, "model")[first[0]]
    second = write(catalog, record("/photos/b.jpg", vector=stored))
    copied = catalog.vectors(second, "model")[second[0]]
    np.testing.assert_allclose(stored, given_one, rtol=2**-10, atol=2**-24)
    np.testing.assert_allclose(copied, stored, rtol=2**-10, atol=2**-24)
    assert (stored.astype(np.float16) != given_one.astype(np.float16)).any()


@pytest.mark.parametrize(
    "wrong", [np.zeros(DIM, np.float32), np.full(DIM, np.nan, np.float32), vector(1, DIM + 1)]
)
def test_a_vector_that_is_none_is_refused_and_nothing_is_written(
    catalog: Catalog, wrong: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"vector|shape"):
        write(catalog, record("/photos/a.jpg"), record("/photos/b.jpg", vector=wrong))
    assert catalog.seq() == 0
    assert catalog.counts()["ok"] == 0


def test_one_model_cannot_have_vectors_of_two_lengths(catalog: Catalog) -> None:
    write(catalog, record("/photos/a.jpg"))
    longer = record("/photos/b.jpg", vector=vector(1, DIM + 1))
    with pytest.raises(ValueError, match="model"):
        catalog.write([longer], fingerprint="model", model_name="m", dim=DIM + 1, scan=1)
    assert catalog.by_paths(["/photos/b.jpg"]) == {}


def test_new_bytes_remove_the_vectors_of_the_old_bytes_of_every_model(catalog: Catalog) -> None:
    [one] = write(catalog, record("/photos/a.jpg", 1), fingerprint="old")
    write(catalog, record("/photos/a.jpg", 1), fingerprint="new")
    assert catalog.vectors([one], "old")  # same bytes: both models know them
    write(catalog, record("/photos/a.jpg", 2), fingerprint="new")
    assert catalog.vectors([one], "old") == {}
    np.testing.assert_allclose(catalog.vectors([one], "new")[one], vector(2), rtol=2**-10)
    write(catalog, record("/photos/a.jpg", None), fingerprint="new")
    assert catalog.vectors([one], "new") == {}


def test_a_record_without_vector_keeps_that_of_the_same_bytes(catalog: Catalog) -> None:
    [one] = write(catalog, record("/photos/a.jpg", 1))
    write(catalog, record("/photos/a.jpg", 1, vector=None))
    assert catalog.vectors([one], "model").keys() == {one}


def test_the_vector_of_bytes_is_found_in_a_missing_picture_but_not_of_another_model(
    catalog: Catalog,
) -> None:
    write(catalog, record("/photos/a.jpg", 1))
    catalog.sweep("/photos", 2)
    assert catalog.counts()["missing"] == 1
    found = catalog.vector_of_content(f"{1:064x}", "model")
    assert found is not None
    np.testing.assert_array_equal(found.astype(np.float16), vector(1).astype(np.float16))
    assert catalog.vector_of_content(f"{1:064x}", "other") is None
    assert catalog.vector_of_content(f"{2:064x}", "model") is None


def test_threads_look_up_vectors_while_another_writes(catalog: Catalog) -> None:
    write(catalog, *(record(f"/photos/{n}.jpg", n) for n in range(20)))

    def look_up(n: int) -> bool:
        found = catalog.vector_of_content(f"{n % 20:064x}", "model")
        expected = vector(n % 20).astype(np.float16)
        return found is not None and bool((found.astype(np.float16) == expected).all())

    with ThreadPoolExecutor(24) as threads:
        answers = threads.map(look_up, range(600))
        for n in range(20, 40):
            write(catalog, record(f"/photos/{n}.jpg", n))
        assert all(answers)


# Places: moving, trading, being replaced


def test_a_moved_picture_keeps_its_id_and_vector(catalog: Catalog) -> None:
    [one] = write(catalog, record("/photos/a.jpg", 1))
    moved = record("/other/b.jpg", 1, root="/other", vector=None, id=one)
    assert write(catalog, moved) == [one]
    assert catalog.by_paths(["/photos/a.jpg", "/other/b.jpg"]).keys() == {"/other/b.jpg"}
    assert catalog.get([one])[one].root == "/other"
    assert catalog.vectors([one], "model").keys() == {one}


def test_pictures_may_trade_places_and_a_new_one_may_take_a_place_just_left(
    catalog: Catalog,
) -> None:
    a, b, c = write(catalog, *(record(f"/photos/{name}.jpg", n) for n, name in enumerate("abc")))
    ids = write(
        catalog,
        record("/photos/b.jpg", 0, id=a),
        record("/photos/a.jpg", 1, id=b),
        record("/photos/d.jpg", 2, id=c),
        record("/photos/c.jpg", 3),
    )
    assert ids[:3] == [a, b, c]
    places = {one: picture.path for one, picture in catalog.get(ids).items()}
    names = ["b", "a", "d", "c"]
    assert places == {i: f"/photos/{n}.jpg" for i, n in zip(ids, names, strict=True)}


def test_a_picture_moved_over_another_replaces_it(catalog: Catalog) -> None:
    a, b = write(catalog, record("/photos/a.jpg", 1), record("/photos/b.jpg", 2))
    seq = catalog.seq()
    assert write(catalog, record("/photos/b.jpg", 1, id=a)) == [a]
    assert catalog.get([a, b]).keys() == {a}
    assert replay(catalog, after=seq, index={a: (), b: ()}).keys() == {a}


def test_a_picture_forgotten_meanwhile_is_written_as_new_with_a_new_id(catalog: Catalog) -> None:
    [one] = write(catalog, record("/photos/a.jpg"))
    catalog.forget("/photos/a.jpg")
    [again] = write(catalog, record("/photos/a.jpg", id=one))
    assert again > one


def test_a_path_that_another_process_added_meanwhile_is_updated(catalog: Catalog) -> None:
    [one] = write(catalog, record("/photos/a.jpg", 1))
    assert write(catalog, record("/photos/a.jpg", 2, id=None)) == [one]


@pytest.mark.parametrize("ids", [(None, None), (1, 1)])
def test_a_batch_that_names_a_path_or_an_id_twice_is_refused(
    catalog: Catalog, ids: tuple[int | None, int | None]
) -> None:
    write(catalog, record("/photos/a.jpg"))
    paths = ("/photos/a.jpg", "/photos/a.jpg" if ids[0] is None else "/photos/b.jpg")
    with pytest.raises(ValueError, match="two records"):
        write(catalog, *(record(path, id=one) for path, one in zip(paths, ids, strict=True)))


# Folders


def test_a_folder_does_not_match_siblings_or_wildcards(catalog: Catalog) -> None:
    paths = [
        "/a/b",
        "/a/b/c.jpg",
        "/a/b/d/e.jpg",
        "/a/bc",
        "/a/b-2/c.jpg",
        "/a/b.jpg",
        "/a/b0",
        "/a/%/c.jpg",
        "/a/_/c.jpg",
        "/a/B/c.jpg",
        "/c.jpg",
    ]
    ids = dict(zip(paths, write(catalog, *map(record, paths)), strict=True))

    def under(folder: str) -> list[str]:
        found = catalog.ids_under(folder).tolist()
        return [path for path in paths if ids[path] in found]

    assert under("/a/b") == ["/a/b", "/a/b/c.jpg", "/a/b/d/e.jpg"] == under("/a/b/")
    assert under("/a/%") == ["/a/%/c.jpg"]
    assert under("/a/_") == ["/a/_/c.jpg"]
    assert under("/") == paths
    assert under("/a/b/c.jpg") == ["/a/b/c.jpg"]
    assert under("/x") == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ab/.-%_0", min_size=1, max_size=6), min_size=1, max_size=12, unique=True))
def test_under_means_the_path_or_its_beginning_with_a_slash(
    shared_catalog: Catalog, names: list[str]
) -> None:
    shared_catalog.forget("/")
    paths = sorted({os.path.abspath("/" + name) for name in names} - {"/"})
    ids = dict(zip(paths, write(shared_catalog, *map(record, paths)), strict=True))
    for folder in ["/", *paths, *map(os.path.dirname, paths)]:
        expected = [p for p in paths if p == folder or p.startswith(folder.rstrip("/") + "/")]
        found = shared_catalog.ids_under(folder).tolist()
        assert found == sorted(ids[path] for path in expected)


@pytest.fixture(scope="module")
def shared_catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    opened = Catalog(open_database(tmp_path_factory.mktemp("shared"), create=True))
    yield opened
    opened.close()


def test_only_present_pictures_are_under_a_folder(catalog: Catalog) -> None:
    write(catalog, record("/photos/gone.jpg"), record("/photos/bad.jpg", None))
    catalog.sweep("/photos/gone.jpg", 2)
    [present] = write(catalog, record("/photos/a.jpg"))
    assert catalog.ids_under("/photos").tolist() == [present]


# Scans


def test_scan_numbers_rise_and_the_last_device_of_a_root_is_known(catalog: Catalog) -> None:
    before = dt.datetime.now(dt.UTC)
    numbers = [
        catalog.begin_scan("/photos", 1),
        catalog.begin_scan("/other", None),
        catalog.begin_scan("/photos", 2),
    ]
    assert numbers == sorted(set(numbers))
    assert [(root.path, root.device) for root in catalog.roots()] == [
        ("/other", None),
        ("/photos", 2),
    ]
    assert all(before <= root.scanned_at <= dt.datetime.now(dt.UTC) for root in catalog.roots())
    assert catalog.seq() == 0


def test_sweep_spares_what_a_scan_that_began_earlier_has_written_meanwhile(
    catalog: Catalog,
) -> None:
    first = catalog.begin_scan("/photos", 1)
    second = catalog.begin_scan("/photos", 1)  # lists the folder, and then a file comes to it
    [late] = write(catalog, record("/photos/late"), scan=first)
    assert catalog.sweep("/photos", second) == 0
    assert catalog.get([late])[late].state == "ok"


def test_sweep_marks_what_the_scan_did_not_see(catalog: Catalog) -> None:
    names = ["seen", "refreshed", "written", "gone", "bad", "kept/a", "kept-not", "kept/b/c"]
    paths = [f"/photos/{name}" for name in names]
    bad = record("/photos/bad", None)
    ids = write(catalog, *(bad if path == bad.stat.path else record(path) for path in paths))
    [outside] = write(catalog, record("/photos-2/a"))
    scan = catalog.begin_scan("/photos", 1)
    catalog.mark_seen(ids[:1], scan)
    catalog.refresh({ids[1]: FileStat(paths[1], 11, 21, 31)}, scan)
    write(catalog, record(paths[2]), scan=scan)
    catalog.spare(["/photos/kept"], scan)
    assert catalog.sweep("/photos", scan) == 3
    pictures = catalog.get([*ids, outside])
    missing = {one.path for one in pictures.values() if one.state == "missing"}
    assert missing == {"/photos/gone", "/photos/bad", "/photos/kept-not"}
    assert catalog.failures() == []
    refreshed = pictures[ids[1]]
    assert (refreshed.size, refreshed.mtime_ns, refreshed.ctime_ns) == (11, 21, 31)
    catalog.spare(["/photos/kept"], scan)
    assert catalog.sweep("/photos", scan) == 0


def test_an_earlier_scan_that_runs_longer_does_not_undo_a_later_one(catalog: Catalog) -> None:
    ids = write(catalog, *(record(f"/photos/{name}", n) for n, name in enumerate("abc")))
    early, late = catalog.begin_scan("/photos", 1), catalog.begin_scan("/photos", 1)
    for scan in (late, early):
        catalog.mark_seen(ids[:1], scan)
        catalog.refresh({ids[1]: FileStat("/photos/b", 1, 2, 3)}, scan)
        write(catalog, record("/photos/c", 2), scan=scan)
    assert catalog.sweep("/photos", late) == 0


def test_only_what_an_index_must_learn_of_takes_a_seq(catalog: Catalog) -> None:
    seqs: list[int] = [catalog.seq()]

    def step() -> int:
        seqs.append(catalog.seq())
        return seqs[-1] - seqs[-2]

    [one] = write(catalog, record("/photos/a.jpg"))
    assert step() == 1
    scan = catalog.begin_scan("/photos", 1)
    catalog.mark_seen([one], scan)
    catalog.mark_seen([], scan)
    catalog.refresh({one: FileStat("/photos/a.jpg", 1, 2, 3)}, scan)
    catalog.refresh({}, scan)
    catalog.set_meta("colour", "red")
    assert catalog.sweep("/photos", scan) == 0
    assert catalog.forget("/elsewhere") == 0
    assert write(catalog) == []
    assert step() == 0
    assert catalog.sweep("/photos", scan + 1) == 1
    assert step() == 1
    assert catalog.forget("/photos") == 1
    assert step() == 1


def test_forget_takes_everything_below_with_it_and_never_reuses_an_id(catalog: Catalog) -> None:
    ids = write(catalog, record("/photos/a.jpg"), record("/photos-2/a.jpg"))
    for root in ("/photos", "/photos/sub", "/photos-2"):
        catalog.begin_scan(root, 1)
    assert catalog.forget("/photos/") == 1
    assert [root.path for root in catalog.roots()] == ["/photos-2"]
    assert catalog.vectors(ids, "model").keys() == {ids[1]}
    assert catalog.forget("/") == 1
    assert write(catalog, record("/photos/a.jpg"))[0] > max(ids)


# Atomicity and concurrency


@pytest.mark.parametrize(
    "statement", ["INSERT INTO images", "INSERT INTO embeddings", "UPDATE meta"]
)
def test_an_error_in_the_middle_of_a_write_leaves_nothing(tmp_path: Path, statement: str) -> None:
    engine = open_database(tmp_path, create=True)
    catalog = Catalog(engine)
    [one] = write(catalog, record("/photos/a.jpg", 1))
    before = catalog.get([one]), catalog.seq(), replay(catalog)

    def full(_connection: object, _cursor: object, sql: str, *_rest: object) -> None:
        if sql.startswith(statement):
            raise OSError("disk full")

    event.listen(engine, "after_cursor_execute", full)
    with pytest.raises(OSError, match="disk full"):
        write(catalog, record("/photos/a.jpg", 2), record("/photos/b.jpg", 3))
    event.remove(engine, "after_cursor_execute", full)
    assert (catalog.get([one]), catalog.seq(), replay(catalog)) == before
    assert catalog.by_paths(["/photos/b.jpg"]) == {}
    write(catalog, record("/photos/b.jpg", 3))  # the lock is free again
    catalog.close()


def test_a_database_that_goes_wrong_while_open_is_a_library_error(
    catalog: Catalog, tmp_path: Path
) -> None:
    with catalog._writer.begin() as connection:
        connection.execute(text("DROP TABLE embeddings"))
    with pytest.raises(LibraryError, match=r"catalog\.sqlite: .*no such table"):
        catalog.vectors([1], "model")


def test_processes_that_write_at_once_all_succeed_with_increasing_seq(
    catalog: Catalog, tmp_path: Path
) -> None:
    program = (
        "import sys, pathlib; from searchengine.catalog.store import Catalog\n"
        "from searchengine.catalog.records import PictureRecord\n"
        "from searchengine.catalog.database import open_database\n"
        "from searchengine.types import FileStat\n"
        "import numpy as np; me = sys.argv[2]\n"
        "catalog = Catalog(open_database(pathlib.Path(sys.argv[1]), create=False))\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for n in range(25):\n"
        "    row = PictureRecord(FileStat(f'/{me}/{n}', 1, 2, 3), '/', 'aa', vector=np.ones(8))\n"
        "    catalog.write([row], fingerprint='f', model_name='m', dim=8, scan=1)\n"
    )
    run_at_once(program, [[tmp_path / "library", name] for name in ("first", "second")])
    with catalog._reader.connect() as connection:
        rows = connection.execute(text("SELECT id, seq FROM images ORDER BY id")).all()
    # One row per write: ids and seqs are given under the same lock, so both rise together.
    assert [row.seq for row in rows] == list(range(1, 51))
    assert catalog.seq() == 50


# What an index learns


PATHS = [f"/photos/{folder}/{name}.jpg" for folder in "ab" for name in "123"]
path = st.sampled_from(PATHS)
folder = st.sampled_from(["/photos", "/photos/a", "/photos/b", *PATHS[:2]])
content = st.one_of(st.none(), st.integers(0, 3))
operation = st.one_of(
    st.tuples(
        st.just("write"),
        st.dictionaries(path, content, min_size=1, max_size=4),
        st.sampled_from(["model", "other"]),
    ),
    st.tuples(st.just("sweep"), folder, st.sets(path)),
    st.tuples(st.just("forget"), folder),
    st.tuples(st.just("restore"), path),
    st.tuples(st.just("move"), path, path),
)


class NaiveCatalog:
    """What the catalog should hold, as one dict of path -> (id, content, state, models)."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, int | None, str, set[str]]] = {}

    def wrote(self, path: str, one: int, content: int | None, model: str | None) -> None:
        old = next((row for row in self.rows.values() if row[0] == one), None)
        self.rows = {where: row for where, row in self.rows.items() if row[0] != one}
        models = set(old[3]) if old is not None and old[1] == content else set()
        models |= {model} if model is not None and content is not None else set()
        self.rows[path] = (one, content, "bad" if content is None else "ok", models)

    def index(self, model: str) -> set[tuple[int, int | None]]:
        """Return the (id, content) of everything that an index should have."""
        rows = self.rows.values()
        return {
            (one, what) for one, what, state, models in rows if state == "ok" and model in models
        }


def inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def perform(catalog: Catalog, naive: NaiveCatalog, step: tuple[Any, ...]) -> None:
    """Do one operation on the catalog and on its naive twin."""
    match step:
        case "write", contents, model:
            records = [record(path, what) for path, what in contents.items()]
            ids = write(catalog, *records, fingerprint=model)
            for one, (path, what) in zip(ids, contents.items(), strict=True):
                naive.wrote(path, one, what, model)
        case "sweep", folder, seen:
            scan = catalog.begin_scan("/photos", 1)
            catalog.mark_seen([naive.rows[path][0] for path in seen & naive.rows.keys()], scan)
            swept = catalog.sweep(folder, scan)
            gone = [
                path
                for path, row in naive.rows.items()
                if inside(path, folder) and path not in seen and row[2] != "missing"
            ]
            assert swept == len(gone)
            for path in gone:
                one, what, _, models = naive.rows[path]
                naive.rows[path] = (one, what, "missing", models)
        case "forget", folder:
            gone = [path for path in naive.rows if inside(path, folder)]
            assert catalog.forget(folder) == len(gone)
            for path in gone:
                del naive.rows[path]
        case ("restore", path) if path in naive.rows and naive.rows[path][1] is not None:
            one, what, _, _ = naive.rows[path]
            write(catalog, record(path, what, vector=None, id=one))
            naive.wrote(path, one, what, None)
        case ("move", path, target) if path in naive.rows and naive.rows[path][1] is not None:
            one, what, _, _ = naive.rows[path]
            assert write(catalog, record(target, what, vector=None, id=one)) == [one]
            naive.wrote(target, one, what, None)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(operation, min_size=1, max_size=12), batch=st.integers(1, 5))
def test_deltas_from_any_seq_give_the_same_as_a_rebuild(
    shared_catalog: Catalog, steps: list[tuple[Any, ...]], batch: int
) -> None:
    catalog, naive = shared_catalog, NaiveCatalog()
    catalog.forget("/")
    stored = {tuple(_stored(vector(n))): n for n in range(4)}
    nothing: dict[str, Index] = {name: {} for name in ("model", "other")}
    snapshots = [(catalog.seq(), nothing)]
    for step in steps:
        perform(catalog, naive, step)
        seq = catalog.seq()
        snapshots.append((seq, {name: replay(catalog, name) for name in ("model", "other")}))
    for name in ("model", "other"):
        rebuilt = replay(catalog, name, batch=batch)
        assert {(one, stored[row]) for one, row in rebuilt.items()} == naive.index(name)
        assert catalog.searchable(name) == len(rebuilt)
        for seq, indexes in snapshots:
            assert replay(catalog, name, seq, dict(indexes[name]), batch) == rebuilt


def _stored(row: np.ndarray) -> np.ndarray:
    kept: np.ndarray = unit_rows(row.astype(np.float16)[None])[0]
    return kept


def test_changes_come_in_bounded_batches_with_each_id_once(catalog: Catalog) -> None:
    ids = write(catalog, *(record(f"/photos/{n}.jpg", n) for n in range(25)))
    catalog.sweep("/photos/3.jpg", 2)
    catalog.forget("/photos/4.jpg")
    changes = list(catalog.changes("model", 0, batch=10))
    sizes = [len(change.put_ids) + len(change.drop_ids) for change in changes]
    assert max(sizes) == 10
    assert all(len(change.put_vectors) == len(change.put_ids) for change in changes)
    everything = np.concatenate([part for c in changes for part in (c.put_ids, c.drop_ids)])
    assert sorted(everything.tolist()) == ids
    assert everything.dtype == np.int64


def test_changes_are_one_snapshot_though_the_catalog_is_written_meanwhile(catalog: Catalog) -> None:
    ids = write(catalog, *(record(f"/photos/{n}.jpg", n) for n in range(6)))
    seq = catalog.seq()
    index: Index = {}
    for number, change in enumerate(catalog.changes("model", 0, batch=2)):
        if number == 0:
            catalog.forget("/photos/5.jpg")
            catalog.sweep("/photos/4.jpg", 2)
        index.update(dict.fromkeys(change.put_ids.tolist(), ()))
    assert index.keys() == set(ids)
    assert replay(catalog, after=seq, index=index).keys() == set(ids[:4])
