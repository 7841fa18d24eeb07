"""Ranks and recall against naive loops, ties included."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from indexer.evaluation.metrics import (
    Recall,
    average_precisions,
    best_ranks,
    hubness,
    jaccard,
    overlap,
    recall,
    retrieval,
)
from searchengine.vectors import unit_rows

shapes = st.tuples(st.integers(1, 5), st.integers(1, 7))


def naive_rank(scores: list[float], relevant: list[bool]) -> int:
    """Sort with the irrelevant first among equals, and look where the first relevant one stands."""
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], relevant[item]))
    return 1 + next(place for place, item in enumerate(order) if relevant[item])


def naive_recall(ranks: list[int]) -> Recall:
    r1, r5, r10 = (
        round(100 * sum(rank <= k for rank in ranks) / len(ranks), 2) for k in (1, 5, 10)
    )
    return Recall(r1, r5, r10, float(statistics.median(ranks)))


@settings(deadline=None)
@given(st.data())
def test_ranks_are_those_of_a_pessimistic_sort(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    few = st.sampled_from([-1.0, 0.0, 0.25, 1.0])  # many ties
    scores = data.draw(npst.arrays(np.float32, shape, elements=few))
    relevant = data.draw(npst.arrays(np.bool_, shape))
    relevant[:, data.draw(st.integers(0, shape[1] - 1))] = True
    expected = [naive_rank(*rows) for rows in zip(scores.tolist(), relevant.tolist(), strict=True)]
    assert best_ranks(scores, relevant).tolist() == expected


def test_a_tie_counts_against_the_relevant() -> None:
    scores = np.zeros((1, 4), np.float32)
    assert best_ranks(scores, np.array([[False, True, False, False]])).tolist() == [4]
    assert best_ranks(scores, np.array([[True, True, False, False]])).tolist() == [3]


def test_a_query_without_anything_relevant_is_an_error() -> None:
    with pytest.raises(ValueError, match="without any relevant item"):
        best_ranks(np.zeros((2, 2), np.float32), np.array([[True, False], [False, False]]))


@given(st.lists(st.integers(1, 30), min_size=1))
def test_recall_is_a_share_in_percent(ranks: list[int]) -> None:
    assert recall(np.array(ranks)) == naive_recall(ranks)


def test_recall_of_known_ranks() -> None:
    assert recall(np.array([1, 2, 6, 11])) == Recall(r1=25.0, r5=50.0, r10=75.0, medr=4.0)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 4))
def test_retrieval_both_ways_is_that_of_loops(seed: int, pictures: int, most: int) -> None:
    random = np.random.default_rng(seed)
    owner = np.repeat(np.arange(pictures), random.integers(1, most + 1, pictures))
    random.shuffle(owner)
    # Few distinct directions, so that there are ties.
    images = unit_rows(random.integers(0, 2, (pictures, 3)) * 2 - 1)
    captions = unit_rows(random.integers(0, 2, (len(owner), 3)) * 2 - 1)
    scores = captions @ images.T
    t2i = [
        naive_rank(scores[row].tolist(), [item == own for item in range(pictures)])
        for row, own in enumerate(owner.tolist())
    ]
    i2t = [
        naive_rank(scores[:, row].tolist(), [own == row for own in owner.tolist()])
        for row in range(pictures)
    ]
    assert retrieval(images, captions, owner) == (naive_recall(t2i), naive_recall(i2t))
    assert retrieval(images, captions, owner.tolist()) == (naive_recall(t2i), naive_recall(i2t))


def naive_average_precision(scores: list[float], relevant: list[bool]) -> float:
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], relevant[item]))
    precisions: list[float] = []
    for place, item in enumerate(order, 1):
        if relevant[item]:
            precisions.append((len(precisions) + 1) / place)
    return sum(precisions) / len(precisions)


@settings(deadline=None)
@given(st.data())
def test_average_precision_is_that_of_a_pessimistic_sort(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    few = st.sampled_from([-1.0, 0.0, 0.25, 1.0])  # many ties
    scores = data.draw(npst.arrays(np.float32, shape, elements=few))
    relevant = data.draw(npst.arrays(np.bool_, shape))
    relevant[:, data.draw(st.integers(0, shape[1] - 1))] = True
    pairs = zip(scores.tolist(), relevant.tolist(), strict=True)
    expected = [naive_average_precision(*rows) for rows in pairs]
    assert average_precisions(scores, relevant).tolist() == pytest.approx(expected)


def test_average_precision_needs_something_relevant() -> None:
    with pytest.raises(ValueError, match="without any relevant item"):
        average_precisions(np.zeros((1, 2), np.float32), np.zeros((1, 2), bool))


def test_overlap_counts_what_was_found_and_ignores_padding() -> None:
    expected = np.array([[1, 2, 3], [4, 5, -1]])
    found = np.array([[3, 9, 1], [-1, 5, 6]])
    assert overlap(found, expected) == pytest.approx(3 / 5)


@given(
    npst.arrays(
        np.int64, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.integers(0, 8)
    )
)
def test_hubness_is_the_skewness_of_the_counts(neighbours: np.ndarray) -> None:
    flat = neighbours.ravel().tolist()
    counts = [flat.count(item) for item in range(9)]
    mean = statistics.fmean(counts)
    spread = statistics.pstdev(counts)
    third = statistics.fmean((count - mean) ** 3 for count in counts)
    expected = third / spread**3 if spread else 0.0
    assert hubness(neighbours, 9) == pytest.approx(expected, abs=1e-9)


@given(st.frozensets(st.sampled_from("abcdef")), st.frozensets(st.sampled_from("abcdef")))
def test_jaccard_is_the_share_of_letters_in_both(
    some: frozenset[str], others: frozenset[str]
) -> None:
    both = [letter for letter in "abcdef" if letter in some and letter in others]
    either = [letter for letter in "abcdef" if letter in some or letter in others]
    assert jaccard(some, others) == (len(both) / len(either) if either else 0.0)
