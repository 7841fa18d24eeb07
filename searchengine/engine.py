"""Where encoder, index and catalog meet: the answers to queries."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from searchengine import plugins, query
from searchengine.catalog import Catalog
from searchengine.config import Settings, load_settings
from searchengine.database import open_database
from searchengine.errors import (
    ConfigError,
    ImageError,
    ModelError,
    NothingIndexed,
    QueryError,
    UnknownPicture,
    UnknownWords,
)
from searchengine.explain import PANEL, draw, merge, split
from searchengine.models.files import read_config, resolve
from searchengine.sync import open_index, synchronise
from searchengine.types import (
    Answer,
    Encoder,
    Explanation,
    Hit,
    Ids,
    Linear,
    PathLike,
    Picture,
    Query,
    State,
    Term,
    UnknownWord,
    Vector,
    VectorIndex,
    Vectors,
    Vocabulary,
)
from searchengine.vectors import compose

INDEX_FOLDER = "index"

Resolved: TypeAlias = list[tuple[Term, Vector]]
"""The terms of a query that have a vector, with their unit vectors."""


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
    ) -> Answer:
        """Return the pictures nearest to a query.

        Pictures that the query names are left out of its answer, copies of them too.

        Args:
            wanted: A query, as text, as arguments of a command line, or parsed.
            limit: Most hits to return; the settings decide if None.
            within: Only pictures at or under this path.

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
        terms, used, unknown = self._resolve(asked)
        vector = _sum(terms)
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
        hits = tuple(
            Hit(id_, pictures[id_].path, score) for id_, score in ranked[:count] if id_ in pictures
        )
        took = (time.perf_counter() - started) * 1000
        return Answer(query.format(asked), hits, unknown, took)

    def similar(
        self, picture: PathLike | int, *, limit: int | None = None, within: PathLike | None = None
    ) -> Answer:
        """Return the pictures nearest to a picture, given as a file or a library id.

        Raises:
            UnknownPicture: There is no such file or id.
        """
        term = (
            Term(1.0, "id", str(picture))
            if isinstance(picture, int)
            else Term(1.0, "picture", os.fspath(picture))
        )
        return self.search(Query((term,)), limit=limit, within=within)

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
            regions = encoder.encode_regions([self._path_of(picture)])[0]
        except ImageError as error:
            raise UnknownPicture(f"{error}; an explanation needs the picture itself") from error
        asked = wanted if isinstance(wanted, Query) else query.parse(wanted)
        terms, _, unknown = self._resolve(asked)
        _sum(terms)  # raises what a search would raise
        labels, parts = _parts(encoder, terms)
        explanation = split(*merge(labels, parts), regions, encoder.grid)
        return replace(explanation, unknown_words=unknown)

    def draw(self, explanation: Explanation, picture: PathLike | int, out: PathLike) -> None:
        """Draw an explanation of a picture, a heat map for each part, to an image file.

        Raises:
            ImageError: The picture cannot be read.
            ConfigError: The file cannot be written; the suffix decides on the format.
        """
        from searchengine.images import open_image

        sheet = draw(open_image(self._path_of(picture), size=PANEL), explanation)
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

    def _resolve(self, asked: Query) -> tuple[Resolved, set[int], tuple[UnknownWord, ...]]:
        """Return the terms that count, the ids of the pictures named, and the unknown words."""
        terms: list[tuple[Term, Vector]] = []
        used: set[int] = set()
        unknown: dict[str, UnknownWord] = {}
        nothing_known: UnknownWords | None = None
        for term in asked.terms:
            if term.kind == "words":
                unknown.update((word.word, word) for word in self._unknown_words(term.value))
                try:
                    vector = self.encoder.encode_texts([term.value])[0]
                except UnknownWords as error:
                    nothing_known = nothing_known or error
                    continue
            else:
                vector, ids = self._picture(term)
                used |= ids
            terms.append((term, vector))
        understood = any(term.kind == "words" for term, _ in terms)
        if nothing_known is not None and not understood:
            words = tuple(unknown.values())
            if not words:
                raise nothing_known
            raise UnknownWords([w.word for w in words], [w.suggestion for w in words])
        return terms, used, tuple(unknown.values())

    def _path_of(self, picture: PathLike | int) -> str:
        if isinstance(picture, int):
            return self._row(picture).path
        return os.path.expanduser(os.fspath(picture))

    def _row(self, id_: int) -> Picture:
        row = self.catalog.get([id_]).get(id_)
        if row is None:
            raise UnknownPicture(f"#{id_}: no picture of the library has this number")
        return row

    def _unknown_words(self, text: str) -> list[UnknownWord]:
        return self.encoder.unknown_words(text) if isinstance(self.encoder, Vocabulary) else []

    def _picture(self, term: Term) -> tuple[Vector, set[int]]:
        """Return the vector of a picture, and the ids of the library's copies of it."""
        from searchengine.images import open_file

        if term.kind == "id":
            return self._stored_picture(int(term.value))
        path = os.path.abspath(os.path.expanduser(term.value))
        try:
            with open_file(path) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UnknownPicture(
                f"{term.value}: cannot be read ({error.strerror}); a picture is given by its path, "
                'or by its number in the library such as "#12"'
            ) from error
        ids = {picture.id for picture in self.catalog.by_sha256(digest)}
        vector = self.catalog.vector_of_content(digest, self.encoder.fingerprint)
        return (self._encode(path) if vector is None else vector), ids

    def _stored_picture(self, id_: int) -> tuple[Vector, set[int]]:
        picture = self._row(id_)
        vector = self.catalog.vectors([id_], self.encoder.fingerprint).get(id_)
        if vector is None:
            raise UnknownPicture(
                f"#{id_}: {picture.path} has no vector of this model; index its folder again"
            )
        copies = self.catalog.by_sha256(picture.sha256) if picture.sha256 else []
        return vector, {id_, *(copy.id for copy in copies)}

    def _encode(self, path: str) -> Vector:
        try:
            vectors: Vectors = self.encoder.encode_images([path])
        except ImageError as error:
            raise QueryError(f"{error}; a query needs a picture that can be read") from error
        vector: Vector = vectors[0]
        return vector

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
            {"id": hit.id, "path": hit.path, "score": round(hit.score, 6)} for hit in answer.hits
        ],
        "took_ms": round(answer.took_ms, 3),
    }


def _sum(terms: Resolved) -> Vector:
    return compose(np.stack([vector for _, vector in terms]), [term.weight for term, _ in terms])


def _parts(encoder: Linear, terms: Resolved) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Return what parts of a query are called, and the parts, which add up to its vector."""
    labels: list[str] = []
    parts: list[npt.NDArray[np.float64]] = []
    for term, vector in terms:
        if term.kind == "words":
            words, vectors = encoder.encode_words(term.value)
            length = float(np.linalg.norm(vectors.sum(axis=0)))
            labels += words
            parts.append(vectors.astype(np.float64) * (term.weight / length))
        else:
            labels.append(term.value if term.kind == "picture" else f"#{term.value}")
            parts.append(vector[None].astype(np.float64) * term.weight)
    rows = np.concatenate(parts)
    rows /= np.abs(rows).max()  # only ratios of weights count, and squares of 1e300 overflow
    return labels, np.asarray(rows / np.linalg.norm(rows.sum(axis=0)), dtype=np.float32)
