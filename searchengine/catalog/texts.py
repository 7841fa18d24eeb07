"""`TextCatalog`, the texts of a library with their vectors and what recipes need.

Texts have a counter of their own, `texts_seq`, so that the index of the pictures has nothing to do
when a text changes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection, delete, select

from searchengine.catalog.changes import IndexedStore, bury
from searchengine.catalog.inserting import insert_all, save_rows
from searchengine.catalog.packed import pack
from searchengine.catalog.statements import (
    AnyRow,
    AnySelect,
    chunks,
    columns_of,
    counter,
    raise_counter,
    refuse_twice,
    select_in,
    set_meta,
    storable,
    unchanged,
)
from searchengine.catalog.tables import IngredientRow, TextEmbeddingRow, TextRow
from searchengine.documents import Document, Kind
from searchengine.types import Ids, Vector


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


class TextCatalog(IndexedStore):
    """Read and write the texts of a library; `Catalog.texts` is one."""

    _seq, _table = "texts_seq", TextRow

    def searchable(self, fingerprint: str) -> int:
        """Return the number of texts with a text model's vector."""
        mine = TextEmbeddingRow.fingerprint == fingerprint
        query = select(sa.func.count()).where(mine, TextEmbeddingRow.vector.is_not(None))
        return self._count(query)

    def _vectors(self, fingerprint: str) -> AnySelect:
        mine = TextEmbeddingRow.fingerprint == fingerprint
        return select(TextRow.id, TextEmbeddingRow.vector).outerjoin(
            TextEmbeddingRow, (TextEmbeddingRow.text_id == TextRow.id) & mine
        )

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
        with self._reader.begin() as connection:
            rows = list(select_in(connection, _TEXT, TextRow.id, storable(ids)))
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
        return self._ids(query)

    def ingredient_names(self) -> list[str]:
        """Return all names of ingredients, sorted."""
        with self._reader.begin() as connection:
            names = connection.scalars(select(IngredientRow.name).distinct())
            return sorted(names)

    def ids_with(self, names: Collection[str]) -> Ids:
        """Return the sorted ids of the texts that need at least one of these ingredients."""
        query: AnySelect = select(IngredientRow.text_id)
        with self._reader.begin() as connection:
            rows = select_in(connection, query, IngredientRow.name, names)
            return np.unique(np.fromiter((row.text_id for row in rows), dtype=np.int64))

    def unparsed(self) -> list[int]:
        """Return the sorted ids of the texts with ingredients of which no name is stored yet."""
        parsed = select(IngredientRow.text_id).where(IngredientRow.text_id == TextRow.id).exists()
        query = select(TextRow.id).where(TextRow.ingredients != (), ~parsed)
        ids: list[int] = self._ids(query.order_by(TextRow.id)).tolist()
        return ids

    def with_ingredients(self) -> Ids:
        """Return the sorted ids of the texts that list ingredients."""
        query = select(TextRow.id).where(TextRow.ingredients != ())
        return self._ids(query.order_by(TextRow.id))

    def known(self, source: str, keys: Iterable[str] | None = None) -> dict[str, KnownText]:
        """Return the texts from a file by their key; only those of `keys`, if given."""
        query: AnySelect = select(TextRow.key, TextRow.id, TextRow.sha256)
        query = query.where(TextRow.source == source)
        with self._reader.begin() as connection:
            rows = (
                connection.execute(query)
                if keys is None
                else select_in(connection, query, TextRow.key, keys)
            )
            return {row.key: KnownText(row.id, row.sha256) for row in rows}

    def unembedded(self, fingerprint: str, kind: Kind | None = None) -> list[int]:
        """Return the sorted ids of the texts that a model has not looked at yet."""
        has = (TextEmbeddingRow.text_id == TextRow.id) & (
            TextEmbeddingRow.fingerprint == fingerprint
        )
        query = select(TextRow.id).where(~select(TextEmbeddingRow.text_id).where(has).exists())
        if kind is not None:
            query = query.where(TextRow.kind == kind)
        ids: list[int] = self._ids(query.order_by(TextRow.id)).tolist()
        return ids

    # Writing

    def write(self, source: str, records: Sequence[TextRecord], fingerprint: str) -> list[int]:
        """Insert or update texts of a file with one model's vectors; return their ids in order.

        What other models made of the old version of a text is removed.

        Raises:
            ValueError: Two records have the same key.
        """
        if not records:
            return []
        keys = [record.document.key for record in records]
        refuse_twice(keys)
        with self._writer.begin() as connection:
            seq = raise_counter(connection, self._seq)
            columns = {
                record.document.key: _columns(record.document, source, seq) for record in records
            }
            stored = select(TextRow.key, TextRow.id).where(TextRow.source == source)
            ids = {row.key: row.id for row in select_in(connection, stored, TextRow.key, keys)}
            for chunk in chunks(ids.values()):
                for table in (TextEmbeddingRow, IngredientRow):
                    connection.execute(delete(table).where(table.text_id.in_(chunk)))
            updates = {id_: columns[key] for key, id_ in ids.items()}
            new = [key for key in keys if key not in ids]
            inserts = [tuple(columns[key].values()) for key in new]
            names = tuple(columns[keys[0]])
            added = save_rows(connection, TextRow, updates, names, inserts)
            ids |= zip(new, added, strict=True)
            _insert_names(connection, {ids[one.document.key]: one.names for one in records})
            vectors = {ids[one.document.key]: one.vector for one in records}
            _insert_vectors(connection, fingerprint, vectors)
        return [ids[key] for key in keys]

    def add_vectors(
        self, fingerprint: str, vectors: Mapping[int, tuple[str, Vector | None]]
    ) -> int:
        """Store what a model made of texts, by id with the digest of the text; count them.

        A text that was removed or changed meanwhile is left out.
        """
        mine = TextEmbeddingRow.fingerprint == fingerprint
        with self._writer.begin() as connection:
            ids = unchanged(connection, TextRow, {id_: one[0] for id_, one in vectors.items()})
            for chunk in chunks(ids):
                old = TextEmbeddingRow.text_id.in_(chunk) & mine
                connection.execute(delete(TextEmbeddingRow).where(old))
            _insert_vectors(connection, fingerprint, {id_: vectors[id_][1] for id_ in ids})
            if ids:
                raise_counter(connection, self._seq)
        return len(ids)

    def set_names(self, names: Mapping[int, tuple[str, Sequence[str]]]) -> None:
        """Store what texts need, by id with the digest of the text."""
        with self._writer.begin() as connection:
            ids = unchanged(connection, TextRow, {id_: one[0] for id_, one in names.items()})
            for chunk in chunks(ids):
                old = IngredientRow.text_id.in_(chunk)
                connection.execute(delete(IngredientRow).where(old))
            _insert_names(connection, {id_: names[id_][1] for id_ in ids})

    def remove(self, ids: Iterable[int]) -> list[int]:
        """Remove texts; return the sorted ids of those that there were."""
        removed: list[int] = []
        with self._writer.begin() as connection:
            seq = counter(connection, self._seq) + 1
            for chunk in chunks(storable(set(ids))):
                condition = TextRow.id.in_(chunk)
                removed += connection.scalars(select(TextRow.id).where(condition))
                bury(connection, TextRow, condition, seq)
            if removed:
                set_meta(connection, self._seq, str(seq))
        return sorted(removed)

    def drop(self, fingerprint: str) -> int:
        """Remove all that a text model has made; return the number of vectors."""
        mine = TextEmbeddingRow.fingerprint == fingerprint
        with self._writer.begin() as connection:
            dropped = connection.execute(delete(TextEmbeddingRow).where(mine)).rowcount
            if dropped:
                raise_counter(connection, self._seq)
        return dropped


_TEXT: AnySelect = select(
    TextRow.id, TextRow.source, TextRow.sha256, *columns_of(TextRow, Document)
)


def _texts(connection: Connection, rows: Sequence[AnyRow]) -> list[StoredText]:
    names: dict[int, list[str]] = {row.id: [] for row in rows}
    query: AnySelect = select(IngredientRow.text_id, IngredientRow.name)
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
        **asdict(document),
        "source": source,
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
    insert_all(connection, IngredientRow, rows)


def _insert_vectors(
    connection: Connection, fingerprint: str, vectors: Mapping[int, Vector | None]
) -> None:
    present = {id_: vector for id_, vector in vectors.items() if vector is not None}
    dim = len(next(iter(present.values()))) if present else 0
    packed = dict(zip(present, pack(list(present.values()), dim), strict=True))
    rows = [
        {"text_id": id_, "fingerprint": fingerprint, "vector": packed.get(id_)} for id_ in vectors
    ]
    insert_all(connection, TextEmbeddingRow, rows)
