"""Selections against dictionaries."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from searchengine.catalog.selection import Selection

sureness = st.dictionaries(st.integers(1, 9), st.sampled_from([0.0, 0.25, 0.5, 1.0]))


def as_dict(selection: Selection) -> dict[int, float]:
    ids = selection.ids.tolist()
    assert ids == sorted(set(ids))
    return dict(zip(ids, selection.confidence.tolist(), strict=True))


@given(sureness, sureness)
def test_both_is_the_less_sure_and_any_the_surer(
    one: dict[int, float], other: dict[int, float]
) -> None:
    here, there = Selection.of(one), Selection.of(other)
    assert as_dict(here) == one
    assert as_dict(here.intersection(there)) == {
        id_: min(one[id_], other[id_]) for id_ in one.keys() & other.keys()
    }
    assert as_dict(Selection.union([here, there])) == {
        id_: max(one.get(id_, 0.0), other.get(id_, 0.0)) for id_ in one.keys() | other.keys()
    }
    left = as_dict(here.difference(np.array(list(other), dtype=np.int64)))
    assert left == {id_: sure for id_, sure in one.items() if id_ not in other}


def test_any_of_nothing_is_nothing() -> None:
    assert as_dict(Selection.union([])) == {}
