"""Where encoder, index and catalog meet: the answers to queries."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchengine import bounds, plugins
from searchengine.catalog.opening import INDEX_FOLDER
from searchengine.catalog.quick import open_catalog
from searchengine.config import Settings, load_settings
from searchengine.errors import UnknownPicture
from searchengine.indexes.sync import open_index, synchronise
from searchengine.language.query import Filters, parsed, with_filters
from searchengine.language.translator import Translator
from searchengine.models.calibration import matcher_of
from searchengine.models.captioner.loading import DEFAULT as CAPTIONER
from searchengine.models.captioner.loading import Captioners
from searchengine.models.loading import load_configured, load_model
from searchengine.models.translating import with_languages
from searchengine.search.collapsing import AHEAD
from searchengine.search.explain import Explainer
from searchengine.search.frames import SceneIndex
from searchengine.search.index_kinds import IndexInfo, improve, index_info
from searchengine.search.kept_facets import KeptFacets
from searchengine.search.pages import PageRequest
from searchengine.search.paging import Pager
from searchengine.search.resolve import KnownPicture, Resolver, refuse_excess
from searchengine.search.status import ModelStatus, Status, status_of
from searchengine.search.tags import Tags
from searchengine.search.taught import TaughtWords, with_taught
from searchengine.search.teaching import Teaching
from searchengine.sources import listings
from searchengine.sources.addresses import absolute
from searchengine.types import (
    Answer,
    Caption,
    Encoder,
    MinMatch,
    PathLike,
    Query,
    SearchPlan,
    Term,
    Translated,
    UnknownWord,
    VectorIndex,
)

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog
    from searchengine.search.texts import Texts

__all__ = ["INDEX_FOLDER", "Engine", "ModelStatus", "Status", "load_model", "open"]


def open(library: PathLike | None = None, *, create: bool = False) -> Engine:
    """Open a library, by default the one that the settings name; make it if asked to.

    Raises:
        NothingIndexed: There is no library in that folder.
        LibraryError: It cannot be read, or a newer lexpix made it.
    """
    settings = load_settings({"library": None if library is None else Path(library)})
    return Engine.open(settings, create=create)


class Engine(Teaching):
    """Answer queries over one library with one model.

    Attributes:
        catalog: What is stored of the pictures.
        encoder: The model.
        index: Where its vectors are found; `refresh` brings it up to the catalog.
        scenes: The same, in which a film is found by the best of its frames.
        tags: The tags of the library, the user's and the model's.
        kept: What facets are read from, if it is worth a file.
        languages: Puts words of other languages into English.
        page: Answers a `PageRequest`, as `Pager.page`.
        counts: Counts the values of facets without making a page, as `Pager.counts`.
        found: Returns the pictures of all pages, as `Pager.found`.
        facets: Reads what pictures can be narrowed down by, for many pages, as `Pager.facets`.
        explain, draw: Split the score of a picture, and draw what comes out, as `Explainer`.
        picture, original: A picture of the library by its number, as `Resolver.row`, and its file,
            as `Resolver.original`.
    """

    def __init__(self, settings: Settings, catalog: Catalog, encoder: Encoder, index: VectorIndex):
        self.settings = settings
        bounds.use(settings.memory, settings.file_size, settings.file_seconds)
        listings.keep_in(str(settings.library / listings.FOLDER))
        self.catalog, self.encoder, self.index = catalog, encoder, index
        self.scenes = SceneIndex(index, catalog, encoder.fingerprint)
        self._taught = TaughtWords(catalog, encoder)
        self._translating = with_languages(encoder, settings.lang or None)
        self.languages: Translator = self._translating.translator
        reading = with_taught(self._translating, self._taught)
        self._resolver = Resolver(catalog, reading)
        self.kept = KeptFacets(catalog, encoder.fingerprint, settings.library / INDEX_FOLDER)
        self.tags = Tags(catalog, encoder, self._taught, self._translating, self.kept)
        explainer = Explainer(catalog, reading, self._resolver, self.scenes)
        pager = Pager(
            settings,
            catalog,
            encoder,
            index,
            self.scenes,
            self.tags,
            self._resolver,
            explainer,
            self.kept,
        )
        self._pager = pager
        self.page, self.counts, self.facets = pager.page, pager.counts, pager.facets
        self.found = pager.found
        self.explain, self.draw = explainer.explain, explainer.draw
        self.picture, self.original = self._resolver.row, self._resolver.original
        self._captioners = Captioners(encoder)

    @classmethod
    def open(cls, settings: Settings, *, create: bool = False) -> Engine:
        """Open the library that the settings name, and bring its index up to date.

        Args:
            settings: Names of library, model and index.
            create: Make the library if there is none.

        Raises:
            NothingIndexed: There is no library and none was to be made.
            LibraryError, ModelError, MissingPlugin: A part cannot be loaded.
        """
        # First what a wrong setting can make fail, so that no library is made in vain.
        encoder = load_configured(settings, for_texts=True)
        backend = plugins.load_at("lexpix.indexes", settings.index)
        catalog = open_catalog(settings.library, create=create, address=settings.catalog)
        folder = settings.library / INDEX_FOLDER
        index = open_index(catalog, encoder.fingerprint, encoder.dim, folder, backend)
        return cls(settings, catalog, encoder, index)

    @classmethod
    def without_library(cls, settings: Settings) -> Engine:
        """Return an engine over an empty library in memory, for what needs none: `explain`.

        Raises:
            ModelError, MissingPlugin: The model cannot be loaded.
        """
        from searchengine.catalog.database import empty_database
        from searchengine.catalog.store import Catalog

        encoder = load_model(settings.model, settings.inference)
        index: VectorIndex = plugins.load("lexpix.indexes", "exact")(None)
        index.clear(encoder.dim)
        return cls(settings, Catalog(empty_database()), encoder, index)

    def close(self) -> None:
        """Release the catalog; the engine cannot be used afterwards."""
        self.catalog.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Pictures as answers

    def search(
        self,
        query: str | Sequence[str] | Query = "",
        *,
        filters: Filters = (),
        limit: int | None = None,
        within: PathLike | None = None,
        unlikely: bool = False,
        min_match: MinMatch | None = None,
        collapse: bool = False,
    ) -> Answer:
        """Return the pictures nearest to a query: the first page of `page`.

        Pictures that the query names are left out of its answer, copies of them too. So are
        unlikely matches, which may be all of it, if the model is calibrated; of those to pictures
        the nearest stay.

        Args:
            query: As text, as arguments of a command line, or parsed; empty for filters alone.
            filters: As if they stood in the query, as `language.query.with_filters` takes them.
            limit: Most hits; the settings decide if None.
            within: Only pictures at or under this path.
            unlikely: Keep the unlikely matches.
            min_match: Only pictures with at least this match, in 0..1, or "likely" or "maybe".
            collapse: Have one picture stand for those that are the same.

        Raises:
            QueryError: The query does not parse, names an unknown picture, has words of which none
                is known, or cancels itself out.
            NothingIndexed: The library, or the part of it that was asked for, has no picture.
            ModelError: The settings name a model that answers by texts only.
        """
        asked = parsed(query) if query or not filters else None
        asked = with_filters(asked, filters)
        request = PageRequest(
            asked, within=within, limit=limit, unlikely=unlikely, min_match=min_match
        )
        if not collapse:
            return self.page(request).answer
        most = self.settings.limit if limit is None else limit
        answer = self.page(replace(request, limit=most + AHEAD, collapse=True)).answer
        return replace(answer, hits=answer.hits[:most])

    def similar(
        self,
        picture: PathLike | int,
        *,
        limit: int | None = None,
        within: PathLike | None = None,
        unlikely: bool = False,
        min_match: MinMatch | None = None,
        collapse: bool = False,
    ) -> Answer:
        """Return the pictures nearest to a picture, given as a file or a library id.

        The arguments are those of `search`.

        Raises:
            UnknownPicture: There is no such file or id.
        """
        term = (
            Term(1.0, "id", str(picture))
            if isinstance(picture, int)
            else Term(1.0, "picture", os.fspath(picture))
        )
        return self.search(
            Query((term,)),
            limit=limit,
            within=within,
            unlikely=unlikely,
            min_match=min_match,
            collapse=collapse,
        )

    def understood(self, query: Query) -> tuple[tuple[UnknownWord, ...], tuple[Translated, ...]]:
        """Return the words of a query that the model does not know, and those that it translates.

        Raises:
            QueryError: The query is over the limits.
        """
        refuse_excess(query)
        return self._resolver.unknown_words(query), self._resolver.translated(query)

    @property
    def is_calibrated(self) -> bool:
        """Whether the model knows what its scores are worth."""
        return matcher_of(self.encoder) is not None

    def picture_in(self, file: BytesIO, name: str) -> KnownPicture:
        """Return the vector of a picture given as bytes, which queries call by a name.

        Raises:
            ImageError: It is no picture.
        """
        return self._resolver.picture_in(file, name, in_views=self.texts.reads_views)

    # Texts and captions

    @cached_property
    def texts(self) -> Texts:
        """The texts of the library."""
        from searchengine.search.texts import Texts

        folder = self.settings.library / INDEX_FOLDER
        return Texts(
            self.settings,
            self.catalog,
            self.encoder,
            self._resolver,
            self.index,
            folder,
            self._translating,
        )

    def caption(
        self, picture: PathLike | int, *, captioner: str = CAPTIONER, width: int = 3
    ) -> Caption:
        """Return a sentence about a picture.

        Args:
            picture: A file, which need not be in the library, or a library id.
            captioner: The bundled captioner, or the folder of one.
            width: Of the beam; 1 is greedy.

        Raises:
            ImageError, ChangedFile: The picture cannot be read, or is not what was indexed.
            ModelError: There is no such captioner, or it belongs to another joint model.
        """
        writer = self._captioners.get(captioner)
        size, prepare = writer.decode_size, writer.prepare
        pixels = self._resolver.pixels_of(picture, size=size, prepare=prepare)
        return writer.caption([pixels], width=width)[0]

    # The library

    def forget(self, path: PathLike) -> int:
        """Drop a folder or file from the library, not from the disk; return how many pictures.

        Raises:
            UnknownPicture: The library has nothing there.
        """
        target = absolute(path)
        known = any(root.path == target for root in self.catalog.roots())
        forgotten = self.catalog.forget(target)
        if not forgotten and not known:
            raise UnknownPicture(f"{target}: the library has nothing there; see: lexpix status")
        self.refresh()
        return forgotten

    def refresh(self) -> None:
        """Bring the index up to what has been written to the catalog since it was opened."""
        synchronise(self.index, self.catalog, self.encoder.fingerprint, self.encoder.dim)
        self.scenes.refresh()

    def improve_index(
        self, progress: Callable[[str, int, int], None] | None = None
    ) -> Mapping[str, Any] | None:
        """Give the index the kind that suits the budget of the settings, if it has another one.

        Searches go on meanwhile as before, and an interruption leaves everything as it was.

        Args:
            progress: Called with the kind that is made, the pictures that are done, and all.

        Returns:
            What was decided and measured; None if nothing was to be done.
        """
        return improve(self.index, self.encoder, self.settings, progress)

    def keep_facets(self) -> bool:
        """Write what a server of a large library reads first, if that is due; return if it was."""
        vocabulary = self.tags.vocabulary
        if not self.kept.is_due(vocabulary):
            return False
        facets = self.facets()
        return self.kept.save(facets.columns, facets.tags, vocabulary)

    def index_info(self) -> IndexInfo:
        """Describe the index, and measure what it finds of what comparing every vector finds."""
        return index_info(self.index, self.encoder, self.settings)

    def plan(self, query: str | Sequence[str] | Query, **options: Any) -> SearchPlan:
        """Say how the index goes about a search, and why; the arguments are those of `search`.

        Raises:
            QueryError, NothingIndexed, ModelError: As `search` does.
        """
        unlikely = options.pop("unlikely", False)
        return self._pager.plan(PageRequest(parsed(query), unlikely=unlikely, **options))

    def status(self) -> Status:
        """Describe the library."""
        return status_of(self.catalog, self.encoder, self.settings, len(self.index))
