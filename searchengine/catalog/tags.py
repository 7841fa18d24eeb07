"""`TagCatalog`, the tags of a library's pictures and the words that were taught.

No index depends on a tag, so these writes take no `seq` (`touching`). Tags hang on the row of a
file: they follow it when it moves, stay when it is edited (guesses are dropped) and go when it is
forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, delete, insert, select

from searchengine.catalog.bulk import BulkCatalog
from searchengine.catalog.holders import every_holder, holders_of, of_model
from searchengine.catalog.inserting import insert_all
from searchengine.catalog.packed import pack, unpack
from searchengine.catalog.pictures import under
from searchengine.catalog.selection import Selection
from searchengine.catalog.statements import AnySelect, chunks, columns_of, select_in
from searchengine.catalog.tables import (
    EmbeddingRow,
    EncoderRow,
    GuessedRow,
    ImageRow,
    TaggedRow,
    TagRow,
    TaughtPictureRow,
    TaughtRow,
)
from searchengine.catalog.touching import TouchingStore, touch
from searchengine.types import Vector


@dataclass(frozen=True, slots=True)
class StoredTag:
    """A row of the tags; `source` is user, guess or no."""

    image_id: int
    name: str
    source: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class TagCount:
    """How many present pictures have a tag by the user's word, and how many only by a guess."""

    name: str
    user: int
    guess: int


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person has said of pictures, which no run of a model can bring back.

    Attributes:
        tags: Tags that were given to a picture, accepted guesses too.
        refused: Names that a picture must not have.
        pictures: Pictures of which there is either.
        words: Taught words that were made of some of these pictures and of no other copy of them.
    """

    tags: int = 0
    refused: int = 0
    pictures: int = 0
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody else says of a picture.

    Attributes:
        names: Tags that it should have, as `tag_name` writes them, each once.
        gone: Tags that it should have no longer.
        kept_away: Names that it does not get, because the user took them away.
    """

    names: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    kept_away: tuple[str, ...] = ()

    def beside(
        self, own: Collection[str], refused: Collection[str], meaning: Callable[[str], str]
    ) -> Told:
        """Return what is new to who has tags of their own, and has refused some meanings."""
        kept_away = tuple(one for one in self.names if meaning(one) in refused and one not in own)
        return Told(
            tuple(one for one in self.names if one not in own and one not in kept_away),
            tuple(one for one in self.gone if one in own and one not in self.names),
            kept_away,
        )


