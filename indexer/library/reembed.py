"""Give the pictures of a library vectors of another model, beside those they have.

Pictures are read from their files again, since vectors of one model say nothing to another. Each
batch is a transaction and what has a vector is skipped, so a run that is killed anywhere goes on
where it was. No row of a picture is touched: until the new model is chosen, the old one answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import tee

from indexer.executors import Executor
from indexer.library.decoding import Decoder
from indexer.library.embedding import Embedder
from indexer.library.reading import Decoded, Described, Job, Result, Unchanged, Unreadable
from searchengine.catalog.embeddings import Content
from searchengine.catalog.records import StoredEncoder
from searchengine.catalog.store import Catalog
from searchengine.types import Encoder, Failure, FileStat, Picture

CHUNK = 1000
"""Rows that are read from the catalog at a time."""

BATCH = 16
"""Pictures that go through the model, and into the catalog, at a time."""

_ABSENT = "not there; is its disk mounted? If it is gone for good, run: lexpix index"
_CHANGED = "changed since it was indexed; run: lexpix index"


@dataclass(frozen=True, slots=True)
class ReembedReport:
    """What a run did, in numbers of pictures.

    Attributes:
        had: Had a vector of the model before, and films those of their scenes.
        added: Have got one now.
        bad: Are no readable pictures any more; they can be found by the old model only.
        left: Can be found by the old model and may get a vector another time: the file is not
            there, cannot be read, has changed, or the model failed on it.
        missing: Were gone at the last scan; their old vectors stay, and `index` gives them new ones
            when they are back.
    """

    had: int
    added: int
    bad: int
    left: int
    missing: int

    @property
    def complete(self) -> bool:
        """Whether the model finds all that can be found."""
        return not self.left


def reembed(
    catalog: Catalog,
    encoder: Encoder,
    *,
    executor: Executor,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    on_failure: Callable[[Failure], None] = lambda _failure: None,
) -> ReembedReport:
    """Embed every present picture that has no vector of a model, and the scenes of films.

    Args:
        catalog: The library's.
        encoder: The model.
        executor: Runs hashing and decoding.
        progress: Called with the numbers of pictures done and to do.
        on_failure: Called with each picture that got no vector, and why.

    Raises:
        ModelError, MissingPlugin: The model cannot run at all.
    """
    ids = catalog.embeddings.unembedded(encoder.fingerprint)
    had = catalog.counts()["ok"] - len(ids)
    tally = _Tally(on_failure)
    writer = _Writer(catalog, encoder, tally)
    rows, ahead = tee(_rows(catalog, ids.tolist()))
    with closing(executor.imap(Decoder(catalog, encoder), map(_job, ahead))) as results:
        for done, (row, result) in enumerate(zip(rows, results, strict=True), 1):
            decoded = tally.sift(row, result)
            if decoded is not None:
                writer.take(row, decoded)
            progress(done, len(ids))
    writer.write()
    gone = catalog.embeddings.unembedded(encoder.fingerprint, "missing")
    return ReembedReport(had, tally.added, tally.bad, tally.left, len(gone))


def _rows(catalog: Catalog, ids: Sequence[int]) -> Iterator[Picture]:
    for start in range(0, len(ids), CHUNK):
        yield from catalog.get(ids[start : start + CHUNK]).values()


def _job(row: Picture) -> Job:
    return Job(FileStat(row.path, row.size, row.mtime_ns, row.ctime_ns), row)


@dataclass
class _Tally:
    """Count pictures by what became of them, and tell of those that got no vector."""

    on_failure: Callable[[Failure], None]
    added: int = 0
    bad: int = 0
    left: int = 0

    def sift(self, row: Picture, result: Result | None) -> Decoded | None:
        """Return what can be embedded; count anything else."""
        assert not isinstance(result, Unchanged | Described), "only of a job that is embedded"
        if result is None:
            self.leave(row, _ABSENT)
        elif isinstance(result, Unreadable) and result.sha256 is None:
            self.leave(row, result.reason)
        elif result.sha256 != row.sha256:
            self.leave(row, _CHANGED)
        elif isinstance(result, Unreadable):
            self.bad += 1
            self.on_failure(Failure(row.path, result.reason))
        else:
            return result
        return None

    def leave(self, row: Picture, reason: str) -> None:
        """Count a picture that may get a vector another time."""
        self.left += 1
        self.on_failure(Failure(row.path, reason))


class _Writer:
    """Collect pictures until they fill a batch; embed and store it."""

    def __init__(self, catalog: Catalog, encoder: Encoder, tally: _Tally) -> None:
        self._catalog, self._tally = catalog, tally
        self._embedder = Embedder(catalog, encoder)
        self._encoder = StoredEncoder(encoder.fingerprint, encoder.name, encoder.dim)
        self._pending: dict[int, tuple[Picture, Decoded]] = {}

    def take(self, row: Picture, decoded: Decoded) -> None:
        """Note what the file of a row holds."""
        self._pending[row.id] = row, decoded
        if len(self._pending) >= BATCH:
            self.write()

    def write(self) -> None:
        """Embed and store what waits."""
        pending, self._pending = self._pending, {}
        filled = self._embedder.fill([decoded for _, decoded in pending.values()])
        contents: dict[int, Content] = {}
        for (row, _), one in zip(pending.values(), filled, strict=True):
            if isinstance(one, Unreadable):
                self._tally.leave(row, one.reason)
            else:
                assert one.vector is not None, "the embedder fills every vector in"
                contents[row.id] = Content(one.sha256, one.vector, one.frames)
        written = self._catalog.embeddings.add(self._encoder, contents)
        self._tally.added += len(written)
        for id_ in contents.keys() - written:
            self._tally.leave(pending[id_][0], _CHANGED)
