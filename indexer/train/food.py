"""Train a food head on a general joint model: recipes and pictures of dishes near each other.

The start is closed: word vectors by latent semantic analysis of many recipes (Deerwester et al.,
1990), then a regularised canonical correlation analysis (Hotelling, 1936; Vinod, 1976) of picture
vectors and texts. A symmetric InfoNCE then refines every part, held to that start (L2-SP, arXiv
1802.01483), because there are only hundreds of pairs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from indexer.train.contrastive import info_nce
from indexer.train.food_data import (
    Counter,
    Dish,
    picture_vectors,
    read_dishes,
    read_recipes,
    titled,
)
from indexer.train.loop import fit
from searchengine.documents import Document
from searchengine.errors import TrainingDataError
from searchengine.models import files
from searchengine.models import food as stored
from searchengine.models.food import FIELDS
from searchengine.models.joint import JointEncoder
from searchengine.words import quantize

Numbers = npt.NDArray[np.float32]
Progress = Callable[[str, int, int, str], None]

BACKGROUND = 24_000
"""Recipes without a picture that word vectors are made of; more change little."""
OF_A_DISH = 40
"""At most so many recipes stand for a dish."""


@dataclass(frozen=True, slots=True)
class FoodRecipe:
    """Everything that decides what training makes of its data.

    Attributes:
        dim: Length of word vectors, and of the food part of a vector.
        epochs: Of the refinement; 0 keeps the closed solution.
        seed: Decides the order of batches.
        share: Length of the general model's part of a vector, 0..1.
        fields: Weights of words by field, before training.
        min_df: A word of fewer recipes has no vector of its own.
        picture_ridge, text_ridge: Added to the covariances, in mean variances.
        dishes: Weight of all labelled pictures together, in weights of all pairs.
        batch: Pairs in a batch; as many labelled pictures come on top.
        temperature: Of the softmax over cosines.
        rate: Peak learning rate.
        hold: Weight of the squared distance to the closed solution.
    """

    dim: int = 128
    epochs: int = 8
    seed: int = 1
    share: float = 0.6
    fields: Mapping[str, float] = field(
        default_factory=lambda: {"title": 3.0, "ingredients": 1.0, "body": 1.0}
    )
    min_df: int = 10
    picture_ridge: float = 4.0
    text_ridge: float = 1.0
    dishes: float = 1.0
    batch: int = 128
    temperature: float = 0.07
    rate: float = 1e-3
    hold: float = 1.0


@dataclass(frozen=True)
class Material:
    """All that is read, in memory; benchmarks train on parts of it.

    Attributes:
        pairs: Recipes with a picture.
        pictures: (pairs, views, dim) of the general model.
        words: For each field counts of the pairs, (pairs, words of the table), sparse.
        dishes: Labelled pictures to train on.
        shown: (dishes, dim) of the general model.
        names: Distinct names of the dishes.
        titles: Counts of the names as titles.
        background: Counts of recipes without a picture.
        of_dish: Rows of `background` that belong to each name.
    """

    pairs: Sequence[Document]
    pictures: Numbers
    words: Mapping[str, Any]
    dishes: Sequence[Dish]
    shown: Numbers
    names: Sequence[str]
    titles: Mapping[str, Any]
    background: Mapping[str, Any]
    of_dish: Sequence[Sequence[int]]


@dataclass
class Parts:
    """A food head as it is computed; row i of `words` and `weights` belongs to row `rows[i]`."""

    rows: npt.NDArray[np.int64]
    weights: Numbers
    words: Numbers
    general: Numbers
    fields: dict[str, float]
    pictures: Numbers
    texts: Numbers
    means: Numbers


def train_food(
    pairs: Path,
    out: Path,
    general: JointEncoder,
    recipe: FoodRecipe,
    *,
    also: Sequence[Path] = (),
    texts: Sequence[Path] = (),
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
    material = read_material(general, pairs, also, texts, work, progress)
    parts = compute(material, general, recipe, work, progress=progress, on_epoch=on_epoch)
    notes = {
        "pairs": len(material.pairs),
        "dishes": len(material.dishes),
        "recipes": material.background[FIELDS[0]].shape[0],
        "recipe": dataclasses.asdict(recipe),
    }
    return save_head(out, parts, general, recipe, notes)


def read_material(
    general: JointEncoder,
    pairs: Path,
    also: Sequence[Path],
    texts: Sequence[Path],
    work: Path,
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
    found = titled(others, names)
    # Names decide, not places: a larger file keeps the recipes of a smaller one.
    order = sorted(range(len(others)), key=lambda row: zlib.crc32(others[row].title.encode()))
    rank = {row: place for place, row in enumerate(order)}
    of_dish = [sorted(found[name], key=rank.__getitem__)[:OF_A_DISH] for name in names]
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
        shown=picture_vectors(
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
    )


def compute(
    material: Material,
    general: JointEncoder,
    recipe: FoodRecipe,
    work: Path,
    *,
    rows: npt.ArrayLike | None = None,
    progress: Progress = lambda *_: None,
    on_epoch: Callable[[int, Mapping[str, float]], None] = lambda *_: None,
) -> Parts:
    """Return a food head trained on some rows of the pairs, all by default."""
    chosen = np.arange(len(material.pairs)) if rows is None else np.asarray(rows)
    parts = closed(material, general, recipe, chosen)
    if recipe.epochs:
        task = FoodTask(FoodModel(parts, recipe), material, chosen)
        decisive = [dataclasses.asdict(recipe), general.fingerprint, chosen.tolist()]
        decisive += [[recipe.title for recipe in material.pairs], len(material.dishes)]
        fit(
            task,
            epochs=recipe.epochs,
            seed=recipe.seed,
            checkpoint=work / "checkpoint-food.pt",
            signature=hashlib.sha256(json.dumps(decisive).encode()).hexdigest(),
            on_step=lambda epoch, step, steps, loss, _: progress(
                f"food {epoch + 1}/{recipe.epochs}", step, steps, f"loss {loss:.3f}"
            ),
            on_epoch=on_epoch,
        )
        parts = task.model.parts()
    return parts


def closed(
    material: Material, general: JointEncoder, recipe: FoodRecipe, chosen: npt.NDArray[np.int64]
) -> Parts:
    """Return the solution without gradients; `chosen` are the pairs it may see."""
    from scipy.sparse import vstack

    pool = [{f: material.words[f][chosen] for f in FIELDS}, material.background]
    everything = vstack([damped(counts, recipe.fields) for counts in pool]).tocsr()
    words, weights, vectors = latent_words(everything, recipe)
    parts = Parts(
        rows=words,
        weights=weights,
        words=vectors,
        general=general.word_vectors(words.tolist()),
        fields=dict(recipe.fields),
        pictures=np.zeros((0, 0), np.float32),
        texts=np.zeros((0, 0), np.float32),
        means=np.zeros((2, general.dim), np.float32),
    )
    said, meant = embed(parts, {f: material.words[f][chosen] for f in FIELDS})
    views = material.pictures.shape[1]
    x = [material.pictures[chosen].reshape(-1, general.dim)]
    y = [np.repeat(said, views, axis=0)]
    z = [np.full(len(x[0]), 1 / len(x[0]), dtype=np.float32)]
    known, targets = _dish_texts(material, parts)
    numbers = {name: number for number, name in enumerate(material.names)}
    place = np.array([numbers[dish.name] for dish in material.dishes], dtype=np.int64)
    usable = np.flatnonzero(known[place]) if len(place) else place
    if len(usable) and recipe.dishes > 0:
        x.append(material.shown[usable])
        y.append(targets[place[usable]])
        z.append(np.full(len(usable), recipe.dishes / len(usable), dtype=np.float32))
    a, b = correlate(np.concatenate(x), np.concatenate(y), np.concatenate(z), recipe)
    # The middle is that of the pairs: of labelled pictures the texts are means of many.
    middle_x, middle_y = x[0].mean(axis=0), said.mean(axis=0)
    parts.pictures = np.vstack([a, -middle_x @ a]).astype(np.float32)
    parts.texts = np.vstack([b, -middle_y @ b]).astype(np.float32)
    parts.means = np.stack([middle_x, meant.mean(axis=0)]).astype(np.float32)
    return parts


def damped(counts: Mapping[str, Any], fields: Mapping[str, float]) -> Any:
    """Return log(1 + weighted counts) of documents, sparse."""
    total = sum(counts[name] * fields[name] for name in FIELDS).tocsr()
    total.data = np.log1p(total.data)
    return total


def latent_words(counts: Any, recipe: FoodRecipe) -> tuple[npt.NDArray[np.int64], Numbers, Numbers]:
    """Return rows of words, their weights, and their vectors (words, dim).

    The singular vectors come from a randomised decomposition (Halko et al., arXiv 0909.4061), each
    scaled by the square root of its inverse singular value, halfway to whitened texts.
    """
    from scipy.sparse import diags

    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    least = min(recipe.min_df, max(1, counts.shape[0] // 100))
    words = np.flatnonzero(frequency >= least)
    weights = np.log((1 + counts.shape[0]) / (1 + frequency[words])) + 0.1
    x = counts[:, words] @ diags(weights)
    lengths = np.sqrt(np.asarray(x.multiply(x).sum(axis=1)).ravel())
    x = (diags(1 / np.maximum(lengths, 1e-6)) @ x).tocsr().astype(np.float32)
    dim = min(recipe.dim, *x.shape)
    random = np.random.default_rng(recipe.seed)
    sketch = random.normal(size=(x.shape[0], min(dim + 22, *x.shape))).astype(np.float32)
    for _ in range(3):
        basis, _ = np.linalg.qr(x.T @ sketch)
        sketch = x @ basis
    _, values, turns = np.linalg.svd(sketch, full_matrices=False)
    values = np.maximum(values[:dim], values[0] * 1e-3)
    vectors = basis @ turns[:dim].T * np.sqrt(values[0] / values)
    return words, weights.astype(np.float32), vectors.astype(np.float32)


def embed(parts: Parts, counts: Mapping[str, Any]) -> tuple[Numbers, Numbers]:
    """Return unit rows of documents in the space of food words and in that of the general model.

    Words without a vector of their own take no part here; in a finished head they do.
    """
    factors = damped(counts, parts.fields)[:, parts.rows].multiply(parts.weights[None]).tocsr()
    return _unit(factors @ parts.words), _unit(factors @ parts.general)


def _dish_texts(material: Material, parts: Parts) -> tuple[npt.NDArray[np.bool_], Numbers]:
    """Return which dishes have recipes or known names, and what stands for each as a text.

    Half of it is the name, half the mean of the recipes with the name in their title.
    """
    names, _ = embed(parts, material.titles)
    if not len(names):
        return np.zeros(0, dtype=np.bool_), names
    recipes, _ = embed(parts, material.background)
    means = [recipes[rows].mean(axis=0) if rows else np.zeros(names.shape[1]) for rows in
             material.of_dish]  # fmt: skip
    texts = _unit((_unit(np.array(means)) + names) / 2)
    known: npt.NDArray[np.bool_] = np.any(texts != 0, axis=1)
    return known, texts


def correlate(
    x: Numbers, y: Numbers, weights: Numbers, recipe: FoodRecipe
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the maps of a regularised canonical correlation analysis, scaled by correlation.

    Args:
        x: Pictures, shape (n, p).
        y: Texts, shape (n, q).
        weights: Shape (n,).
        recipe: Names the ridges.

    Returns:
        Shapes (p, k) and (q, k) with k = min(p, q, dim).
    """
    share = (weights / weights.sum()).astype(np.float64)
    a, b = x - share @ x, y - share @ y
    roots = []
    for c, ridge in ((a, recipe.picture_ridge), (b, recipe.text_ridge)):
        covariance = c.T @ (c * share[:, None])
        covariance.flat[:: len(covariance) + 1] += ridge * np.trace(covariance) / len(covariance)
        values, turns = np.linalg.eigh(covariance)
        roots.append((turns / np.sqrt(np.maximum(values, 1e-12))) @ turns.T)
    left, correlations, right = np.linalg.svd(
        roots[0] @ (a.T @ (b * share[:, None])) @ roots[1], full_matrices=False
    )
    k = min(recipe.dim, len(correlations))
    return roots[0] @ left[:, :k] * correlations[:k], roots[1] @ right[:k].T * correlations[:k]


