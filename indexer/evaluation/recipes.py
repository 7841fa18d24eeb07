"""Measure recipes and their pictures against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.evaluation.metrics import Recall, best_ranks, recall
from searchengine.documents import Document
from searchengine.errors import TrainingDataError, UnknownWords
from searchengine.images import open_image
from searchengine.models import files
from searchengine.models.food import KIND, FoodHead
from searchengine.models.joint import JointEncoder
from searchengine.pixels import views
from searchengine.types import Encoder, Vectors
from searchengine.vectors import unit_rows


@dataclass(frozen=True, slots=True)
class RecipeScores:
    """Picture -> recipe and recipe -> picture, and how many of either."""

    i2r: Recall
    r2i: Recall
    recipes: int


def evaluate_recipes(
    general: Encoder, head: FoodHead | None, recipes: Sequence[Document]
) -> RecipeScores:
    """Measure recipes against their pictures; every one is a candidate of every other.

    With a head, a picture that asks is the mean of its views, as when a user names a file.

    A recipe without any known word is found by nothing and finds nothing: the worst rank.

    Args:
        general: The joint model.
        head: A food head on it; None measures the joint model by the sum of all words.
        recipes: Recipes with pictures.

    Raises:
        ImageError: A picture cannot be read.
        TrainingDataError: No recipe has a picture.
    """
    pictured = [recipe for recipe in recipes if recipe.image]
    if not pictured:
        raise TrainingDataError("no recipe with a picture")
    images = [recipe.image for recipe in pictured if recipe.image]
    texts = encode_recipes(general, head, pictured)
    if not head:
        pictures = general.encode_images(images)
        i2r, r2i = scores_of(pictures, pictures, texts)
        return RecipeScores(i2r, r2i, len(pictured))
    size = general.decode_size
    seen = np.stack([general.encode_images(views(open_image(i, size=size))) for i in images])
    i2r, r2i = scores_of(*project_views(head, seen), texts)
    return RecipeScores(i2r, r2i, len(pictured))


def load_models(name: str, base: str = "default") -> tuple[JointEncoder, FoodHead | None]:
    """Load a food head and its joint model `base`, or any joint model without a head.

    Raises:
        ModelError: There is no such model, or the head is of another joint model.
    """
    folder = files.resolve(name)
    if files.read_config(folder).kind != KIND:
        return JointEncoder(folder), None
    general = JointEncoder(files.resolve(base))
    return general, FoodHead(folder, general)


def encode_recipes(general: Encoder, head: FoodHead | None, recipes: Sequence[Document]) -> Vectors:
    """Return a row per recipe, zero where no word is known."""
    rows = []
    for recipe in recipes:
        try:
            if head:
                rows.append(head.encode_documents([recipe])[0])
            else:
                texts = (text for parts in recipe.fields.values() for text in parts)
                rows.append(general.encode_texts([" ".join(texts)])[0])
        except UnknownWords:
            rows.append(np.zeros((head or general).dim, dtype=np.float32))
    return np.stack(rows)


def project_views(head: FoodHead, seen: Vectors) -> tuple[Vectors, Vectors]:
    """Return pictures as they are found, and as they ask, both (n, dim of the head).

    As in a library: what is stored is the vector of the whole picture, and a picture that asks is
    the mean of its views.

    Args:
        head: The food head.
        seen: Views of the joint model, (n, views, its dim), the whole picture first.
    """
    return head.project(seen[:, 0]), head.project(unit_rows(seen.mean(axis=1)))


def scores_of(
    pictures: Vectors,
    asking: Vectors,
    texts: Vectors,
    among: npt.NDArray[np.bool_] | None = None,
) -> tuple[Recall, Recall]:
    """Return picture -> recipe and recipe -> picture recall; ties count against the model.

    Args:
        pictures: Shape (n, dim), as recipes find them.
        asking: The same pictures as questions.
        texts: Shape (n, dim); row i is of the recipe of picture i.
        among: Shape (n, n), symmetric: which pairs are candidates of which; all by default.
    """
    right = np.eye(len(texts), dtype=np.bool_)
    # A recipe of unknown words alone is the worst answer, and so is every answer to it.
    allowed = np.broadcast_to(texts.any(axis=1), right.shape)
    if among is not None:
        allowed = allowed & among
    picture_scores = np.where(allowed, asking @ texts.T, -np.inf)
    recipe_scores = np.where(allowed, pictures @ texts.T, -np.inf).T
    return recall(best_ranks(picture_scores, right)), recall(best_ranks(recipe_scores, right))
