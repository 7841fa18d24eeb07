"""A small food head, trained for real, against the same sums written out word by word."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.Image import Transpose
from sklearn.linear_model import LogisticRegression
from torch import nn

import indexer
from indexer.evaluation.metrics import Recall
from indexer.evaluation.recipes import evaluate_recipes, scores_of
from indexer.library.texts import add_texts
from indexer.train.backbones import Backbone
from indexer.train.food.closed_form import correlate
from indexer.train.food.config import FoodConfig
from indexer.train.food.data import read_dishes, read_recipes
from indexer.train.food.gate import RIDGE, fit_gate
from indexer.train.food.model import FoodModel
from indexer.train.food.training import compute, read_material, save_head, train_food
from indexer.train.joint.config import JointConfig
from indexer.train.joint.model import JointModel
from indexer.train.joint.saving import save_model
from searchengine.catalog.database import open_database
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.documents import Document, Kind
from searchengine.errors import ModelError, TrainingDataError, UnknownWords
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.sync import open_index
from searchengine.language.words import WordVectors, tokenize
from searchengine.models import files
from searchengine.models.food import (
    CODES,
    FILES,
    MEANS,
    PICTURES,
    PROJECTION,
    ROWS,
    SCALES,
    TEXTS,
    WEIGHTS,
    FoodHead,
    join,
)
from searchengine.models.joint import JointEncoder
from searchengine.models.loading import heads_on, load_model, text_model
from searchengine.models.texts import GeneralTexts
from searchengine.search.engine import Engine
from searchengine.types import Failure, FileStat
from searchengine.vectors import unit_rows

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SIZE, DIM = 32, 16
COLOURS = {"tomato": 0, "spinach": 1, "blueberry": 2}
FILLERS = ("soup", "salad", "with", "fresh", "cook", "the", "slowly", "cups", "of")
UNTRAINED = "saffron"


@pytest.fixture(scope="module")
def general(tmp_path_factory: pytest.TempPathFactory) -> JointEncoder:
    """Return a joint model that knows nothing: random words, and a CNN that sees colours."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(3, 24, 4, 8), nn.ReLU())
    backbone = Backbone("tiny", network.eval(), 24, SIZE, SIZE, (0.5,) * 3, (0.5,) * 3, None)
    words = (*FILLERS, *COLOURS, UNTRAINED)
    vectors = np.random.default_rng(3).normal(size=(len(words), 12)).astype(np.float32)
    table = WordVectors.build(words, vectors)
    used = np.arange(len(words))
    folder = tmp_path_factory.mktemp("models") / "general"
    model = JointModel(table.vectors(used), 24, JointConfig(dim=DIM))
    save_model(folder, model, backbone, table, used, {})
    return JointEncoder(folder)


def paint(path: Path, channel: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 90, (SIZE, SIZE, 3), dtype=np.uint8)
    pixels[..., channel] += 130
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_recipes(folder: Path, first: int, count: int) -> Path:
    """Write recipes named after what colours their pictures."""
    lines = []
    for number in range(first, first + count):
        name, channel = list(COLOURS.items())[number % 3]
        image = f"images/{number}.png"
        paint(folder / image, channel, number)
        lines.append(
            {
                "id": f"{'odd' if number % 2 else 'even'}/{number}",
                "title": f"Fresh {name} {'soup' if number % 4 else 'salad'}",
                "ingredients": [f"2 cups of {name}", "fresh xyzzy"],
                "instructions": ["Cook the soup slowly"],
                "image": image,
            }
        )
    path = folder / "recipes.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipes(tmp_path_factory.mktemp("pairs"), 0, 24)


@pytest.fixture(scope="module")
def dishes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dishes")
    lines = []
    for number in range(9):
        name, channel = list(COLOURS.items())[number % 3]
        paint(folder / f"{number}.png", channel, 100 + number)
        split = "test" if number > 5 else "train"
        lines.append({"image": f"{number}.png", "labels": [f"{name} soup"], "split": split})
    path = folder / "labels.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


SMALL = FoodConfig(dim=8, epochs=2, batch=8, share=0.6)


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, general: JointEncoder, pairs: Path, dishes: Path
) -> Path:
    out = tmp_path_factory.mktemp("heads") / "food"
    train_food(pairs, out, general, SMALL, also=[dishes], texts=[pairs])
    return out


@pytest.fixture(scope="module")
def head(folder: Path, general: JointEncoder) -> FoodHead:
    return FoodHead(folder, general)


