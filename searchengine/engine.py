"""Where encoder, index and catalog meet: the answers to queries."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from io import BufferedReader, BytesIO
from pathlib import Path
from types import TracebackType

from searchengine import plugins, query
from searchengine.captioning import DEFAULT as CAPTIONER
from searchengine.captioning import load_captioner
from searchengine.catalog import Catalog
from searchengine.config import Settings, load_settings
from searchengine.database import empty_database, open_database
from searchengine.documents import Document, Kind
from searchengine.errors import (
    NothingIndexed,
    UnknownPicture,
)
from searchengine.explaining import Explainer
from searchengine.labels import Labels
from searchengine.loading import load_configured, load_model
from searchengine.models.captioner import Captioner
from searchengine.ranking import Ranker
from searchengine.resolve import (
    KnownPicture,
    Resolver,
)
from searchengine.status import ModelStatus, Status, status_of
from searchengine.sync import open_index, synchronise
from searchengine.tagging import matcher_of
from searchengine.taught import TaughtWords, with_taught
from searchengine.texts import Texts
from searchengine.translating import with_languages
from searchengine.types import (
    Answer,
    Caption,
    Encoder,
    Explanation,
    Ids,
    PathLike,
    Picture,
    Query,
    Tag,
    Term,
    TextAnswer,
    Translated,
    UnknownWord,
    VectorIndex,
    Vocabulary,
)
from searchengine.vocabulary import tag_name

__all__ = ["INDEX_FOLDER", "Engine", "ModelStatus", "Status", "load_model", "open"]

INDEX_FOLDER = "index"


def open(library: PathLike | None = None, *, create: bool = False) -> Engine:
    """Open a library, by default the one that the settings name; make it if asked to.

    Raises:
        NothingIndexed: There is no library in that folder.
        LibraryError: It cannot be read, or a newer lexpix made it.
    """
    settings = load_settings({"library": None if library is None else Path(library)})
    return Engine.open(settings, create=create)


class Engine:
    """Answer queries over one library with one model."""

    def __init__(self, settings: Settings, catalog: Catalog, encoder: Encoder, index: VectorIndex):
        self.settings = settings
        self.catalog, self.encoder, self.index = catalog, encoder, index
        store = catalog.tags
        self.taught = TaughtWords(store, catalog, encoder)
        self.reading = with_languages(encoder, settings.lang or None)
        self._reader = with_taught(self.reading, self.taught)
        self._resolver = Resolver(catalog, self._reader)
        self.labels = Labels(catalog, store, encoder, self.taught, self.reading)
        self.ranker = Ranker(settings, catalog, encoder, index, self.labels, self._resolver)
        self.explainer = Explainer(catalog, self._reader, self._resolver)
        self._captioners: dict[str, Captioner] = {}
        self._captioning = threading.Lock()

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
        backend = plugins.load("lexpix.indexes", settings.index)
        catalog = Catalog(open_database(settings.library, create=create))
        folder = settings.library / INDEX_FOLDER
        index = open_index(catalog, encoder.fingerprint, encoder.dim, folder, backend)
        return cls(settings, catalog, encoder, index)

    @classmethod
    def without_library(cls, settings: Settings) -> Engine:
        """Return an engine over an empty library in memory, for what needs none: `explain`.

        Raises:
            ModelError, MissingPlugin: The model cannot be loaded.
        """
        encoder = load_model(settings.model)
        index: VectorIndex = plugins.load("lexpix.indexes", "exact")(None)
        index.clear(encoder.dim)
        return cls(settings, Catalog(empty_database()), encoder, index)

    def close(self) -> None:
        """Release the catalog; the engine cannot be used afterwards."""
        self.catalog.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def search(
        self,
        wanted: str | Sequence[str] | Query,
        *,
        limit: int | None = None,
        within: PathLike | None = None,
        unlikely: bool = False,
    ) -> Answer:
        """Return the pictures nearest to a query.

        Pictures that the query names are left out of its answer, copies of them too. So are the
        unlikely matches at its end, which may be all of it, if the model is calibrated.

        Args:
            wanted: A query, as text, as arguments of a command line, or parsed.
            limit: Most hits to return; the settings decide if None.
            within: Only pictures at or under this path.
            unlikely: Keep the unlikely matches.

        Raises:
            QueryError: The query does not parse, names an unknown picture, has words of which none
                is known, or cancels itself out.
            NothingIndexed: The library, or the part of it that was asked for, has no picture.
            ModelError: The settings name a model that answers by texts only.
        """
        started = time.perf_counter()
        self.ranker.require_model_of_pictures()
        asked = wanted if isinstance(wanted, Query) else query.parse(wanted)
        self.ranker.require_pictures()
        only = None if within is None else self._ids_within(within)
        ranked = self.ranker.rank(asked, limit=limit, only=only, unlikely=unlikely)
        if only is not None and not (ranked.hits or asked.filters):
            self._require_vectors(only, within)
        took = (time.perf_counter() - started) * 1000
        return Answer(
            query.format(asked),
            ranked.hits,
            ranked.unknown_words,
            took,
            ranked.nothing_like_that,
            calibrated=not asked.terms or self.is_calibrated,
            translated=self._resolver.translated(asked),
        )

    @property
    def is_calibrated(self) -> bool:
        """Whether the model knows what its scores are worth."""
        return matcher_of(self.encoder) is not None

    def picture_in(self, file: BytesIO, name: str) -> KnownPicture:
        """Return the vector of a picture given as bytes, which queries call by a name.

        Raises:
            ImageError: It is no picture.
        """
        in_views = self.texts.reads_views
        return self._resolver.picture_in(file, name, self.encoder, in_views=in_views)

    def original(self, picture: Picture) -> BufferedReader:
        """Open the file of a picture of the library.

        Raises:
            ImageError, ChangedFile: It cannot be read, or is not what was indexed.
        """
        return self._resolver.original(picture)

    def tag(self, picture: PathLike | int, *, limit: int = 10) -> list[Tag]:
        """Return what a picture shows: the user's tags, then the model's guesses, surest first.

        Args:
            picture: A file, which need not be in the library, or a library id.
            limit: Most guesses.

        Raises:
            UnknownPicture, QueryError: The picture cannot be read.
        """
        known = self._resolver.picture(picture)
        return self.labels.tags(known.vector, self._rows_of(known), limit)

    def unknown_words(self, asked: Query) -> tuple[UnknownWord, ...]:
        """Return the words of a query that the model does not know, each once."""
        return self._resolver.unknown_words(asked)

    def translated(self, asked: Query) -> tuple[Translated, ...]:
        """Return the words of a query that are of other languages, and how they are read."""
        return self._resolver.translated(asked)

    def say(
        self,
        picture: PathLike | int,
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        accept: Sequence[str] = (),
    ) -> None:
        """Take the user's word on the tags of a picture of the library.

        Args:
            picture: A file or a library id.
            add: Tags of the user's own.
            remove: Tags that it does not have, so that the model never brings them back.
            accept: Guesses of the model that are right.

        Raises:
            UnknownPicture: The picture is not in the library.
            QueryError: A tag to remove or to accept is none of this picture.
        """
        known = self._resolver.picture(picture)
        rows = self._rows_of(known)
        if not rows:
            raise UnknownPicture(
                f"{known.path}: not in the library, so its tags have no place to be kept; "
                f"run: lexpix index {os.path.dirname(known.path)}"
            )
        for name in remove:
            self.labels.remove(rows, name)
        for name in accept:
            self.labels.accept(known.vector, rows, name)
        for name in add:
            self.labels.add(rows, name)

    def teach(self, name: str, pictures: Sequence[PathLike | int]) -> None:
        """Make a new word of pictures, for queries and tags; a word of that name is replaced.

        Args:
            name: One or several words.
            pictures: Files or library ids that show it.

        Raises:
            QueryError: The name has no letters, or a picture cannot be read.
        """
        found = [self._resolver.picture(picture) for picture in pictures]
        shown = {one.sha256: (one.path, one.vector) for one in found if one.sha256 is not None}
        self.taught.teach(tag_name(name), shown)
        self.labels.outdate()

    def knows(self, text: str) -> bool:
        """Tell whether the model itself, without taught words, knows every word of a text."""
        if isinstance(self.encoder, Vocabulary) and self.encoder.unknown_words(text):
            return False
        return len(text.split()) == 1

    def forget_word(self, name: str) -> None:
        """Forget a word that was taught.

        Raises:
            QueryError: There is none of that name.
        """
        self.taught.forget(tag_name(name))
        self.labels.outdate()

    def similar(
        self,
        picture: PathLike | int,
        *,
        limit: int | None = None,
        within: PathLike | None = None,
        unlikely: bool = False,
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
        return self.search(Query((term,)), limit=limit, within=within, unlikely=unlikely)

    def _require_vectors(self, only: Ids, within: PathLike | None) -> None:
        """Raise NothingIndexed if no picture there has a vector."""
        if len(self.catalog.without_vector(only, self.encoder.fingerprint)) == len(only):
            raise NothingIndexed(
                f"{within}: no picture there is indexed by this model; run: lexpix index FOLDER"
            )

    @cached_property
    def texts(self) -> Texts:
        """The texts of the library."""
        folder = self.settings.library / INDEX_FOLDER
        return Texts(
            self.settings,
            self.catalog,
            self.encoder,
            self._resolver,
            self.index,
            folder,
            self.reading,
        )

    def texts_for(
        self, picture: PathLike | int, *, limit: int | None = None, kind: Kind | None = None
    ) -> TextAnswer:
        """Return the texts nearest to a picture; arguments and errors as `Texts.for_picture`."""
        return self.texts.for_picture(picture, limit=limit, kind=kind)

    def recipes_from(
        self,
        picture: PathLike | int,
        *,
        having: Sequence[str] = (),
        lacking: Sequence[str] = (),
        limit: int | None = None,
    ) -> TextAnswer:
        """Return the recipes nearest to a picture, filtered by the ingredients they need.

        Arguments and errors as `Texts.for_picture`.
        """
        return self.texts.for_picture(
            picture, limit=limit, kind="recipe", having=having, lacking=lacking
        )

    def search_texts(
        self,
        words: str,
        *,
        limit: int | None = None,
        kind: Kind | None = None,
        having: Sequence[str] = (),
        lacking: Sequence[str] = (),
    ) -> TextAnswer:
        """Return the texts nearest to words; arguments and errors as `Texts.search`."""
        return self.texts.search(words, limit=limit, kind=kind, having=having, lacking=lacking)

    def pictures_for(
        self,
        text: Document | int,
        *,
        limit: int | None = None,
        within: PathLike | None = None,
        unlikely: bool = False,
    ) -> Answer:
        """Return the pictures nearest to a text, given by its parts or by its number.

        Pictures that show no food are no answer to a recipe unless `unlikely` is asked for.

        Raises:
            UnknownText, UnknownWords: As `Texts.pictures` does.
            NothingIndexed: The library, or the part of it that was asked for, has no picture.
        """
        self.ranker.require_pictures()
        only = None if within is None else self._ids_within(within)
        return self.texts.pictures(text, limit=limit, only=only, unlikely=unlikely)

    def explain(self, wanted: str | Sequence[str] | Query, picture: PathLike | int) -> Explanation:
        """Split the score of a picture exactly into words, and pictures of the query, and places.

        Arguments and errors as `Explainer.explain`.
        """
        return self.explainer.explain(wanted, picture)

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
        with self._captioning:  # threads that ask at once share one captioner
            writer = self._captioners.get(captioner)
            if writer is None:
                writer = load_captioner(captioner, loaded=self.encoder)
                self._captioners[captioner] = writer
        size, prepare = writer.decode_size, writer.prepare
        pixels = self._resolver.pixels_of(picture, size=size, prepare=prepare)
        return writer.caption([pixels], width=width)[0]

    def forget(self, path: PathLike) -> int:
        """Drop a folder or file from the library, not from the disk; return how many pictures.

        Raises:
            UnknownPicture: The library has nothing there.
        """
        target = os.path.abspath(os.path.expanduser(os.fspath(path)))
        known = any(root.path == target for root in self.catalog.roots())
        forgotten = self.catalog.forget(target)
        if not forgotten and not known:
            raise UnknownPicture(f"{target}: the library has nothing there; see: lexpix status")
        self.refresh()
        return forgotten

    def follow_taught(self) -> None:
        """Take note of words that another process has taught or forgotten."""
        if self.taught.follow():
            self.labels.outdate()

    def refresh(self) -> None:
        """Bring the index up to what has been written to the catalog since it was opened."""
        synchronise(self.index, self.catalog, self.encoder.fingerprint, self.encoder.dim)

    def status(self) -> Status:
        """Describe the library."""
        return status_of(self.catalog, self.encoder, self.settings, len(self.index))

    def _rows_of(self, known: KnownPicture) -> list[int]:
        """Return the row of a picture's file, or those of its copies if the file has none."""
        row = self.catalog.by_paths([known.path]).get(known.path)
        return [row.id] if row is not None else sorted(known.ids)

    def _ids_within(self, folder: PathLike) -> Ids:
        path = os.path.abspath(os.path.expanduser(os.fspath(folder)))
        ids = self.catalog.ids_under(path)
        if not len(ids):
            raise NothingIndexed(f"{path}: nothing of it is indexed; run: lexpix index {path}")
        return ids