class FoodModel(nn.Module):
    """All parts of a food head as parameters."""

    def __init__(self, parts: Parts, recipe: FoodRecipe) -> None:
        super().__init__()
        self.recipe, self.start = recipe, parts
        self.pictures = nn.Parameter(torch.from_numpy(parts.pictures.copy()))
        self.texts = nn.Parameter(torch.from_numpy(parts.texts.copy()))
        self.words = nn.Parameter(torch.from_numpy(parts.words.copy()))
        self.log_weights = nn.Parameter(torch.from_numpy(np.log(parts.weights)))
        fields = torch.tensor([parts.fields[name] for name in FIELDS])
        self.log_fields = nn.Parameter(fields.log())
        self.general = nn.Buffer(torch.from_numpy(parts.general), persistent=False)
        self.means = nn.Buffer(torch.from_numpy(parts.means), persistent=False)
        self.begun = [p.detach().clone() for p in self.parameters()]

    def embed_pictures(self, vectors: Tensor) -> Tensor:
        """Map vectors of the general model (n, dim) to unit rows."""
        mapped = vectors @ self.pictures[:-1] + self.pictures[-1]
        return self._join(vectors - self.means[0], mapped)

    def embed_texts(self, counts: Tensor) -> Tensor:
        """Map counts (fields, n, words) to unit rows."""
        total = (counts * self.log_fields.exp()[:, None, None]).sum(0)
        factors = total.log1p() * self.log_weights.exp()
        said = functional.normalize(factors @ self.words, dim=1)
        meant = functional.normalize(factors @ self.general, dim=1)
        return self._join(meant - self.means[1], said @ self.texts[:-1] + self.texts[-1])

    def moved(self) -> Tensor:
        """Return how far the parameters are from their start, each in its own size."""
        pairs = zip(self.parameters(), self.begun, strict=True)
        far = [((p - q) ** 2).sum() / (q**2).sum() for p, q in pairs]
        return torch.stack(far).sum()

    def parts(self) -> Parts:
        """Return the parameters as arrays."""
        weights = self.log_fields.detach().exp().tolist()
        return dataclasses.replace(
            self.start,
            pictures=self.pictures.detach().numpy(),
            texts=self.texts.detach().numpy(),
            words=self.words.detach().numpy(),
            weights=self.log_weights.detach().exp().numpy(),
            fields=dict(zip(FIELDS, weights, strict=True)),
        )

    def _join(self, general: Tensor, food: Tensor) -> Tensor:
        rest = (1 - self.recipe.share**2) ** 0.5
        halves = (self.recipe.share * functional.normalize(general, dim=1),
                  rest * functional.normalize(food, dim=1))  # fmt: skip
        return torch.cat(halves, 1)


