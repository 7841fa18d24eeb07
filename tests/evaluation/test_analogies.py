"""Analogies on paintings whose colours and captions are known, against a naive count."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.evaluation import analogies
from indexer.evaluation.analogies import (
    ENOUGH,
    GROUPS,
    AnalogyScores,
    draw_analogies,
    evaluate_analogies,
)
from indexer.evaluation.mentions import content_stems, names
from searchengine.errors import TrainingDataError
from searchengine.vectors import compose
from tests.support.colour_encoder import COLOURS, GRID, ColourEncoder

ENCODER = ColourEncoder()
COLOUR_WORDS = ("red", "blue", "green")
OBJECTS = ("house", "tower", "bridge", "mill", "castle", "barn")


Scenes = tuple[list[Path], list[list[str]]]


def paint(folder: Path, colours: Sequence[str], *, dye: float, noise: float) -> Scenes:
    """Paint things in each colour: a pattern of greys for each thing, dyed, with noise on it."""
    random = np.random.default_rng(5)
    images, captions = [], []
    for thing in OBJECTS:
        shapes = random.integers(0, 256, (GRID, GRID, 1)).repeat(3, axis=2)
        for colour in colours:
            pixels = (1 - dye) * shapes + dye * np.array(COLOURS[colour])
            pixels += random.normal(0, noise, pixels.shape)
            path = folder / f"{colour}-{thing}.png"
            squares = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            squares.resize((32, 32), Image.Resampling.NEAREST).save(path)
            images.append(path)
            captions.append([f"A {colour} {thing} .", f"The {thing} is {colour}"])
    return images, captions


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return paint(tmp_path_factory.mktemp("clear"), COLOUR_WORDS, dye=0.5, noise=0)


@pytest.fixture(scope="module")
def murky(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return paint(tmp_path_factory.mktemp("murky"), GROUPS["colours"], dye=0.1, noise=60)


def naive(images: list[Path], captions: list[list[str]]) -> dict[str, float]:
    """Ask every picture for every pair and count, with nothing but loops and sorting."""
    vectors = ENCODER.encode_images(images)
    hits: list[list[bool]] = []
    scenes: list[float] = []
    plain: list[float] = []
    for minus, plus in itertools.permutations(GROUPS["colours"], 2):
        words = ENCODER.encode_texts([minus, plus])
        shows = [
            any(names(c, plus) for c in texts) and not any(names(c, minus) for c in texts)
            for texts in captions
        ]
        for row, texts in enumerate(captions):
            if not any(names(caption, minus) for caption in texts):
                continue
            query = compose(np.stack([vectors[row], *words]), [1, -1, 1])
            others = [other for other in range(len(images)) if other != row]
            for wanted, kept in ((query, scenes), (words[1], plain)):
                ranked = sorted(others, key=lambda o: (-float(vectors[o] @ wanted), shows[o]))
                if kept is scenes:
                    hits.append([any(shows[o] for o in ranked[:k]) for k in (1, 5)])
                found = next(other for other in ranked if shows[other])
                mine, theirs = (content_stems(captions[r], (minus, plus)) for r in (row, found))
                kept.append(len(mine & theirs) / len(mine | theirs))
    top1, top5 = 100 * np.mean(hits, axis=0)
    return {
        "top1": float(top1),
        "top5": float(top5),
        "analogy": float(np.mean(scenes)),
        "plain": float(np.mean(plain)),
        "queries": len(hits),
    }


def evaluate(scenes: Scenes, per_pair: int = 10) -> AnalogyScores:
    return evaluate_analogies(ENCODER, *scenes, per_pair=per_pair)


def test_scores_are_those_of_a_naive_count(murky: Scenes) -> None:
    expected = naive(*murky)
    assert 20 < expected["top1"] < expected["top5"] < 100
    scores = evaluate(murky, per_pair=100)
    assert (scores.pairs, scores.queries) == (72, expected["queries"])
    assert scores.top1 == pytest.approx(expected["top1"], abs=0.01)
    assert scores.top5 == pytest.approx(expected["top5"], abs=0.01)
    assert scores.keeps_scene.analogy == pytest.approx(expected["analogy"], abs=1e-4)
    assert scores.keeps_scene.plain == pytest.approx(expected["plain"], abs=1e-4)
    assert scores.keeps_scene.chance == pytest.approx(1 / len(OBJECTS), abs=1e-4)
    assert scores.groups["colours"].queries == scores.queries


def test_colours_are_exchanged_and_the_thing_is_kept(
    scenes: Scenes,
) -> None:
    scores = evaluate(scenes)
    assert scores.top5 == 100.0
    assert scores.keeps_scene.analogy > 0.8 > 2 * scores.keeps_scene.plain


def test_an_exchange_that_does_nothing_finds_nothing(
    scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captions that say the opposite of what is painted: the nearest pictures are all wrong."""
    images, captions = scenes
    turned = [
        [c.replace("red", "_").replace("blue", "red").replace("_", "blue") for c in texts]
        for texts in captions
    ]
    monkeypatch.setitem(GROUPS, "colours", ("red", "blue"))
    assert evaluate((images, turned)).top1 == 0.0


def test_pairs_need_enough_pictures_on_both_sides() -> None:
    captions = [["a red house"]] * ENOUGH + [["a blue house"]] * (ENOUGH - 1) + [["blue and red"]]
    assert list(draw_analogies(captions, ["red", "blue"], per_pair=9, seed=1)) == []
    captions.append(["blue houses"])
    drawn = list(draw_analogies(captions, ["red", "blue"], per_pair=9, seed=1))
    assert [(analogy.minus, analogy.plus) for analogy in drawn] == [
        ("red", "blue"),
        ("blue", "red"),
    ]
    assert drawn[0].queries.tolist() == list(range(ENOUGH))
    assert np.flatnonzero(drawn[0].right).tolist() == [*range(ENOUGH, 2 * ENOUGH - 1), 2 * ENOUGH]


def test_the_seed_decides_and_other_words_do_not() -> None:
    captions = [[f"a {colour} house"] for colour in ("red", "blue", "green") for _ in range(40)]
    few, many = (
        {
            (a.minus, a.plus): a.queries.tolist()
            for a in draw_analogies(captions, words, per_pair=5, seed=seed)
        }
        for words, seed in ((("red", "blue"), 1), (COLOUR_WORDS, 1))
    )
    assert few.items() <= many.items()
    (other, *_) = draw_analogies(captions, ("red", "blue"), per_pair=5, seed=2)
    assert other.queries.tolist() != few["red", "blue"]


def test_groups_hold_no_word_twice() -> None:
    words = [word for group in analogies.GROUPS.values() for word in group]
    assert len(words) == len(set(words))


def test_too_few_pictures_are_an_error(scenes: Scenes) -> None:
    images, captions = scenes
    with pytest.raises(TrainingDataError, match="no pair of words has 5 pictures"):
        evaluate_analogies(ENCODER, images[:6], captions[:6])
