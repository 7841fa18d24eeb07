"""Decoded pictures -> vectors, each content once, and no picture at the expense of others."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from PIL.Image import Image

from indexer.library.reading import Decoded, Result, Unreadable
from searchengine.bounds import is_want_of_memory
from searchengine.catalog.frames import FILM, Frames
from searchengine.catalog.store import Catalog
from searchengine.errors import MissingPlugin, ModelError
from searchengine.types import Encoder, Vector
from searchengine.vectors import unit_rows

Key = TypeVar("Key", bound=Hashable)

BATCH = 16
"""Pictures that go through the model at a time; 32 are 4 % faster and take 200 MB more."""

RECENT = 1024
"""Contents of which the vector is kept at hand for copies; more than any executor looks ahead."""

NO_MEMORY = "not enough memory to encode it"
"""Why a picture has no vector that will be tried again."""


class Embedder:
    """Give decoded pictures their vectors.

    Args:
        catalog: Knows the vectors of earlier contents.
        encoder: The model.
    """

    def __init__(self, catalog: Catalog, encoder: Encoder) -> None:
        self._catalog, self._encoder = catalog, encoder
        self._recent: dict[str, Vector] = {}  # by content

    def fill(self, files: Sequence[Decoded | Unreadable]) -> list[Decoded | Unreadable]:
        """Return the same with every vector filled in; a picture that has none is unreadable.

        Raises:
            ModelError, MissingPlugin, ImportError: The model cannot run at all.
        """
        known = self._recent
        pictures: dict[str, Image] = {}
        for one in files:
            if not isinstance(one, Decoded):
                continue
            self._remember_replaced(one)
            if one.vector is not None:
                known[one.sha256] = one.vector
            elif one.photo.pixels is not None and one.sha256 not in known:
                pictures[one.sha256] = one.photo.pixels
        vectors, reasons = embed(self._encoder, pictures)
        known.update(vectors)
        frames = embed_stills(self._encoder, files)
        filled = [
            one if isinstance(one, Unreadable) else with_vector(one, known, reasons, frames)
            for one in files
        ]
        forget_oldest(known)
        return filled

    def _remember_replaced(self, one: Decoded) -> None:
        # Two files may have swapped their contents: the other one will need this vector.
        old = None if one.row is None else one.row.sha256
        if old is not None and old != one.sha256 and old not in self._recent:
            vector = self._catalog.vector_of_content(old, self._encoder.fingerprint)
            if vector is not None:
                self._recent[old] = vector


def embed(
    encoder: Encoder, pictures: Mapping[Key, Image]
) -> tuple[dict[Key, Vector], dict[Key, str]]:
    """Return the unit vectors of pictures by their keys, and of those that have none, the reasons.

    Pictures that fail together are tried one by one.

    Raises:
        ModelError, MissingPlugin, ImportError: The model cannot run at all; no picture is to blame.
    """
    if not pictures:
        return {}, {}
    try:
        rows = unit_rows(encoder.encode_images(list(pictures.values())), encoder.dim)
        return dict(zip(pictures, rows, strict=True)), {}
    except (ModelError, MissingPlugin, ImportError):
        raise
    except Exception as error:  # whatever a model does, the other pictures must not pay for it
        if len(pictures) == 1:
            said = f"the model cannot encode it ({error})"
            return {}, dict.fromkeys(pictures, NO_MEMORY if is_want_of_memory(error) else said)
    vectors: dict[Key, Vector] = {}
    reasons: dict[Key, str] = {}
    for key, picture in pictures.items():
        vector, reason = embed(encoder, {key: picture})
        vectors |= vector
        reasons |= reason
    return vectors, reasons


def embed_stills(
    encoder: Encoder, files: Iterable[Result | None]
) -> dict[str, dict[float, Vector]]:
    """Return the vectors of the stills of films by content; one that has none is left out."""
    stills = {
        (one.sha256, seconds): still
        for one in files
        if isinstance(one, Decoded)
        for seconds, still in one.photo.stills
    }
    frames: dict[str, dict[float, Vector]] = {}
    waiting = iter(stills.items())
    while some := dict(islice(waiting, BATCH)):
        for (content, seconds), vector in embed(encoder, some)[0].items():
            frames.setdefault(content, {})[seconds] = vector
    return frames


def forget_oldest(contents: dict[str, Any]) -> None:
    """Keep the last `RECENT` contents of a cache."""
    for digest in list(islice(contents, max(0, len(contents) - RECENT))):
        del contents[digest]


def with_vector(
    one: Decoded,
    known: Mapping[str, Vector],
    reasons: Mapping[str, str],
    frames: Mapping[str, Frames],
) -> Decoded | Unreadable:
    """Return a picture with its vector, or why it has none."""
    if one.sha256 in reasons:
        reason = reasons[one.sha256]
        return Unreadable(one.stat, one.row, None if reason == NO_MEMORY else one.sha256, reason)
    vector = known[one.sha256]
    if one.photo.format != FILM or one.frames:
        return replace(one, vector=vector)
    assert one.photo.at is not None, "a frame stands for a film"
    return replace(one, vector=vector, frames={**frames.get(one.sha256, {}), one.photo.at: vector})