class FoodTask:
    """Refine a food head on pairs and labelled pictures."""

    def __init__(self, model: FoodModel, material: Material, chosen: npt.NDArray[np.int64]) -> None:
        self.model, self.material, self.chosen = model, material, chosen
        self.module: nn.Module = model
        recipe = model.recipe
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr=recipe.rate)
        self.steps = max(1, len(chosen) // recipe.batch)
        columns = model.start.rows
        self.words = [material.words[f][:, columns] for f in FIELDS]
        self.titles = [material.titles[f][:, columns] for f in FIELDS]
        self.background = [material.background[f][:, columns] for f in FIELDS]
        numbers = {name: number for number, name in enumerate(material.names)}
        self.dish = [numbers[dish.name] for dish in material.dishes]

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield rows of pairs and of labelled pictures."""
        size = self.model.recipe.batch
        order = torch.from_numpy(self.chosen)[torch.randperm(len(self.chosen))]
        for step in range(self.steps):
            dishes = torch.randperm(len(self.dish))[:size]
            yield order[step * size : (step + 1) * size], dishes

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the contrastive loss of a batch and its pull towards the start."""
        rows, dishes = (part.numpy() for part in batch)
        views = torch.randint(self.material.pictures.shape[1], (len(rows),)).numpy()
        x = [self.material.pictures[rows, views], self.material.shown[dishes]]
        counts = [self._dense(self.words, rows)]
        groups = [-1 - torch.arange(len(rows))]
        if len(dishes):
            counts.append(self._texts_of([self.dish[row] for row in dishes.tolist()]))
            groups.append(torch.tensor([self.dish[row] for row in dishes.tolist()]))
        pictures = self.model.embed_pictures(torch.from_numpy(np.concatenate(x)))
        texts = self.model.embed_texts(torch.cat(counts, 1))
        recipe = self.model.recipe
        owner, group = torch.arange(len(texts)), torch.cat(groups)
        loss = info_nce(pictures, texts, owner, group, recipe.temperature)
        return loss + recipe.hold * self.model.moved()

    def evaluate(self) -> dict[str, float]:
        """Return how far the parts have moved; nothing is kept apart here."""
        with torch.inference_mode():
            return {"moved": float(self.model.moved())}

    def state(self) -> dict[str, Any]:
        """Return nothing: the module is all there is."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take nothing back."""

    def _texts_of(self, dishes: Sequence[int]) -> Tensor:
        """Return counts of the name of each dish or of one of its recipes, by chance."""
        chances = torch.rand(len(dishes), 2).tolist()
        options = [self.material.of_dish[dish] for dish in dishes]
        found = self._dense(self.titles, np.array(dishes))
        for place, (rows, (which, chance)) in enumerate(zip(options, chances, strict=True)):
            if rows and chance < 0.5:
                row = np.array([rows[int(which * len(rows))]])
                found[:, place] = self._dense(self.background, row)[:, 0]
        return found

    @staticmethod
    def _dense(counts: Sequence[Any], rows: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.stack([part[rows].toarray() for part in counts]))


def save_head(
    out: Path,
    parts: Parts,
    general: JointEncoder,
    recipe: FoodRecipe,
    notes: Mapping[str, Any],
) -> files.ModelConfig:
    """Write a model folder; a model that is there is replaced."""
    config = files.ModelConfig(
        kind=stored.KIND,
        name=out.name,
        dim=general.dim + parts.texts.shape[1],
        image={},
        text={
            "base": general.fingerprint,
            "fields": parts.fields,
            "share": recipe.share,
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
                  parts.rows.astype(np.uint32), parts.weights, codes, scales)  # fmt: skip
        for name, array in zip(stored.FILES, arrays, strict=True):
            np.save(folder / name, np.ascontiguousarray(array), allow_pickle=False)

    return files.save(out, config, write)


def _unit(rows: npt.NDArray[Any]) -> Numbers:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)
