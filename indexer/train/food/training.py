"""Train a food head on a general joint model: recipes and pictures of dishes near each other.

The start is closed: word vectors by latent semantic analysis of many recipes (Deerwester et al.,
1990), then a regularised canonical correlation analysis (Hotelling, 1936; Vinod, 1976) of picture
vectors and texts. A symmetric InfoNCE may then refine every part, held to that start (L2-SP, arXiv
1802.01483); with hundreds of pairs it gains nothing, and is not the default.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.train.food.closed_form import Material, Parts, closed
from indexer.train.food.config import FoodConfig
from indexer.train.food.data import (
    Counter,
    picture_vectors,
    read_dishes,
    read_recipes,
    titled,
)
from indexer.train.food.gate import other_vectors
from indexer.train.food.model import FoodModel, FoodTask
from indexer.train.loop import fit
from searchengine.documents import Document
from searchengine.errors import TrainingDataError
from searchengine.language.words import quantize
from searchengine.models import files
from searchengine.models import food as stored
from searchengine.models.food import FIELDS
from searchengine.models.joint import JointEncoder

Numbers = npt.NDArray[np.float32]
Progress = Callable[[str, int, int, str], None]

BACKGROUND = 24_000
"""Recipes without a picture that word vectors are made of; more change little."""
OF_A_DISH = 40
"""At most so many recipes stand for a dish."""


def train_food(
    pairs: Path,
    out: Path,
    general: JointEncoder,
    config: FoodConfig,
    *,
    also: Sequence[Path] = (),
    texts: Sequence[Path] = (),
    others: Sequence[Path] = (),
    progress: Progress = lambda *_: None,
    on_epoch: Callable[[int, Mapping[str, float]], None] = lambda *_: None,
) -> files.ModelConfig:
    """Train, and write the model folder `out`; picture vectors are kept beside it in `OUT.work`.

    Raises:
        TrainingDataError: A file cannot be trained on; the message names it.
        ImageError: A picture cannot be read.
        ModelError: `out` is something else than a model.
    """
    out = out.resolve()
    files.require_replaceable(out)
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    material = read_material(general, pairs, also, texts, work, others, progress)
    parts = compute(material, general, config, work, progress=progress, on_epoch=on_epoch)
    notes = {
        "others": len(material.others),
        "pairs": len(material.pairs),
        "dishes": len(material.dishes),
        "recipes": material.background[FIELDS[0]].shape[0],
        "config": dataclasses.asdict(config),
    }
    return save_head(out, parts, general, config, notes)


def read_material(
    general: JointEncoder,
    pairs: Path,
    also: Sequence[Path],
    texts: Sequence[Path],
    work: Path,
    anything: Sequence[Path] = (),
    progress: Progress = lambda *_: None,
) -> Material:
    """Read everything, and encode pictures that `work` has no vectors of.

    Raises:
        TrainingDataError, ImageError: As `train_food` does.
    """
    recipes = [recipe for recipe in read_recipes(pairs) if recipe.image]
    if len(recipes) < 2:
        raise TrainingDataError(f"{pairs}: fewer than two recipes with a picture")
    dishes = [d for path in also for d in read_dishes(path) if d.split == "train"]
    names = sorted({dish.name for dish in dishes})
    others = [recipe for path in texts for recipe in read_recipes(path)]
    texts_of = titled(others, names)
    # Names decide, not places: a larger file keeps the recipes of a smaller one.
    order = sorted(range(len(others)), key=lambda row: zlib.crc32(others[row].title.encode()))
    rank = {row: place for place, row in enumerate(order)}
    of_dish = [sorted(texts_of[name], key=rank.__getitem__)[:OF_A_DISH] for name in names]
    kept = sorted({*order[:BACKGROUND], *(row for rows in of_dish for row in rows)})
    place = {row: number for number, row in enumerate(kept)}
    counter = Counter(general.words)
    return Material(
        pairs=recipes,
        pictures=picture_vectors(
            general,
            [recipe.image for recipe in recipes if recipe.image],
            work,
            views=True,
            progress=lambda done, total: progress("recipes", done, total, ""),
        ),
        words=counter.count(recipes),
        dishes=dishes,
        dish_pictures=picture_vectors(
            general,
            [dish.image for dish in dishes],
            work,
            views=False,
            progress=lambda done, total: progress("dishes", done, total, ""),
        )[:, 0],
        names=names,
        titles=counter.count([Document("recipe", name) for name in names]),
        background=counter.count([others[row] for row in kept]),
        of_dish=[[place[row] for row in rows] for rows in of_dish],
        others=other_vectors(
            general, anything, work, lambda done, total: progress("others", done, total, "")
        ),
    )


def compute(
    material: Material,
    general: JointEncoder,
    config: FoodConfig,
    work: Path,
    *,
    rows: npt.ArrayLike | None = None,
    progress: Progress = lambda *_: None,
    on_epoch: Callable[[int, Mapping[str, float]], None] = lambda *_: None,
) -> Parts:
    """Return a food head trained on some rows of the pairs, all by default."""
    chosen = np.arange(len(material.pairs)) if rows is None else np.asarray(rows)
    parts = closed(material, general, config, chosen)
    if config.epochs:
        task = FoodTask(FoodModel(parts, config), material, chosen)
        decisive = [dataclasses.asdict(config), general.fingerprint, chosen.tolist()]
        decisive += [[pair.title for pair in material.pairs], len(material.dishes)]
        fit(
            task,
            epochs=config.epochs,
            seed=config.seed,
            checkpoint=work / "checkpoint-food.pt",
            signature=hashlib.sha256(json.dumps(decisive).encode()).hexdigest(),
            on_step=lambda epoch, step, steps, loss, _: progress(
                f"food {epoch + 1}/{config.epochs}", step, steps, f"loss {loss:.3f}"
            ),
            on_epoch=on_epoch,
        )
        parts = task.model.parts()
    return parts


def save_head(
    out: Path,
    parts: Parts,
    general: JointEncoder,
    config: FoodConfig,
    notes: Mapping[str, Any],
) -> files.ModelConfig:
    """Write a model folder; a model that is there is replaced."""
    described = files.ModelConfig(
        kind=stored.KIND,
        name=out.name,
        dim=general.dim + parts.texts.shape[1],
        image={},
        text={
            "base": general.fingerprint,
            "fields": parts.fields,
            "share": config.share,
            "rare": float(parts.weights.max()),
        },
        notes={"base": general.name, **notes},
    )

    def write(folder: Path) -> None:
        table = general.words.vectors(parts.rows).astype(np.float64)
        gram = table.T @ table
        gram.flat[:: len(gram) + 1] += 1.0 + 0.1 * np.trace(gram) / len(gram)
        projection = np.linalg.solve(gram, table.T @ parts.words).astype(np.float32)
        residual = parts.words - general.words.vectors(parts.rows) @ projection
        codes, scales = quantize(residual.astype(np.float32))
        arrays = (parts.pictures, parts.texts, parts.means, projection,
                  parts.rows.astype(np.uint32), parts.weights, codes, scales,
                  parts.gate)  # fmt: skip
        for name, array in zip(stored.FILES, arrays, strict=True):
            np.save(folder / name, np.ascontiguousarray(array), allow_pickle=False)

    return files.save(out, described, write)
