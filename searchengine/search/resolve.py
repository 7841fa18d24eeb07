"""Terms of a query -> unit vectors: words through the model, pictures through the library."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from io import BufferedReader, BytesIO
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from searchengine.errors import ImageError, QueryError, UnknownPicture, UnknownWords
from searchengine.language.words import tokenize
from searchengine.sources.addresses import absolute, is_remote
from searchengine.types import (
    MOST_SUGGESTIONS,
    Encoder,
    Explainable,
    PathLike,
    Picture,
    Polyglot,
    Prepare,
    Query,
    Term,
    Translated,
    UnknownWord,
    Vector,
    Vectors,
    Vocabulary,
)
from searchengine.vectors import compose, unit_rows

if TYPE_CHECKING:
    from PIL.Image import Image

    from searchengine.catalog.store import Catalog

MAX_PARTS = 100
"""Most terms, and most filters, of a query."""
MAX_WORDS = 100
"""Most words of a query, all terms and filters together."""
MAX_LETTERS = 200
"""Most letters of a word; a sentence that is written without spaces is one."""
ALL_LETTERS = 2000
"""Most letters of all words."""

TermVectors: TypeAlias = list[tuple[Term, Vector]]
"""The terms of a query that have a vector, with their unit vectors."""


@dataclass(frozen=True, slots=True)
class KnownPicture:
    """A picture of a query, with its vector.

    Attributes:
        path: Its file, or what it is called if it has none.
        sha256: Of its bytes.
        vector: Its unit vector.
        ids: Its copies in the library.
        viewed: The mean over several views of it, where its file will not be there to make it from.
    """

    path: str
    sha256: str | None
    vector: Vector
    ids: set[int]
    viewed: Vector | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the terms of a query stand for.

    Attributes:
        terms: Those that count, with their vectors.
        named: Ids of the pictures that the query names, their copies among them.
        copies: Of these, present pictures with the bytes of one that is asked for as a file or an
            upload, but not that file itself.
        unknown: Words that did not count.
    """

    terms: TermVectors
    named: frozenset[int]
    copies: tuple[int, ...]
    unknown: tuple[UnknownWord, ...]


