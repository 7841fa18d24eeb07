"""One contract for every index, checked against a naive sort in double precision."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from searchengine.indexes import faiss, row_files
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.files import Generation, Generations
from searchengine.types import Ids, Stamp, VectorIndex, Vectors
from searchengine.vectors import unit_rows
from tests.support.at_once import REPOSITORY

Backend = Callable[[Path | None], VectorIndex]


class ChangesBeside(FaissIndex):
    """Keep changes beside the file of rows however few those are, and merge them now and then."""

    fewest, share = 0, 1.5


BACKENDS: dict[str, Backend] = {
    "exact": ExactIndex,
    "faiss": FaissIndex,
    "changes beside": ChangesBeside,
}
KINDS = (ExactIndex, FaissIndex)
DIM = 8
STAMP = Stamp("f" * 64, 7)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]


def rows_of(seeds: list[int]) -> Vectors:
    """Equal seeds give equal rows, as float16 numbers: what the catalog keeps."""
    rows = [np.random.default_rng(seed).standard_normal(DIM) for seed in seeds]
    return unit_rows(np.array(rows).reshape(len(seeds), DIM)).astype(np.float16).astype(np.float32)


def array(ids: list[int]) -> Ids:
    return np.array(ids, dtype=np.int64)


def filled(backend: Backend, model: dict[int, int], path: Path | None = None) -> VectorIndex:
    index = backend(path)
    index.clear(DIM)
    index.put(array(list(model)), rows_of(list(model.values())))
    return index


def check_answer(
    index: VectorIndex, model: dict[int, int], seed: int, k: int, within: list[int] | None = None
) -> None:
    """Compare with every allowed row scored and sorted in Python."""
    query = rows_of([seed])
    ids, scores = index.search(query, k, None if within is None else array(within))
    assert ids.shape == scores.shape == (1, k)
    assert ids.dtype == np.int64
    assert scores.dtype == np.float32
    allowed = [one for one in model if within is None or one in within]
    naive = {one: cosine(rows_of([model[one]])[0], query[0]) for one in allowed}
    expected = sorted(allowed, key=lambda one: (-np.float32(naive[one]), one))[:k]
    padding = k - len(expected)
    assert ids[0].tolist() == expected + [-1] * padding
    assert scores[0] == pytest.approx(
        [naive[one] for one in expected] + [-np.inf] * padding, abs=1e-6
    )


def cosine(left: Vectors, right: Vectors) -> float:
    products = sum(float(a) * float(b) for a, b in zip(left, right, strict=True))
    lengths = [sum(float(a) ** 2 for a in row) ** 0.5 for row in (left, right)]
    return float(products / (lengths[0] * lengths[1]))


# Twelve seeds for forty ids: ties are the rule.
ids_of_pictures = st.integers(1, 40)
seeds = st.integers(0, 11)


class History(RuleBasedStateMachine):
    """Any sequence of calls leaves the index equal to a dict."""

    backend: Backend
    path: Path

    @initialize()
    def start(self) -> None:
        self.stem = self.path / os.urandom(8).hex()
        self.index = self.backend(self.stem)
        self.index.clear(DIM)
        self.model: dict[int, int] = {}
        self.flushed: tuple[Stamp, dict[int, int]] | None = None

    @rule(pairs=st.lists(st.tuples(ids_of_pictures, seeds), max_size=12))
    def put(self, pairs: list[tuple[int, int]]) -> None:
        ids, given_seeds = [one for one, _ in pairs], [seed for _, seed in pairs]
        self.index.put(array(ids), rows_of(given_seeds))
        self.model.update(pairs)

    @rule(ids=st.lists(ids_of_pictures, max_size=12))
    def drop(self, ids: list[int]) -> None:
        self.index.drop(array(ids))
        for one in ids:
            self.model.pop(one, None)

    @rule()
    def clear(self) -> None:
        self.index.clear(DIM)
        self.model = {}
        assert self.index.stamp() is None

    @rule(seq=st.integers(0, 100))
    def flush(self, seq: int) -> None:
        self.index.flush(Stamp("f", seq))
        self.flushed = Stamp("f", seq), dict(self.model)
        assert self.index.stamp() == Stamp("f", seq)

    @precondition(lambda self: self.flushed)
    @rule()
    def reopen(self) -> None:
        self.index = self.backend(self.stem)
        assert self.flushed is not None
        stamp, self.model = self.flushed[0], dict(self.flushed[1])
        assert self.index.stamp() == stamp

    @rule(seed=seeds, k=st.integers(1, 50))
    def search(self, seed: int, k: int) -> None:
        check_answer(self.index, self.model, seed, k)

    @rule(seed=seeds, k=st.integers(1, 8), within=st.lists(ids_of_pictures, max_size=20))
    def search_within(self, seed: int, k: int, within: list[int]) -> None:
        check_answer(self.index, self.model, seed, k, within)

    @invariant()
    def holds_each_id_once(self) -> None:
        assert len(self.index) == len(self.model)


def test_any_history_equals_a_naive_sort(backend: Backend, tmp_path: Path) -> None:
    class OfBackend(History):
        pass

    OfBackend.backend, OfBackend.path = staticmethod(backend), tmp_path
    run_state_machine_as_test(
        OfBackend,
        settings=settings(
            max_examples=20,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_all_rows_equal_are_cut_by_id(backend: Backend) -> None:
    """More ties than any first guess of a backend takes in."""
    ids = np.random.default_rng(0).permutation(3000) + 1
    index = filled(backend, dict.fromkeys(ids.tolist(), 5))
    found, scores = index.search(rows_of([5, 6]), 20)
    assert found.tolist() == [list(range(1, 21))] * 2
    assert len(np.unique(scores)) == 2


def test_near_ties_keep_their_true_order(backend: Backend) -> None:
    """Rows closer together than float32 sums in any order can tell."""
    rng = np.random.default_rng(3)
    centre = rng.standard_normal(512)
    rows = unit_rows(centre + 1e-3 * rng.standard_normal((500, 512))).astype(np.float16)
    index = backend(None)
    index.put(np.arange(1, 501), unit_rows(rows))
    query = unit_rows(centre[None])
    naive = rows.astype(np.float64) @ query[0] / np.linalg.norm(rows.astype(np.float64), axis=1)
    found, scores = index.search(query, 10)
    assert scores[0] == pytest.approx(np.sort(naive)[::-1][:10], abs=2e-7)
    assert naive[found[0] - 1] == pytest.approx(np.sort(naive)[::-1][:10], abs=2e-7)


def test_backends_agree_on_a_larger_library() -> None:
    rng = np.random.default_rng(1)
    rows = unit_rows(unit_rows(rng.standard_normal((5000, 64))).astype(np.float16))
    queries = unit_rows(rng.standard_normal((70, 64)))
    within = rng.choice(5000, 600, replace=False) + 1
    indexes = [make(None) for make in KINDS]
    for index in indexes:
        index.put(np.arange(1, 5001), rows)
    for allowed in (None, within):
        (ids, scores), (other_ids, other_scores) = (
            index.search(queries, 20, allowed) for index in indexes
        )
        assert (ids == other_ids).all()
        assert np.abs(scores - other_scores).max() < 1e-6
        naive = queries @ rows.T
        if allowed is not None:
            naive[:, np.setdiff1d(np.arange(5000), allowed - 1)] = -2
        assert (ids == np.argsort(-naive, axis=1, kind="stable")[:, :20] + 1).all()


def test_threads_that_search_first_at_the_same_time_get_the_same_answer(backend: Backend) -> None:
    switches = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for round_ in range(30):
            index = filled(backend, {id_: id_ % 12 for id_ in range(1, 200)})
            start = threading.Barrier(8)

            def ask(index: VectorIndex = index, start: threading.Barrier = start) -> list[int]:
                start.wait()
                found: list[int] = index.search(rows_of([3]), 9)[0][0].tolist()
                return found

            with ThreadPoolExecutor(8) as pool:
                answers = [one.result() for one in [pool.submit(ask) for _ in range(8)]]
            assert answers == [list(range(3, 3 + 9 * 12, 12))] * 8, round_
    finally:
        sys.setswitchinterval(switches)


def test_cosine_of_a_row_with_itself_is_one(backend: Backend) -> None:
    index = filled(backend, {3: 1})
    assert index.search(rows_of([1]), 1)[1].tolist() == [[1.0]]


def test_last_of_an_id_put_twice_wins(backend: Backend) -> None:
    index = backend(None)
    index.clear(DIM)
    index.put(array([4, 9, 4]), rows_of([0, 1, 2]))
    assert len(index) == 2
    check_answer(index, {4: 2, 9: 1}, seed=2, k=3)


def test_caller_keeps_its_arrays(backend: Backend) -> None:
    rows = rows_of([1, 2])
    index = backend(None)
    index.put(array([1, 2]), rows)
    rows[:] = 0
    check_answer(index, {1: 1, 2: 2}, seed=1, k=2)


def test_empty_index_answers_padding(backend: Backend) -> None:
    for index in (backend(None), filled(backend, {})):
        ids, scores = index.search(rows_of([1, 2]), 3)
        assert ids.tolist() == [[-1] * 3] * 2
        assert np.isneginf(scores).all()
        index.drop(array([1]))
        assert len(index) == 0


def test_no_query_gives_no_row(backend: Backend) -> None:
    ids, scores = filled(backend, {1: 1}).search(rows_of([]), 3)
    assert ids.shape == scores.shape == (0, 3)


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [
        ([1], np.full((1, DIM), np.nan, np.float32)),
        ([1], np.full((1, DIM), np.inf, np.float32)),
        ([1], np.zeros((1, DIM), np.float32)),
        ([1], np.ones((1, DIM + 1), np.float32)),
        ([1], np.ones((1, DIM), np.float64)),
        ([1], np.ones((1, DIM), np.float16)),
        ([1], np.ones(DIM, np.float32)),
        ([1, 2], np.ones((1, DIM), np.float32)),
        ([0], np.ones((1, DIM), np.float32)),
        ([-1], np.ones((1, DIM), np.float32)),
        ([1.0], np.ones((1, DIM), np.float32)),
    ],
    ids=[
        "nan", "inf", "zero", "wide", "float64", "float16", "flat", "count", "id 0", "id -1",
        "float id",
    ],
)  # fmt: skip
def test_bad_rows_are_refused_and_change_nothing(
    backend: Backend, ids: list[int], vectors: Vectors
) -> None:
    index = filled(backend, {1: 3, 2: 4})
    with pytest.raises(ValueError, match=r"ids|vectors? "):
        index.put(np.array(ids), vectors)
    check_answer(index, {1: 3, 2: 4}, seed=3, k=3)


@pytest.mark.parametrize(
    "queries",
    [
        np.full((1, DIM), np.nan, np.float32),
        np.ones((1, DIM - 1), np.float32),
        np.ones((1, DIM), np.float64),
        np.ones(DIM, np.float32),
    ],
    ids=["nan", "narrow", "float64", "flat"],
)
def test_bad_queries_are_refused(backend: Backend, queries: Vectors) -> None:
    with pytest.raises(ValueError, match="vector"):
        filled(backend, {1: 3}).search(queries, 3)


def test_k_below_one_is_refused(backend: Backend) -> None:
    with pytest.raises(ValueError, match="k is 0"):
        filled(backend, {1: 3}).search(rows_of([1]), 0)


def test_a_cleared_index_takes_another_width(backend: Backend) -> None:
    index = filled(backend, {1: 3})
    index.clear(3)
    index.put(array([1]), np.eye(3, dtype=np.float32)[:1])
    assert index.search(np.eye(3, dtype=np.float32)[:1], 1)[0].tolist() == [[1]]


# Files


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    return tmp_path / "index" / "0123-abcd"


def files_of(stem: Path) -> list[Path]:
    """The stamp first."""
    return sorted(stem.parent.iterdir(), key=lambda path: path.suffix != ".json")


def test_index_survives_reopening(backend: Backend, stem: Path) -> None:
    model = {5: 1, 3: 2, 9: 1}
    filled(backend, model, stem).flush(STAMP)
    index = backend(stem)
    assert index.stamp() == STAMP
    check_answer(index, model, seed=1, k=4)


def test_an_empty_index_survives_reopening(backend: Backend, stem: Path) -> None:
    filled(backend, {}, stem).flush(STAMP)
    index = backend(stem)
    assert index.stamp() == STAMP
    index.put(array([1]), rows_of([1]))
    check_answer(index, {1: 1}, seed=1, k=2)


def test_changing_an_opened_index_leaves_its_file_alone(backend: Backend, stem: Path) -> None:
    filled(backend, {1: 1, 2: 2}, stem).flush(STAMP)
    index = backend(stem)
    index.put(array([2, 3]), rows_of([4, 5]))
    index.drop(array([1]))
    check_answer(index, {2: 4, 3: 5}, seed=4, k=3)
    check_answer(backend(stem), {1: 1, 2: 2}, seed=1, k=3)


def test_a_flush_leaves_one_generation(backend: Backend, stem: Path) -> None:
    index = filled(backend, {1: 1}, stem)
    for seq in range(3):
        index.put(array([seq + 1]), rows_of([seq]))
        index.flush(Stamp("f", seq))
        stamp, *others = files_of(stem)
        fields = json.loads(stamp.read_text())
        named = [one["file"] for one in (fields["rows"], fields["changes"]) if one]
        assert sorted(named) == sorted(path.name for path in others)


def test_a_flush_without_changes_writes_only_the_stamp(backend: Backend, stem: Path) -> None:
    filled(backend, {1: 1}, stem).flush(STAMP)
    rows = files_of(stem)[1]
    index = backend(stem)
    index.drop(array([77]))
    index.flush(Stamp(STAMP.fingerprint, 9))
    assert files_of(stem)[1] == rows
    assert backend(stem).stamp() == Stamp(STAMP.fingerprint, 9)


def test_a_flush_never_stamps_the_rows_of_another_process(backend: Backend, stem: Path) -> None:
    filled(backend, {1: 1, 2: 2}, stem).flush(Stamp("f", 5))
    index = backend(stem)
    filled(backend, {1: 1}, stem).flush(Stamp("f", 3))
    index.flush(Stamp("f", 6))
    reopened = backend(stem)
    assert reopened.stamp() == Stamp("f", 6)
    check_answer(reopened, {1: 1, 2: 2}, seed=2, k=3)


def test_an_index_in_use_survives_another_flush(backend: Backend, stem: Path) -> None:
    filled(backend, {1: 1}, stem).flush(STAMP)
    reader = backend(stem)
    filled(backend, {2: 2}, stem).flush(STAMP)
    check_answer(reader, {1: 1}, seed=1, k=2)


def test_two_backends_share_a_stem(stem: Path) -> None:
    for number, make in enumerate(KINDS):
        filled(make, {1: 1}, stem).flush(Stamp("f", number))
    for number, make in enumerate(KINDS):
        assert make(stem).stamp() == Stamp("f", number)


def test_a_fresh_index_has_no_stamp(backend: Backend, stem: Path) -> None:
    assert backend(stem).stamp() is None
    assert backend(None).stamp() is None
    assert not stem.parent.exists()


def test_memory_index_keeps_its_stamp(backend: Backend) -> None:
    index = filled(backend, {1: 1})
    index.flush(STAMP)
    assert index.stamp() == STAMP


@pytest.mark.parametrize("name", ["bücher", os.fsdecode(b"odd\xff")])
def test_odd_folder_names(backend: Backend, tmp_path: Path, name: str) -> None:
    try:
        (tmp_path / name).mkdir()
    except OSError:
        pytest.skip("this file system takes no such name")
    filled(backend, {1: 1}, tmp_path / name / "stem").flush(STAMP)
    index = backend(tmp_path / name / "stem")
    assert index.stamp() == STAMP
    check_answer(index, {1: 1}, seed=1, k=1)


def test_name_that_faiss_cannot_take_needs_no_folder_of_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss, "DESCRIPTORS", str(tmp_path / "nowhere"))  # such as on Windows
    stem = tmp_path / os.fsdecode(b"odd\xff") / "pictures"
    model = dict(enumerate(range(20), start=1))
    index = filled(FaissIndex, model, stem)
    index.flush(STAMP)
    again = FaissIndex(stem)
    assert again.stamp() == STAMP
    check_answer(again, model, 3, 5)
    again.put(array([21]), rows_of([7]))
    check_answer(again, model | {21: 7}, 7, 5)


def test_failed_flush_keeps_what_was_there(
    backend: Backend, stem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, at the moment when the system is asked to make the rows durable."""
    filled(backend, {1: 1}, stem).flush(STAMP)
    before = files_of(stem)
    index = backend(stem)
    index.put(array([2]), rows_of([2]))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        index.flush(Stamp("f", 8))
    assert files_of(stem) == before
    assert backend(stem).stamp() == STAMP
    assert index.stamp() == Stamp("f", 8)


