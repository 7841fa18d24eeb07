"""Which labelled pictures are the like of each other, and what bands are worth where they ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.evaluation.alike import NARROW, alike
from indexer.evaluation.match import Judged, measure_pictures
from indexer.evaluation.questions import Source
from indexer.readers.labelled import Labelled
from indexer.vocabulary.wordnet import WordNet
from searchengine.vectors import unit_rows
from tests.support.small_wordnet import Nouns, write_wordnet

NOUNS: Nouns = {
    "00000001": (["thing"], []),
    "00000002": (["animal"], ["00000001"]),
    "00000003": (["dog"], ["00000002"]),
    "00000004": (["spaniel"], ["00000003"]),
    "00000005": (["cat"], ["00000002"]),
    "00000006": (["fruit"], ["00000001"]),
    "00000007": (["apple"], ["00000006"]),
    "00000008": (["pear"], ["00000006"]),
    "00000009": (["rock"], ["00000001"]),
    "00000010": (["orange"], ["00000009"]),
    "00000011": (["orange"], ["00000006"]),
    "00000012": (["climbing"], ["00000001"]),
}


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    return WordNet(write_wordnet(tmp_path / "wordnet", NOUNS))


def test_the_like_of_a_picture_by_name_by_kind_and_in_doubt(wordnet: WordNet) -> None:
    named = ["Dog", "spaniel", "cat", "apple", "fresh pear", "rock", "rock climbing", "orange"]
    # What is common is not narrow: a hundred animals do not make a dog the like of a cat.
    labelled = [Labelled(Path(name), (name,)) for name in (*named, "dog", *["animal"] * 40)]
    pictures = unit_rows(np.random.default_rng(0).normal(size=(len(labelled), 8)))
    questions = {int(each.own.argmax()): each for each in alike(labelled, pictures, wordnet)}
    assert len(questions) == len(labelled)

    def names(flags: np.ndarray) -> set[str]:
        return {entry.names[0] for entry, flag in zip(labelled, flags, strict=True) if flag}

    right = {names_of: names(questions[row].right) for row, names_of in enumerate(named)}
    assert right["Dog"] == {"Dog", "dog", "spaniel", "animal"}  # an animal may well be a dog
    assert right["cat"] == {"cat", "animal"}
    assert right["apple"] == {"apple", "fresh pear"}  # few are fruit; a pear, fresh or not, is one
    assert right["orange"] == {"orange", "rock"}  # by its usual sense
    doubtful = {name: names(questions[row].maybe) - right[name] for row, name in enumerate(named)}
    assert doubtful["rock"] == {"rock climbing"}  # a word in common
    assert doubtful["cat"] == doubtful["apple"] == set()
    assert NARROW * len(labelled) < 40


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_bands_of_pictures_are_those_of_a_naive_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = []
    expected: dict[int, dict[str, list[bool]]] = {1: {}, 4: {}}
    for _ in range(2):
        likely, maybe = sorted(random.random(2), reverse=True)
        present = random.random((int(random.integers(1, 9)), 4), dtype=np.float32)
        absent = random.random((int(random.integers(0, 9)), 4), dtype=np.float32)
        present[0, 2:] = -1  # a small library
        right = (random.random(present.shape) < 0.5) & (present >= 0)
        parts.append((Judged(present, right, absent), likely, maybe))
        flags = [*right.tolist(), *np.zeros(absent.shape, dtype=bool).tolist()]
        for matches, line in zip([*present.tolist(), *absent.tolist()], flags, strict=True):
            for first, bands in expected.items():
                for match, is_right in zip(matches[:first], line[:first], strict=True):
                    if match >= 0:
                        below = match >= maybe
                        band = "likely" if match >= likely else "maybe" if below else "unlikely"
                        bands.setdefault(band, []).append(is_right)
    scores = measure_pictures(*parts)
    assert scores.asked == sum(len(one.present) + len(one.absent) for one, _, _ in parts)
    for first, measured in ((1, scores.first), (4, scores.ten)):
        count = sum(map(len, expected[first].values()))
        for band, one in measured.items():
            called = expected[first].get(band, [])
            assert one.share == pytest.approx(100 * len(called) / count, abs=0.01)
            assert one.right == pytest.approx(100 * np.mean(called) if called else 100, abs=0.01)


def test_halves_share_no_picture_that_asks_and_none_that_is_found(wordnet: WordNet) -> None:
    labelled = [Labelled(Path(str(n)), (("dog", "cat", "pear")[n % 3],)) for n in range(60)]
    pictures = unit_rows(np.random.default_rng(1).normal(size=(60, 8)))
    questions = alike(labelled, pictures, wordnet)
    source = Source("x", pictures, {"picture": questions}, "pictures")
    halves = source.halves(np.random.default_rng(2))
    seen: list[set[int]] = []
    for half in halves:
        asked = half.ask("picture")
        assert len(asked) == 30  # once each, whether the like of it is there or not
        own = {int(each.question.own.argmax()) for each in asked}
        assert own == set(np.flatnonzero(half.library).tolist())
        assert all(
            set(each.hits.tolist()) <= own - {int(each.question.own.argmax())} for each in asked
        )
        seen.append(own)
    assert not seen[0] & seen[1]
