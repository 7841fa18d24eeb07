"""`TextCatalog`, the texts of a library with their vectors and what recipes need.

Texts have a counter of their own, `texts_seq`, so that the index of the pictures has nothing to do
when a text changes. As with pictures, vectors that are added to texts that did not change give
their number to no row, and an index that misses them sees so by its count (see `sync`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Select, delete, insert, select, update

from searchengine.catalog.records import (
    AnyRow,
    Change,
    change_of,
    chunks,
    counter,
    pack,
    refuse_twice,
    select_in,
    set_meta,
    storable,
)
from searchengine.catalog.tables import (
    IngredientRow,
    MetaRow,
    TextEmbeddingRow,
    TextRow,
    TextTombstoneRow,
)
from searchengine.documents import Document, Kind
from searchengine.types import Ids, Vector

SEQ = "texts_seq"
"""Key of the number of the last write that an index of texts must learn of."""


@dataclass(frozen=True, slots=True)
class StoredText:
    """A text of the library.

    Attributes:
        id: Its number.
        document: Its parts.
        source: The file that it came from.
        names: What a recipe needs, without amounts, sorted.
        sha256: Digest of all its parts.
    """

    id: int
    document: Document
    source: str
    names: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class TextRecord:
    """What is to be written about one text.

    Attributes:
        document: Its parts.
        names: What a recipe needs.
        vector: Shape (dim,), or None if the model knows no word of it.
    """

    document: Document
    names: tuple[str, ...]
    vector: Vector | None


@dataclass(frozen=True, slots=True)
class KnownText:
    """The row of a text, and the digest of its parts."""

    id: int
    sha256: str


def digest_of(document: Document) -> str:
    """Return the hex digest of all parts but the key."""
    image = None if document.image is None else os.fspath(document.image)
    parts = [document.kind, document.title, document.body, document.ingredients, image]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class TextCatalog:
    """Read and write the texts of a library; safe to share between threads; `Catalog.texts` is one.

    Args:
        reader: The engine of the library's database.
        writer: The same, whose transactions take the write lock when they begin.
    """

    def __init__(self, reader: Engine, writer: Engine) -> None:
        self._reader, self._writer = reader, writer

    # What an index asks for

    @cached_property
    def uid(self) -> str:
        """The random hex name of the library."""
        with self._reader.begin() as connection:
            return connection.scalar(select(MetaRow.value).where(MetaRow.key == "uid")) or ""

    def seq(self) -> int:
        """Return the number of the last write that an index of texts must learn of."""
        with self._reader.begin() as connection:
            value = connection.scalar(select(MetaRow.value).where(MetaRow.key == SEQ))
        return int(value or 0)

    def searchable(self, fingerprint: str) -> int:
        """Return the number of texts with a text model's vector."""
        query = select(sa.func.count()).where(
            TextEmbeddingRow.fingerprint == fingerprint, TextEmbeddingRow.vector.is_not(None)
        )
        with self._reader.begin() as connection:
            return connection.scalar(query) or 0

    def changes(self, fingerprint: str, after: int, batch: int = 4096) -> Iterator[Change]:
        """Yield what an index of a model's vectors misses that reflects seq `after`.

        As `Catalog.changes` does for pictures: in one snapshot, in batches that bound the memory.
        """
        vector = TextEmbeddingRow.vector
        mine = (TextEmbeddingRow.text_id == TextRow.id) & (
            TextEmbeddingRow.fingerprint == fingerprint
        )
        texts = (
            select(TextRow.id, vector.label("vector"))
            .outerjoin(TextEmbeddingRow, mine)
            .where(TextRow.seq > after)
            .order_by(TextRow.seq, TextRow.id)
        )
        tombstones = (
            select(TextTombstoneRow.text_id.label("id"), sa.null().label("vector"))
            .where(TextTombstoneRow.seq > after)
            .order_by(TextTombstoneRow.seq, TextTombstoneRow.text_id)
        )
        with self._reader.begin() as connection:
            for query in (texts, tombstones):
                rows = connection.execute(query.execution_options(yield_per=batch))
                for part in rows.partitions():
                    yield change_of(part)

    # Reading

    def counts(self) -> dict[Kind, int]:
        """Return the number of texts of each kind, zeros included."""
        counts: dict[Kind, int] = {"text": 0, "recipe": 0}
        with self._reader.begin() as connection:
            rows = connection.execute(select(TextRow.kind, sa.func.count()).group_by(TextRow.kind))
            counts.update((kind, count) for kind, count in rows)
        return counts

    def get(self, ids: Iterable[int]) -> dict[int, StoredText]:
        """Return the texts with these ids; unknown ids are absent."""
        wanted = list(storable(ids))
        with self._reader.begin() as connection:
            rows = list(select_in(connection, _TEXT, TextRow.id, wanted))
            return {text.id: text for text in _texts(connection, rows)}

    def all(self, kind: Kind | None = None, batch: int = 1000) -> Iterator[StoredText]:
        """Yield the texts, perhaps of one kind only, by rising id, without holding all at once."""
        after = 0
        while True:
            query = _TEXT.where(TextRow.id > after).order_by(TextRow.id).limit(batch)
            if kind is not None:
                query = query.where(TextRow.kind == kind)
            with self._reader.begin() as connection:
                texts = _texts(connection, list(connection.execute(query)))
            yield from texts
            if len(texts) < batch:
                return
            after = texts[-1].id

    def ids(self, kind: Kind | None = None, source: str | None = None) -> Ids:
        """Return the sorted ids of the texts, perhaps only of one kind or from one file."""
        query = select(TextRow.id).order_by(TextRow.id)
        if kind is not None:
            query = query.where(TextRow.kind == kind)
        if source is not None:
            query = query.where(TextRow.source == source)
        with self._reader.begin() as connection:
            return np.fromiter(connection.scalars(query), dtype=np.int64)

    def ingredient_names(self) -> list[str]:
        """Return all names of ingredients, sorted."""
        with self._reader.begin() as connection:
            names = connection.scalars(select(IngredientRow.name).distinct())
            return sorted(names)

    def ids_with(self, names: Collection[str]) -> Ids:
        """Return the sorted ids of the texts that need at least one of these ingredients."""
        query: Select[*tuple[Any, ...]] = select(IngredientRow.text_id)
        with self._reader.begin() as connection:
            found = {row.text_id for row in select_in(connection, query, IngredientRow.name, names)}
        return np.sort(np.fromiter(found, dtype=np.int64))

    def unparsed(self) -> list[int]:
        """Return the sorted ids of the texts with ingredients of which no name is stored yet."""
        parsed = select(IngredientRow.text_id).where(IngredientRow.text_id == TextRow.id).exists()
        query = select(TextRow.id).where(TextRow.ingredients != (), ~parsed).order_by(TextRow.id)
        with self._reader.begin() as connection:
            return list(connection.scalars(query))

    def listing(self) -> Ids:
        """Return the sorted ids of the texts that list ingredients."""
        query = select(TextRow.id).where(TextRow.ingredients != ()).order_by(TextRow.id)
        with self._reader.begin() as connection:
            return np.fromiter(connection.scalars(query), dtype=np.int64)

    def known(self, source: str, keys: Iterable[str] | None = None) -> dict[str, KnownText]:
        """Return the texts from a file by their key; only those of `keys`, if given."""
        query: Select[*tuple[Any, ...]] = select(TextRow.key, TextRow.id, TextRow.sha256)
        query = query.where(TextRow.source == source)
        with self._reader.begin() as connection:
            rows = (
                connection.execute(query)
                if keys is None
                else select_in(connection, query, TextRow.key, keys)
            )
            return {row.key: KnownText(row.id, row.sha256) for row in rows}

    def lacking(self, fingerprint: str, kind: Kind | None = None) -> list[int]:
        """Return the sorted ids of the texts that a model has not looked at yet."""
        seen = (
            select(TextEmbeddingRow.text_id)
            .where(
                TextEmbeddingRow.text_id == TextRow.id,
                TextEmbeddingRow.fingerprint == fingerprint,
            )
            .exists()
        )
        query = select(TextRow.id).where(~seen).order_by(TextRow.id)
        if kind is not None:
            query = query.where(TextRow.kind == kind)
        with self._reader.begin() as connection:
            return list(connection.scalars(query))

    # Writing

    def write(self, source: str, records: Sequence[TextRecord], fingerprint: str) -> list[int]:
        """Insert or update texts of a file with one model's vectors; return their ids in order.

        What other models made of the old version of a text is removed.

        Raises:
            ValueError: Two records have the same key.
        """
        if not records:
            return []
        refuse_twice([record.document.key for record in records])
        with self._writer.begin() as connection:
            seq = counter(connection, SEQ) + 1
            query: Select[*tuple[Any, ...]] = select(TextRow.key, TextRow.id)
            keys = [record.document.key for record in records]
            here = query.where(TextRow.source == source)
            ids = {row.key: int(row.id) for row in select_in(connection, here, TextRow.key, keys)}
            old = [record for record in records if record.document.key in ids]
            new = [record for record in records if record.document.key not in ids]
            if old:
                values = [
                    {"row": ids[one.document.key], **_columns(one.document, source, seq)}
                    for one in old
                ]
                connection.execute(update(TextRow).where(TextRow.id == sa.bindparam("row")), values)
                for chunk in chunks(ids.values()):
                    for table in (TextEmbeddingRow, IngredientRow):
                        connection.execute(delete(table).where(table.text_id.in_(chunk)))
            if new:
                added = insert(TextRow).returning(TextRow.key, TextRow.id)
                rows = connection.execute(
                    added, [_columns(one.document, source, seq) for one in new]
                )
                ids.update((row.key, row.id) for row in rows)
            _insert_names(connection, {ids[one.document.key]: one.names for one in records})
            vectors = {ids[one.document.key]: one.vector for one in records}
            _insert_vectors(connection, fingerprint, vectors)
            set_meta(connection, SEQ, str(seq))
        return [ids[key] for key in keys]

    def add_vectors(
        self, fingerprint: str, vectors: Mapping[int, tuple[str, Vector | None]]
    ) -> int:
        """Store what a model made of texts, by id with the digest of the text; count them.

        A text that was removed or changed meanwhile is left out.
        """
        query: Select[*tuple[Any, ...]] = select(TextRow.id, TextRow.sha256)
        with self._writer.begin() as connection:
            rows = list(select_in(connection, query, TextRow.id, vectors))
            same = [row.id for row in rows if row.sha256 == vectors[row.id][0]]
            for chunk in chunks(same):
                connection.execute(
                    delete(TextEmbeddingRow).where(
                        TextEmbeddingRow.text_id.in_(chunk),
                        TextEmbeddingRow.fingerprint == fingerprint,
                    )
                )
            _insert_vectors(connection, fingerprint, {one: vectors[one][1] for one in same})
            if same:
                set_meta(connection, SEQ, str(counter(connection, SEQ) + 1))
        return len(same)

    def set_names(self, names: Mapping[int, tuple[str, Sequence[str]]]) -> None:
        """Store what texts need, by id with the digest of the text."""
        query: Select[*tuple[Any, ...]] = select(TextRow.id, TextRow.sha256)
        with self._writer.begin() as connection:
            rows = list(select_in(connection, query, TextRow.id, names))
            same = [row.id for row in rows if row.sha256 == names[row.id][0]]
            for chunk in chunks(same):
                old = IngredientRow.text_id.in_(chunk)
                connection.execute(delete(IngredientRow).where(old))
            _insert_names(connection, {one: names[one][1] for one in same})

    def remove(self, ids: Iterable[int]) -> list[int]:
        """Remove texts; return the sorted ids of those that there were."""
        removed: list[int] = []
        with self._writer.begin() as connection:
            seq = counter(connection, SEQ) + 1
            for chunk in chunks(storable(set(ids))):
                dead = list(connection.scalars(select(TextRow.id).where(TextRow.id.in_(chunk))))
                removed += dead
                connection.execute(delete(TextRow).where(TextRow.id.in_(dead)))
            if removed:
                tombstones = [{"text_id": one, "seq": seq} for one in removed]
                connection.execute(insert(TextTombstoneRow), tombstones)
                set_meta(connection, SEQ, str(seq))
        return sorted(removed)

    def drop(self, fingerprint: str) -> int:
        """Remove all that a text model has made; return the number of vectors."""
        mine = TextEmbeddingRow.fingerprint == fingerprint
        with self._writer.begin() as connection:
            dropped = connection.execute(delete(TextEmbeddingRow).where(mine)).rowcount
            if dropped:
                set_meta(connection, SEQ, str(counter(connection, SEQ) + 1))
        return dropped