class Resolver:
    """Find the vectors that the terms of a query stand for."""

    def __init__(self, catalog: Catalog, encoder: Encoder) -> None:
        self._catalog, self._encoder = catalog, encoder
        # Asked once: what an encoder offers is looked up name by name.
        self._vocabulary = encoder if isinstance(encoder, Vocabulary) else None
        self._polyglot = encoder if isinstance(encoder, Polyglot) else None

    def resolve(self, query: Query, uploads: Mapping[str, KnownPicture] | None = None) -> Resolved:
        """Return what the terms of a query stand for.

        Args:
            query: The query.
            uploads: Pictures by the values of the terms that stand for them; others are files.

        Raises:
            UnknownWords: No word of the query is known.
            UnknownPicture: A picture of the query cannot be read, or the library has no such id.
        """
        terms: TermVectors = []
        named: set[int] = set()
        copies: dict[int, None] = {}
        unknown = self.unknown_words(query)
        nothing_known: UnknownWords | None = None
        for term in query.terms:
            if term.kind == "words":
                try:
                    vector = self._encoder.encode_texts([term.value])[0]
                except UnknownWords as error:
                    nothing_known = nothing_known or error
                    continue
            else:
                value = int(term.value) if term.kind == "id" else term.value
                known = (uploads or {}).get(term.value) or self.picture(value)
                vector = known.vector
                named |= known.ids
                if term.kind == "picture" and term.weight > 0:
                    copies.update(dict.fromkeys(self._copies(known)))
            terms.append((term, vector))
        understood = any(term.kind == "words" for term, _ in terms)
        if nothing_known is not None and not understood:
            if not unknown:
                raise nothing_known
            raise UnknownWords.of(unknown)
        return Resolved(terms, frozenset(named), tuple(copies), unknown)

    def _copies(self, known: KnownPicture) -> list[int]:
        """Return the present copies of a picture by rising id, without its own file."""
        rows = self._catalog.get(sorted(known.ids))
        return [row.id for row in rows.values() if row.state == "ok" and row.path != known.path]

    def original(self, picture: Picture) -> BufferedReader:
        """Open the file of a picture of the library, as `open_original` does.

        Raises:
            ImageError, ChangedFile: It cannot be read, or is not what was indexed.
        """
        from searchengine.search.originals import open_original

        return open_original(picture, (root.path for root in self._catalog.roots()))

    def pixels_of(
        self,
        picture: PathLike | int,
        *,
        size: int | None = None,
        prepare: Prepare | None = None,
        at: float | None = None,
    ) -> Image:
        """Decode a picture given as a path or a library id, as `open_image` does.

        A number stands for the picture that was indexed, whatever lies at its path by now.

        Raises:
            UnknownPicture: The library has no such id.
            ImageError: It cannot be read.
            ChangedFile: It has a number, and its file is not what was indexed.
        """
        from searchengine.images import open_image

        if not isinstance(picture, int):
            return open_image(_expanded(picture), size=size, prepare=prepare, at=at)
        with self.original(self.row(picture)) as file:
            return open_image(file, size=size, prepare=prepare, at=at)

    def row(self, id_: int) -> Picture:
        """Return a picture of the library.

        Raises:
            UnknownPicture: There is none of that number.
        """
        row = self._catalog.get([id_]).get(id_)
        if row is None:
            raise UnknownPicture(f"#{id_}: no picture of the library has this number")
        return row

    def unknown_words(self, query: Query) -> tuple[UnknownWord, ...]:
        """Return the words of a query that the model does not know, each once."""
        unknown: dict[str, UnknownWord] = {}
        if self._vocabulary is not None:
            for term in query.terms:
                if term.kind == "words":
                    left = MOST_SUGGESTIONS - len(unknown)
                    for word in self._vocabulary.unknown_words(term.value, left):
                        unknown.setdefault(word.word, word)
        return tuple(unknown.values())

    def translated(self, query: Query) -> tuple[Translated, ...]:
        """Return the words of a query that were put into English, each once."""
        if self._polyglot is None:
            return ()
        texts = [term.value for term in query.terms if term.kind == "words"]
        texts += [one.name for one in query.filters if one.kind in ("tag", "caption")]
        words = {one.word: one for text in texts for one in self._polyglot.translated(text)}
        return tuple(words.values())

    def in_english(self, query: Query) -> Query:
        """Return a query with its words in English."""
        encoder = self._polyglot
        if encoder is None:
            return query
        terms = (
            replace(term, value=encoder.english(term.value)) if term.kind == "words" else term
            for term in query.terms
        )
        return replace(query, terms=tuple(terms))

    def picture(self, picture: PathLike | int) -> KnownPicture:
        """Return the vector of a picture, given as a file or a library id, and where it is.

        Raises:
            UnknownPicture: It cannot be read, or the library has no such id.
            QueryError: It is no picture.
        """
        from searchengine.images import open_file

        if isinstance(picture, int):
            return self._stored_picture(picture)
        path = absolute(picture)
        if is_remote(path):
            return self._at_address(path)
        try:
            with open_file(path) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UnknownPicture(
                f"{os.fspath(picture)}: cannot be read ({error.strerror}); a picture is given by "
                'its path, or by its number in the library such as "#12"'
            ) from error
        try:
            return self._with_content(path, path, digest)
        except ImageError as error:
            raise QueryError(f"{error}; a query needs a picture that can be read") from error

    def _at_address(self, path: str) -> KnownPicture:
        """Return a picture of the library by its address; no other is fetched for a query."""
        row = self._catalog.by_paths([path]).get(path)
        if row is None:
            raise UnknownPicture(
                f"{path}: no picture of the library has this address; index it first, or name a "
                "file of this machine"
            )
        return self._stored_picture(row.id)

    def picture_in(self, file: BytesIO, name: str, *, in_views: bool = False) -> KnownPicture:
        """Return the vector of a picture that is given as bytes, and its copies in the library.

        Args:
            file: The bytes of a picture file; read from the beginning.
            name: What the picture is called in a query.
            in_views: It may ask for recipes, of a model that reads several views of a picture.

        Raises:
            ImageError: It is no picture.
        """
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        known = self._with_content(name, file, digest)
        file.seek(0)
        return replace(known, viewed=self._viewed(file, known.vector)) if in_views else known

    def _with_content(self, name: str, source: str | BytesIO, digest: str) -> KnownPicture:
        """Return a picture by its content, with the vector of the library if it is known there."""
        from searchengine.images import open_for

        vector = self._catalog.vector_of_content(digest, self._encoder.fingerprint)
        if vector is None:
            # Decoded alike from a file and from bytes, so that both have the same vector.
            [vector] = self._encoder.encode_images([open_for(self._encoder, source)])
        copies = {picture.id for picture in self._catalog.by_sha256(digest)}
        return KnownPicture(name, digest, vector, copies)

    def viewed(self, picture: KnownPicture) -> Vector:
        """Return the mean of the vectors of a picture as it is, mirrored, and of its middle.

        It is steadier than the vector of the picture alone. Of a file the two other views are
        encoded here.

        Raises:
            QueryError: The picture cannot be read.
        """
        try:
            return self._viewed(picture.path, picture.vector)
        except ImageError as error:
            raise QueryError(f"{error}; a query needs a picture that can be read") from error

    def _viewed(self, file: str | BytesIO, vector: Vector) -> Vector:
        from searchengine.images import open_image
        from searchengine.pixels import views

        image = open_image(file, size=self._encoder.decode_size)
        others: Vectors = self._encoder.encode_images(views(image)[1:])
        mean: Vector = unit_rows((vector + others.sum(axis=0))[None])[0]
        return mean

    def _stored_picture(self, id_: int) -> KnownPicture:
        picture = self.row(id_)
        vector = self._catalog.vectors([id_], self._encoder.fingerprint).get(id_)
        if vector is None:
            raise UnknownPicture(
                f"#{id_}: {picture.path} has no vector of this model; index its folder again"
            )
        copies = self._catalog.by_sha256(picture.sha256) if picture.sha256 else []
        ids = {id_, *(copy.id for copy in copies)}
        return KnownPicture(picture.path, picture.sha256, vector, ids)