def test_a_flush_removes_what_crashes_left_but_not_what_others_write(
    backend: Backend, stem: Path
) -> None:
    index = filled(backend, {1: 1}, stem)
    index.flush(STAMP)
    rows = files_of(stem)[1]
    remains = rows.with_suffix(".remains")

    def save(file: BinaryIO) -> None:
        """What another process does at the very moment when this one flushes and one opens."""
        remains.write_bytes(b"")
        index.clear(DIM)
        index.put(array([2]), rows_of([2]))
        index.flush(Stamp("f", 8))
        assert not remains.exists()
        assert not rows.exists()
        assert backend(stem).stamp() == Stamp("f", 8)
        assert Path(file.name).exists()

    Generations(stem, index.kind).write(Stamp("f", 9), DIM, 0, save)  # type: ignore[attr-defined]
    assert [path.name for path in files_of(stem)[1:]] == [
        json.loads(files_of(stem)[0].read_text())["rows"]["file"]
    ]


def test_what_a_crash_left_goes_when_the_index_is_opened_next(backend: Backend, stem: Path) -> None:
    filled(backend, {1: 1}, stem).flush(STAMP)
    sound = files_of(stem)
    sound[1].with_suffix(".remains").write_bytes(b"half")
    sound[0].with_name(f"{sound[0].name}.remains").write_bytes(b"{")
    assert backend(stem).stamp() == STAMP
    assert files_of(stem) == sound