_TEXT: Select[*tuple[Any, ...]] = select(
    TextRow.id,
    TextRow.kind,
    TextRow.title,
    TextRow.body,
    TextRow.ingredients,
    TextRow.source,
    TextRow.key,
    TextRow.image,
    TextRow.sha256,
)


def _texts(connection: Connection, rows: Sequence[AnyRow]) -> list[StoredText]:
    names: dict[int, list[str]] = {row.id: [] for row in rows}
    query: Select[*tuple[Any, ...]] = select(IngredientRow.text_id, IngredientRow.name)
    for one in select_in(connection, query, IngredientRow.text_id, list(names)):
        names[one.text_id].append(one.name)
    return [
        StoredText(row.id, _document(row), row.source, tuple(sorted(names[row.id])), row.sha256)
        for row in rows
    ]


def _document(row: AnyRow) -> Document:
    image = None if row.image is None else Path(row.image)
    return Document(row.kind, row.title, row.body, row.ingredients, image, row.key)


def _columns(document: Document, source: str, seq: int) -> dict[str, Any]:
    return {
        "kind": document.kind,
        "title": document.title,
        "body": document.body,
        "ingredients": document.ingredients,
        "source": source,
        "key": document.key,
        "image": None if document.image is None else os.fspath(document.image),
        "sha256": digest_of(document),
        "seq": seq,
    }


def _insert_names(connection: Connection, names: Mapping[int, Iterable[str]]) -> None:
    rows = [
        {"text_id": id_, "name": name}
        for id_, several in names.items()
        for name in dict.fromkeys(several)
    ]
    if rows:
        connection.execute(insert(IngredientRow), rows)


def _insert_vectors(
    connection: Connection, fingerprint: str, vectors: Mapping[int, Vector | None]
) -> None:
    present = {id_: vector for id_, vector in vectors.items() if vector is not None}
    dim = len(next(iter(present.values()))) if present else 0
    packed = dict(zip(present, pack(list(present.values()), dim), strict=True))
    rows = [
        {"text_id": id_, "fingerprint": fingerprint, "vector": packed.get(id_)} for id_ in vectors
    ]
    if rows:
        connection.execute(insert(TextEmbeddingRow), rows)
