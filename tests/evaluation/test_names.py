"""Questions from labelled pictures: what is right, what is in doubt, and a calibration of them."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.evaluation.match import Judged
from indexer.evaluation.names import NameWriter
from indexer.evaluation.questions import Question, Source
from indexer.readers.labelled import Labelled
from indexer.train.match.fit import LOST, _maybe, cross_fit, fit
from indexer.train.match.material import prepare
from indexer.vocabulary.wordnet import WordNet
from searchengine.errors import TrainingDataError
from searchengine.models.calibration import NAMED
from searchengine.models.files import ASSETS
from tests.support.colour_encoder import COLOURS, ColourEncoder
from tests.support.command import lexpix
from tests.support.small_wordnet import Nouns, write_wordnet

ENCODER = ColourEncoder()

NOUNS = {
    "00000001": (["colour"], []),
    "00000002": (["red"], ["00000001"]),
    "00000003": (["pink"], ["00000002"]),
    "00000004": (["blue"], ["00000001"]),
    "00000005": (["orange"], ["00000002"]),
    "00000006": (["orange", "satsuma"], ["00000001"]),
    "00000007": (["green"], ["00000001"]),
}


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    return write_wordnet(tmp_path / "wordnet", NOUNS)


def questions(writer: list[Question]) -> dict[str, tuple[list[int], list[int]]]:
    return {
        each.text: (np.flatnonzero(each.right).tolist(), np.flatnonzero(each.maybe).tolist())
        for each in writer
    }


def test_names_are_right_by_name_and_by_kind_and_in_doubt_where_near(wordnet: Path) -> None:
    labelled = [
        Labelled(Path("0"), ("Red",), "n00000002"),
        Labelled(Path("1"), ("pink",), "n00000003"),
        Labelled(Path("2"), ("blue",), "n00000004"),
        Labelled(Path("3"), ("orange",)),  # of two senses, one of them red
        Labelled(Path("4"), ("red car", "zorblax")),
        Labelled(Path("5"), ("dark blue",), "n00000007"),
    ]
    writer = NameWriter(labelled, ENCODER, WordNet(wordnet))
    assert questions(writer.names()) == {
        "red": ([0, 1], [0, 1, 3, 4]),
        "pink": ([1], [0, 1]),  # a picture of something red may be pink
        "blue": ([2], [2, 5]),  # named blue, whatever its synset
        "orange": ([3], [0, 3]),
        "red car": ([4], [0, 4]),
        "dark blue": ([5], [5]),
    }
    assert writer.unknown == ["zorblax"]
    assert writer.synsets == (2, ())


def test_hypernyms_are_in_doubt_where_a_picture_is_named_so(wordnet: Path) -> None:
    reds = [Labelled(Path("r"), ("pink",), "n00000003")] * 3
    others = [Labelled(Path("o"), ("blue",), "n00000004")] * 9
    rest = [Labelled(Path("x"), ("colour",), "n00000001")]
    rest += [Labelled(Path("y"), ("red light",), "n00000007")]
    writer = NameWriter([*reds, *others, *rest], ENCODER, WordNet(wordnet))
    assert questions(writer.hypernyms()) == {
        "red": ([0, 1, 2], [0, 1, 2, 12, 13]),  # what is a colour may be red
        "pink": ([0, 1, 2], [0, 1, 2, 12]),
    }


def test_halves_have_other_pictures_or_other_questions() -> None:
    pictures = np.eye(8, dtype=np.float32)
    flags = np.ones(8, dtype=bool)
    asked = [
        Question("words", str(n), pictures[n], flags, flags, flags, ~flags, 1) for n in range(8)
    ]
    random = np.random.default_rng(1)
    one, other = Source("a", pictures, {"words": asked}, "pictures").halves(random)
    assert (one.library ^ other.library).all()
    assert one.questions == other.questions == {"words": asked}
    one, other = Source("b", pictures, {"words": asked}, "questions").halves(random)
    assert one.library.all()
    assert other.library.all()
    texts = [{each.text for each in part.questions["words"]} for part in (one, other)]
    assert texts[0].isdisjoint(texts[1])
    assert texts[0] | texts[1] == set("01234567")


def test_maybe_begins_where_few_names_lose_their_right_hits() -> None:
    random = np.random.default_rng(2)
    nobody = np.zeros((0, 10), dtype=np.float32)
    named = Judged(
        random.random((200, 10), dtype=np.float32), random.random((200, 10)) < 0.2, nobody
    )
    sure = Judged(np.full((50, 10), 0.9, np.float32), np.ones((50, 10), dtype=bool), nobody)
    begin = _maybe(sure, named)
    best = [
        max(match for match, right in zip(matches, flags, strict=True) if right)
        for matches, flags in zip(named.present[:, :5], named.right[:, :5], strict=True)
        if flags.any()
    ]
    assert np.mean([value < begin for value in best]) <= LOST / 100
    assert np.mean([value <= begin for value in best]) > LOST / 100


def paint(path: Path, colour: str, number: int) -> str:
    pixels = np.random.default_rng(number).normal(COLOURS[colour], 60, (16, 16, 3))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path / f"{number}.png")
    return f"{number}.png"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Captioned and labelled pictures of noisy colours; labels have synsets, but for two."""
    random = np.random.default_rng(3)
    colours = sorted(COLOURS)
    opposite = ({"black", "white"}, {"yellow", "blue"})  # this encoder adds them up to nothing
    twos = [two for two in product(colours, repeat=2) if set(two) not in opposite]
    pairs, labels = [], []
    for number in range(300):
        one, two = twos[int(random.integers(len(twos)))]
        captions = [f"{one} {two}", f"{two} {one}", one, f"{one} thing", two]
        split = "train" if number < 180 else "dev"
        image = paint(tmp_path, one, number)
        pairs.append({"image": image, "captions": captions, "split": split})
    for number in range(1000, 1090):
        colour = colours[number % len(colours)]
        split = "train" if number < 1030 else "dev"
        line = {"image": paint(tmp_path, colour, number), "labels": [colour], "split": split}
        if number % 7:
            line["synset"] = f"n{colours.index(colour):08d}"
        labels.append(line)
    labels += [line | {"labels": ["zorblax"], "synset": "n12345678"} for line in labels[-2:]]
    for name, lines in (("captions", pairs), ("labels", labels)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path / "captions.jsonl", tmp_path / "labels.jsonl"


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A WordNet in which each colour has the synset of `files`."""
    nouns: Nouns = {
        f"{number:08d}": ([colour], []) for number, colour in enumerate(sorted(COLOURS))
    }
    return write_wordnet(tmp_path / "colours", nouns)


def test_names_are_fitted_and_measured_beside_captions(
    files: tuple[Path, Path], colours: Path
) -> None:
    pairs, labels = files
    plain = prepare(ENCODER, pairs)
    material = prepare(ENCODER, pairs, labels=[labels], wordnet=colours)
    assert [source.name for source in material.labels] == [
        f"{labels.parent.name}/labels.jsonl names",
        f"{labels.parent.name}/labels.jsonl hypernyms",
    ]
    left = material.left_out[labels]
    assert (left.names, left.synsets, left.without_synset) == (("zorblax",), ("n12345678",), 8)
    assert [len(s.pictures) for s in material.labels] == [62, 52]  # of dev; with known synsets
    assert NAMED in material.backgrounds
    assert NAMED not in plain.backgrounds
    for name, background in plain.backgrounds.items():
        assert np.array_equal(background.mean, material.backgrounds[name].mean)
    figures = cross_fit(material)
    names = figures.labels[material.labels[0].name]
    assert (names.present, names.absent) == (10, 10)
    assert names.first_found >= 80  # colours are easy for who sees colours
    assert names.absent_silent >= 50
    calibration = fit(
        material.backgrounds, [s.whole() for s in (material.captions, *material.labels)]
    )
    red = next(q for q in material.labels[0].questions["words"] if q.text == "red")
    matches = calibration.match(red.vector[None], material.labels[0].pictures, ["words"])[0]
    assert matches[red.right].min() > matches[~red.maybe].max()


def test_labels_that_ask_nothing_are_refused(files: tuple[Path, Path], wordnet: Path) -> None:
    pairs, labels = files
    labels.write_text('{"image": "0.png", "labels": ["zorblax"]}')
    with pytest.raises(TrainingDataError, match=r"labels\.jsonl: too little to ask for"):
        prepare(ENCODER, pairs, labels=[labels], wordnet=wordnet)


def test_commands_fit_and_measure_names_and_say_what_they_left_out(
    files: tuple[Path, Path], colours: Path, tmp_path: Path
) -> None:
    pairs, labels = files
    model = tmp_path / "model"
    shutil.copytree(ASSETS / "default", model)
    options: list[str | Path] = ["--pairs", pairs, "--labels", labels]
    options += ["--wordnet", colours, "--model", model]
    fitted = json.loads(lexpix("train", "match", *options, "--json", library=tmp_path).stdout)
    assert [scores["present"] for scores in fitted["labels"].values()] == [10, 10]
    shipped = lexpix("eval", "match", *options, "--as-shipped", library=tmp_path)
    for name in fitted["labels"]:
        assert f"{name}: 10 questions with an answer, 10 without" in shipped.stdout
    assert "no word is known of: zorblax" in shipped.stderr
    assert "not in WordNet, no hypernym is theirs: 1 (n12345678)" in shipped.stderr
