"""Pairs of near hashes, compared with a loop over all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from searchengine.indexes.hashes import NEIGHBOURS, near_hashes
from searchengine.look import bits_apart

HASHES = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.one_of(HASHES, st.integers(-3, 3)), max_size=30), st.integers(0, 64))
def test_pairs_are_those_of_a_loop(hashes: list[int], most: int) -> None:
    pairs, bits = near_hashes(np.array(hashes, dtype=np.int64), most)
    apart = {
        (one, other): bits_apart(hashes[one], hashes[other])
        for one, other in combinations(range(len(hashes)), 2)
    }
    found = dict(zip(map(tuple, pairs.tolist()), bits.tolist(), strict=True))
    assert found == {pair: bits for pair, bits in apart.items() if bits <= most}


def test_thousands_of_equal_hashes_make_few_pairs_and_stay_linked() -> None:
    pairs, bits = near_hashes(np.zeros(3000, dtype=np.int64), 4)
    assert not bits.any()
    assert np.bincount(pairs[:, 0]).max() == NEIGHBOURS
    assert {(place, place + 1) for place in range(2999)} <= set(map(tuple, pairs.tolist()))
