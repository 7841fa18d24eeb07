"""The contrastive loss and the text branch, against double loops and finite differences."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from indexer.readers.pairs import Pair
from indexer.train.joint.config import JointConfig
from indexer.train.joint.contrastive import (
    Batches,
    Data,
    contrast,
    evaluate_dev,
    info_nce,
)
from indexer.train.joint.model import JointModel

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(5)


def units(rows: int, dim: int = 6) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(rows, dim, dtype=torch.float64), dim=1)


def naive_loss(
    pictures: list[list[float]],
    texts: list[list[float]],
    owner: list[int],
    group: list[int],
    temperature: float,
) -> float:
    def score(text: list[float], picture: list[float]) -> float:
        return math.exp(sum(a * b for a, b in zip(text, picture, strict=True)) / temperature)

    total = 0.0
    for text, own in zip(texts, owner, strict=True):
        positive = score(text, pictures[own])
        wrong_pictures = [
            score(text, picture)
            for number, picture in enumerate(pictures)
            if group[number] != group[own]
        ]
        wrong_texts = [
            score(other, pictures[own])
            for other, theirs in zip(texts, owner, strict=True)
            if group[theirs] != group[own]
        ]
        for wrong in (wrong_pictures, wrong_texts):
            total -= math.log(positive / (positive + sum(wrong))) / 2
    return total / len(texts)


CASES = [
    ([0, 1, 2, 3], [0, 1, 2, 3]),  # one text each
    ([0, 0, 1, 3, 2, 2, 2], [0, 1, 2, 3]),  # several texts of one picture
    ([0, 1, 2, 3, 1], [5, 5, 0, 1]),  # two pictures that are no negatives of each other
]


@pytest.mark.parametrize(("owner", "group"), CASES)
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_loss_is_that_of_a_double_loop(
    owner: list[int], group: list[int], temperature: float
) -> None:
    pictures, texts = units(len(group)), units(len(owner))
    loss = info_nce(pictures, texts, torch.tensor(owner), torch.tensor(group), temperature)
    expected = naive_loss(pictures.tolist(), texts.tolist(), owner, group, temperature)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("owner", "group"), CASES)
def test_gradient_is_that_of_finite_differences(owner: list[int], group: list[int]) -> None:
    inputs = [units(len(group)).requires_grad_(), units(len(owner)).requires_grad_()]

    def loss(pictures: Tensor, texts: Tensor) -> Tensor:
        return info_nce(pictures, texts, torch.tensor(owner), torch.tensor(group), 0.3)

    torch.autograd.backward(loss(*inputs))
    step = 1e-6
    for which, values in enumerate(inputs):
        assert values.grad is not None
        for place in np.ndindex(*values.shape):
            ends = []
            for sign in (1, -1):
                moved = [one.detach().clone() for one in inputs]
                moved[which][place] += sign * step
                ends.append(loss(*moved).item())
            difference = (ends[0] - ends[1]) / (2 * step)
            assert values.grad[place].item() == pytest.approx(difference, abs=1e-7)


def test_a_picture_of_the_same_group_pushes_nothing_away() -> None:
    pictures, texts = units(3), units(3)
    owner, group = torch.arange(3), torch.tensor([0, 0, 1])
    moved = pictures.clone()
    moved[1] = units(1)[0]
    losses = [info_nce(one, texts[:1], owner[:1], group, 0.1).item() for one in (pictures, moved)]
    assert losses[0] == losses[1]


def drawn_data(also: list[int], groups: list[int] | None = None) -> Data:
    splits = ["train"] * 10 + ["dev"] * 2 + ["train"] * 4
    pairs = [Pair(Path(str(row)), ("",), split) for row, split in enumerate(splits)]
    bags = [[torch.tensor([row % 7])] for row in range(len(pairs))]
    return Data(pairs, bags, np.zeros((len(pairs), 1, 6), np.float16), also, groups or [])


def test_further_pairs_fill_their_share_of_each_batch_and_no_more() -> None:
    data = drawn_data(also=[12, 13, 14, 15])
    assert data.rows("train") == list(range(10))
    torch.manual_seed(1)
    drawn = Batches(data, 6)
    batches = [batch.tolist() for batch in drawn]
    assert [sum(row >= 12 for row in batch) for batch in batches] == [1, 1]
    own = [row for batch in batches for row in batch if row < 12]
    assert len(own) == len(set(own)) == 10
    assert set(own) <= set(range(10))


def test_without_further_pairs_batches_are_full_of_training_pictures() -> None:
    torch.manual_seed(1)
    data = drawn_data(also=[])
    batches = [batch.tolist() for batch in Batches(data, 7)]
    assert [len(batch) for batch in batches] == [7, 7]
    assert all(set(batch) <= set(data.rows("train")) for batch in batches)


def test_pictures_with_the_same_captions_are_no_negatives() -> None:
    model = joint_model(word_dropout=0.0, residual_dropout=0.0, dropout=0.0).eval()
    features = torch.randn(3, 6, generator=torch.Generator().manual_seed(3))
    rows, owner = torch.tensor([12, 13, 0]), torch.arange(3)
    bags = [torch.tensor([1]), torch.tensor([1]), torch.tensor([4])]

    def loss(groups: list[int] | None) -> float:
        data = drawn_data([12, 13, 14, 15], groups)
        return contrast(model, data, rows, features, bags, owner).item()

    same = list(range(16))
    same[13] = 12
    pictures = model.embed_pictures(features)
    expected = info_nce(
        pictures, model.embed_texts(bags), owner, torch.tensor([5, 5, 6]), model.config.temperature
    ).item()
    assert loss(same) == expected
    assert loss(None) > expected


def joint_model(words: int = 7, dim: int = 5, **changes: float) -> JointModel:
    table = np.random.default_rng(2).normal(size=(words, 4)).astype(np.float32)
    model = JointModel(table, 6, JointConfig(dim=dim, **changes))  # type: ignore[arg-type]
    torch.nn.init.normal_(model.residual.weight)
    return model


def naive_text(model: JointModel, bag: list[int]) -> np.ndarray:
    """Sum FC * glove + residual word by word."""
    projection = model.projection.weight.detach().numpy()
    total = np.zeros(len(projection))
    for word in bag:
        total += (
            projection @ model.table[word].numpy() + model.residual.weight[word].detach().numpy()
        )
    return total / np.linalg.norm(total)


def test_texts_are_sums_of_projection_and_residual() -> None:
    model = joint_model().eval()
    bags = [[0], [3, 1], [2, 2, 6], [5, 4, 3, 2, 1, 0]]
    rows = model.embed_texts([torch.tensor(bag) for bag in bags]).detach().numpy()
    np.testing.assert_allclose(rows, [naive_text(model, bag) for bag in bags], atol=1e-6)


def test_in_training_a_dropped_residual_leaves_the_projection() -> None:
    model = joint_model(word_dropout=0.0, residual_dropout=1.0).train()
    rows = model.embed_texts([torch.tensor([1, 2])]).detach().numpy()
    torch.nn.init.zeros_(model.residual.weight)
    np.testing.assert_allclose(rows[0], naive_text(model, [1, 2]), atol=1e-6)


def test_in_training_a_text_that_loses_all_words_stays_finite() -> None:
    model = joint_model(word_dropout=1.0).train()
    rows = model.embed_texts([torch.tensor([1, 2])])
    torch.autograd.backward(rows.sum())
    assert not rows.any()
    for parameter in (model.projection.weight, model.residual.weight):
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()


def test_a_dev_caption_of_words_that_training_never_reached_counts_as_not_found() -> None:
    model = joint_model(words=3)
    model.table[2] = 0
    with torch.no_grad():
        model.residual.weight[2] = 0
    pairs = [Pair(Path(name), ("",), "dev") for name in "ab"]
    bags = [[torch.tensor([0])], [torch.tensor([2])]]
    data = Data(pairs, bags, np.zeros((2, 1, 6), np.float16))
    scores = evaluate_dev(model, data, torch.randn(2, 6))
    assert scores["t2i_r5"] == 100.0
    assert scores["t2i_r1"] <= 50.0
