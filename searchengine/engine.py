"""Where encoder, index and catalog meet: the answers to queries."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from searchengine import plugins, query
from searchengine.calibration import kind_of
from searchengine.catalog import Catalog
from searchengine.config import Settings, load_settings
from searchengine.database import open_database
from searchengine.errors import (
    ConfigError,
    ImageError,
    ModelError,
    NothingIndexed,
    UnknownPicture,
)
from searchengine.explain import PANEL, draw, merge, split
from searchengine.models.files import read_config, resolve
from searchengine.resolve import Resolver, parts_of, query_vector
from searchengine.sync import open_index, synchronise
from searchengine.types import (
    Answer,
    Calibrated,
    Encoder,
    Explanation,
    Hit,
    Ids,
    Linear,
    Matcher,
    PathLike,
    Query,
    QueryKind,
    State,
    Term,
    Vector,
    VectorIndex,
)

INDEX_FOLDER = "index"


@dataclass(frozen=True, slots=True)
class Status:
    """What a library holds.

    Attributes:
        library: Its folder.
        counts: Pictures by state: ok, missing, bad.
        roots: Indexed folders and when the last scan of each began.
        model, fingerprint, dim: The model that answers.
        index, indexed: The index plugin, and how many pictures it can find.
    """

    library: str
    counts: dict[State, int]
    roots: tuple[tuple[str, dt.datetime], ...]
    model: str
    fingerprint: str
    dim: int
    index: str
    indexed: int


def load_model(name: str = "default") -> Encoder:
    """Load a bundled model by name, or any model by the path of its folder.

    Raises:
        ModelError: There is none, or it is incomplete or changed.
        MissingPlugin: Nothing installed can run its kind of model.
    """
    folder = resolve(name)
    make = plugins.load("lexpix.encoders", read_config(folder).kind)
    encoder: Encoder = make(folder)
    return encoder


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
        self._settings = settings
        self.catalog, self.encoder, self.index = catalog, encoder, index
        self._resolver = Resolver(catalog, encoder)

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
        encoder = load_model(settings.model)
        backend = plugins.load("lexpix.indexes", settings.index)
        catalog = Catalog(open_database(settings.library, create=create))
        folder = settings.library / INDEX_FOLDER
        index = open_index(catalog, encoder.fingerprint, encoder.dim, folder, backend)
        return cls(settings, catalog, encoder, index)

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
        """
        started = time.perf_counter()
        asked = wanted if isinstance(wanted, Query) else query.parse(wanted)
        if not len(self.index):
            raise NothingIndexed(
                f"{self._settings.library}: no picture is indexed by this model; "
                "run: lexpix index FOLDER"
            )
        terms, used, unknown = self._resolver.resolve(asked)
        vector = query_vector(terms)
        only = None if within is None else self._ids_within(within)
        count = min(self._settings.limit if limit is None else limit, len(self.index))
        found, scores = self.index.search(vector[None], count + len(used), only)
        if (found < 0).all():  # the filter leaves pictures, but none with a vector
            raise NothingIndexed(
                f"{within}: no picture there is indexed by this model; run: lexpix index FOLDER"
            )
        ranked = [
            (int(id_), float(score))
            for id_, score in zip(found[0], scores[0], strict=True)
            if id_ >= 0 and int(id_) not in used
        ]
        pictures = self.catalog.get(id_ for id_, _ in ranked[:count])
        hits = [
            Hit(id_, pictures[id_].path, score) for id_, score in ranked[:count] if id_ in pictures
        ]
        matcher = self.encoder.calibration if isinstance(self.encoder, Calibrated) else None
        nothing = False
        if matcher is not None and hits:
            searched = len(self.index) if only is None else len(only)
            hits = self._judged(hits, vector, kind_of(asked), matcher, searched)
            worth = [place for place, hit in enumerate(hits, 1) if hit.band != "unlikely"]
            nothing = bool(hits) and not worth
            if not unlikely:
                hits = hits[: max(worth, default=0)]
        took = (time.perf_counter() - started) * 1000
        return Answer(query.format(asked), tuple(hits), unknown, took, nothing, matcher is not None)

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

    def explain(self, wanted: str | Sequence[str] | Query, picture: PathLike | int) -> Explanation:
        """Split the score of a picture exactly into words, and pictures of the query, and places.

        Args:
            wanted: A query, as `search` takes it.
            picture: A file, or a library id.

        Raises:
            QueryError: As `search` does; or the picture cannot be read.
            ModelError: The scores of this model cannot be split exactly.
        """
        encoder = self.encoder
        if not isinstance(encoder, Linear):
            raise ModelError(
                f"model {encoder.name!r}: its scores cannot be split exactly, because it is not "
                "linear in words and places; use a joint model"
            )
        try:
            regions = encoder.encode_regions([self._resolver.path_of(picture)])[0]
        except ImageError as error:
            raise UnknownPicture(f"{error}; an explanation needs the picture itself") from error
        asked = wanted if isinstance(wanted, Query) else query.parse(wanted)
        terms, _, unknown = self._resolver.resolve(asked)
        query_vector(terms)  # raises what a search would raise
        labels, parts = parts_of(encoder, terms)
        explanation = split(*merge(labels, parts), regions, encoder.grid)
        return replace(explanation, unknown_words=unknown)

    def draw(self, explanation: Explanation, picture: PathLike | int, out: PathLike) -> None:
        """Draw an explanation of a picture, a heat map for each part, to an image file.

        Raises:
            ImageError: The picture cannot be read.
            ConfigError: The file cannot be written; the suffix decides on the format.
        """
        from searchengine.images import open_image

        sheet = draw(open_image(self._resolver.path_of(picture), size=PANEL), explanation)
        try:
            sheet.save(os.fspath(out))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{out}: cannot be written ({error}); name a .png or .jpg") from error

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

    def refresh(self) -> None:
        """Bring the index up to what has been written to the catalog since it was opened."""
        synchronise(self.index, self.catalog, self.encoder.fingerprint, self.encoder.dim)

    def status(self) -> Status:
        """Describe the library."""
        return Status(
            library=str(self._settings.library),
            counts=self.catalog.counts(),
            roots=tuple((root.path, root.scanned_at) for root in self.catalog.roots()),
            model=self.encoder.name,
            fingerprint=self.encoder.fingerprint,
            dim=self.encoder.dim,
            index=self._settings.index,
            indexed=len(self.index),
        )

    def _judged(
        self, hits: list[Hit], vector: Vector, kind: QueryKind, matcher: Matcher, searched: int
    ) -> list[Hit]:
        """Give each hit its match and band."""
        stored = self.catalog.vectors([hit.id for hit in hits], self.encoder.fingerprint)
        present = [hit for hit in hits if hit.id in stored]  # else it was forgotten meanwhile
        if not present:
            return []
        rows = np.stack([stored[hit.id] for hit in present])
        matches = matcher.match(vector[None], rows, [kind], searched)[0].tolist()
        return [
            replace(hit, match=match, band=matcher.band(match, kind))
            for hit, match in zip(present, matches, strict=True)
        ]

    def _ids_within(self, folder: PathLike) -> Ids:
        path = os.path.abspath(os.path.expanduser(os.fspath(folder)))
        ids = self.catalog.ids_under(path)
        if not len(ids):
            raise NothingIndexed(f"{path}: nothing of it is indexed; run: lexpix index {path}")
        return ids


def entries_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON form of an answer, one for the command line and the web."""
    return {
        "query": answer.query,
        "unknown_words": [unknown.word for unknown in answer.unknown_words],
        "hits": [
            {
                "id": hit.id,
                "path": hit.path,
                "score": round(hit.score, 6),
                "match": None if hit.match is None else round(hit.match, 4),
                "band": hit.band,
            }
            for hit in answer.hits
        ],
        "nothing_like_that": answer.nothing_like_that,
        "took_ms": round(answer.took_ms, 3),
    }
