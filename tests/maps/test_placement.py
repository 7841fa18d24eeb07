"""Boxes on a map never overlap, and are placed as the plainest greedy loop would place them."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexer.maps.placement import Area, around, beside, place
from tests.support.boxes import overlap

WIDTH, HEIGHT = 300.0, 200.0
# Whole numbers, so that edges often touch exactly, and halves, so that they often nearly do.
number = st.integers(-20, 640).map(lambda value: value / 2)
length = st.integers(1, 240).map(lambda value: value / 2)
labels = st.lists(st.tuples(number, number, length, length), max_size=40)


def naive(choices: np.ndarray) -> list[int]:
    """Look at every box that was placed before; no grid."""
    placed: list[np.ndarray] = []
    taken = []
    for options in choices:
        for number, box in enumerate(options):
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= WIDTH and box[3] <= HEIGHT
            if inside and not any(overlap(box, other) for other in placed):
                placed.append(box)
                taken.append(number)
                break
        else:
            taken.append(-1)
    return taken


def choices_of(wanted: list[tuple[float, ...]]) -> np.ndarray:
    rows = np.array(wanted, dtype=float).reshape(-1, 4)
    return beside(rows[:, :2], rows[:, 2:], 3.0)


@given(labels)
def test_placed_boxes_do_not_overlap_and_stay_inside(wanted: list[tuple[float, ...]]) -> None:
    choices = choices_of(wanted)
    taken = place(choices, Area(WIDTH, HEIGHT))
    placed = [choices[row, choice] for row, choice in enumerate(taken) if choice >= 0]
    assert not any(overlap(one, other) for one, other in itertools.combinations(placed, 2))
    for left, top, right, bottom in placed:
        assert left >= 0
        assert top >= 0
        assert right <= WIDTH
        assert bottom <= HEIGHT


@given(labels)
def test_grid_changes_nothing(wanted: list[tuple[float, ...]]) -> None:
    choices = choices_of(wanted)
    assert place(choices, Area(WIDTH, HEIGHT)).tolist() == naive(choices)


def test_label_goes_to_the_right_then_left_then_above_then_below() -> None:
    at, size = np.array([[100.0, 100.0]] * 5), np.array([[40.0, 4.0]] * 5)
    assert place(beside(at, size, 3.0), Area(WIDTH, HEIGHT)).tolist() == [0, 1, 2, 3, -1]


def test_what_an_area_holds_already_stays() -> None:
    area = Area(WIDTH, HEIGHT)
    picture = around(np.array([[50.0, 50.0]]), np.array([[40.0, 40.0]]))
    assert place(picture, area).tolist() == [0]
    assert place(picture, area).tolist() == [-1]
    touching = around(np.array([[90.0, 50.0]]), np.array([[40.0, 40.0]]))
    assert place(touching, area).tolist() == [0]
