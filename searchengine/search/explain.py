"""Explanations of the pictures of a library: whose score is split, and what a share is called."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from searchengine.errors import ConfigError, ImageError, ModelError, QueryError, UnknownPicture
from searchengine.language.query import parsed
from searchengine.search.attribution import PANEL, draw, merge, split
from searchengine.search.frames import Frame, SceneIndex
from searchengine.search.resolve import (
    KnownPicture,
    Resolver,
    TermVectors,
    parts_of,
    query_vector,
    refuse_excess,
)
from searchengine.types import Encoder, Explainable, Explanation, PathLike, Query

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog


class Explainer:
    """Split scores of pictures.

    Args:
        catalog: Knows the pictures.
        encoder: The model, with the words that it was taught.
        resolver: Finds the vectors of terms.
        scenes: Know which frame of a film answers.
    """

    def __init__(
        self, catalog: Catalog, encoder: Encoder, resolver: Resolver, scenes: SceneIndex
    ) -> None:
        self._catalog, self._encoder, self._resolver = catalog, encoder, resolver
        self._scenes = scenes

    def explain(
        self,
        query: str | Sequence[str] | Query,
        picture: PathLike | int,
        uploads: Mapping[str, KnownPicture] | None = None,
    ) -> Explanation:
        """Split the score of a picture exactly into words, and pictures of the query, and cells.

        Args:
            query: As `Engine.search` takes it.
            picture: A file, or a library id; of a film the best frame is explained if it is given
                by its id, and by its file the one that stands for it.
            uploads: Pictures that stand for terms, as `PageRequest` has them.

        Raises:
            QueryError: As `Engine.search` does; or the picture cannot be read.
            ChangedFile: A picture of the library is not what was indexed.
            ModelError: The scores of this model cannot be split exactly.
        """
        encoder, query = self._explainable, parsed(query)
        refuse_excess(query)
        if not query.terms:
            raise QueryError("a filter has no score to explain; give words or pictures as well")
        size, prepare = self._encoder.decode_size, self._encoder.prepare
        at = None
        if isinstance(picture, int) and picture in self._scenes.frames.films:
            asked = query_vector(self._resolver.resolve(query, uploads).terms)
            at = self._scenes.frames.answering(asked, [picture])[picture].seconds
        try:
            pixels = self._resolver.pixels_of(picture, size=size, prepare=prepare, at=at)
            regions = encoder.encode_regions([pixels])[0]
        except ImageError as error:
            raise UnknownPicture(f"{error}; an explanation needs the picture itself") from error
        resolved = self._resolver.resolve(query, uploads)
        query_vector(resolved.terms)  # raises what a search would raise
        labels, parts = parts_of(encoder, resolved.terms)
        explanation = split(*merge(labels, parts), regions, encoder.grid)
        return replace(
            explanation,
            unknown_words=resolved.unknown,
            translated=self._resolver.translated(query),
            at=at,
        )

    def shares(
        self, terms: TermVectors, ids: Sequence[int], frames: Mapping[int, Frame]
    ) -> dict[int, list[tuple[str, float]]]:
        """Return what each part of a query gave to the scores of pictures, by id.

        The shares are those of `explain`, in the order of the query, from stored vectors.

        Args:
            terms: The query's.
            ids: The pictures.
            frames: Those that answer of films, by id.

        Raises:
            ModelError: The scores of this model cannot be split exactly.
        """
        labels, parts = merge(*parts_of(self._explainable, terms))
        stored = self._catalog.vectors(ids, self._encoder.fingerprint)
        stored |= {id_: frame.vector for id_, frame in frames.items() if id_ in stored}
        return {
            id_: list(zip(labels, (parts @ vector).tolist(), strict=True))
            for id_, vector in stored.items()
        }

    def draw(self, explanation: Explanation, picture: PathLike | int, out: PathLike) -> None:
        """Draw an explanation of a picture, a heat map for each part, to an image file.

        Raises:
            ImageError, ChangedFile: The picture cannot be read, or is not what was indexed.
            ConfigError: The file cannot be written; the suffix decides on the format.
        """
        pixels = self._resolver.pixels_of(picture, size=PANEL, at=explanation.at)
        sheet = draw(pixels, explanation)
        try:
            sheet.save(os.fspath(out))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{out}: cannot be written ({error}); name a .png or .jpg") from error

    @property
    def _explainable(self) -> Explainable:
        encoder = self._encoder
        if not isinstance(encoder, Explainable):
            raise ModelError(
                f"model {encoder.name!r}: its scores cannot be split exactly, because it is not "
                "linear in words and places; use a joint model"
            )
        return encoder