def test_a_generation_replaced_while_it_is_opened_is_read_anew(stem: Path) -> None:
    filled(ExactIndex, {1: 1}, stem).flush(STAMP)
    opened: list[str] = []

    def read(generation: Generation, path: str, changes: str | None) -> int:
        if not opened:
            filled(ExactIndex, {1: 1, 2: 2}, stem).flush(Stamp("f", 8))
        opened.append(path)
        return os.stat(path).st_size

    loaded = Generations(stem, "exact").load(read)
    assert loaded is not None
    assert loaded[0].stamp == Stamp("f", 8)
    assert len(opened) == 2


def damages(stem: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    stamp, rows = files_of(stem)
    good_rows, good_stamp = rows.read_bytes(), stamp.read_bytes()
    fields = json.loads(good_stamp)
    yield "no stamp", stamp.unlink
    yield "no rows", rows.unlink
    yield "empty stamp", lambda: stamp.write_bytes(b"")
    yield "half a stamp", lambda: stamp.write_bytes(good_stamp[: len(good_stamp) // 2])
    yield "another stamp", lambda: stamp.write_text("[1, 2]")
    yield "binary stamp", lambda: stamp.write_bytes(b"\xff\x00\xff")
    yield "bad number", lambda: stamp.write_text(json.dumps(fields | {"seq": "x"}))
    yield "no number", lambda: stamp.write_text(json.dumps(fields | {"count": None}))
    yield "other dim", lambda: stamp.write_text(json.dumps(fields | {"dim": 9}))
    for name, value in {"count": 1, "file": ""}.items():
        other = fields | {"rows": fields["rows"] | {name: value}}
        yield f"other {name}", partial(stamp.write_text, json.dumps(other))
    other = fields | {"changes": fields["rows"]}
    yield "rows as changes", partial(stamp.write_text, json.dumps(other))
    yield "empty rows", lambda: rows.write_bytes(b"")
    yield "short rows", lambda: rows.write_bytes(good_rows[:-1])
    yield "long rows", lambda: rows.write_bytes(good_rows + b"\0")
    yield "zeros", lambda: rows.write_bytes(bytes(len(good_rows)))
    yield "garbage", lambda: rows.write_bytes(os.urandom(len(good_rows)))


@pytest.mark.filterwarnings("default")
def test_torn_files_read_as_no_stamp(backend: Backend, stem: Path) -> None:
    index = filled(backend, {1: 1, 2: 2}, stem)
    index.flush(STAMP)
    for number, (name, _) in enumerate(list(damages(stem))):
        damage = list(damages(stem))[number][1]
        damage()
        torn = backend(stem)
        assert torn.stamp() is None, name
        assert len(torn) == 0, name
        for path in stem.parent.iterdir():
            path.unlink()
        index.clear(DIM)
        index.put(array([1, 2]), rows_of([1, 2]))
        index.flush(STAMP)
        check_answer(backend(stem), {1: 1, 2: 2}, seed=1, k=2)


def changes_of(stem: Path) -> Path:
    fields = json.loads(files_of(stem)[0].read_text())
    return stem.parent / str(fields["changes"]["file"])


@pytest.mark.parametrize("damage", ["cut", "zeros", "garbage", "gone"])
def test_torn_changes_read_as_no_stamp(stem: Path, damage: str) -> None:
    filled(ChangesBeside, {1: 1, 2: 2}, stem).flush(STAMP)
    index = ChangesBeside(stem)
    index.put(array([3]), rows_of([3]))
    index.flush(Stamp("f", 8))
    changes = changes_of(stem)
    content = changes.read_bytes()
    if damage == "gone":
        changes.unlink()
    else:
        damaged = {"cut": content[:-1], "zeros": bytes(len(content))}
        changes.write_bytes(damaged.get(damage, os.urandom(len(content))))
    torn = ChangesBeside(stem)
    assert torn.stamp() is None
    assert len(torn) == 0


def test_a_change_is_written_beside_the_rows_until_there_are_many(stem: Path) -> None:
    model = dict(enumerate([0, 1, 2, 3], start=1))
    filled(ChangesBeside, model, stem).flush(STAMP)
    rows = files_of(stem)[1]
    index = ChangesBeside(stem)
    for seq, id_ in enumerate([5, 1], start=8):
        index.put(array([id_]), rows_of([id_]))
        index.flush(Stamp("f", seq))
        model[id_] = id_
        assert rows.exists()
        assert set(files_of(stem)[1:]) == {rows, changes_of(stem)}
        check_answer(ChangesBeside(stem), model, seed=id_, k=6)
    index.put(array([6, 7, 8, 9]), rows_of([6, 7, 8, 9]))
    index.flush(Stamp("f", 10))
    assert not rows.exists()
    assert len(files_of(stem)) == 2
    check_answer(ChangesBeside(stem), model | {id_: id_ for id_ in range(6, 10)}, seed=7, k=9)


def test_changes_never_refer_to_rows_that_another_process_replaced(stem: Path) -> None:
    filled(ChangesBeside, {1: 1, 2: 2}, stem).flush(Stamp("f", 5))
    index = ChangesBeside(stem)
    filled(ChangesBeside, {1: 1}, stem).flush(Stamp("f", 3))
    index.put(array([3]), rows_of([3]))
    index.flush(Stamp("f", 6))
    reopened = ChangesBeside(stem)
    assert reopened.stamp() == Stamp("f", 6)
    check_answer(reopened, {1: 1, 2: 2, 3: 3}, seed=2, k=4)


def test_a_flush_never_takes_the_rows_that_another_process_flushed_right_after_it(
    stem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = filled(ChangesBeside, {1: 1, 2: 2}, stem)
    load = Generations.load

    def late(self: Generations, read: Callable[..., Any]) -> Any:
        monkeypatch.undo()
        filled(ChangesBeside, {1: 1}, stem).flush(Stamp("f", 3))  # of an older catalog
        return load(self, read)

    monkeypatch.setattr(Generations, "load", late)
    index.flush(Stamp("f", 6))
    assert index.stamp() == Stamp("f", 6)
    check_answer(index, {1: 1, 2: 2}, seed=2, k=3)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_changed_byte_is_trusted(backend: Backend, tmp_path: Path, data: st.DataObject) -> None:
    """FAISS dies of some damaged headers, so they must never reach it."""
    stem = tmp_path / "index" / os.urandom(4).hex()
    filled(backend, {1: 1, 2: 2}, stem).flush(STAMP)
    (rows,) = [p for p in stem.parent.glob(f"{stem.name}.*") if p.suffix != ".json"]
    content = bytearray(rows.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    rows.write_bytes(content)
    assert backend(stem).stamp() is None


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("kind", ["flip", "zeros"])
def test_damage_between_the_ends_of_a_file_is_noticed(
    backend: Backend, stem: Path, place: float, kind: str
) -> None:
    """Where the vectors of a larger library are, far from headers and ids."""
    count = 20_000
    ids = np.arange(1, count + 1)
    index = backend(stem)
    index.put(ids, unit_rows(np.random.default_rng(1).standard_normal((count, DIM))))
    index.flush(STAMP)
    assert backend(stem).stamp() == STAMP
    rows = files_of(stem)[1]
    content = bytearray(rows.read_bytes())
    start = int(place * 2 * DIM * count)
    if kind == "flip":
        content[start] ^= 0x40
    else:
        content[start : start + 4096] = bytes(4096)
    rows.write_bytes(content)
    assert backend(stem).stamp() is None


@pytest.mark.parametrize("touch", ["nothing", "date", "content", "content and date", "copy"])
def test_a_large_file_is_read_again_once_it_was_touched(
    backend: Backend, stem: Path, monkeypatch: pytest.MonkeyPatch, touch: str
) -> None:
    monkeypatch.setattr(row_files, "LARGE", 0)
    filled(backend, {1: 1, 2: 2}, stem).flush(STAMP)
    stamp, rows = files_of(stem)
    if touch == "nothing":  # whoever read it would find that this is not its checksum
        told = json.loads(stamp.read_text())
        told["rows"]["checksum"] = "0" * 64
        stamp.write_text(json.dumps(told))
        assert backend(stem).stamp() == STAMP
        return
    before, content = rows.stat(), bytearray(rows.read_bytes())
    time.sleep(0.02)  # the clock that dates files ticks every few milliseconds
    content[len(content) // 2] ^= 0x40
    if touch == "copy":
        rows.with_suffix(".copy").write_bytes(content)
        os.replace(rows.with_suffix(".copy"), rows)
    elif touch != "date":
        rows.write_bytes(content)
    if touch != "content":
        os.utime(rows, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert backend(stem).stamp() == (STAMP if touch == "date" else None)


def test_a_large_file_of_a_copy_is_read_until_the_copy_is_written_to(
    backend: Backend, stem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_files, "LARGE", 0)
    filled(backend, {1: 1, 2: 2}, stem).flush(STAMP)
    stamp, rows = files_of(stem)
    shutil.copy(rows, rows.with_suffix(".copy"))
    os.replace(rows.with_suffix(".copy"), rows)
    read = backend(stem)
    assert json.loads(stamp.read_text())["rows"]["seen"][2] != rows.stat().st_ino
    read.flush(STAMP)
    assert json.loads(stamp.read_text())["rows"]["seen"][2] == rows.stat().st_ino
    assert backend(stem).stamp() == STAMP


CRASH = """
import sys
from pathlib import Path
import numpy as np
from {module} import {name}
from searchengine.types import Stamp
from tests.support.crashes import crash_at_each_step

def flush(step, begin):
    index = {name}(Path(sys.argv[1], str(step), "the-index", "stem"))
    index.put(np.array([2, 3]), np.eye(8, dtype=np.float32)[2:4])
    begin()
    index.flush(Stamp("f", 2))

print(crash_at_each_step(flush))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_crash_leaves_the_old_generation_or_the_new(backend: Backend, tmp_path: Path) -> None:
    eye = np.eye(DIM, dtype=np.float32)
    for step in range(1, 31):
        index = backend(tmp_path / str(step) / "the-index" / "stem")
        index.put(array([1, 2]), eye[:2])
        index.flush(Stamp("f", 1))
    name = backend.__name__
    module = backend.__module__
    script = CRASH.format(module=module, name=name)
    run = [sys.executable, "-c", script, str(tmp_path)]
    ran = subprocess.run(run, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    steps = int(ran.stdout)
    assert 5 < steps < 30
    outcomes = []
    for step in range(1, steps + 1):
        index = backend(tmp_path / str(step) / "the-index" / "stem")
        stamp = index.stamp()
        assert stamp is not None
        outcomes.append(stamp.seq)
        ids, scores = index.search(eye[:4], 1)
        nearest = ids[:, 0][scores[:, 0] == 1].tolist()
        assert (len(index), nearest) == ((2, [1, 2]) if stamp.seq == 1 else (3, [1, 2, 3]))
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {1, 2}