def refuse_excess(query: Query) -> None:
    """Raise QueryError if a query has more parts, words or letters than anybody needs."""
    for what, parts in (("terms", query.terms), ("filters", query.filters)):
        if len(parts) > MAX_PARTS:
            raise QueryError(
                f"the query has {len(parts)} {what}, the limit is {MAX_PARTS}; leave some out"
            )
    texts = [term.value for term in query.terms if term.kind == "words"]
    refuse_long([*texts, *(one.name for one in query.filters)])


def refuse_long(texts: Iterable[str]) -> None:
    """Raise QueryError if the texts of a question have too many words or letters.

    A word that no language has takes milliseconds, because it is looked for in all of them.
    """
    words = [word for text in texts for word in tokenize(text)]
    longest = max(words, key=len, default="")
    if len(longest) > MAX_LETTERS:
        raise QueryError(
            f"a word of the query has {len(longest)} letters ({longest[:20]}...), the limit is "
            f"{MAX_LETTERS}; leave it out"
        )
    counted = (("words", len(words), MAX_WORDS), ("letters", sum(map(len, words)), ALL_LETTERS))
    for what, count, limit in counted:
        if count > limit:
            raise QueryError(
                f"the query has {count} {what}, the limit is {limit}; leave some out, or search by "
                "a whole text: lexpix search --text-file FILE"
            )


def _expanded(path: PathLike) -> str:
    return os.path.expanduser(os.fspath(path))


def query_vector(terms: TermVectors) -> Vector:
    """Return the unit vector of the weighted sum; raise CancelledQuery if the terms cancel out."""
    return compose(np.stack([vector for _, vector in terms]), [term.weight for term, _ in terms])


def parts_of(encoder: Explainable, terms: TermVectors) -> tuple[list[str], npt.NDArray[np.float32]]:
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
