"""What files hold -> rows of the catalog, a batch at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from indexer.library.embedding import BATCH, Embedder
from indexer.library.moves import Moves
from indexer.library.planning import Scan
from indexer.library.reading import Decoded, Described, Result, Unchanged, Unreadable
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.types import Encoder, Failure, FileStat, Picture

WRITE = 256
"""Files that are written at the latest, if fewer than a batch of them need the model."""

NO_SIZE = -1
"""Never that of a file, so a file that has it in the catalog counts as changed."""


class Writer:
    """Collect what files hold until it fills a batch; embed it, write it, then count it.

    Args:
        catalog: Where it is written, a transaction for each batch.
        encoder: The model.
        scan: The pass that the files are seen in.
        batch: Pictures that go through the model at a time.
    """

    def __init__(
        self, catalog: Catalog, encoder: Encoder, scan: Scan, *, batch: int = BATCH
    ) -> None:
        self._catalog, self._encoder, self._scan, self._batch = catalog, encoder, scan, batch
        self._embedder, self._moves = Embedder(catalog, encoder), Moves(catalog, scan)
        self._pending: list[Decoded | Unreadable] = []
        self._to_embed = 0
        self._refreshed: dict[int, FileStat] = {}
        self._described: list[PictureRecord] = []

    def take(self, result: Result | None) -> None:
        """Note what a file holds, None if it was deleted meanwhile."""
        if isinstance(result, Unchanged):
            self._refreshed[result.row.id] = result.stat
            self._scan.unchanged([result.row])
        elif isinstance(result, Described):
            self._described.append(self._record(result, result.row))
            self._scan.unchanged([result.row])
        elif result is not None:
            self._pending.append(result)
            self._to_embed += isinstance(result, Decoded) and result.vector is None
        waiting = len(self._pending) + len(self._refreshed) + len(self._described)
        if self._to_embed >= self._batch or waiting >= WRITE:
            self.write()
        self._scan.tally.advance(1)

    def write(self) -> None:
        """Embed and write what waits, then count it."""
        pending = self._embedder.fill(self._pending)
        self._pending, self._to_embed = [], 0
        self._moves.trim()
        # A file that was read and then moved is in the batch twice: its row is written only once.
        taken = {one.row.id for one in pending if one.row is not None}
        records: list[PictureRecord] = []
        done: Counter[str] = Counter()
        for one in pending:
            if isinstance(one, Unreadable):
                records.append(self._bad_record(one))
                continue
            row = one.row or self._moves.take(one, taken)
            records.append(self._record(one, row))
            done[_kind(one, row)] += 1
            done["damaged"] += one.photo.damage is not None
        self._catalog.write(
            records,
            fingerprint=self._encoder.fingerprint,
            model_name=self._encoder.name,
            dim=self._encoder.dim,
            scan=self._scan.number,
            run=self._scan.run,
        )
        self._catalog.refresh(self._refreshed, self._scan.number)
        self._catalog.describe(self._described, self._scan.number)
        self._refreshed, self._described = {}, []
        self._scan.tally.counts.update(done)
        for one in pending:
            if isinstance(one, Unreadable):
                self._scan.tally.fail(Failure(one.stat.path, one.reason))
            elif one.photo.damage is not None:
                self._scan.tally.notify(Failure(one.stat.path, f"indexed, but {one.photo.damage}"))

    def _record(self, one: Decoded | Described, row: Picture | None) -> PictureRecord:
        content, vector, look, frames = (
            (one.sha256, one.vector, one.look, one.frames)
            if isinstance(one, Decoded)
            else (one.row.sha256, None, None, {})
        )
        return PictureRecord(
            one.stat,
            self._scan.root_of(row),
            content,
            one.photo.width,
            one.photo.height,
            one.photo.exif,
            vector,
            id=None if row is None else row.id,
            format=one.photo.format,
            damage=one.photo.damage,
            at=one.photo.at,
            look=look,
            frames=frames,
        )

    def _bad_record(self, one: Unreadable) -> PictureRecord:
        stat, digest = one.stat, one.sha256
        if digest is None:
            # Another day it can be read: it is tried again, and its vector is kept until then.
            stat = replace(stat, size=NO_SIZE)
            digest = None if one.row is None else one.row.sha256
        id_ = None if one.row is None else one.row.id
        root = self._scan.root_of(one.row)
        return PictureRecord(stat, root, digest, error=one.reason, id=id_)


def _kind(one: Decoded, row: Picture | None) -> str:
    """Name the count of IndexReport that a written picture belongs to."""
    if row is None:
        return "added"
    if row.path != one.stat.path:
        return "moved"
    return "restored" if row.state == "missing" and row.sha256 == one.sha256 else "updated"
