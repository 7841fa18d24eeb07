"""Vectors become places: by the book, the same every time, and both clouds around one middle."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from indexer.maps.layout import centred, layout, pca, spread
from searchengine.errors import ConfigError, MissingPlugin


def clouds(count: int = 60, dim: int = 12) -> np.ndarray:
    """Three groups, `count` rows in all, in turn."""
    rng = np.random.default_rng(1)
    centres = 8 * rng.normal(size=(3, dim))
    return (np.tile(centres, (count // 3, 1)) + rng.normal(size=(count, dim))).astype(np.float32)


def neighbours_of_own_group(places: np.ndarray) -> float:
    """Return the share of points whose nearest other point is of the same group."""
    far = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(far, np.inf)
    return float((far.argmin(axis=1) % 3 == np.arange(len(places)) % 3).mean())


def test_pca_is_what_a_singular_value_decomposition_gives() -> None:
    vectors = clouds()
    rest = vectors.astype(np.float64) - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(rest, full_matrices=False)
    expected, found = rest @ axes[:2].T, pca(vectors)
    for axis in range(2):
        sign = np.sign(expected[:, axis] @ found[:, axis])
        np.testing.assert_allclose(found[:, axis], sign * expected[:, axis], atol=1e-4)


def test_pca_of_many_rows_is_that_of_their_parts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clouds()
    whole = pca(vectors)
    monkeypatch.setattr("indexer.maps.layout._ROWS", 7)
    np.testing.assert_allclose(pca(vectors), whole, atol=1e-6)


@pytest.mark.parametrize("dim", [1, 2, 12])
def test_layout_fills_the_unit_square_and_keeps_proportions(dim: int) -> None:
    vectors = clouds(dim=12)[:, :dim]
    places, plane = layout(vectors), pca(vectors)
    assert places.min() >= 0.0
    assert places.max() <= 1.0
    extents = np.ptp(places, axis=0)
    assert extents.max() == pytest.approx(1.0)
    np.testing.assert_allclose(extents, np.ptp(plane, axis=0) / np.ptp(plane, axis=0).max())


def test_points_that_are_all_one_lie_in_the_middle() -> None:
    np.testing.assert_array_equal(layout(np.ones((5, 4), dtype=np.float32)), np.full((5, 2), 0.5))


def test_fewer_than_three_points_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 3 points; there are 2"):
        layout(clouds()[:2])


def test_centring_takes_the_gap_between_two_clouds_away() -> None:
    rng = np.random.default_rng(0)
    shape = rng.normal(size=(50, 12)).astype(np.float32)
    pictures, words = shape + 5.0, shape * 0.5 - 3.0  # one cloud, moved and shrunk
    np.testing.assert_allclose(centred(pictures), centred(words), atol=1e-5)


def test_a_vector_that_is_the_mean_has_no_direction() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], dtype=np.float32)
    found = centred(rows)
    np.testing.assert_array_equal(found[2], [0.0, 0.0])
    np.testing.assert_allclose(np.linalg.norm(found[:2], axis=1), 1.0)


def test_spread_takes_every_cell_once_before_any_twice() -> None:
    places = np.random.default_rng(3).random((400, 2)) ** 3  # crowded in one corner
    order = spread(places)
    assert sorted(order.tolist()) == list(range(400))
    taken, seen = 0, set()
    for cells in (1, 2, 4, 8):
        cell_of = [tuple(cell) for cell in (places * cells).astype(int).tolist()]
        waiting = [point for point in range(400) if point not in seen]
        first = {cell_of[point]: point for point in reversed(waiting)}
        now = order[taken : taken + len(first)].tolist()
        assert sorted(now) == sorted(first.values())
        seen.update(now)
        taken += len(now)


def test_umap_keeps_groups_together_and_repeats_itself() -> None:
    pytest.importorskip("umap")
    vectors = clouds(30)
    places = layout(vectors, "umap", seed=4)
    assert neighbours_of_own_group(places) == 1.0
    np.testing.assert_array_equal(places, layout(vectors, "umap", seed=4))
    assert not np.array_equal(places, layout(vectors, "umap", seed=5))


def test_missing_umap_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingPlugin, match=r"needs: pip install 'lexpix\[map\]'"):
        layout(clouds(), "umap")
