"""`Scene`: what a map shows, made of the pictures of a library and of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from indexer.maps.layout import METHODS, Method, Places, centred, layout, spread
from searchengine.catalog.store import Catalog
from searchengine.errors import ConfigError, ImageError, QueryError, UnknownWords
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.sources.addresses import absolute
from searchengine.types import Encoder, Ids, Vectors, Vocabulary

if TYPE_CHECKING:
    from PIL.Image import Image

    from indexer.executors import Executor

LIMIT = 50_000
"""Most points of a map; the page in the browser was measured with as many (benchmarks/map.py)."""
LANDMARKS = 60
"""Most words on a map of pictures."""
THUMB = 64
"""Pixels of the longer side of a small picture."""
_BATCH = 4096

__all__ = ["LANDMARKS", "LIMIT", "METHODS", "THUMB", "Scene", "Thumb"]


@dataclass(frozen=True, slots=True)
class Thumb:
    """A small picture of a point of a scene."""

    point: int
    image: Image


@dataclass(frozen=True, slots=True)
class Scene:
    """Points of a map, pictures first, then words.

    Attributes:
        title: What it is a map of.
        places: Shape (n, 2), in 0..1, y down.
        names: Of each point: the path of a picture, or a word.
        pictures: How many of the points are pictures.
        thumbs: Small pictures, the most important first.
        ids: Of the pictures, if they are of a library.
    """

    title: str
    places: Places
    names: tuple[str, ...]
    pictures: int = 0
    thumbs: tuple[Thumb, ...] = field(default=())
    ids: tuple[int, ...] = ()

    @property
    def words(self) -> range:
        """The points that are words, the most important first."""
        return range(self.pictures, len(self.names))


def known_words(encoder: Encoder, words: Sequence[str]) -> tuple[list[str], Vectors, list[str]]:
    """Return the words that a model knows, each once, their vectors, and those it does not know.

    A "word" may be several, "polar bear"; it is known if any of them is.
    """
    known: list[str] = []
    rows: list[npt.NDArray[np.float32]] = []
    unknown: list[str] = []
    for word in dict.fromkeys(words):
        try:
            rows.append(encoder.encode_texts([word])[0])
        except UnknownWords:
            unknown.append(word)
        else:
            known.append(word)
    vectors = np.stack(rows) if rows else np.empty((0, encoder.dim), dtype=np.float32)
    return known, vectors, unknown


def tag_words(encoder: Encoder, most: int | None = None) -> list[str]:
    """Return the tags that people name most, of those whose every word the model knows."""
    entries = sorted(TagVocabulary.load().entries, key=lambda entry: (entry.rank, entry.name))
    words = (entry.name for entry in entries)
    if isinstance(encoder, Vocabulary):
        words = (word for word in words if not encoder.unknown_words(word))
    return [word for word, _ in zip(words, range(most or len(entries)), strict=False)]


def map_words(words: Sequence[str], vectors: Vectors, *, method: Method, seed: int = 0) -> Scene:
    """Lay out words, shape of vectors (n, dim), the most important first."""
    places = layout(centred(vectors), method, seed=seed)
    return Scene(f"{len(words):,} words", places, tuple(words))


def map_pictures(
    catalog: Catalog,
    encoder: Encoder,
    ids: Ids,
    *,
    method: Method,
    seed: int = 0,
    landmarks: int = 0,
) -> Scene:
    """Lay out pictures of a library by their stored vectors, and words among them.

    Args:
        catalog: Of the library.
        encoder: Whose vectors are taken, and who makes those of words.
        ids: The pictures; those without a vector of this model are left out.
        method: Of `layout`.
        seed: Of `layout`.
        landmarks: Most words; the tags that most pictures are nearest to.

    Raises:
        ConfigError: There are too few pictures.
    """
    vectors_of: dict[int, npt.NDArray[np.float32]] = {}
    for start in range(0, len(ids), _BATCH):
        vectors_of |= catalog.vectors(ids[start : start + _BATCH].tolist(), encoder.fingerprint)
    pictures = catalog.get(vectors_of)
    present = sorted(one for one in vectors_of if one in pictures)
    if not present:
        raise ConfigError("no picture of the map has a vector of this model; run: lexpix index")
    vectors = np.stack([vectors_of[one] for one in present])
    words, signs = _landmarks(encoder, vectors, landmarks) if landmarks else ([], vectors[:0])
    clouds = [centred(cloud) for cloud in (vectors, signs) if len(cloud)]
    places = layout(np.concatenate(clouds), method, seed=seed)
    names = (*(pictures[one].path for one in present), *words)
    title = f"{len(present):,} pictures" + (f" and {len(words)} words" if words else "")
    return Scene(title, places, names, len(present), ids=tuple(present))


def with_thumbs(scene: Scene, most: int, executor: Executor) -> tuple[Scene, list[str]]:
    """Return a scene with small pictures, spread over the map, and why some could not be read.

    Args:
        scene: A map of pictures.
        most: Most small pictures.
        executor: Decodes.
    """
    order = spread(scene.places[: scene.pictures])[:most].tolist()
    thumbs: list[Thumb] = []
    failures: list[str] = []
    decoded = executor.imap(partial(_thumb, scene.names), order)
    for point, image in zip(order, decoded, strict=True):
        if isinstance(image, str):
            failures.append(image)
        else:
            thumbs.append(Thumb(point, image))
    return replace(scene, thumbs=tuple(thumbs)), failures


def _thumb(names: Sequence[str], point: int) -> Image | str:
    from searchengine.images import open_image
    from searchengine.sources.opening import open_stored

    try:
        with open_stored(absolute(names[point])) as file:
            image = open_image(file, size=THUMB)
    except OSError as error:
        return f"{names[point]}: cannot be read ({error.strerror or error})"
    except ImageError as error:
        return str(error)
    image.thumbnail((THUMB, THUMB))
    return image


def _landmarks(encoder: Encoder, pictures: Vectors, most: int) -> tuple[list[str], Vectors]:
    """Return the tags that most pictures, shape (n, dim), are nearest to, and their vectors.

    They are chosen by the scores of a search: around their own middle, pictures of food would no
    longer be nearest to words of food.
    """
    tags = tag_words(encoder)
    if not tags:
        raise QueryError("the model knows no word of the tags; draw the map with --no-words")
    vectors = encoder.encode_texts(tags)
    counts = np.zeros(len(tags), dtype=np.int64)
    for start in range(0, len(pictures), _BATCH):
        nearest = (pictures[start : start + _BATCH] @ vectors.T).argmax(axis=1)
        counts += np.bincount(nearest, minlength=len(tags))
    best = np.argsort(-counts, kind="stable")[:most]
    # What one picture in two hundred is nearest to at most is more often an error than a theme.
    best = best[counts[best] >= max(1, len(pictures) // 200)]
    return [tags[one] for one in best], vectors[best]
