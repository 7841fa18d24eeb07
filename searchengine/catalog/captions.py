"""`CaptionCatalog`, the sentences that a captioner wrote about a library's pictures.

No index depends on a caption, so these writes take no `seq`. A caption hangs on the row of a file:
it follows it when it moves, and goes when the file's content changes or is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, func, select

from searchengine.catalog.changes import Store
from searchengine.catalog.inserting import insert_all
from searchengine.catalog.statements import AnySelect, chunks, columns_of, select_in, unchanged
from searchengine.catalog.tables import CaptionRow, CaptionWordRow, ImageRow
from searchengine.language.singular import to_singular
from searchengine.types import Caption

_IRREGULAR = {"men": "man", "women": "woman", "children": "child", "people": "person"}


@dataclass(frozen=True, slots=True)
class StoredCaption:
    """A row of the captions; `sure` as in `Caption`."""

    image_id: int
    text: str
    logprob: float
    confidence: float | None
    sure: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A present picture that has no caption of a captioner yet."""

    id: int
    path: str
    sha256: str | None


def caption_keys(text: str) -> tuple[str, ...]:
    """Return the words that a caption is found by: each once, in the singular."""
    words = (_IRREGULAR.get(word, word) for word in to_singular(text).split())
    return tuple(dict.fromkeys(words))


class CaptionCatalog(Store):
    """Read and write captions; `Catalog.captions` is one."""

    def get(self, ids: Iterable[int]) -> dict[int, StoredCaption]:
        """Return the captions of pictures; ids without one are absent."""
        with self._reader.begin() as connection:
            rows = select_in(connection, _CAPTIONS, CaptionRow.image_id, ids)
            return {row.image_id: StoredCaption(*row) for row in rows}

    def count(self) -> int:
        """Return how many present pictures have a caption."""
        query = (
            select(func.count())
            .select_from(CaptionRow)
            .join(ImageRow, ImageRow.id == CaptionRow.image_id)
            .where(ImageRow.state == "ok")
        )
        return self._count(query)

    def waiting(self, fingerprint: str) -> list[Waiting]:
        """Return the present pictures that have no caption of this captioner, by id."""
        done = select(CaptionRow.image_id).where(CaptionRow.fingerprint == fingerprint)
        query: AnySelect = (
            select(*columns_of(ImageRow, Waiting))
            .where(ImageRow.state == "ok", ImageRow.id.not_in(done))
            .order_by(ImageRow.id)
        )
        with self._reader.begin() as connection:
            return [Waiting(*row) for row in connection.execute(query)]

    def write(self, captions: Mapping[Waiting, Caption], fingerprint: str) -> None:
        """Store captions in place of those there were, in one transaction.

        A picture that has been forgotten or has got other bytes meanwhile gets none.
        """
        pictures = {picture.id: picture for picture in captions}
        with self._writer.begin() as connection:
            digests = {id_: picture.sha256 for id_, picture in pictures.items()}
            by_id = {
                id_: captions[pictures[id_]] for id_ in unchanged(connection, ImageRow, digests)
            }
            for chunk in chunks(by_id):
                connection.execute(delete(CaptionRow).where(CaptionRow.image_id.in_(chunk)))
            rows = [
                {
                    "image_id": id_,
                    "fingerprint": fingerprint,
                    "text": caption.text,
                    "logprob": caption.logprob,
                    "confidence": caption.confidence,
                    "sure": caption.sure,
                }
                for id_, caption in by_id.items()
            ]
            words = [
                {"image_id": id_, "word": word}
                for id_, caption in by_id.items()
                if caption.sure
                for word in caption_keys(caption.text)
            ]
            insert_all(connection, CaptionRow, rows)
            insert_all(connection, CaptionWordRow, words)

    def holders(self, text: str) -> dict[int, float]:
        """Return the pictures whose caption has all words of a text, and how sure it is.

        Captions that are not sure are not found. Without a calibration all are sure (1.0).
        """
        keys = caption_keys(text)
        if not keys:
            return {}
        query = (
            select(CaptionRow.image_id, CaptionRow.confidence)
            .join(CaptionWordRow, CaptionWordRow.image_id == CaptionRow.image_id)
            .where(CaptionWordRow.word.in_(keys))
            .group_by(CaptionRow.image_id, CaptionRow.confidence)
            .having(func.count() == len(keys))
        )
        with self._reader.begin() as connection:
            rows = connection.execute(query)
            return {id_: 1.0 if confidence is None else confidence for id_, confidence in rows}


_CAPTIONS: AnySelect = select(*columns_of(CaptionRow, StoredCaption))
