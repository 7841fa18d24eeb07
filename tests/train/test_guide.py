"""The joint model tells attention where a word is, exactly as its explanations do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from indexer.train.captioner.guide import SHARPNESS, Guide, linear_layer
from searchengine.models.captioner.words import CaptionWords
from searchengine.models.joint import JointEncoder
from searchengine.search.attribution import split
from tests.support.drawn_captions import COLOURS, draw

COLOURS_OF_WALLS = [(a, b) for a in COLOURS for b in COLOURS]


@pytest.fixture(scope="module")
def walls(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("walls")
    paths = []
    for number, (left, right) in enumerate(COLOURS_OF_WALLS * 4):
        paths.append(folder / f"{number}.png")
        draw(left, right, number).save(paths[-1])
    return paths


def test_the_linear_layer_is_the_one_of_the_model(
    walls: list[Path], colour_encoder: JointEncoder
) -> None:
    matrix = linear_layer(colour_encoder, walls)
    unseen = [draw("red", "green", 999), Image.new("RGB", (40, 40), (90, 30, 200))]
    features = colour_encoder.encode_features(unseen)
    rest = colour_encoder.encode_regions(unseen) - features @ matrix.T
    np.testing.assert_allclose(rest, np.broadcast_to(rest[0, 0], rest.shape), atol=1e-3)


def test_a_word_is_looked_for_where_an_explanation_finds_it(
    walls: list[Path], colour_encoder: JointEncoder
) -> None:
    words = CaptionWords.build(["a red wall and a green square with a zzyzx"], "words", 1)
    guide = Guide.of(colour_encoder, words, walls)
    guided = {word for word, is_so in zip(words.words, guided_of(guide), strict=True) if is_so}
    assert {"red", "green"} <= guided
    assert not guided & {"a", "and", "with", "zzyzx"}
    picture = draw("red", "green", 7)
    features = torch.from_numpy(colour_encoder.encode_features([picture]))
    number = words.words.index("red")
    [found] = guide.targets(features, torch.tensor([0]), torch.tensor([number])).numpy()
    _, vectors = colour_encoder.encode_words("red")
    regions = colour_encoder.encode_regions([picture])[0]
    grid = split(["red"], vectors, regions, colour_encoder.grid).parts[0].grid.ravel()
    scaled = SHARPNESS * (grid - grid.mean()) / grid.std(ddof=1)
    np.testing.assert_allclose(found, np.exp(scaled) / np.exp(scaled).sum(), rtol=1e-2, atol=1e-4)


def test_the_loss_is_the_divergence_of_guided_words_only(
    walls: list[Path], colour_encoder: JointEncoder
) -> None:
    words = CaptionWords.build(["a red wall"], "words", 1)
    guide = Guide.of(colour_encoder, words, walls)
    features = torch.from_numpy(colour_encoder.encode_features([walls[0], walls[1]]))
    red, a = words.words.index("red"), words.words.index("a")
    targets, owner = torch.tensor([red, a, -100]), torch.tensor([1, 0, 0])
    looks = torch.rand(3, features.shape[1]).softmax(1)
    wanted = guide.targets(features, owner[:1], targets[:1])[0]
    expected = sum(
        float(p) * (np.log(float(p)) - np.log(float(q)))
        for p, q in zip(wanted, looks[0], strict=True)
    )
    assert float(guide.loss(features, owner, targets, looks)) == pytest.approx(expected, rel=1e-4)
    right = torch.stack([wanted, *looks[1:]])
    assert float(guide.loss(features, owner, targets, right)) == pytest.approx(0, abs=1e-5)
    assert float(guide.loss(features, owner[1:], targets[1:], looks[1:])) == 0


def guided_of(guide: Guide) -> list[bool]:
    return [bool(is_so) for is_so in guide.guided]