def unit(vector: np.ndarray) -> np.ndarray:
    row: np.ndarray = vector / np.linalg.norm(vector)
    return row


def naive(folder: Path, general: JointEncoder, document: Document) -> np.ndarray:
    """Compute the vector of a document word by word, from the definition."""
    config = files.read_config(folder)
    parts = {name: np.load(folder / name).astype(np.float64) for name in FILES}
    counts: Counter[str] = Counter()
    for field, texts in document.fields.items():
        for text in texts:
            for word in tokenize(text):
                counts[word] += config.text["fields"][field]
    g, f = np.zeros(DIM), np.zeros(parts[TEXTS].shape[0] - 1)
    for word, count in counts.items():
        row = general.words.row(word)
        if row is None:
            continue
        vector = general.words.vectors([row])[0] @ parts[PROJECTION]
        weight = config.text["rare"]
        for place in np.flatnonzero(parts[ROWS] == row):
            weight = parts[WEIGHTS][place]
            vector = vector + parts[CODES][place] * parts[SCALES][place]
        f += np.log(1 + count) * weight * vector
        g += np.log(1 + count) * weight * general.word_vectors([row])[0]
    food = unit(f) @ parts[TEXTS][:-1] + parts[TEXTS][-1]
    share = config.text["share"]
    return np.concatenate(
        [share * unit(unit(g) - parts[MEANS][1]), np.sqrt(1 - share**2) * unit(food)]
    )


