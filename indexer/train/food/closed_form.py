"""The start of a food head, without gradients: latent word vectors and canonical correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.train.food.config import FoodConfig
from indexer.train.food.data import Dish
from indexer.train.food.gate import fit_gate
from searchengine.documents import Document
from searchengine.models.food import FIELDS
from searchengine.models.joint import JointEncoder
from searchengine.vectors import unit_or_zero

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """All that is read, in memory; benchmarks train on parts of it.

    Attributes:
        pairs: Recipes with a picture.
        pictures: (pairs, views, dim) of the general model.
        words: For each field counts of the pairs, (pairs, words of the table), sparse.
        dishes: Labelled pictures to train on.
        dish_pictures: (dishes, dim) of the general model.
        names: Distinct names of the dishes.
        titles: Counts of the names as titles.
        background: Counts of recipes without a picture.
        of_dish: Rows of `background` that belong to each name.
        others: (n, dim) of pictures that show anything.
    """

    pairs: Sequence[Document]
    pictures: Numbers
    words: Mapping[str, Any]
    dishes: Sequence[Dish]
    dish_pictures: Numbers
    names: Sequence[str]
    titles: Mapping[str, Any]
    background: Mapping[str, Any]
    of_dish: Sequence[Sequence[int]]
    others: Numbers


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
    gate: Numbers


def closed(
    material: Material, general: JointEncoder, config: FoodConfig, chosen: npt.NDArray[np.int64]
) -> Parts:
    """Return the solution without gradients; `chosen` are the pairs it may see."""
    from scipy.sparse import vstack

    pool = [{f: material.words[f][chosen] for f in FIELDS}, material.background]
    everything = vstack([damped(counts, config.fields) for counts in pool]).tocsr()
    words, weights, vectors = latent_words(everything, config)
    parts = Parts(
        rows=words,
        weights=weights,
        words=vectors,
        general=general.word_vectors(words.tolist()),
        fields=dict(config.fields),
        pictures=np.zeros((0, 0), np.float32),
        texts=np.zeros((0, 0), np.float32),
        means=np.zeros((2, general.dim), np.float32),
        gate=fit_gate(
            np.concatenate([material.pictures[chosen, 0], material.dish_pictures]), material.others
        ),
    )
    latent, meant = embed(parts, {f: material.words[f][chosen] for f in FIELDS})
    views = material.pictures.shape[1]
    x = [material.pictures[chosen].reshape(-1, general.dim)]
    y = [np.repeat(latent, views, axis=0)]
    z = [np.full(len(x[0]), 1 / len(x[0]), dtype=np.float32)]
    known, targets = _dish_texts(material, parts)
    numbers = {name: number for number, name in enumerate(material.names)}
    place = np.array([numbers[dish.name] for dish in material.dishes], dtype=np.int64)
    usable = np.flatnonzero(known[place]) if len(place) else place
    if len(usable) and config.dishes > 0:
        x.append(material.dish_pictures[usable])
        y.append(targets[place[usable]])
        z.append(np.full(len(usable), config.dishes / len(usable), dtype=np.float32))
    a, b = correlate(np.concatenate(x), np.concatenate(y), np.concatenate(z), config)
    # The middle is that of the pairs: of labelled pictures the texts are means of many.
    middle_x, middle_y = x[0].mean(axis=0), latent.mean(axis=0)
    parts.pictures = np.vstack([a, -middle_x @ a]).astype(np.float32)
    parts.texts = np.vstack([b, -middle_y @ b]).astype(np.float32)
    parts.means = np.stack([middle_x, meant.mean(axis=0)]).astype(np.float32)
    return parts


def damped(counts: Mapping[str, Any], fields: Mapping[str, float]) -> Any:
    """Return log(1 + weighted counts) of documents, sparse."""
    total = sum(counts[name] * fields[name] for name in FIELDS).tocsr()
    total.data = np.log1p(total.data)
    return total


def latent_words(counts: Any, config: FoodConfig) -> tuple[npt.NDArray[np.int64], Numbers, Numbers]:
    """Return rows of words, their weights, and their vectors (words, dim).

    The singular vectors come from a randomised decomposition (Halko et al., arXiv 0909.4061), each
    scaled by the square root of its inverse singular value, halfway to whitened texts.
    """
    from scipy.sparse import diags

    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    least = min(config.min_df, max(1, counts.shape[0] // 100))
    words = np.flatnonzero(frequency >= least)
    weights = np.log((1 + counts.shape[0]) / (1 + frequency[words])) + 0.1
    x = counts[:, words] @ diags(weights)
    lengths = np.sqrt(np.asarray(x.multiply(x).sum(axis=1)).ravel())
    x = (diags(1 / np.maximum(lengths, 1e-6)) @ x).tocsr().astype(np.float32)
    dim = min(config.dim, *x.shape)
    random = np.random.default_rng(config.seed)
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
    return unit_or_zero(factors @ parts.words), unit_or_zero(factors @ parts.general)


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
    texts = unit_or_zero((unit_or_zero(np.array(means)) + names) / 2)
    known: npt.NDArray[np.bool_] = np.any(texts != 0, axis=1)
    return known, texts


def correlate(
    x: Numbers, y: Numbers, weights: Numbers, config: FoodConfig
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the maps of a regularised canonical correlation analysis, scaled by correlation.

    Args:
        x: Pictures, shape (n, p).
        y: Texts, shape (n, q).
        weights: Shape (n,).
        config: Names the ridges.

    Returns:
        Shapes (p, k) and (q, k) with k = min(p, q, dim).
    """
    share = (weights / weights.sum()).astype(np.float64)
    a, b = x - share @ x, y - share @ y
    roots = []
    for c, ridge in ((a, config.picture_ridge), (b, config.text_ridge)):
        covariance = c.T @ (c * share[:, None])
        covariance.flat[:: len(covariance) + 1] += ridge * np.trace(covariance) / len(covariance)
        values, turns = np.linalg.eigh(covariance)
        roots.append((turns / np.sqrt(np.maximum(values, 1e-12))) @ turns.T)
    left, correlations, right = np.linalg.svd(
        roots[0] @ (a.T @ (b * share[:, None])) @ roots[1], full_matrices=False
    )
    k = min(config.dim, len(correlations))
    return roots[0] @ left[:, :k] * correlations[:k], roots[1] @ right[:k].T * correlations[:k]
