"""Measure food heads on recipe pairs that they were not trained on.

    python benchmarks/recipes.py recipes.jsonl --also food101.jsonl --texts recipes.jsonl.gz \
        --kind photo --work DIR [--set share=0.5,0.7 --set epochs=0,5] [--dishes food101_10.jsonl]

Two-fold cross-validation, repeated with other halves (5x2, Dietterich 1998): the pictures of the
given kind are halved; each half is ranked against itself by a model that was trained on all the
other pairs. 200 photos make pools of 100. Figures are means over the pools. "In source" ranks a
recipe only against those of the same source, which is what its id begins with: to know the style
of a source is not to know food.

With --set, every combination is trained; the first one uses the defaults. Choose on other halves
than are reported: --seed 100 halves otherwise than the default. The pictures are the same, so what
was chosen there still flatters itself; --kind ai-generated asks others. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.evaluation.metrics import average_precisions
from indexer.evaluation.recipes import encode_recipes, project_views, scores_of
from indexer.train.food.closed_form import Material
from indexer.train.food.config import FoodConfig
from indexer.train.food.data import picture_vectors, read_dishes
from indexer.train.food.training import compute, read_material, save_head
from searchengine.documents import Document
from searchengine.errors import UnknownWords
from searchengine.models.files import resolve
from searchengine.models.food import FoodHead
from searchengine.models.joint import JointEncoder
from searchengine.types import Vectors
from searchengine.vectors import unit_rows

Rows = npt.NDArray[np.int64]
Embed = Callable[[Rows, Rows], tuple[Vectors, Vectors, Vectors]]
"""From the rows of training and of test to pictures of the latter, as they are found and as they
ask, and recipes."""

MIN_DF = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--also", type=Path, action="append", default=[])
    parser.add_argument("--texts", type=Path, action="append", default=[])
    parser.add_argument("--others", type=Path, action="append", default=[])
    parser.add_argument("--model", default="default")
    parser.add_argument("--work", type=Path, required=True, help="folder for picture vectors")
    parser.add_argument("--kind", help="image_kind of what is tested; all by default")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the first halving")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE,..")
    parser.add_argument("--dishes", type=Path, help="labelled pictures; its split test is asked")
    parser.add_argument("--no-baselines", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    general = JointEncoder(resolve(options.model))
    material = read_material(
        general, options.pairs, options.also, options.texts, options.work, options.others
    )
    kinds = _kinds(options.pairs)
    tested = np.flatnonzero([options.kind in (None, kinds[p.key]) for p in material.pairs])
    seeds = range(options.seed, options.seed + options.repeats)
    bench = Bench(material, tested, seeds, options.folds)
    if not options.no_baselines:
        bench.show("chance", chance)
        bench.show("general model", lambda _, test: plain(material, general, test))
        for ridge in (1.0, 3.0, 10.0):
            bench.show(f"tf-idf + ridge {ridge}", partial(tfidf, material, ridge=ridge))
    dishes = Dishes(general, options.dishes, options.work) if options.dishes else None
    if dishes:
        print(f"dish name -> picture, general model: mAP {dishes.score(None):.1f}")
    for recipe in _settings(options.set):
        name = _named(recipe)

        def head(train: Rows, _: Rows | None = None, recipe: FoodConfig = recipe) -> FoodHead:
            return trained(material, general, recipe, train)

        def embed(train: Rows, test: Rows, head: Callable[..., FoodHead] = head) -> Any:
            food = head(train)
            texts = encode_recipes(general, food, [material.pairs[row] for row in test])
            return *project_views(food, material.pictures[test]), texts

        bench.show(name, embed)
        if dishes:
            everything = np.arange(len(material.pairs))
            print(f"dish name -> picture, {name}: mAP {dishes.score(head(everything)):.1f}")


class Bench:
    """Folds, and the table."""

    def __init__(self, material: Material, tested: Rows, seeds: Sequence[int], folds: int) -> None:
        self.material, self.tested, self.seeds, self.folds = material, tested, seeds, folds
        self.source = np.array([pair.key.partition("/")[0] for pair in material.pairs])
        sizes = sorted({len(test) for _, test in self.splits()})
        print(f"{len(material.pairs)} pairs, {len(tested)} tested in pools of {sizes}")
        print(
            "| model | i2r median | R@1 | R@5 | R@10 | r2i median | R@1 | R@5 | R@10 "
            "| in source: i2r median | R@10 | r2i median | R@10 |"
        )
        print("|" + "---|" * 13, flush=True)

    def splits(self) -> Iterator[tuple[Rows, Rows]]:
        everything = np.arange(len(self.material.pairs))
        for seed in self.seeds:
            order = np.random.default_rng(seed).permutation(self.tested)
            for test in np.array_split(order, self.folds):
                yield np.setdiff1d(everything, test), np.sort(test)

    def show(self, name: str, embed: Embed) -> None:
        lines = []
        for train, test in self.splits():
            pictures, asking, texts = embed(train, test)
            i2r, r2i = scores_of(pictures, asking, texts)
            same = self.source[test][:, None] == self.source[test][None]
            near, far = scores_of(pictures, asking, texts, same)
            lines.append(
                [getattr(way, key) for way in (i2r, r2i) for key in ("medr", "r1", "r5", "r10")]
            )
            lines[-1].extend(getattr(way, key) for way in (near, far) for key in ("medr", "r10"))
        figures = " | ".join(f"{mean:.1f}" for mean in np.mean(lines, axis=0))
        print(f"| {name} | {figures} |", flush=True)


class Dishes:
    """Names of dishes against pictures of the split test."""

    def __init__(self, general: JointEncoder, path: Path, work: Path) -> None:
        self.general = general
        shown = [dish for dish in read_dishes(path) if dish.split == "test"]
        images = [dish.image for dish in shown]
        self.pictures = picture_vectors(general, images, work, views=False)[:, 0]
        self.names = sorted({dish.name for dish in shown})
        self.relevant = np.array([[name == dish.name for dish in shown] for name in self.names])

    def score(self, head: FoodHead | None) -> float:
        pictures = head.project(self.pictures) if head else self.pictures
        rows = []
        for name in self.names:
            try:
                rows.append((head or self.general).encode_texts([name])[0])
            except UnknownWords:
                rows.append(np.zeros(pictures.shape[1], dtype=np.float32))
        return 100 * float(average_precisions(np.stack(rows) @ pictures.T, self.relevant).mean())


def trained(material: Material, general: JointEncoder, recipe: FoodConfig, rows: Rows) -> FoodHead:
    """Return a head as users would run it: written, and read again."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "food"
        save_head(
            out, compute(material, general, recipe, Path(folder), rows=rows), general, recipe, {}
        )
        head = FoodHead(out, general)
        head.load()
    return head


