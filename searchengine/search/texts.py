"""Search the texts of a library by words and pictures, and its pictures by texts.

A search compares vectors of one model only: that of a kind if nothing but that kind can answer,
else the general one, which embeds every text. Texts that a model has not seen yet, because the
library came to it later, are embedded from what is stored before its first answer.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from searchengine import plugins
from searchengine.catalog.store import Catalog
from searchengine.catalog.texts import StoredText
from searchengine.config import Settings
from searchengine.documents import Document, Kind
from searchengine.errors import NothingIndexed, QueryError, UnknownText, UnknownWords
from searchengine.indexes.sync import open_index, remove_index, synchronise
from searchengine.models.loading import heads_on, text_model
from searchengine.models.texts import GeneralTexts, Selective, TextModel, fingerprint_of
from searchengine.models.translating import Translating
from searchengine.recipes.filters import ingredient_names, is_without, needs
from searchengine.search.resolve import KnownPicture, Resolver, refuse_long
from searchengine.search.status import ids_within, require_pictures
from searchengine.types import (
    Answer,
    Encoder,
    Failure,
    Hit,
    Ids,
    PathLike,
    TextAnswer,
    TextHit,
    Translated,
    UnknownWord,
    Vector,
    VectorIndex,
)
from searchengine.vectors import top_k

log = logging.getLogger(__name__)

FOLDER = "texts"
"""Where index files of texts live, below those of the pictures."""

BATCH = 256
"""Texts that are embedded, and stored, at a time."""

PROBABLE = 0.5
"""From here on a picture more probably shows what a model of one kind of texts is for."""

EXCERPT = 60
"""Letters of the beginning of a text that stand for a title."""

Progress = Callable[[str, int, int], None]
"""Called with a stage and the numbers of texts done and to do."""


class Texts:
    """The texts of one library, as one model of pictures sees them.

    Attributes:
        store: What is stored of them.
        general: The model that embeds every text.
    """

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
        self._settings, self._catalog, self._encoder = settings, catalog, encoder
        self._resolver, self._pictures, self._folder = resolver, pictures, folder / FOLDER
        self._reading = reading
        self.store = catalog.texts
        self._models: dict[Kind, TextModel] = {}
        self.general = self.model("text")
        self._indexes: dict[str, VectorIndex] = {}

    def model(self, kind: Kind) -> TextModel:
        """Return the model of a kind of text."""
        model = self._models.get(kind)
        if model is None:
            model = text_model(kind, self._settings.model, self._encoder)
            self._models[kind] = model
        return model

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
    ) -> TextAnswer:
        """Return the texts nearest to a picture.

        Args:
            picture: A file, which need not be in the library, a library id, or one that was read.
            limit: Most hits; the settings decide if None.
            kind: Only texts of this kind.
            having: Only recipes with all of these foods among the names of their ingredients.
            lacking: Only recipes with none of these in the lines of their ingredients, which may
                not even contain them; one that lists no ingredients is left out.

        Raises:
            UnknownPicture, QueryError: The picture cannot be read.
            NothingIndexed: The library has no such text.
            MissingPlugin: Ingredients cannot be parsed.
            QuerySyntaxError: A food has no word.
        """
        started = time.perf_counter()
        refuse_long([*having, *lacking])
        model = self._model_of(kind)
        shown = picture if isinstance(picture, KnownPicture) else self._resolver.picture(picture)
        seen = shown.vector
        if not isinstance(model, GeneralTexts):
            # A head reads a file in several views. What the library has of a picture is one vector.
            if shown.viewed is not None:
                seen = shown.viewed
            elif not isinstance(picture, int | KnownPicture):
                seen = self._resolver.viewed(shown)
        vector = model.project(seen[None])[0]
        having, lacking = (
            [self._reading.english(one) for one in food] for food in (having, lacking)
        )
        only = self._passing(kind, having, lacking)
        hits = self._nearest(model, vector, limit, only, lambda one: is_without(one, lacking))
        return _answer(shown.path, hits, (), started)

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
            named = [word.word for word in unknown]
            raise UnknownWords(named, [word.suggestion for word in unknown]) from error
        having, lacking = (
            [self._reading.english(one) for one in food] for food in (having, lacking)
        )
        only = self._passing(kind, having, lacking)
        hits = self._nearest(model, vector, limit, only, lambda one: is_without(one, lacking))
        translated = tuple(self._reading.translated(words))
        return _answer(words, hits, unknown, started, translated)

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
        found: list[StoredText] = []
        for start in range(0, len(passing), BATCH):
            texts = self.store.get(passing[start : start + BATCH].tolist())
            kept = (one for _, one in sorted(texts.items()) if is_without(one.document, lacking))
            found.extend(islice(kept, limit - len(found)))
            if len(found) == limit:
                break
        return found

    def get(self, id_: int) -> StoredText:
        """Return a text by its number.

        Raises:
            UnknownText: The library has none of that number.
        """
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
        document = self.get(text).document if isinstance(text, int) else text
        model = self.model(document.kind)
        vector = model.encode_documents([document])[0]
        count = min(self._settings.limit if limit is None else limit, len(self._pictures))
        left_out = False
        if isinstance(model, GeneralTexts):
            found, scores = (rows[0] for rows in self._pictures.search(vector[None], count, only))
        else:
            found, scores, left_out = self._nearest_projected(model, vector, count, only, unlikely)
        rows = self._catalog.get(int(one) for one in found if one > 0)
        hits = tuple(
            Hit(int(one), rows[int(one)].path, float(score))
            for one, score in zip(found, scores, strict=True)
            if int(one) in rows
        )
        took = (time.perf_counter() - started) * 1000
        return Answer(title_of(document), hits, (), took, nothing_like_that=left_out and not hits)

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
        found, best = top_k(ids, scores[None], max(count, 1))
        return found[0], best[0], left_out

    # Keeping up

    def refresh(self, progress: Progress = lambda _stage, _done, _total: None) -> int:
        """Embed the texts that a model has not seen, and bring the indexes up; count the former."""
        models = [self.general]
        if self.model("recipe").fingerprint != self.general.fingerprint:
            models.append(self.model("recipe"))
        done = 0
        for model in models:
            done += self._embed(model, progress)
            if self.store.searchable(model.fingerprint) or model.fingerprint in self._indexes:
                synchronise(self._opened(model), self.store, model.fingerprint, model.dim)
        return done

    def drop(self, encoder: str) -> int:
        """Remove what the texts have of a model of pictures that is given by its fingerprint."""
        dropped = 0
        for fingerprint in (fingerprint_of(encoder), *heads_on(encoder)):
            dropped += self.store.drop(fingerprint)
            remove_index(self.store, fingerprint, self._folder)
        return dropped

    def _lacking(self, model: TextModel) -> list[int]:
        is_general = model.fingerprint == self.general.fingerprint
        return self.store.lacking(model.fingerprint, None if is_general else "recipe")

    def _embed(self, model: TextModel, progress: Progress) -> int:
        lacking = self._lacking(model)
        for start in range(0, len(lacking), BATCH):
            texts = list(self.store.get(lacking[start : start + BATCH]).values())
            vectors = encoded(model, [text.document for text in texts])
            self.store.add_vectors(
                model.fingerprint,
                {text.id: (text.sha256, row) for text, row in zip(texts, vectors, strict=True)},
            )
            progress("embedding", min(start + BATCH, len(lacking)), len(lacking))
        return len(lacking)

    def _model_of(self, kind: Kind | None) -> TextModel:
        """Return the model that a search among texts of a kind, or of all, compares by."""
        counts = self.store.counts()
        if not (sum(counts.values()) if kind is None else counts[kind]):
            wanted = "text" if kind is None else kind
            how = "" if kind is None else f" --kind {kind}"
            raise NothingIndexed(
                f"{self._settings.library}: no {wanted} is stored; run: lexpix texts add FILE{how}"
            )
        kinds = [one for one, count in counts.items() if count]
        (only,) = kinds if len(kinds) == 1 else (kind,)
        return self.general if only is None else self.model(only)

    def _opened(self, model: TextModel) -> VectorIndex:
        index = self._indexes.get(model.fingerprint)
        if index is None:
            backend = plugins.load("lexpix.indexes", self._settings.index)
            index = open_index(self.store, model.fingerprint, model.dim, self._folder, backend)
            self._indexes[model.fingerprint] = index
        return index

    def _nearest(
        self,
        model: TextModel,
        vector: Vector,
        limit: int | None,
        only: Ids | None,
        keep: Callable[[Document], bool] = lambda _document: True,
    ) -> list[TextHit]:
        if count := len(self._lacking(model)):
            log.warning("%d texts are new to this model; embedding them first", count)
            self._embed(model, lambda _stage, _done, _total: None)
        index = self._opened(model)
        synchronise(index, self.store, model.fingerprint, model.dim)
        wanted = self._settings.limit if limit is None else limit
        reach = len(index) if only is None else len(only)
        count = min(wanted, reach)
        while count:
            found, scores = index.search(vector[None], count, only)
            texts = self.store.get(int(one) for one in found[0] if one > 0)
            hits = [
                _hit(texts[int(one)], float(score))
                for one, score in zip(found[0], scores[0], strict=True)
                if int(one) in texts and keep(texts[int(one)].document)
            ]
            if len(hits) >= wanted or count >= reach:
                return hits[:wanted]
            count = min(4 * count, reach)  # so that what `keep` takes away is made up for
        return []

    def _passing(
        self, kind: Kind | None, having: Sequence[str] = (), lacking: Sequence[str] = ()
    ) -> Ids | None:
        """Return the sorted ids of the texts that may be hits, None for all.

        Of recipes that may lack what is unwanted, all that list ingredients; `is_without` decides.
        """
        if not having and not lacking:
            return None if kind is None else self.store.ids(kind)
        passing = np.intersect1d(self.store.ids(kind), self.store.listing())
        if having:
            self._parse_ingredients()
            known = self.store.ingredient_names()
            for wanted in having:
                named = [name for name in known if needs(name, wanted)]
                passing = np.intersect1d(passing, self.store.ids_with(named))
        return passing

    def _parse_ingredients(self) -> None:
        """Parse what was stored while the parser was not installed."""
        unparsed = self.store.unparsed()
        if unparsed:
            log.warning("the ingredients of %d recipes are parsed first", len(unparsed))
        for start in range(0, len(unparsed), BATCH):
            texts = self.store.get(unparsed[start : start + BATCH]).values()
            self.store.set_names(
                {text.id: (text.sha256, ingredient_names(text.document)) for text in texts}
            )


def encoded(model: TextModel, documents: Sequence[Document]) -> list[Vector | None]:
    """Return a vector for each text, None for one of which the model knows no word."""
    try:
        return list(model.encode_documents(documents)) if documents else []
    except UnknownWords:
        if len(documents) == 1:
            return [None]
        half = len(documents) // 2  # few texts have no words, so most halves go through at once
        return [*encoded(model, documents[:half]), *encoded(model, documents[half:])]


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
    found: list[Document | Failure] = list(islice(read(os.path.expanduser(path), None), 3))
    documents = [one for one in found if isinstance(one, Document)]
    for failure in found:
        if isinstance(failure, Failure) and not documents:
            raise UnknownText(f"{failure.path}: {failure.reason}")
    if len(documents) != 1:
        what = "several texts" if documents else "no text"
        raise QueryError(
            f"{os.fspath(path)}: holds {what}, and a search is by one; add them to the library and "
            "name one: lexpix texts add FILE, lexpix search --like-text ID"
        )
    return documents[0]


def _answer(
    query: str,
    hits: Sequence[TextHit],
    unknown: tuple[UnknownWord, ...],
    started: float,
    translated: tuple[Translated, ...] = (),
) -> TextAnswer:
    took = (time.perf_counter() - started) * 1000
    return TextAnswer(query, tuple(hits), unknown, took, translated)


def _hit(text: StoredText, score: float) -> TextHit:
    return TextHit(text.id, text.document.kind, title_of(text.document), score, text.source)
