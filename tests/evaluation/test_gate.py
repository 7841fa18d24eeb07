"""Which pictures are taken for food, by the bundled food head on drawn pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.evaluation.gate import evaluate_gate
from indexer.evaluation.recipes import load_models
from indexer.readers.labelled import Labelled
from indexer.vocabulary.wordnet import WordNet
from searchengine.errors import TrainingDataError
from searchengine.images import open_for
from searchengine.search.texts import PROBABLE
from tests.support.command import lexpix
from tests.support.small_wordnet import Nouns, write_wordnet

NOUNS: Nouns = {
    "00000001": (["thing"], []),
    "00000002": (["soup"], ["00000001"]),
    "00000003": (["plate"], ["00000001"]),
    "00000004": (["plate"], ["00000002"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw noise of several colours, and a WordNet in which soup is food."""
    folder = tmp_path_factory.mktemp("gate")
    random = np.random.default_rng(4)
    for number in range(6):
        pixels = random.normal(random.uniform(0, 255, 3), 60, (64, 64, 3)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    write_wordnet(folder / "wordnet", NOUNS)
    data = folder / "wordnet" / "data.noun"
    lines = data.read_text(encoding="utf-8").splitlines()
    as_food = [
        line.replace(" 03 ", " 13 ", 1) if line.startswith("00000002") else line for line in lines
    ]
    assert lines != as_food
    data.write_text("\n".join(as_food) + "\n", encoding="utf-8")
    return folder


def test_what_passes_is_counted_apart_from_what_may_be_food(folder: Path) -> None:
    general, head = load_models("food")
    assert head is not None
    drawn = [folder / f"{number}.png" for number in range(6)]
    dishes = [Labelled(path, ("soup",)) for path in drawn[:2]]
    names = ("soup", "plate", "thing", "tin")  # one sense of a plate is a kind of soup
    others = [Labelled(path, (name,)) for path, name in zip(drawn[2:], names, strict=True)]
    scores = evaluate_gate(general, head, dishes, others, WordNet(folder / "wordnet"))
    passing = [
        head.shows(general.encode_images([open_for(general, path)]))[0] >= PROBABLE
        for path in drawn
    ]
    assert (scores.dishes, scores.others, scores.left_out) == (2, 2, 2)
    assert scores.kept == 100 * np.mean(passing[:2])
    assert scores.passing == 100 * np.mean(passing[4:])
    assert scores.names == tuple(n for n, p in zip(names[2:], passing[4:], strict=True) if p)
    with pytest.raises(TrainingDataError, match="may be of food"):
        evaluate_gate(general, head, dishes, others[:2], WordNet(folder / "wordnet"))


def test_the_command_tells_it(folder: Path, tmp_path: Path) -> None:
    for name, label in (("dishes", "soup"), ("others", "thing")):
        lines = [{"image": f"{n}.png", "labels": [label]} for n in range(3)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run = lexpix(
        *("eval", "food", "--dishes", str(folder / "dishes.jsonl")),
        *("--others", str(folder / "others.jsonl")),
        *("--wordnet", str(folder / "wordnet"), "--json"),
        library=tmp_path,
    )
    scores = json.loads(run.stdout)
    assert (scores["dishes"], scores["others"], scores["left_out"]) == (3, 3, 0)
    assert scores["kept"] == scores["passing"]  # of the same pictures
