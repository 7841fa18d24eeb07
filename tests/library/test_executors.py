from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.executors import LOOK_AHEAD, Executor, Serial, Threads

EXECUTORS = [Serial(), Threads(1), Threads(3)]


@pytest.mark.parametrize("executor", EXECUTORS)
@given(items=st.lists(st.integers(), max_size=60))
def test_results_are_those_of_map_in_the_order_of_the_items(
    executor: Executor, items: list[int]
) -> None:
    assert list(executor.imap(lambda item: item * item, items)) == [item * item for item in items]


def test_slow_items_do_not_lose_their_place() -> None:
    def wait(item: int) -> int:
        time.sleep(0.02 if item % 5 == 0 else 0)
        return item

    assert list(Threads(4).imap(wait, range(25))) == list(range(25))


def test_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)
    assert len(set(Threads(3).imap(lambda _: together.wait(), range(3)))) == 3


@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_more_is_taken_from_the_input_than_the_look_ahead(executor: Executor) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(1000):
            taken += 1
            yield item

    limit = LOOK_AHEAD * getattr(executor, "workers", 0) + 1
    results = executor.imap(abs, items())
    for consumed, _ in enumerate(results):
        assert taken - consumed <= limit


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_error_is_raised_in_place_of_its_result(executor: Executor) -> None:
    results = executor.imap(lambda item: 6 // item, [3, 2, 0, 1])
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_closing_drops_what_has_not_started_and_waits_for_the_rest() -> None:
    started: list[int] = []
    finished: list[int] = []

    def work(item: int) -> int:
        started.append(item)
        time.sleep(0.01)
        finished.append(item)
        return item

    before = threading.active_count()
    results = Threads(2).imap(work, range(1000))
    next(results)
    results.close()
    assert threading.active_count() == before
    assert sorted(started) == sorted(finished)
    assert len(started) < 1 + 2 * LOOK_AHEAD


def test_one_worker_per_processor_unless_told() -> None:
    assert Threads().workers >= 1
    assert Threads(7).workers == 7
