"""A guide whose building was killed goes on where it stopped, and becomes what it would have."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from searchengine.indexes import building, graphs, guides
from searchengine.indexes.building import build
from searchengine.indexes.guides import Guide, GuideKind
from searchengine.indexes.journals import Journal
from searchengine.types import Budget, Stamp, Vectors
from tests.support.at_once import REPOSITORY
from tests.support.guided import ROWS, Small, clustered, flushed

BLOCK = 500
"""Rows that are written down at a time here."""
BUDGET = Budget(recall=0.9)

BUILD = """
import os, signal, sys
from pathlib import Path
from searchengine.indexes import building, graphs, guides, journals
from searchengine.types import Budget
from tests.support.guided import Small, clustered

building.FEWEST, building.PAYS, guides.BLOCK, graphs.BLOCK = 1000, 1e9, {block}, {block}
graphs.KEPT_EVERY, graphs.WRITING = 0, 1e9  # written down at every block
stage = sys.argv[2]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def told(kind, done, total):
    if stage == "rows" and done > total / 2:
        die()

if stage == "training":
    journals.Journal.keep_trained = lambda self, trained: die()
if stage == "torn":
    def torn(self, lists, append=journals.Journal._append):
        self._file.write(b"\\x40\\0\\0\\0torn")
        self._file.flush()
        die()
    journals.Journal.keep_block = torn
if stage == "graph":
    def half(self, rows, save, keep=journals.Journal.keep_graph):
        if rows < 3000:
            return keep(self, rows, save)
        with open(self._graph_path((self._graphs[-1][3] + 1) % 2), "wb") as file:
            file.write(b"half")
        die()
    journals.Journal.keep_graph = half
if stage == "tuning":
    building._tuned = lambda *_: die()
if stage == "writing":
    guides.Guide.save = lambda self, file: (file.write(b"half"), file.flush(), die())
