"""Vector maths against naive twins in float64 and in plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from searchengine.errors import CancelledQuery
from searchengine.vectors import CANCELLED, compose, top_k, unit_rows

shapes = st.tuples(st.integers(1, 6), st.integers(1, 8))
reals = st.floats(-1e6, 1e6, width=32)
tables = npst.arrays(np.float32, shapes, elements=reals).filter(
    lambda table: bool(table.any(axis=1).all())
)


@settings(deadline=None)
@given(tables)
def test_unit_rows_divide_by_the_length(table: np.ndarray) -> None:
    rows = unit_rows(table)
    for row, raw in zip(rows, table, strict=True):
        length = math.sqrt(math.fsum(float(value) ** 2 for value in raw))
        np.testing.assert_allclose(row, [float(value) / length for value in raw], atol=1e-6)


@pytest.mark.parametrize("scale", [1e-45, 1e-30, 1.0, 1e30, 3e38])
def test_unit_rows_hold_at_the_ends_of_float32(scale: float) -> None:
    rows = unit_rows(np.array([[scale, -scale, 0.0, scale]], dtype=np.float32))
    np.testing.assert_allclose(rows, np.array([[1, -1, 0, 1]]) / math.sqrt(3), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int64])
def test_unit_rows_are_contiguous_float32_of_any_dtype_and_order(dtype: type) -> None:
    table: np.ndarray = np.asfortranarray(np.array([[3, 4], [0, 2]], dtype=dtype))
    rows = unit_rows(table)
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    np.testing.assert_allclose(rows, np.array([[0.6, 0.8], [0, 1]]), rtol=1e-6)


def test_unit_rows_leave_their_input_alone() -> None:
    table = np.array([[3, 4]], dtype=np.float32)
    unit_rows(table)
    assert table.tolist() == [[3, 4]]


def test_unit_rows_of_nothing_are_nothing() -> None:
    assert unit_rows(np.empty((0, 5))).shape == (0, 5)


@pytest.mark.parametrize(
    ("table", "dim", "complaint"),
    [
        ([[1, 0], [math.nan, 0]], None, "vector 1 has a value that is not finite"),
        ([[1, 0], [1, math.inf]], None, "vector 1 has a value that is not finite"),
        ([[1, 0], [0, 0], [0, 0]], None, "vector 1 has length zero"),
        ([[1, 0]], 3, r"shape \(1, 2\), expected \(n, 3\)"),
        ([[[1.0]]], None, r"shape \(1, 1, 1\), expected \(n, d\)"),
    ],
)
def test_unit_rows_refuse(table: list[Any], dim: int | None, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        unit_rows(table, dim)


@settings(deadline=None)
@given(tables, st.data())
def test_compose_is_the_direction_of_the_weighted_sum(
    table: np.ndarray, data: st.DataObject
) -> None:
    rows = unit_rows(table)
    size = st.floats(-4, 4).filter(lambda weight: abs(weight) > 1e-3)
    weights = data.draw(st.lists(size, min_size=len(rows), max_size=len(rows)))
    total = [
        math.fsum(weight * float(row[column]) for weight, row in zip(weights, rows, strict=True))
        for column in range(rows.shape[1])
    ]
    length = math.sqrt(math.fsum(value * value for value in total))
    if length <= 2 * CANCELLED * math.fsum(map(abs, weights)):
        return  # near the limit; the tests below are about it
    expected = [value / length for value in total]
    np.testing.assert_allclose(compose(rows, weights), expected, atol=1e-4)


def test_compose_ignores_the_scale_of_all_weights() -> None:
    rows = unit_rows([[1, 2, 3], [3, 1, 0]])
    for scale in (1e-300, 1e-50, 1e-9, 1e39, 8e307):
        scaled = compose(rows, [2 * scale, -scale])
        np.testing.assert_allclose(scaled, compose(rows, [2, -1]), atol=1e-6)


@pytest.mark.parametrize("weights", [[1, -1], [5e8, -5e8], [1e-9, -1e-9]])
def test_terms_that_cancel_out_are_refused(weights: list[float]) -> None:
    rows = unit_rows([[1, 2, 3], [2, 4, 6]])
    with pytest.raises(CancelledQuery, match="cancel out"):
        compose(rows, weights)


@pytest.mark.parametrize(("left", "is_refused"), [(0.9, True), (1.1, False)])
def test_limit_of_cancelling_is_a_share_of_the_weights(left: float, is_refused: bool) -> None:
    # 1 - (1 - d) is left of weights that add up to about 2.
    rows = unit_rows([[1, 0], [1, 0]])
    weights = [1.0, -(1.0 - 2 * CANCELLED * left)]
    if is_refused:
        with pytest.raises(CancelledQuery):
            compose(rows, weights)
    else:
        np.testing.assert_allclose(compose(rows, weights), [1, 0])


def naive_top_k(ids: list[int], scores: list[float], k: int) -> list[tuple[int, float]]:
    ranked = sorted(zip(ids, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))[:k]
    return ranked + [(-1, -math.inf)] * (k - len(ranked))


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 10**12), unique=True, max_size=12),
    st.integers(0, 3),
    st.integers(1, 15),
    st.data(),
)
def test_top_k_is_a_sort_with_ties_by_id(
    ids: list[int], queries: int, k: int, data: st.DataObject
) -> None:
    # Few distinct scores make ties, at the cut as well.
    score = st.sampled_from([-1.0, -0.0, 0.0, 0.25, 1.0])
    row = st.lists(score, min_size=len(ids), max_size=len(ids))
    rows = data.draw(st.lists(row, min_size=queries, max_size=queries))
    table = np.array(rows, dtype=np.float32).reshape(queries, len(ids))
    found, best = top_k(np.array(ids, dtype=np.int64), table, k)
    assert found.shape == best.shape == (queries, k)
    assert found.dtype == np.int64
    assert best.dtype == np.float32
    for got, scores, wanted in zip(found.tolist(), best.tolist(), rows, strict=True):
        assert list(zip(got, scores, strict=True)) == naive_top_k(ids, wanted, k)
