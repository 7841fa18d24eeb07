"""What an index is measured by: true answers, and time that is the asking thread's own."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from searchengine.indexes.measuring import Asked, recall
from searchengine.types import Stamp
from tests.support.guided import ROWS, clustered, flushed


def test_true_answers_are_those_of_comparing_each_row(tmp_path: Path) -> None:
    index = flushed(tmp_path / "s", clustered(ROWS))
    index.drop(np.arange(1, 300, 7))
    index.put(np.arange(5000, 5050), clustered(50, 3))
    index.flush(Stamp("f", 2))
    assert len(index.rows_of_file) == ROWS  # changes stand beside it
    queries = clustered(40, 8)
    asked = Asked.of(index, queries, np.zeros(40, dtype=np.int64), (1.0, 0.3, 0.005))
    for one in asked:
        best = index.search_exactly(queries, 10, one.within)[0]
        for found, expected in zip(one.best, best, strict=True):
            assert set(found.tolist()) == set(expected.tolist())
        assert one.recall(index, None) == 1
        assert one.within is None or len(one.within) == len({*one.within.tolist()})
    assert [len(one.within) for one in asked if one.within is not None] == [360, 6]
    assert (asked[2].best >= 0).sum(axis=1).max() <= 6


def test_recall_is_that_of_the_kind_that_fares_worst(tmp_path: Path) -> None:
    index = flushed(tmp_path / "s", clustered(ROWS))
    queries = clustered(20, 8)
    [asked] = Asked.of(index, queries, np.repeat([0, 1], 10), (1.0,))
    asked.best[10:, :4] = 9999  # nobody finds these
    assert asked.recall(index, None) == pytest.approx(0.6)
    assert asked.part(slice(0, 10)).recall(index, None) == 1
    assert recall(np.array([[1, 2, -1]]), np.array([[2, 3, -1]])) == 0.5


def test_other_work_on_the_machine_is_not_counted(tmp_path: Path) -> None:
    index = flushed(tmp_path / "s", clustered(ROWS))
    [asked] = Asked.of(index, clustered(4, 8), np.zeros(4, dtype=np.int64), (1.0,))
    stop, original = threading.Event(), index.search_by

    def slowly(*arguments: object) -> object:
        time.sleep(0.01)  # as if others had the processor
        return original(*arguments)  # type: ignore[arg-type]

    worker = threading.Thread(target=lambda: [None for _ in iter(stop.is_set, True)])
    worker.start()
    try:
        index.search_by = slowly  # type: ignore[method-assign, assignment]
        assert asked.milliseconds(index, None) < 5
    finally:
        stop.set()
        worker.join()