def chance(_: Rows, test: Rows) -> tuple[Vectors, Vectors, Vectors]:
    random = np.random.default_rng(len(test) + int(test.sum()))
    pictures, texts = random.normal(size=(2, len(test), 64)).astype(np.float32)
    return pictures, pictures, texts


def plain(
    material: Material, general: JointEncoder, test: Rows
) -> tuple[Vectors, Vectors, Vectors]:
    texts = encode_recipes(general, None, [material.pairs[row] for row in test])
    return material.pictures[test, 0], material.pictures[test, 0], texts


def tfidf(
    material: Material, train: Rows, test: Rows, ridge: float
) -> tuple[Vectors, Vectors, Vectors]:
    """Return what ridge regression from picture vectors to tf-idf says, and tf-idf."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    texts = [_weighted(pair) for pair in material.pairs]
    vectorizer = TfidfVectorizer(min_df=MIN_DF).fit([texts[row] for row in train])
    words = vectorizer.transform(texts).toarray().astype(np.float32)
    x = material.pictures[:, 0]
    variance = float(x[train].var(axis=0).sum())
    model = Ridge(alpha=ridge * variance).fit(x[train], words[train])
    middle = words[train].mean(axis=0)
    said = unit_rows(model.predict(x[test]).astype(np.float32) - middle)
    return said, said, unit_rows(words[test] - middle)


def _weighted(recipe: Document) -> str:
    return " ".join([recipe.title] * 3 + list(recipe.ingredients) + list(recipe.body))


def _kinds(path: Path) -> dict[str, str]:
    lines = filter(str.strip, path.read_text(encoding="utf-8").split("\n"))
    entries = map(json.loads, lines)
    return {str(entry.get("id", "")): entry.get("image_kind", "") for entry in entries}


def _settings(options: Sequence[str]) -> Iterator[FoodConfig]:
    names = [option.partition("=")[0] for option in options]
    values = [option.partition("=")[2].split(",") for option in options]
    for combination in itertools.product(*values):
        chosen = {name: json.loads(value) for name, value in zip(names, combination, strict=True)}
        yield dataclasses.replace(FoodConfig(), **chosen)


def _named(recipe: FoodConfig) -> str:
    plain_recipe = dataclasses.asdict(FoodConfig())
    changed = {k: v for k, v in dataclasses.asdict(recipe).items() if v != plain_recipe[k]}
    return "food head " + ", ".join(f"{name} {value}" for name, value in changed.items())


if __name__ == "__main__":
    main()