def test_documents_are_sums_over_words(
    folder: Path, head: FoodHead, general: JointEncoder, pairs: Path
) -> None:
    documents = [
        *read_recipes(pairs)[:3],
        Document("text", "", ("tomato tomato unheardof saffron",)),
    ]
    rows = head.encode_documents(documents)
    for row, document in zip(rows, documents, strict=True):
        np.testing.assert_allclose(row, naive(folder, general, document), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_a_query_is_a_title(head: FoodHead) -> None:
    expected = head.encode_documents([Document("recipe", "fresh tomato soup")])
    np.testing.assert_array_equal(head.encode_texts(["fresh tomato soup"]), expected)


def test_pictures_are_projected_from_stored_vectors(folder: Path, head: FoodHead) -> None:
    vectors = np.random.default_rng(1).normal(size=(5, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pictures, means = np.load(folder / PICTURES), np.load(folder / MEANS)
    for row, vector in zip(head.project(vectors), vectors, strict=True):
        food = vector @ pictures[:-1] + pictures[-1]
        expected = np.concatenate([0.6 * unit(vector - means[0]), 0.8 * unit(food)])
        np.testing.assert_allclose(row, expected, atol=1e-5)
    assert head.project(vectors[:0]).shape == (0, head.dim)
    with pytest.raises(ValueError, match="shape"):
        head.project(vectors[:, :3])


def test_refinement_sees_pictures_as_the_head_does(
    general: JointEncoder, pairs: Path, dishes: Path, tmp_path: Path
) -> None:
    material = read_material(general, pairs, [dishes], [pairs], tmp_path)
    parts = compute(material, general, dataclasses.replace(SMALL, epochs=0), tmp_path)
    save_head(tmp_path / "food", parts, general, SMALL, {})
    vectors = material.pictures[:5, 0]
    with torch.inference_mode():
        seen = FoodModel(parts, SMALL).embed_pictures(torch.from_numpy(vectors)).numpy()
    # Nothing but food was shown, so that the gate is open.
    shown = FoodHead(tmp_path / "food", general).project(vectors)
    np.testing.assert_allclose(shown, seen, atol=1e-4)


def test_head_finds_recipes_that_it_was_not_trained_on(
    general: JointEncoder, head: FoodHead, tmp_path: Path
) -> None:
    held_out = read_recipes(write_recipes(tmp_path, 300, 12))
    scores = evaluate_recipes(general, head, held_out)
    # Four of twelve have the same colour, and two of these the very same text.
    assert scores.recipes == 12
    assert scores.i2r.medr <= 4
    assert scores.r2i.medr <= 4
    pictures = head.project(general.encode_images([r.image for r in held_out if r.image]))
    nearest = (pictures @ head.encode_documents(held_out).T).argmax(axis=1)
    assert [number % 3 for number in nearest] == [number % 3 for number in range(12)]


def test_the_same_seed_gives_the_same_head(
    folder: Path, general: JointEncoder, pairs: Path, dishes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "food"
    config = train_food(pairs, out, general, SMALL, also=[dishes], texts=[pairs])
    assert config.fingerprint == files.read_config(folder).fingerprint
    again = train_food(pairs, out, general, SMALL, also=[dishes], texts=[pairs])  # from caches
    assert again.fingerprint == config.fingerprint


def test_pictures_of_the_test_split_are_left_out(
    general: JointEncoder, pairs: Path, dishes: Path, tmp_path: Path
) -> None:
    material = read_material(general, pairs, [dishes], [pairs], tmp_path)
    kept = [dish.image for dish in read_dishes(dishes) if dish.split == "train"]
    assert [dish.image for dish in material.dishes] == kept
    titles = [recipe.title for recipe in read_recipes(pairs)]
    soups = sum(title == "Fresh tomato soup" for title in titles)
    assert len(material.of_dish[material.names.index("tomato soup")]) == soups > 0


def test_head_of_another_model_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"trained on the joint model .* train food"):
        FoodHead(folder)  # the bundled model is not the small one


def test_changed_file_is_refused(folder: Path, general: JointEncoder, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    values = np.load(copy / WEIGHTS)
    np.save(copy / WEIGHTS, values * 2)
    with pytest.raises(ModelError, match="hash mismatch"):
        FoodHead(copy, general).encode_texts(["tomato"])


def test_text_of_unknown_words_is_refused(head: FoodHead) -> None:
    with pytest.raises(UnknownWords):
        head.encode_texts(["unheardof"])


def test_recipe_of_unknown_words_is_the_worst_answer() -> None:
    pictures, texts = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    texts[1] = 0
    i2r, r2i = scores_of(pictures, pictures, texts)
    assert i2r == r2i == Recall(66.67, 100.0, 100.0, 1.0)
    texts[:2] = 0
    assert scores_of(pictures, pictures, texts)[0].medr == 3.0


def test_candidates_may_be_restricted() -> None:
    pictures = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    texts = np.array([[0.6, 0.8], [0, 1], [1, 0]], dtype=np.float32)
    among = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)

    def rank(query: int, transpose: bool) -> int:
        scores = (texts @ pictures.T if transpose else pictures @ texts.T)[query]
        mine = scores[query]
        return sum(bool(among[query, other]) and scores[other] >= mine for other in range(3))

    for scores, transpose in zip(
        scores_of(pictures, pictures, texts, among), (False, True), strict=True
    ):
        assert scores.medr == np.median([rank(query, transpose) for query in range(3)])


def test_correlation_without_ridge_is_canonical() -> None:
    """Projections have unit variance and the correlations that the scale says."""
    random = np.random.default_rng(5)
    x = random.normal(size=(400, 4))
    y = np.hstack([x[:, :2] + random.normal(size=(400, 2)), random.normal(size=(400, 3))])
    config = FoodConfig(dim=3, picture_ridge=0, text_ridge=0)
    a, b = correlate(x, y, np.ones(400), config)  # type: ignore[arg-type]
    u, v = (x - x.mean(0)) @ a, (y - y.mean(0)) @ b
    scale = u.std(axis=0)  # each is scaled by its correlation
    np.testing.assert_allclose(scale, v.std(axis=0), atol=1e-8)
    np.testing.assert_allclose((u * v).mean(axis=0) / scale**2, scale, atol=1e-8)
    np.testing.assert_allclose(np.corrcoef(u.T), np.eye(3), atol=1e-8)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"title": 3}', "line 2: .*title"),
        ('{"title": "a", "ingredients": [1]}', "line 2: .*ingredients"),
        ("[1]", "line 2, entry 1: "),
    ],
)
def test_malformed_recipe_is_named_by_its_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "recipes.jsonl"
    path.write_text('{"title": "fine", "ingredients": ["salt"]}\n' + line, encoding="utf-8")
    with pytest.raises(TrainingDataError, match=message):
        read_recipes(path)


