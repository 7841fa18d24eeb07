"""Word vectors of a sentence model beside those of co-occurrence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from indexer.train.joint.distil import FULL, LENGTH, beside, shorten
from searchengine.errors import ConfigError

WORDS = ["dog", "car", "puppy", "automobile", "the"]


def lengths(vectors: np.ndarray) -> float:
    return float(np.sqrt((vectors**2).sum(axis=1).mean()))


def test_shortening_is_a_principal_component_analysis() -> None:
    vectors = np.random.default_rng(1).normal(size=(60, 12)).astype(np.float32) * np.arange(1, 13)
    shortened = shorten(vectors.astype(np.float32), 5)
    expected = PCA(5, svd_solver="full").fit_transform(vectors)
    signs = np.sign((shortened * expected).sum(axis=0))
    np.testing.assert_allclose(shortened, expected * signs, rtol=1e-3, atol=1e-3)


def test_components_that_few_words_lack_are_zero() -> None:
    vectors = np.random.default_rng(2).normal(size=(3, 12)).astype(np.float32)
    shortened = shorten(vectors, 8)
    assert not shortened[:, 3:].any()
    between = np.linalg.norm(vectors[0] - vectors[1])
    assert np.linalg.norm(shortened[0] - shortened[1]) == pytest.approx(between, rel=1e-4)


def test_the_sentence_model_brings_together_what_company_does_not(tmp_path: Path) -> None:
    glove = np.random.default_rng(3).normal(size=(len(WORDS), 6)).astype(np.float32)
    told: list[tuple[int, int]] = []
    both = beside(WORDS, glove, 4, tmp_path, lambda done, total: told.append((done, total)))
    assert both.shape == (5, 10)
    assert told == [(5, 5)]
    first, second = both[:, :6], both[:, 6:]
    assert lengths(first) == pytest.approx(LENGTH, rel=1e-5)
    assert lengths(second) == pytest.approx(LENGTH, rel=1e-5)
    # The part of the word vectors keeps its angles; the other knows what means the same.
    np.testing.assert_allclose(first / first[0, 0], glove / glove[0, 0], rtol=1e-4)
    unit = second / np.linalg.norm(second, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -1)
    assert [WORDS[near] for near in cosines[:4].argmax(axis=1)] == [
        "puppy", "automobile", "dog", "car",
    ]  # fmt: skip
    again = beside(WORDS, glove, 4, tmp_path, lambda *_: pytest.fail("the cache was not used"))
    np.testing.assert_array_equal(again, both)


@pytest.mark.parametrize("dim", [0, FULL + 1])
def test_dimensions_that_the_sentence_model_lacks_are_refused(tmp_path: Path, dim: int) -> None:
    with pytest.raises(ConfigError, match=f"1 to {FULL}"):
        beside(WORDS, np.ones((5, 2), np.float32), dim, tmp_path)