building.build(
    Small(Path(sys.argv[1])), Budget(recall=0.9), [clustered(80, 5)],
    threads=1, progress=told, among=[sys.argv[3]],
)
"""


@pytest.fixture(autouse=True)
def few_count_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "FEWEST", 1000)
    monkeypatch.setattr(building, "PAYS", 1e9)
    monkeypatch.setattr(guides, "BLOCK", BLOCK)


def killed_at(stage: str, stem: Path, kind: GuideKind) -> None:
    """Build in another process, which kills itself there."""
    ran = subprocess.run(
        [sys.executable, "-c", BUILD.format(block=BLOCK), str(stem), stage, kind],
        check=False,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr


def built(stem: Path, kind: GuideKind) -> bytes:
    """Build; return the guide as it stands on the disk."""
    build(Small(stem), BUDGET, [clustered(80, 5)], threads=1, among=[kind])
    found = Small(stem)
    assert found._files is not None
    guide = found._files.guide()
    assert guide is not None
    return Path(guide[0]).read_bytes()


@pytest.mark.parametrize("kind", ["ivf-pq4", "ivf-sq8"])
@pytest.mark.parametrize("stage", ["training", "rows", "torn", "tuning", "writing"])
def test_a_killed_build_goes_on_and_makes_the_same_guide(
    stage: str, kind: GuideKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = clustered(4 * ROWS)
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
        flushed(tmp_path / name / "s", rows)
    expected = built(tmp_path / "undisturbed" / "s", kind)
    stem = tmp_path / "killed" / "s"
    query = clustered(1, 9)
    before = Small(stem).search(query, 10)
    killed_at(stage, stem, kind)
    assert np.array_equal(Small(stem).search(query, 10)[0], before[0])
    trained: list[object] = []
    assigned: list[int] = []
    original, kept = guides._untrained, Journal.keep_block

    def training(*arguments: Any) -> object:
        trained.append(arguments)
        return original(*arguments)

    def keeping(self: Journal, lists: Any) -> None:
        assigned.append(len(lists))
        kept(self, lists)

    monkeypatch.setattr(guides, "_untrained", training)
    monkeypatch.setattr(Journal, "keep_block", keeping)
    found = built(stem, kind)
    assert found == expected
    assert bool(trained) == (stage == "training")
    left = {"training": len(rows), "torn": len(rows), "rows": 2300}
    assert sum(assigned) <= left.get(stage, 0)
    assert (sum(assigned) == 0) == (stage in {"tuning", "writing"})
    names = {path.name for path in stem.parent.iterdir()}
    assert len(names) == 3, names  # the stamp, the rows and the guide: nothing is left over


def recall(index: Small, queries: Vectors, effort: int) -> float:
    """Return which share of the ten best rows a guide finds."""
    exact, _ = index.search_exactly(queries, 10)
    found, _ = index.search_by(effort, queries, 10)
    return float(
        np.mean([len(np.intersect1d(*both)) / 10 for both in zip(exact, found, strict=True)])
    )


@pytest.mark.parametrize(
    ("stage", "least"), [("rows", 2000), ("graph", 2500), ("tuning", 4800), ("writing", 4800)]
)
def test_a_graph_that_was_killed_goes_on_and_finds_as_much(
    stage: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = clustered(4 * ROWS)
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
        flushed(tmp_path / name / "s", rows)
    built(tmp_path / "undisturbed" / "s", "hnsw")
    stem = tmp_path / "killed" / "s"
    killed_at(stage, stem, "hnsw")
    begun: list[int] = []
    original = graphs._begun

    def beginning(storage: Any, journal: Journal) -> Any:
        index = original(storage, journal)
        begun.append(0 if index is None else int(index.ntotal))
        return index

    monkeypatch.setattr(graphs, "_begun", beginning)
    built(stem, "hnsw")
    assert begun == [least]
    whole, resumed = Small(tmp_path / "undisturbed" / "s"), Small(stem)
    queries = clustered(300, 7)
    for effort in (16, 64):
        assert recall(resumed, queries, effort) >= recall(whole, queries, effort) - 0.02
    # No row is lost, and none is there that is not: every one finds itself first.
    found, scores = resumed.search_by(200, rows, 1)
    assert np.mean(found[:, 0] == np.arange(1, len(rows) + 1)) > 0.995
    assert scores.min() > 0.99
    guide = resumed._guide
    assert guide is not None
    degrees = [len(np.unique(guide.near(one[None], 10, 64))) for one in queries[:20]]
    assert min(degrees) >= 10
    names = {path.name for path in stem.parent.iterdir()}
    assert len(names) == 3, names  # the stamp, the rows and the guide: nothing is left over


@pytest.mark.parametrize("damaged", [(0,), (1,), (0, 1)])
def test_a_graph_that_is_damaged_is_not_gone_on_with(
    damaged: tuple[int, ...], tmp_path: Path
) -> None:
    index = flushed(tmp_path / "s", clustered(ROWS))
    storage = index.rows_of_file.flat
    with index.journal("hnsw") as journal:
        assert journal is not None
        for count in (400, 800):
            part = faiss.IndexScalarQuantizer(
                storage.d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
            )
            part.add(storage.reconstruct_n(0, count))
            journal.keep_graph(count, Guide.build("hnsw", part, threads=1).save)
    for number in damaged:
        [path] = tmp_path.glob(f"*.hnsw.{number}")
        sound = path.read_bytes()
        path.write_bytes(sound[:200] + bytes([sound[200] ^ 4]) + sound[201:])
    with index.journal("hnsw") as journal:
        assert journal is not None
        begun = graphs._begun(storage, journal)
        rows = {(0,): 800, (1,): 400, (0, 1): None}[damaged]
        assert (None if begun is None else begun.ntotal) == rows
        guide = Guide.build("hnsw", storage, threads=1, journal=journal)
    assert len(guide) == ROWS


def test_what_is_left_of_a_build_goes_with_the_rows_it_was_for(tmp_path: Path) -> None:
    stem = tmp_path / "s"
    index = flushed(stem, clustered(4 * ROWS))
    with index.journal("ivf-sq8") as journal:
        Guide.build("ivf-sq8", index.rows_of_file.flat, threads=1, journal=journal)
    [left] = tmp_path.glob("*.ivf-sq8")
    index.put(np.array([9000]), clustered(1))
    index.flush(Stamp("f", 2))  # a change beside the rows
    assert Small(stem).stamp() == Stamp("f", 2)
    assert left.exists()
    flushed(stem, clustered(ROWS))
    assert not left.exists()


def test_a_journal_of_other_rows_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch()
    of = {"rows": 5, "kind": "ivf-sq8"}
    with path.open("r+b") as file:
        journal = Journal(file, of)
        journal.keep_trained(b"learnt")
        journal.keep_block(np.array([3, 1, 2]))
    with path.open("r+b") as file:
        again = Journal(file, of)
        assert again.trained == b"learnt"
        assert [block.tolist() for block in again.blocks] == [[3, 1, 2]]
    with path.open("r+b") as file:
        other = Journal(file, of | {"rows": 6})
        assert other.trained is None
        assert not other.blocks
    with path.open("r+b") as file:
        assert Journal(file, of).trained is None


def test_two_builds_at_once_do_not_share_a_journal(tmp_path: Path) -> None:
    stem = tmp_path / "s"
    index = flushed(stem, clustered(4 * ROWS))
    with index.journal("ivf-sq8") as one, Small(stem).journal("ivf-sq8") as other:
        assert one is not None
        assert other is None
