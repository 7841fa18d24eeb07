"""What is a kind of what, and how broader words are measured, against naive counting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.evaluation.hypernyms import evaluate_hypernyms
from indexer.evaluation.metrics import average_precisions, chance_precision
from indexer.readers.labelled import Labelled, read_labelled
from indexer.vocabulary.kinds import Kinds
from indexer.vocabulary.wordnet import WordNet
from searchengine.errors import TrainingDataError
from tests.support.colour_encoder import COLOURS, ColourEncoder
from tests.support.small_wordnet import write_wordnet

ENCODER = ColourEncoder()

# Everything is an entity; red and pink are warm ("red" too has that name), one red is a crimson.
NOUNS = {
    "00000001": (["entity"], []),
    "00000002": (["red", "warm colour"], ["00000001"]),
    "00000003": (["Crimson"], ["00000002"]),
    "00000004": (["blue", "cold colour"], ["00000001"]),
    "00000005": (["navy"], ["00000004"]),
    "00000006": (["sky"], ["00000004", "00000008"]),
    "00000007": (["red"], ["00000001"]),  # another meaning, such as the politician's
    "00000008": (["zorblax"], ["00000001"]),
    "00000009": (["pink"], ["00000007"]),
}


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    return WordNet(write_wordnet(tmp_path / "wordnet", NOUNS))


def test_ancestors_are_all_that_a_noun_is_a_kind_of(wordnet: WordNet) -> None:
    assert wordnet.ancestors("00000006") == {"00000004", "00000008", "00000001"}
    assert wordnet.ancestors("00000001") == frozenset()


def test_a_file_that_is_not_wordnets_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text("00001740 03 n\n")
    with pytest.raises(TrainingDataError, match=r"data\.noun: not a synset of WordNet: '00001740"):
        WordNet(tmp_path)


def test_pictures_are_of_their_synset_and_of_all_above_it(wordnet: WordNet) -> None:
    kinds = Kinds(wordnet, ["n00000003", None, "n00000002", "n00000006", "n99999999", "v00000002"])
    assert kinds.known.tolist() == [True, False, True, True, False, False]
    assert kinds.unknown == ("n99999999", "v00000002")
    assert kinds.showing("00000002").tolist() == [True, False, True, False, False, False]
    assert kinds.showing("00000001").tolist() == [True, False, True, True, False, False]


def test_hypernyms_of_one_name_share_their_pictures_and_what_is_everywhere_is_none(
    wordnet: WordNet,
) -> None:
    synsets = ["n00000003"] * 2 + ["n00000009"] * 2 + ["n00000005"] * 8 + ["n00000006"] * 4
    hypernyms = Kinds(wordnet, synsets).hypernyms(least=3, most=0.5)
    assert {name: np.flatnonzero(rows).tolist() for name, rows in hypernyms.items()} == {
        "red": [0, 1, 2, 3],  # two by either meaning
        "navy": list(range(4, 12)),
        "sky": list(range(12, 16)),
        "zorblax": list(range(12, 16)),
    }  # crimson and pink have two each, blue and entity more than half


def test_chance_is_the_mean_of_all_rankings() -> None:
    random = np.random.default_rng(1)
    for relevant, items in ((1, 7), (3, 9), (5, 5)):
        scores = random.random((20_000, items), dtype=np.float32)
        flags = np.tile(np.arange(items) < relevant, (len(scores), 1))
        expected = average_precisions(scores, flags).mean()
        assert chance_precision(np.array([relevant]), items)[0] == pytest.approx(expected, abs=0.01)


def paint(folder: Path, colour: str, number: int) -> Path:
    pixels = np.random.default_rng(number).normal(COLOURS[colour], 30, (16, 16, 3))
    path = folder / f"{number}.png"
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return path


def test_hypernyms_are_measured_on_the_pictures_whose_synsets_are_known(
    tmp_path: Path, wordnet: WordNet
) -> None:
    shown: list[tuple[str, str | None]] = [("red", "n00000003")] * 3
    shown += [("blue", "n00000006")] * 4 + [("green", "n00000001")] * 9
    shown += [("red", "n12345678"), ("red", None)]
    labelled = [
        Labelled(paint(tmp_path, colour, number), (colour,), synset)
        for number, (colour, synset) in enumerate(shown)
    ]
    scores = evaluate_hypernyms(ENCODER, labelled, wordnet)
    assert (scores.images, scores.without_synset) == (16, 1)
    assert scores.unknown_synsets == ("n12345678",)
    assert scores.unknown == ("crimson", "sky", "zorblax")
    found = {each.name: (each.pictures, each.average_precision) for each in scores.each}
    worst_of_three = 100 * np.mean([1 / 14, 2 / 15, 3 / 16])
    assert found["crimson"] == pytest.approx((3, worst_of_three), abs=0.01)
    assert found["red"] == (3, 100.0)
    assert found["blue"] == (4, 100.0)
    assert "entity" not in found
    assert scores.each[-1].average_precision == 100.0
    mean = np.mean([precision for _, precision in found.values()])
    assert scores.mean_average_precision == pytest.approx(mean, abs=0.01)
    assert scores.chance < scores.mean_average_precision


def test_pictures_without_any_known_synset_are_refused(tmp_path: Path, wordnet: WordNet) -> None:
    picture = paint(tmp_path, "red", 1)
    with pytest.raises(TrainingDataError, match="no picture has a synset"):
        evaluate_hypernyms(ENCODER, [Labelled(picture, ("red",))], wordnet)
    with pytest.raises(TrainingDataError, match="none of its synsets is in WordNet"):
        evaluate_hypernyms(ENCODER, [Labelled(picture, ("red",), "n99999999")], wordnet)
    with pytest.raises(TrainingDataError, match="have no hypernym that is worth asking for"):
        evaluate_hypernyms(ENCODER, [Labelled(picture, ("red",), "n00000002")], wordnet)


def test_labels_of_a_split_are_chosen_and_a_file_without_splits_is_all_of_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "labels.jsonl"
    lines = [
        '{"image": "1.jpg", "labels": ["dog"], "split": "train", "synset": "n02084071"}',
        '{"image": "2.jpg", "labels": ["cat"], "split": "val"}',
        '{"image": "3.jpg", "labels": ["cow"]}',
    ]
    path.write_text("\n".join(lines))
    one, two, three = read_labelled(path)
    assert one == Labelled(tmp_path / "1.jpg", ("dog",), "n02084071", "train")
    assert read_labelled(path, "dev") == read_labelled(path, "val") == [two]
    with pytest.raises(TrainingDataError, match=r"split 'test' in it; splits in it: dev, train"):
        read_labelled(path, "test")
    path.write_text(lines[2])
    assert read_labelled(path, "dev") == [three]
    path.write_text('{"image": "1.jpg", "labels": ["dog"], "synset": 2084071}')
    with pytest.raises(TrainingDataError, match=r"labels\.jsonl:1: not .* are texts"):
        read_labelled(path)