def test_command_line_trains_and_measures(
    general: JointEncoder, pairs: Path, dishes: Path, tmp_path: Path
) -> None:
    base, out = str(general.folder), tmp_path / "food"

    def run(*arguments: str | Path) -> dict[str, object]:
        command = [sys.executable, "-m", "searchengine.cli.main", *map(str, arguments), "--json"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return dict(json.loads(done.stdout))

    trained = run("train", "food", "--pairs", pairs, "--also", dishes, "--texts", pairs,
                  "--model", base, "--out", out, "--epochs", "1")  # fmt: skip
    assert trained["fingerprint"] == files.read_config(out).fingerprint
    scores = run("eval", "recipes", "--pairs", pairs, "--model", out, "--base", base)
    found = evaluate_recipes(general, FoodHead(out, general), read_recipes(pairs))
    for way, expected in (("i2r", found.i2r), ("r2i", found.r2i)):
        assert scores[way] == {
            "r1": expected.r1, "r5": expected.r5, "r10": expected.r10, "medr": expected.medr
        }  # fmt: skip


def test_a_head_that_is_named_embeds_texts_of_every_kind(
    folder: Path, general: JointEncoder, head: FoodHead
) -> None:
    text = Document("text", "fresh red soup")
    for kind in ("text", "recipe"):
        model = text_model(kind, str(folder), general)
        assert model.fingerprint == head.fingerprint
        np.testing.assert_array_equal(model.encode_documents([text]), head.encode_documents([text]))
    with pytest.raises(ModelError, match="trained on the joint model"):
        text_model("recipe", str(folder), load_model())


def test_a_head_that_is_named_is_no_model_of_pictures(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="stands on a model of pictures; it answers: lexpix texts"):
        load_model(str(folder))
    paint(tmp_path / "photos" / "a.png", 0, 1)
    command = [sys.executable, "-m", "searchengine.cli.main"]
    library = ["--library", str(tmp_path / "library")]
    subprocess.run([*command, "index", str(tmp_path / "photos"), *library], check=True)
    search = [*command, "search", "soup", *library, "--model", str(folder)]
    refused = subprocess.run(search, check=False, capture_output=True, text=True)
    assert refused.returncode
    assert "answers by recipes, not by words" in refused.stderr
    (tmp_path / "soup.txt").write_text("soup\n\ntomato", encoding="utf-8")
    by_text = [*command, "search", "--text-file", str(tmp_path / "soup.txt"), *library]
    subprocess.run([*by_text, "--model", "food"], check=True)


def test_the_bundled_head_answers_for_recipes_and_nothing_else() -> None:
    encoder = load_model()
    [fingerprint] = heads_on(encoder.fingerprint)
    assert text_model("recipe", "default", encoder).fingerprint == fingerprint
    assert isinstance(text_model("text", "default", encoder), GeneralTexts)
    assert heads_on("another") == []


def test_a_file_that_asks_is_read_in_three_views(
    folder: Path, general: JointEncoder, head: FoodHead, pairs: Path, tmp_path: Path
) -> None:
    # One half tomato, one half spinach: the middle and the whole are not alike.
    paint(tmp_path / "left.png", 0, 1)
    paint(tmp_path / "right.png", 1, 2)
    with Image.open(tmp_path / "left.png") as left, Image.open(tmp_path / "right.png") as right:
        left.paste(right.crop((0, 0, 5, SIZE)), (0, 0))
        left.save(tmp_path / "plate.png")
    with Image.open(tmp_path / "plate.png") as plate:
        middle = plate.crop((3, 3, SIZE - 3, SIZE - 3))
        rows = general.encode_images([plate, plate.transpose(Transpose.FLIP_LEFT_RIGHT), middle])
    documents = read_recipes(pairs)
    seen = head.project(unit_rows(rows.sum(axis=0)[None]))[0]
    expected = np.sort(head.encode_documents(documents) @ seen)[::-1]
    catalog = Catalog(open_database(tmp_path / "library", create=True))
    index = open_index(
        catalog, general.fingerprint, general.dim, tmp_path / "library" / "index", ExactIndex
    )
    settings = Settings(library=tmp_path / "library", index="exact", model=str(folder))
    with Engine(settings, catalog, general, index) as engine:
        failures: list[Failure] = []
        add_texts(str(pairs), engine.texts, kind="recipe", on_failure=failures.append)
        assert failures == []
        hits = engine.texts.for_picture(
            tmp_path / "plate.png", kind="recipe", limit=len(documents)
        ).hits
        dropped = engine.picture_in(BytesIO((tmp_path / "plate.png").read_bytes()), "dropped")
        of_bytes = engine.texts.for_picture(dropped, limit=len(documents), kind="recipe").hits
    np.testing.assert_allclose([hit.score for hit in hits], expected, atol=2e-3)  # float16 rows
    assert [(hit.id, hit.score) for hit in of_bytes] == [(hit.id, hit.score) for hit in hits]
    whole = np.sort(head.encode_documents(documents) @ head.project(rows[:1])[0])[::-1]
    assert np.abs(whole - expected).max() > 0.01


def test_the_gate_tells_food_from_all_else_and_is_open_where_nobody_fitted_it() -> None:
    random = np.random.default_rng(3)
    food = unit_rows(random.normal(size=(80, 6)) + np.eye(6)[0] * 2)
    others = unit_rows(random.normal(size=(60, 6)) - np.eye(6)[0] * 2)
    gate = fit_gate(food, others)

    def told(vectors: np.ndarray) -> np.ndarray:
        shares: np.ndarray = 1 / (1 + np.exp(-(vectors @ gate[:-1] + gate[-1])))
        return shares

    # Independent: logistic regression of scikit-learn, both sides weighing alike.
    x, y = np.concatenate([food, others]), np.repeat([1, 0], [80, 60])
    sure = LogisticRegression(C=1 / (2 * RIDGE * 140), class_weight="balanced", max_iter=5000)
    np.testing.assert_allclose(told(x), sure.fit(x, y).predict_proba(x)[:, 1], atol=0.02)
    gate = fit_gate(food, others[:0])
    assert told(others).min() > 0.999


def test_what_is_no_food_keeps_the_part_of_the_joint_model() -> None:
    random = np.random.default_rng(4)
    general = random.normal(size=(2, 5)).astype(np.float32)
    second = random.normal(size=(2, 3)).astype(np.float32)
    open_, shut = join(general, second, 0.6, np.array([1.0, 0.0]))
    np.testing.assert_allclose(open_, join(general, second, 0.6)[0], atol=1e-6)
    np.testing.assert_allclose(shut, np.append(unit(general[1]), [0, 0, 0]), atol=1e-6)


def test_what_shows_no_food_is_no_answer_to_a_recipe(tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data")
    photos = tmp_path / "photos"
    (photos / "sky").mkdir(parents=True)
    for name, folder in (("coffee.png", "."), ("moon.png", "sky"), ("horse.png", "sky")):
        shutil.copy(Path(data.__file__).parent / name, photos / folder)
    recipe = Document("recipe", "Flat white", ("Pour.",), ("1 espresso", "milk"))
    settings = Settings(library=tmp_path / "library", index="exact")
    with Engine.open(settings, create=True) as engine:
        indexer.index(engine, photos)
        answer = engine.texts.pictures(recipe)
        assert [os.path.basename(hit.path) for hit in answer.hits] == ["coffee.png"]
        assert not answer.nothing_like_that
        everything = engine.texts.pictures(recipe, unlikely=True)
        assert everything.hits[0].id == answer.hits[0].id
        assert {os.path.basename(hit.path) for hit in everything.hits} == {
            *("coffee.png", "moon.png", "horse.png")
        }
        (photos / "new").mkdir()
        shutil.copy(photos / "coffee.png", photos / "new")
        record = PictureRecord(
            FileStat(str(photos / "new" / "coffee.png"), 1, 1, 99), str(photos), "ab" * 32
        )
        scan = engine.catalog.begin_scan(str(photos), None)
        engine.catalog.write([record], fingerprint="cd" * 32, model_name="x", dim=2, scan=scan)
        unknown = engine.texts.pictures(recipe, within=photos / "new")  # has no vector yet
        assert (unknown.hits, unknown.nothing_like_that) == ((), False)
        nothing = engine.texts.pictures(recipe, within=photos / "sky")
        assert (nothing.hits, nothing.nothing_like_that) == ((), True)
        assert len(engine.texts.pictures(Document("text", "Flat white")).hits) == 3
        # The other way: a recipe is no answer to a moon, but another text may be.
        kinds: list[tuple[Kind, str]] = [("recipe", "Flat white"), ("text", "Night sky")]
        for kind, title in kinds:
            line = json.dumps({"title": title, "kind": kind, "body": "Pour."})
            (tmp_path / f"{kind}.jsonl").write_text(line, encoding="utf-8")
            add_texts(str(tmp_path / f"{kind}.jsonl"), engine.texts, kind=kind)
        engine.texts.refresh()

        def found(name: str, **options: Any) -> set[str]:
            answer = engine.texts.for_picture(photos / name, **options)
            assert answer.nothing_like_that == (not answer.hits)
            return {hit.title for hit in answer.hits}

        assert found("coffee.png") == {"Flat white", "Night sky"}
        assert found("sky/moon.png") == {"Night sky"}
        assert found("sky/moon.png", kind="recipe") == set()
        assert found("sky/moon.png", unlikely=True) == {"Flat white", "Night sky"}
