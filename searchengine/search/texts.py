"""Search the texts of a library by words and pictures, and its pictures by texts."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchengine import plugins
from searchengine.config import Settings
from searchengine.documents import Document, Kind
from searchengine.errors import QueryError, UnknownText, UnknownWords
from searchengine.models.texts import GeneralTexts, Selective, TextModel
from searchengine.models.translating import Translating
from searchengine.recipes.filters import ingredient_names, is_without, needs
from searchengine.recipes.ingredients import is_available, require_parser
from searchengine.search.resolve import KnownPicture, Resolver, refuse_long
from searchengine.search.status import ids_within, require_pictures
from searchengine.search.text_indexes import BATCH, TextIndexes
from searchengine.types import (
    Answer,
    Encoder,
    Failure,
    Hit,
    Ids,
    PathLike,
    TextAnswer,
    TextHit,
    Vector,
    VectorIndex,
)
from searchengine.vectors import top_k

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog
    from searchengine.catalog.texts import StoredText

log = logging.getLogger(__name__)

PROBABLE = 0.7
"""From here on a picture is taken for one of what a model of one kind of texts is for.

Of 261 dishes that it was not trained on the bundled food head keeps 98.9 % so, and lets about 2 in
100 pictures of other things pass (`lexpix eval food`)."""
MANY_UNPARSED = 20
"""Recipes whose ingredients are rather parsed when they are added than when they are asked for."""
EXCERPT = 60
"""Letters of the beginning of a text that stand for a title."""


class Texts(TextIndexes):
    """The texts of one library, as one model of pictures sees them."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        encoder: Encoder,
        resolver: Resolver,
        pictures: VectorIndex,
        folder: Path,
        reading: Translating,
    ) -> None:
        super().__init__(settings, catalog, encoder, folder)
        self._catalog, self._resolver = catalog, resolver
        self._pictures, self._reading = pictures, reading

    @property
    def reads_views(self) -> bool:
        """Whether a picture that asks for recipes is read in several views."""
        if not self.store.counts()["recipe"]:
            return False
        return not isinstance(self.model("recipe"), GeneralTexts)

    # Texts as answers

    def for_picture(
        self,
        picture: PathLike | int | KnownPicture,
        *,
        limit: int | None = None,
        kind: Kind | None = None,
        having: Sequence[str] = (),
        lacking: Sequence[str] = (),
        unlikely: bool = False,
    ) -> TextAnswer:
        """Return the texts nearest to a picture.

        To what is more probably no dish than one no recipe is an answer, where the model of the
        recipes can tell, as it decides for `pictures`.

        Args:
            picture: A file, which need not be in the library, a library id, or one that was read.
            limit: Most hits; the settings decide if None.
            kind: Only texts of this kind.
            having: Only recipes with all of these foods among the names of their ingredients.
            lacking: Only recipes with none of these in the lines of their ingredients, which may
                not even contain them; one that lists no ingredients is left out.
            unlikely: Keep recipes whatever the picture shows.

        Raises:
            UnknownPicture, QueryError: The picture cannot be read.
            NothingIndexed: The library has no such text.
            MissingPlugin: Ingredients cannot be parsed.
            QuerySyntaxError: A food has no word.
        """
        started = time.perf_counter()
        refuse_long([*having, *lacking])
        if having or lacking:  # said of any picture, also of one that shows no dish
            require_parser()
        model = self._model_of(kind)
        known = picture if isinstance(picture, KnownPicture) else self._resolver.picture(picture)
        vector = known.vector
        if not isinstance(model, GeneralTexts):
            # A head reads a file in several views. What the library has of a picture is one vector.
            if known.viewed is not None:
                vector = known.viewed
            elif not isinstance(picture, int | KnownPicture):
                vector = self._resolver.viewed(known)
        kind_of_hits: Kind | None = kind
        is_dish = unlikely or self._may_be_dish(vector)
        if not is_dish and kind is None and self.store.counts()["text"]:
            kind_of_hits = "text"
        hits: tuple[TextHit, ...] = ()
        if is_dish or kind_of_hits == "text":
            projected = model.project(vector[None])[0]
            hits = self._hits(model, projected, limit, kind_of_hits, having, lacking)
        nothing = not is_dish and kind_of_hits != "text"
        return TextAnswer(
            known.path, hits, (), _milliseconds_since(started), nothing_like_that=nothing
        )

    def _may_be_dish(self, vector: Vector) -> bool:
        """Tell whether a picture may show what recipes are about, as far as their model knows."""
        if not self.store.counts()["recipe"]:
            return True
        model = self.model("recipe")
        return not isinstance(model, Selective) or model.shows(vector[None])[0] >= PROBABLE

    def search(
        self,
        words: str,
        *,
        limit: int | None = None,
        kind: Kind | None = None,
        having: Sequence[str] = (),
        lacking: Sequence[str] = (),
    ) -> TextAnswer:
        """Return the texts nearest to words.

        The arguments are those of `for_picture`.

        Raises:
            QueryError: The words or foods are over the limits.
            UnknownWords: No word is known.
            NothingIndexed: The library has no such text.
            MissingPlugin, QuerySyntaxError: As `for_picture` does.
        """
        started = time.perf_counter()
        refuse_long([words, *having, *lacking])
        model = self._model_of(kind)
        unknown = tuple(self._reading.unknown_words(words))
        try:
            own: Kind = "text" if model is self.general else "recipe"
            vector = model.encode_documents([Document(own, self._reading.english(words))])[0]
        except UnknownWords as error:
            if not unknown:
                raise
            raise UnknownWords.of(unknown) from error
        hits = self._hits(model, vector, limit, kind, having, lacking)
        translated = tuple(self._reading.translated(words))
        return TextAnswer(words, hits, unknown, _milliseconds_since(started), translated)

    def _hits(
        self,
        model: TextModel,
        vector: Vector,
        limit: int | None,
        kind: Kind | None,
        having: Sequence[str],
        lacking: Sequence[str],
    ) -> tuple[TextHit, ...]:
        count = self._settings.limit if limit is None else limit
        having, lacking = (list(map(self._reading.english, foods)) for foods in (having, lacking))
        only = self._passing(kind, having, lacking)
        rows = self._nearest(model, vector, count, only, lambda text: is_without(text, lacking))
        return tuple(
            TextHit(text.id, text.document.kind, title_of(text.document), score, text.source)
            for text, score in rows
        )

    def first(
        self,
        limit: int,
        *,
        kind: Kind | None = None,
        having: Sequence[str] = (),
        lacking: Sequence[str] = (),
    ) -> list[StoredText]:
        """Return the first texts by number, filtered as `for_picture` does.

        Raises:
            MissingPlugin, QuerySyntaxError: As `for_picture` does.
        """
        if not having and not lacking:
            return list(islice(self.store.all(kind, batch=limit), limit))
        passing = self._passing(kind, having, lacking)
        assert passing is not None, "something is filtered by"
        result: list[StoredText] = []
        for start in range(0, len(passing), BATCH):
            texts = self.store.get(passing[start : start + BATCH].tolist())
            kept = (text for _, text in sorted(texts.items()) if is_without(text.document, lacking))
            result.extend(islice(kept, limit - len(result)))
            if len(result) == limit:
                break
        return result

    def _passing(
        self, kind: Kind | None, having: Sequence[str] = (), lacking: Sequence[str] = ()
    ) -> Ids | None:
        """Return the sorted ids of the texts that may be hits, None for all.

        Of recipes that may lack what is unwanted, all that list ingredients; `is_without` decides.
        """
        if not having and not lacking:
            return None if kind is None else self.store.ids(kind)
        # `lacking` could do without the parser, but the two filters are one offer with one extra.
        require_parser()
        passing = np.intersect1d(self.store.ids(kind), self.store.with_ingredients())
        if having:
            self._parse_ingredients()
            known = self.store.ingredient_names()
            for food in having:
                names = [name for name in known if needs(name, food)]
                passing = np.intersect1d(passing, self.store.ids_with(names))
        return passing

    def _parse_ingredients(self) -> None:
        """Parse what was stored unparsed: few at a time, or while the parser was not installed."""
        unparsed = self.store.unparsed()
        if len(unparsed) >= MANY_UNPARSED:
            log.warning("the ingredients of %d recipes are parsed first", len(unparsed))
        for start in range(0, len(unparsed), BATCH):
            texts = self.store.get(unparsed[start : start + BATCH]).values()
            self.store.set_names(
                {text.id: (text.sha256, ingredient_names(text.document)) for text in texts}
            )

    def get(self, id_: int) -> StoredText:
        """Return a text by its number, with the names of its ingredients if they can be parsed.

        Raises:
            UnknownText: The library has none of that number.
        """
        text = self._stored(id_)
        if text.names or not text.document.ingredients or not is_available():
            return text
        self.store.set_names({id_: (text.sha256, ingredient_names(text.document))})
        return self._stored(id_)

    def _stored(self, id_: int) -> StoredText:
        text = self.store.get([id_]).get(id_)
        if text is None:
            raise UnknownText(f"{id_}: no text of the library has this number; see: texts list")
        return text

    # Texts as questions

    def pictures(
        self,
        text: Document | int,
        *,
        limit: int | None = None,
        within: PathLike | None = None,
        unlikely: bool = False,
    ) -> Answer:
        """Return the pictures nearest to a text.

        A match would be guesswork: calibrations are fitted on captions, not on paragraphs. But what
        is more probably no dish than one is no answer to a recipe, where its model can tell.

        Args:
            text: A text, or the number of one that the library holds.
            limit: Most hits; the settings decide if None.
            within: Only pictures at or under this path.
            unlikely: Keep pictures that most probably show nothing that the text can be about.

        Raises:
            UnknownText: The library has no such text.
            UnknownWords: No word of it is known.
            NothingIndexed: The library, or the part of it that was asked for, has no picture.
        """
        started = time.perf_counter()
        require_pictures(self._pictures, self._catalog, self._encoder, self._settings)
        only = None if within is None else ids_within(self._catalog, within)
        document = self._stored(text).document if isinstance(text, int) else text
        model = self.model(document.kind)
        vector = model.encode_documents([document])[0]
        count = min(self._settings.limit if limit is None else limit, len(self._pictures))
        left_out = False
        if isinstance(model, GeneralTexts):
            ids, scores = (rows[0] for rows in self._pictures.search(vector[None], count, only))
        else:
            ids, scores, left_out = self._nearest_projected(model, vector, count, only, unlikely)
        rows = self._catalog.get(ids.tolist())
        hits = tuple(
            Hit(id_, rows[id_].path, float(score))
            for id_, score in zip(ids.tolist(), scores, strict=True)
            if id_ in rows
        )
        nothing = left_out and not hits
        took = _milliseconds_since(started)
        return Answer(title_of(document), hits, (), took, nothing_like_that=nothing)

    def _nearest_projected(
        self, model: TextModel, vector: Vector, count: int, only: Ids | None, unlikely: bool
    ) -> tuple[Any, Any, bool]:
        """Score every picture in the space of a model that has one of its own.

        Returns:
            Ids and scores, best first, and whether pictures were left out that show no such thing.
        """
        left_out = False
        ids, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        for change in self._catalog.changes(self._encoder.fingerprint, 0):
            if not len(change.put_ids):
                continue
            keep = np.ones(len(change.put_ids), dtype=np.bool_)
            if only is not None:
                keep &= np.isin(change.put_ids, only)
            if isinstance(model, Selective) and not unlikely:
                shows = model.shows(change.put_vectors) >= PROBABLE
                left_out |= bool((keep & ~shows).any())
                keep &= shows
            if not len(chosen := change.put_ids[keep]):
                continue
            near = model.project(change.put_vectors[keep]) @ vector
            ids, scores = np.concatenate([ids, chosen]), np.concatenate([scores, near])
        best, cosines = top_k(ids, scores[None], max(count, 1))
        return best[0], cosines[0], left_out


def title_of(document: Document) -> str:
    """Return the title of a text, or else its beginning."""
    lines: Iterator[str] = (
        line for line in (document.title, *document.body, *document.ingredients) if line.strip()
    )
    first = next(lines, "")
    if document.title.strip() or len(first) <= EXCERPT:
        return first
    return first[:EXCERPT].rsplit(" ", 1)[0] + " ..."


def document_in(path: PathLike) -> Document:
    """Return the one text of a file of any form that can be added to a library.

    Raises:
        UnknownText: The file cannot be read.
        QueryError: It holds no text, or several.
    """
    read = plugins.load("lexpix.readers", "documents")
    entries: list[Document | Failure] = list(islice(read(os.path.expanduser(path), None), 3))
    documents = [entry for entry in entries if isinstance(entry, Document)]
    for entry in entries:
        if isinstance(entry, Failure) and not documents:
            raise UnknownText(f"{entry.path}: {entry.reason}")
    if len(documents) != 1:
        what = "several texts" if documents else "no text"
        raise QueryError(
            f"{os.fspath(path)}: holds {what}, and a search is by one; add them to the library and "
            "name one: lexpix texts add FILE, lexpix search --like-text ID"
        )
    return documents[0]


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
