"""Guides: an index that looks at few rows beside one that compares all, through any history."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from searchengine.indexes import building, flat, plans
from searchengine.indexes.building import build, suits
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.guides import KINDS, Guide, GuideKind, memory_of
from searchengine.indexes.measuring import recall
from searchengine.indexes.plans import Tuning
from searchengine.search.ranking import nearest
from searchengine.types import Budget, Ids, Stamp, Vectors
from tests.support.guided import (
    DIM,
    ROWS,
    STAMP,
    Small,
    about,
    clustered,
    flushed,
    guided,
)

EXAMPLES = {"ivf-pq4": 12, "ivf-sq8": 8, "ivf-pq": 2, "hnsw": 5}
"""Histories of each kind, by what a build costs."""


class GuidedHistory(RuleBasedStateMachine):
    """Whatever is put, dropped, flushed, guided and reopened: no ghost, and nothing lost.

    The guide looks hardest short of everything, so it must give the answers of `exact`.
    """

    kind: GuideKind
    path: Path
    rows = clustered(ROWS)

    @initialize()
    def start(self) -> None:
        self.stem = self.path / os.urandom(8).hex()
        self.index = flushed(self.stem, self.rows)
        self.model = dict(enumerate(range(ROWS), start=1))
        self.kept = dict(self.model)
        self.guide()

    @rule()
    def guide(self) -> None:
        guide = Guide.build(self.kind, self.index.rows_of_file.flat, threads=1)
        assert self.index.keep_guide(guide, about(self.kind, guide.most - 1))

    @rule(pairs=st.lists(st.tuples(st.integers(1, 2 * ROWS), st.integers(0, ROWS - 1)), max_size=9))
    def put(self, pairs: list[tuple[int, int]]) -> None:
        ids = np.array([one for one, _ in pairs], dtype=np.int64)
        self.index.put(ids, self.rows[[row for _, row in pairs]].reshape(-1, DIM))
        self.model.update(pairs)

    @rule(first=st.integers(1, 2 * ROWS), count=st.sampled_from([1, 30, 500]))
    def drop(self, first: int, count: int) -> None:
        self.index.drop(np.arange(first, first + count))
        for one in range(first, first + count):
            self.model.pop(one, None)

    @rule(seq=st.integers(2, 100))
    def flush(self, seq: int) -> None:
        self.index.flush(Stamp("f", seq))
        self.kept = dict(self.model)

    @rule()
    def reopen(self) -> None:
        self.index = Small(self.stem)
        self.model = dict(self.kept)

    @precondition(lambda self: self.model)
    @rule(
        seed=st.integers(0, 9),
        k=st.integers(1, 20),
        filters=st.sampled_from([None, 1, 2, 7, 100]),
    )
    def search(self, seed: int, k: int, filters: int | None) -> None:
        within = None if filters is None else np.arange(1, 2 * ROWS, filters)
        query = clustered(1, 1000 + seed)
        exact = ExactIndex(None)
        ids = np.array(sorted(self.model), dtype=np.int64)
        exact.put(ids, self.rows[[self.model[one] for one in ids.tolist()]])
        expected, scores = exact.search(query, k, within)
        found, cosines = self.index.search(query, k, within)
        # A guide may see a worse row instead of one that lies apart, but as many, in their order.
        assert (found >= 0).sum() == (expected >= 0).sum()
        assert (cosines <= scores + 1e-6).all()
        assert (np.diff(cosines[0][found[0] >= 0]) <= 1e-6).all()
        assert len({*found[found >= 0].tolist()}) == (found >= 0).sum()
        self.check_true(query, found[0], cosines[0], within)
        assert (self.index.search_exactly(query, k, within)[0] == expected).all()

    def check_true(self, query: Vectors, found: Ids, cosines: Vectors, within: Ids | None) -> None:
        for one, cosine in zip(found.tolist(), cosines.tolist(), strict=True):
            if one < 0:
                continue
            assert one in self.model
            assert within is None or one in within
            row = self.rows[self.model[one]]
            assert cosine == pytest.approx(float(row @ query[0]), abs=2e-3)

    @invariant()
    def holds_each_id_once(self) -> None:
        assert len(self.index) == len(self.model)


@pytest.mark.parametrize("kind", KINDS)
def test_no_history_makes_a_guided_index_lose_or_invent_rows(
    kind: GuideKind, tmp_path: Path
) -> None:
    class OfKind(GuidedHistory):
        pass

    OfKind.kind, OfKind.path = kind, tmp_path
    run_state_machine_as_test(
        OfKind,
        settings=settings(
            max_examples=EXAMPLES[kind],
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("effort", [1, 5])
def test_a_guide_that_hardly_looks_answers_in_full_and_with_true_scores(
    kind: GuideKind, effort: int, tmp_path: Path
) -> None:
    rows = clustered(ROWS)
    index = flushed(tmp_path / "s", rows)
    guided(index, kind, effort)
    queries = clustered(20, 7)
    for step in (1, 2, 50, 400):
        within = np.arange(1, ROWS + 1, step)
        ids, scores = index.search(queries, 10, within)
        assert ((ids >= 0).sum(axis=1) == min(10, len(within))).all()
        assert np.isin(ids[ids >= 0], within).all()
        for query, line, cosines in zip(queries, ids, scores, strict=True):
            found = line[line >= 0]
            assert cosines[: len(found)] == pytest.approx(rows[found - 1] @ query, abs=1e-3)
            assert (np.diff(cosines[: len(found)]) <= 0).all()


def test_rows_that_are_taken_out_are_compared_as_all_are(tmp_path: Path) -> None:
    """Few that pass are copied, some at a time; equal rows and ties at an end among them."""
    kept = clustered(60_000)
    kept[30_000:31_000] = kept[5]
    index = flushed(tmp_path / "s", kept)
    queries = np.concatenate([clustered(3, 7), kept[5:6]])
    other = ExactIndex(None)
    other.put(np.arange(1, len(kept) + 1), kept)
    for passing in (1, flat.TAKEN, flat.TAKEN + 1, 900):
        assert passing * flat.FEW < len(kept)
        drawn = np.random.default_rng(passing).choice(len(kept), passing - passing // 3, False)
        within = np.union1d(drawn, 30_000 + np.arange(passing // 3)) + 1
        ids, scores = index.search(queries, 20, within)
        expected, cosines = other.search(queries, 20, within)
        assert (ids == expected).all()
        assert scores == pytest.approx(cosines, abs=1e-4)


def test_more_effort_finds_more_up_to_everything(tmp_path: Path) -> None:
    index = flushed(tmp_path / "s", clustered(ROWS))
    queries = clustered(50, 3)
    best = index.search_exactly(queries, 10)[0]
    guide = guided(index, "ivf-sq8", 1)
    found = [recall(index.search_by(n, queries, 10)[0], best) for n in (1, 4, 16, guide.most)]
    assert found == sorted(found)
    assert found[0] < found[-1] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_guide_stays_with_its_rows(kind: GuideKind, tmp_path: Path) -> None:
    stem = tmp_path / "s"
    index = flushed(stem, clustered(ROWS))
    guided(index, kind, 4)
    for seq, count in ((2, 5), (3, 700)):  # few changes stand beside the rows, many make new ones
        index.put(np.arange(5000, 5000 + count), clustered(count, seq))
        index.flush(Stamp("f", seq))
        again = Small(stem)
        assert (again.guide is not None) == (count == 5)
        assert len(again) == len(index)
        assert (again.plan(10).effort is not None) == (count == 5)
    named = json.loads((tmp_path / "s.faiss.json").read_text())
    files = {path.name for path in tmp_path.iterdir()} - {"s.faiss.json"}
    assert files == {named["rows"]["file"]}  # nothing is left of the guide


def test_another_process_that_flushes_keeps_the_guide(tmp_path: Path) -> None:
    stem = tmp_path / "s"
    index = flushed(stem, clustered(ROWS))
    other = Small(stem)
    guided(index, "ivf-sq8", 4)
    other.flush(Stamp("f", 5))
    assert Small(stem).guide is not None
    other.put(np.array([9000]), clustered(1))
    other.flush(Stamp("f", 6))
    again = Small(stem)
    assert again.guide is not None
    assert again.stamp() == Stamp("f", 6)
    assert len(again) == ROWS + 1


def test_a_guide_to_rows_that_are_replaced_meanwhile_is_not_kept(tmp_path: Path) -> None:
    stem = tmp_path / "s"
    index = flushed(stem, clustered(ROWS))
    guide = Guide.build("ivf-sq8", index.rows_of_file.flat, threads=1)
    flushed(stem, clustered(ROWS, 5))
    before = {path.name for path in tmp_path.iterdir()}
    assert not index.keep_guide(guide, about("ivf-sq8", 4))
    assert {path.name for path in tmp_path.iterdir()} == before
    assert Small(stem).guide is None


@pytest.mark.parametrize("damage", ["cut", "other", "gone", "fields"])
def test_a_damaged_guide_is_done_without(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stem = tmp_path / "s"
    index = flushed(stem, clustered(ROWS))
    guided(index, "ivf-sq8", 4)
    stamp = tmp_path / "s.faiss.json"
    fields = json.loads(stamp.read_text())
    file = tmp_path / fields["guide"]["file"]
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "other":
        file.write_bytes(bytes(file.stat().st_size))
    elif damage == "gone":
        file.unlink()
    else:
        fields["about"]["kind"] = "ouija"
        stamp.write_text(json.dumps(fields))
    again = Small(stem)
    assert again.stamp() == STAMP
    assert again.guide is None
    assert "searching without it" in caplog.text
    query = clustered(1, 4)
    assert (again.search(query, 10)[0] == again.search_exactly(query, 10)[0]).all()


def test_many_wanted_rows_and_few_that_pass_are_compared_one_by_one() -> None:
    tuning = Tuning("ivf-sq8", ((1.0, 8), (0.1, 20)), 5_000)
    whole = plans.planned(10, 100_000, 100_000, 0, tuning)
    assert (whole.kind, whole.effort) == ("ivf-sq8", 8)
    assert plans.planned(10, 50_000, 100_000, 0, tuning).effort == 20
    assert plans.planned(40, 100_000, 100_000, 0, tuning).effort == 16
    assert plans.planned(10, 5_000, 100_000, 0, tuning).effort is None
    assert plans.planned(plans.GUIDED + 1, 100_000, 100_000, 0, tuning).effort is None
    assert plans.planned(10, 100_000, 100_000, 0, None).effort is None


def test_a_ranking_that_must_miss_none_asks_without_the_guide(tmp_path: Path) -> None:
    index = flushed(tmp_path / "s", clustered(ROWS))
    assert index.is_exact
    guided(index, "ivf-sq8", 1)
    assert not index.is_exact
    missed = 0
    for query in clustered(30, 8):
        best = index.search_exactly(query[None], 10)[0][0].tolist()
        assert [one for one, _ in nearest(index, query, 10, exactly=True)] == best
        missed += [one for one, _ in nearest(index, query, 10)] != best
    assert missed  # else the guide would prove nothing here


def test_a_batch_finds_what_each_of_its_queries_finds_alone(tmp_path: Path) -> None:
    index = flushed(tmp_path / "s", clustered(4 * ROWS))
    guided(index, "ivf-sq8", 1)
    queries = clustered(80, 5)
    alone = np.vstack([index.search_by(1, query[None], 10)[0] for query in queries])
    # Some find too few in one list and look harder; what the others find must not profit from it.
    assert (alone != index.search_exactly(queries, 10)[0]).any()
    assert np.array_equal(index.search_by(1, queries, 10)[0], alone)


# Choosing


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """An index that counts as one of many rows."""
    monkeypatch.setattr(building, "FEWEST", 1000)
    monkeypatch.setattr(building, "PAYS", 1e9)  # time says nothing of so few rows
    return flushed(tmp_path / "s", clustered(4 * ROWS))


def test_an_index_of_many_rows_gets_a_guide_that_finds_enough(many: Small) -> None:
    assert not suits(many.about, many, Budget())
    decided = build(many, Budget(recall=0.9), [clustered(80, 5)], threads=1)
    assert decided["kind"] == many.plan(10).kind == "ivf-pq4"
    assert decided["recall"] >= 0.85
    assert suits(many.about, many, Budget(recall=0.9))
    assert not suits(many.about, many, Budget(recall=0.99))
    queries = clustered(100, 6)
    best = many.search_exactly(queries, 10)[0]
    assert recall(many.search(queries, 10)[0], best) >= 0.85


def test_a_budget_of_memory_chooses_the_smaller_kind(many: Small) -> None:
    size = memory_of("ivf-pq4", len(many), DIM)
    assert size < min(memory_of(kind, len(many), DIM) for kind in KINDS if kind != "ivf-pq4")
    decided = build(many, Budget(memory=size, recall=0.5), [clustered(40, 5)], threads=1)
    assert decided["kind"] == "ivf-pq4"
    assert decided["memory"] <= size


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(recall=1), "recall of 1"),
        (Budget(latency=60_000), "fast enough"),
        (Budget(memory=1), "no kind of index fits"),
    ],
)
def test_a_budget_that_a_scan_meets_or_nothing_does_leaves_the_index_flat(
    budget: Budget, said: str, many: Small
) -> None:
    guided(many, "ivf-sq8", 3)
    decided = build(many, budget, [clustered(20, 5)], threads=1)
    assert decided["kind"] == "flat"
    assert said in decided["why"]
    assert many.guide is None
    assert suits(many.about, many, budget)


def test_few_rows_need_no_guide(tmp_path: Path) -> None:
    index = flushed(tmp_path / "s", clustered(ROWS))
    assert suits(index.about, index, Budget())
    assert not suits(index.about, index, replace(Budget(), latency=1.0))


def test_a_build_that_is_interrupted_leaves_everything_as_it_was(
    many: Small, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def stop(kind: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(many, Budget(recall=0.9), [clustered(20, 5)], threads=1, progress=stop)
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    # Where the next one goes on, and what holds that.
    begun = [name for name in found if name.endswith((".ivf-pq4", ".ivf-pq4.lock"))]
    assert {name: found[name] for name in found if name not in begun} == before
    assert len({name.removesuffix(".lock") for name in begun}) <= 1
    assert not suits(Small(tmp_path / "s").about, many, Budget())