class TagCatalog(TouchingStore):
    """Read and write tags and taught words; `Catalog.tags` is one.

    Pictures that are edited lose guesses without a number of its own, but not without a new `seq`.
    """

    touched = TaggedRow

    def __init__(self, reader: Engine, writer: Engine) -> None:
        super().__init__(reader, writer)
        self.bulk = BulkCatalog(reader, writer)

    def get(self, ids: Iterable[int], fingerprint: str) -> list[StoredTag]:
        """Return the tags of pictures, of guesses those of one model, by picture and name."""
        query = _TAGS.where(of_model(fingerprint))
        with self._reader.begin() as connection:
            rows = select_in(connection, query, TagRow.image_id, ids)
            return sorted(
                (StoredTag(*row) for row in rows), key=lambda tag: (tag.image_id, tag.name)
            )

    def holders(
        self, fingerprint: str, names: Sequence[str] | None = None
    ) -> Iterator[tuple[str, Selection]]:
        """Yield tags with the pictures that have them, and how sure that is, by name.

        The user's word is sure (1.0), and the user's no to a name takes its guess away.

        Args:
            fingerprint: Of the model whose guesses count.
            names: Only these tags; all if None.
        """
        with self._reader.begin() as connection:
            if names is None:
                yield from every_holder(connection, fingerprint)
            else:
                for name in sorted(set(names)):
                    yield name, holders_of(connection, fingerprint, name)

    def counts(self, fingerprint: str) -> list[TagCount]:
        """Return every tag of the present pictures with its counts, by name."""
        own = sa.func.max(sa.case((TagRow.source == "user", 1), else_=0))
        refused = sa.func.max(sa.case((TagRow.source == "no", 1), else_=0))
        each = (
            select(TagRow.name, own.label("own"), refused.label("refused"))
            .join(ImageRow, ImageRow.id == TagRow.image_id)
            .where(ImageRow.state == "ok", of_model(fingerprint))
            .group_by(TagRow.image_id, TagRow.name)
            .subquery()
        )
        guessed = sa.case(((each.c.own == 0) & (each.c.refused == 0), 1), else_=0)
        query = select(each.c.name, sa.func.sum(each.c.own), sa.func.sum(guessed))
        with self._reader.begin() as connection:
            rows = connection.execute(query.group_by(each.c.name).order_by(each.c.name))
            return [TagCount(*row) for row in rows if row[1] or row[2]]

    def typed_under(self, folder: str) -> Typed:
        """Return what a person has said of the pictures at or under an absolute path."""
        here = under(ImageRow.path, folder)
        said = TagRow.source.in_(("user", "no"))
        by_source = select(TagRow.source, sa.func.count()).join(
            ImageRow, ImageRow.id == TagRow.image_id
        )
        pictures = select(sa.func.count(TagRow.image_id.distinct())).join(
            ImageRow, ImageRow.id == TagRow.image_id
        )
        copy = select(ImageRow.id).where(ImageRow.sha256 == TaughtPictureRow.sha256)
        words = select(TaughtPictureRow.name).where(
            copy.where(here).exists(), ~copy.where(~here).exists()
        )
        with self._reader.begin() as connection:
            rows = connection.execute(by_source.where(here, said).group_by(TagRow.source))
            counts: dict[str, int] = {row[0]: row[1] for row in rows}
            return Typed(
                counts.get("user", 0),
                counts.get("no", 0),
                connection.scalar(pictures.where(here, said)) or 0,
                tuple(sorted(set(connection.scalars(words)))),
            )

    def set_tag(self, ids: Iterable[int], name: str, source: str) -> None:
        """Record the user's word on a name: `user` for yes, `no` for no; each undoes the other."""
        by_user = TagRow.source.in_(("user", "no")) & (TagRow.name == name)
        with self._keeper.begin() as connection:
            touched = dict.fromkeys(ids)
            touch(connection, TaggedRow, touched)
            for chunk in chunks(touched):
                connection.execute(delete(TagRow).where(TagRow.image_id.in_(chunk), by_user))
                rows = [{"image_id": one, "name": name, "source": source} for one in chunk]
                insert_all(connection, TagRow, rows)

    def take_over(
        self,
        told: Mapping[int, Told],
        meaning: Callable[[str], str],
        *,
        dry_run: bool = False,
    ) -> dict[int, Told]:
        """Make what others say of pictures the user's word, in one transaction.

        A name that the user took away stays away, and one that is there stays as it is. A name that
        others took away becomes a no, if it is a tag of the user's.

        Args:
            told: By picture; of pictures that are not in the library nothing is kept.
            meaning: Returns the same for names that mean the same: a no to one is a no to all.
            dry_run: Write nothing.

        Returns:
            What is new, by picture; `kept_away` are the names that stay away.
        """
        by_user = select(TagRow.image_id, TagRow.name, TagRow.source).where(
            TagRow.source != "guess"
        )
        with (self._reader if dry_run else self._keeper).begin() as connection:
            present = {row.id for row in select_in(connection, _IDS, ImageRow.id, told)}
            own: dict[int, set[str]] = {one: set() for one in present}
            refused: dict[int, set[str]] = {one: set() for one in present}
            for row in select_in(connection, by_user, TagRow.image_id, present):
                if row.source == "user":
                    own[row.image_id].add(row.name)
                else:
                    refused[row.image_id].add(meaning(row.name))
            news = {one: told[one].beside(own[one], refused[one], meaning) for one in present}
            if dry_run or not any(one.names or one.gone for one in news.values()):
                return news
            touch(
                connection, TaggedRow, (id_ for id_, one in news.items() if one.names or one.gone)
            )
            for image_id, one in news.items():
                for name in one.gone:
                    is_it = (TagRow.image_id == image_id) & (TagRow.name == name)
                    connection.execute(delete(TagRow).where(is_it, TagRow.source == "user"))
            rows = [
                {"image_id": image_id, "name": name, "source": source}
                for image_id, one in news.items()
                for source, names in (("user", one.names), ("no", one.gone))
                for name in names
            ]
            insert_all(connection, TagRow, rows)
            return news

    def without_guesses(self, fingerprint: str, version: str) -> list[int]:
        """Return the present pictures with a vector of a model that were not asked for tags yet."""
        guessed = select(GuessedRow.image_id).where(
            GuessedRow.fingerprint == fingerprint, GuessedRow.version == version
        )
        query = (
            select(ImageRow.id)
            .join(EmbeddingRow, EmbeddingRow.image_id == ImageRow.id)
            .join(EncoderRow, EncoderRow.id == EmbeddingRow.encoder_id)
            .where(EncoderRow.fingerprint == fingerprint, ImageRow.state == "ok")
            .where(ImageRow.id.not_in(guessed))
            .order_by(ImageRow.id)
        )
        ids: list[int] = self._ids(query).tolist()
        return ids

    def write_guesses(
        self,
        guesses: Mapping[int, Sequence[tuple[str, float]]],
        fingerprint: str,
        version: str,
    ) -> None:
        """Store a model's tags with their confidence, in place of all guesses there were."""
        with self._writer.begin() as connection:
            rows = select_in(connection, select(ImageRow.id), ImageRow.id, guesses)
            known = {row.id for row in rows}
            touch(connection, TaggedRow, known)
            for chunk in chunks(known):
                of_chunk = TagRow.image_id.in_(chunk)
                connection.execute(delete(TagRow).where(of_chunk, TagRow.source == "guess"))
                connection.execute(delete(GuessedRow).where(GuessedRow.image_id.in_(chunk)))
            insert_all(
                connection,
                TagRow,
                [
                    {
                        "image_id": one,
                        "name": name,
                        "source": "guess",
                        "confidence": float(confidence),
                        "fingerprint": fingerprint,
                    }
                    for one in known
                    for name, confidence in guesses[one]
                ],
            )
            model = {"fingerprint": fingerprint, "version": version}
            insert_all(connection, GuessedRow, [{"image_id": id_, **model} for id_ in known])

    # Taught words

    def taught(self) -> dict[str, dict[str, str]]:
        """Return the names of the taught words, and paths by sha256 of the pictures of each."""
        query = select(TaughtPictureRow.name, TaughtPictureRow.sha256, TaughtPictureRow.path)
        pictures: dict[str, dict[str, str]] = {}
        with self._reader.begin() as connection:
            ordered = query.order_by(TaughtPictureRow.name, TaughtPictureRow.path)
            for name, digest, path in connection.execute(ordered):
                pictures.setdefault(name, {})[digest] = path
        return pictures

    def taught_vectors(self, fingerprint: str) -> dict[str, Vector]:
        """Return the vectors of the taught words in the space of a model, by name."""
        query = select(TaughtRow.name, TaughtRow.vector).where(TaughtRow.fingerprint == fingerprint)
        with self._reader.begin() as connection:
            rows = list(connection.execute(query))
        vectors = unpack([row.vector for row in rows])
        return {row.name: vector for row, vector in zip(rows, vectors, strict=True)}

    def teach(
        self, name: str, fingerprint: str, vector: Vector, pictures: Mapping[str, str]
    ) -> None:
        """Store a word anew: its vector, and the paths of its pictures by their sha256."""
        with self._keeper.begin() as connection:
            touch(connection, TaggedRow)
            _forget(connection, name)
            _store_vector(connection, name, fingerprint, vector)
            rows = [{"name": name, "sha256": one, "path": path} for one, path in pictures.items()]
            insert_all(connection, TaughtPictureRow, rows)

    def renew(self, name: str, fingerprint: str, vector: Vector) -> None:
        """Store the vector of a known word for another model."""
        with self._writer.begin() as connection:
            touch(connection, TaggedRow)
            of_model = (TaughtRow.name == name) & (TaughtRow.fingerprint == fingerprint)
            connection.execute(delete(TaughtRow).where(of_model))
            _store_vector(connection, name, fingerprint, vector)

    def forget_word(self, name: str) -> bool:
        """Remove a taught word and the guesses made with it; tell whether there was one."""
        with self._keeper.begin() as connection:
            guesses = (TagRow.name == name) & (TagRow.source == "guess")
            touch(connection, TaggedRow, connection.scalars(select(TagRow.image_id).where(guesses)))
            connection.execute(delete(TagRow).where(guesses))
            return _forget(connection, name)


_IDS: AnySelect = select(ImageRow.id)
_TAGS: AnySelect = select(*columns_of(TagRow, StoredTag))


def _store_vector(connection: Connection, name: str, fingerprint: str, vector: Vector) -> None:
    [packed] = pack([vector], len(vector))
    row = {"name": name, "fingerprint": fingerprint, "vector": packed}
    connection.execute(insert(TaughtRow), [row])


def _forget(connection: Connection, name: str) -> bool:
    connection.execute(delete(TaughtRow).where(TaughtRow.name == name))
    gone = connection.execute(delete(TaughtPictureRow).where(TaughtPictureRow.name == name))
    return bool(gone.rowcount)
