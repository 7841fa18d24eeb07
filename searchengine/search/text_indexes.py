"""Which models embed the texts of a library, and the indexes of their vectors.

A search compares vectors of one model only: that of a kind if nothing but that kind can answer,
else the general one, which embeds every text. Texts that a model has not seen yet, because the
library came to it later, are embedded from what is stored before its first answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from searchengine import plugins
from searchengine.config import Settings
from searchengine.documents import Document, Kind
from searchengine.errors import NothingIndexed, UnknownWords
from searchengine.indexes.sync import open_index, remove_index, synchronise
from searchengine.models.loading import heads_on, text_model
from searchengine.models.texts import TextModel, fingerprint_of
from searchengine.types import Encoder, Ids, Vector, VectorIndex

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog
    from searchengine.catalog.texts import StoredText

log = logging.getLogger(__name__)

FOLDER = "texts"
"""Where index files of texts live, below those of the pictures."""

BATCH = 256
"""Texts that are embedded, and stored, at a time."""

Progress = Callable[[str, int, int], None]
"""Called with a stage and the numbers of texts done and to do."""


class TextIndexes:
    """Embed the texts of a library, and find the nearest.

    Attributes:
        store: What is stored of them.
        general: The model that embeds every text.
    """

    def __init__(
        self, settings: Settings, catalog: Catalog, encoder: Encoder, folder: Path
    ) -> None:
        self._settings, self._encoder, self._folder = settings, encoder, folder / FOLDER
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
            backend = plugins.load_at("lexpix.indexes", self._settings.index)
            remove_index(self.store, fingerprint, self._folder, backend)
        return dropped

    def _model_of(self, kind: Kind | None) -> TextModel:
        """Return the model that a search among texts of a kind, or of all, compares by."""
        counts = self.store.counts()
        if not (sum(counts.values()) if kind is None else counts[kind]):
            option = "" if kind is None else f" --kind {kind}"
            raise NothingIndexed(
                f"{self._settings.library}: no {kind or 'text'} is stored; "
                f"run: lexpix texts add FILE{option}"
            )
        kinds = [one for one, count in counts.items() if count]
        (only,) = kinds if len(kinds) == 1 else (kind,)
        return self.general if only is None else self.model(only)

    def _nearest(
        self,
        model: TextModel,
        vector: Vector,
        limit: int,
        only: Ids | None,
        keep: Callable[[Document], bool],
    ) -> list[tuple[StoredText, float]]:
        """Return the nearest texts that `keep` keeps, with their scores, best first."""
        if count := len(self._lacking(model)):
            log.warning("%d texts are new to this model; embedding them first", count)
            self._embed(model, lambda _stage, _done, _total: None)
        index = self._opened(model)
        synchronise(index, self.store, model.fingerprint, model.dim)
        reach = len(index) if only is None else len(only)
        count = min(limit, reach)
        while count:
            ids, scores = index.search(vector[None], count, only)
            texts = self.store.get(int(id_) for id_ in ids[0])
            rows = [
                (texts[id_], float(score))
                for id_, score in zip(ids[0].tolist(), scores[0], strict=True)
                if id_ in texts and keep(texts[id_].document)
            ]
            if len(rows) >= limit or count >= reach:
                return rows[:limit]
            count = min(4 * count, reach)  # so that what `keep` takes away is made up for
        return []

    def _lacking(self, model: TextModel) -> list[int]:
        is_general = model.fingerprint == self.general.fingerprint
        return self.store.unembedded(model.fingerprint, None if is_general else "recipe")

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

    def _opened(self, model: TextModel) -> VectorIndex:
        index = self._indexes.get(model.fingerprint)
        if index is None:
            backend = plugins.load_at("lexpix.indexes", self._settings.index)
            index = open_index(self.store, model.fingerprint, model.dim, self._folder, backend)
            self._indexes[model.fingerprint] = index
        return index


def encoded(model: TextModel, documents: Sequence[Document]) -> list[Vector | None]:
    """Return a vector for each text, None for one of which the model knows no word."""
    try:
        return list(model.encode_documents(documents)) if documents else []
    except UnknownWords:
        if len(documents) == 1:
            return [None]
        half = len(documents) // 2  # few texts have no words, so most halves go through at once
        return [*encoded(model, documents[:half]), *encoded(model, documents[half:])]
