"""What a user says of pictures of a library: tags, and words that are taught by examples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from searchengine.errors import QueryError, UnknownPicture
from searchengine.language.query import is_words
from searchengine.language.tag_vocabulary import tag_name
from searchengine.search.resolve import KnownPicture, Resolver
from searchengine.search.tags import Tags
from searchengine.search.taught import TaughtWords, with_taught
from searchengine.types import (
    Encoder,
    PathLike,
    Tag,
    TaughtWord,
)

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog


class Teaching:
    """Tag pictures and teach words; `Engine` does."""

    catalog: Catalog
    encoder: Encoder
    tags: Tags
    _resolver: Resolver
    _taught: TaughtWords

    def tag(self, picture: PathLike | int, *, limit: int = 10) -> list[Tag]:
        """Return what a picture shows: the user's tags, then the model's guesses, surest first.

        Args:
            picture: A file, which need not be in the library, or a library id.
            limit: Most guesses.

        Raises:
            UnknownPicture, QueryError: The picture cannot be read.
        """
        known = self._resolver.picture(picture)
        return self.tags.for_picture(known.vector, self._rows_of(known), limit)

    def edit_tags(
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
            self.tags.remove(rows, name)
        for name in accept:
            self.tags.accept(known.vector, rows, name)
        for name in add:
            self.tags.add(rows, name)

    def teach(self, name: str, pictures: Sequence[PathLike | int]) -> None:
        """Make a new word of pictures, for queries and tags; a word of that name is replaced.

        Args:
            name: One or several words.
            pictures: Files or library ids that show it.

        Raises:
            QueryError: The name has no letters, a query would not read it as words, or a picture
                cannot be read.
        """
        if name.strip() and not is_words(name):
            raise QueryError(
                f"{name!r}: a query reads this as more than words, so it would never be found; "
                "leave out signs, weights, quotes, paths and filters"
            )
        known = [self._resolver.picture(picture) for picture in pictures]
        vectors = {one.sha256: (one.path, one.vector) for one in known if one.sha256 is not None}
        self._taught.teach(tag_name(name), vectors)
        self.tags.invalidate()

    def forget_word(self, name: str) -> None:
        """Forget a word that was taught.

        Raises:
            QueryError: There is none of that name.
        """
        self._taught.forget(tag_name(name))
        self.tags.invalidate()

    def taught_words(self) -> list[TaughtWord]:
        """Return the taught words by name."""
        return self._taught.all()

    @property
    def encoder_with_taught_words(self) -> Encoder:
        """The model as it understands the taught words as well, in English."""
        return with_taught(self.encoder, self._taught)

    def follow_taught(self) -> None:
        """Take note of words that another process has taught or forgotten."""
        if self._taught.follow():
            self.tags.invalidate()

    def _rows_of(self, known: KnownPicture) -> list[int]:
        """Return the row of a picture's file, or those of its copies if the file has none."""
        row = self.catalog.by_paths([known.path]).get(known.path)
        return [row.id] if row is not None else sorted(known.ids)
