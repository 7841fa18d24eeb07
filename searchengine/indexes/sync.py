"""Bring an index up to the catalog, which is the truth; every index is a cache of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from searchengine.catalog.rows import Change
from searchengine.errors import IndexUnavailable
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.fallback import WithSpare
from searchengine.types import Reopened, SharedIndex, Stamp, VectorIndex

if TYPE_CHECKING:
    from searchengine.catalog.changes import IndexedStore

log = logging.getLogger(__name__)

SMALL = 50_000
"""Up to so many rows are searched by every process itself while the server of an index is down."""


def open_index(
    catalog: IndexedStore,
    fingerprint: str,
    dim: int,
    folder: Path,
    backend: Callable[[Path], VectorIndex],
) -> VectorIndex:
    """Open the index of one model over one library, and synchronise it.

    Args:
        catalog: That of the pictures of the library, or of its texts.
        fingerprint: The model's; another model has another index file.
        dim: Columns of its vectors.
        folder: Where index files live; made when there is something to write.
        backend: Makes an index from a file stem.

    Raises:
        IndexUnavailable: It is on a server that does not answer, and the library is larger than
            what is searched without one.
    """
    index = index_at(catalog, fingerprint, folder, backend)
    if isinstance(index, SharedIndex):
        index = _with_spare(index, catalog, fingerprint, dim)
    synchronise(index, catalog, fingerprint, dim)
    return index


def index_at(
    catalog: IndexedStore, fingerprint: str, folder: Path, backend: Callable[[Path], VectorIndex]
) -> VectorIndex:
    """Return the index of one model over one library as it stands, for whoever examines it."""
    return backend(folder / stem_of(catalog, fingerprint))


def remove_index(
    catalog: IndexedStore,
    fingerprint: str,
    folder: Path,
    backend: Callable[[Path], VectorIndex] | None = None,
) -> None:
    """Delete the index files of a model whose vectors are no more, and what a server has of it."""
    if backend and isinstance(
        index := index_at(catalog, fingerprint, folder, backend), SharedIndex
    ):
        index.remove()
    for path in folder.glob(f"{stem_of(catalog, fingerprint)}.*"):
        # Windows refuses to remove a file that somebody has mapped.
        with contextlib.suppress(OSError):
            path.unlink()


def stem_of(catalog: IndexedStore, fingerprint: str) -> str:
    """Return what the names of all files begin with that are made of a library by a model."""
    return f"{catalog.uid[:12]}-{fingerprint[:12]}"


def synchronise(index: VectorIndex, catalog: IndexedStore, fingerprint: str, dim: int) -> bool:
    """Make an index reflect the catalog, and write it out; True if it was behind.

    A stamp that is behind costs the changes since; no stamp, another model's or one from the future
    (the catalog was restored from a copy) costs a rebuild. What cannot be written stays in memory.
    A shared index is written by one process at a time; others wait. While its server does not
    answer, what `open_index` gave with it stands in, and the next call makes up for this one. If
    another process has written better files, such as a guide, the index goes on from those.
    """
    if not isinstance(index, SharedIndex):
        if isinstance(index, Reopened) and (renewed := index.renewed()) is not None:
            index.become(renewed)
        return _synchronise(index, catalog, fingerprint, dim)
    try:
        return _synchronise_shared(index, catalog, fingerprint, dim)
    except IndexUnavailable as error:
        if not isinstance(index, WithSpare):
            raise
        index.stand_in(error)
        return False


def _synchronise_shared(
    index: SharedIndex, catalog: IndexedStore, fingerprint: str, dim: int
) -> bool:
    if _stamp_of(index, catalog) == Stamp(fingerprint, catalog.seq()):
        return False
    with catalog.alone():
        if not _synchronise(index, catalog, fingerprint, dim):
            return False
        catalog.remember_index(index.name, index.token)
        return True


def _stamp_of(index: VectorIndex, catalog: IndexedStore) -> Stamp | None:
    """Return the stamp of an index; that of a server counts only if the catalog knows its token.

    It does not if the catalog was restored from a copy, or if a copy of the library wrote last.
    """
    stamp = index.stamp()
    if isinstance(index, SharedIndex) and index.token != catalog.index_token(index.name):
        return None
    return stamp


def _with_spare(index: SharedIndex, catalog: IndexedStore, fingerprint: str, dim: int) -> WithSpare:
    exact = ExactIndex(None)

    def spare() -> VectorIndex | None:
        if catalog.searchable(fingerprint) > SMALL:
            return None
        _synchronise(exact, catalog, fingerprint, dim)
        return exact

    return WithSpare(index, spare, lambda: _synchronise_shared(index, catalog, fingerprint, dim))


def _synchronise(index: VectorIndex, catalog: IndexedStore, fingerprint: str, dim: int) -> bool:
    stamp, seq = _stamp_of(index, catalog), catalog.seq()
    if stamp == Stamp(fingerprint, seq):
        return False
    if stamp is None or stamp.fingerprint != fingerprint or stamp.seq > seq:
        _rebuild(index, catalog, fingerprint, dim)
    else:
        _apply(index, catalog, fingerprint, after=stamp.seq)
        # Vectors that were added to rows which did not change took a seq but gave it to no row, so
        # they are in no delta; and a catalog that was restored and has overtaken the stamp looks
        # like an ordinary one. The count gives both away; only a restored catalog may happen to
        # have the same.
        if len(index) != catalog.searchable(fingerprint) and catalog.seq() == seq:
            log.info("the index does not fit the catalog; rebuilding it")
            _rebuild(index, catalog, fingerprint, dim)
    # The seq read before the changes: what was committed meanwhile is applied once more next time.
    _flush(index, Stamp(fingerprint, seq))
    return True


def changes_since(catalog: IndexedStore, fingerprint: str, seq: int) -> tuple[int, list[Change]]:
    """Read what an index in memory misses that reflects a seq, for `apply`; return the seq then.

    Unlike `synchronise` this neither compares counts nor has a file written, so that whoever goes
    on answering while others write to the catalog can do it every second.
    """
    now = catalog.seq()
    # A catalog that was restored from a copy is read from its beginning.
    return now, list(catalog.changes(fingerprint, seq if seq <= now else 0))


@dataclass(frozen=True, slots=True)
class Renewal:
    """What an index in memory can go on from, since another process has written better files.

    Attributes:
        seq: What the index reflects then.
        take: Has it go on from there, in no time; nobody may be asking it.
    """

    seq: int
    take: Callable[[], None]


def renewal_of(index: VectorIndex, catalog: IndexedStore) -> Renewal | None:
    """Open the files that have come in place of those of an index in memory, a new guide above all.

    What the catalog has changed since they were written is made up for here, beside those who are
    asking the index. None if its files are those that it knows.
    """
    if not isinstance(index, Reopened) or (renewed := index.renewed()) is None:
        return None
    stamp = renewed.stamp()
    assert stamp is not None, "files without a stamp are not opened"
    seq, changes = changes_since(catalog, stamp.fingerprint, stamp.seq)
    apply(renewed, changes)
    return Renewal(seq, partial(index.become, renewed))


def apply(index: VectorIndex, changes: Iterable[Change]) -> None:
    """Make changes to an index in memory; its file and its stamp stay as they are."""
    for change in changes:
        index.drop(change.drop_ids)
        if len(change.put_ids):
            index.put(change.put_ids, change.put_vectors)


def _rebuild(index: VectorIndex, catalog: IndexedStore, fingerprint: str, dim: int) -> None:
    index.clear(dim)
    _apply(index, catalog, fingerprint, after=0)


def _apply(index: VectorIndex, catalog: IndexedStore, fingerprint: str, after: int) -> None:
    apply(index, catalog.changes(fingerprint, after))


def _flush(index: VectorIndex, stamp: Stamp) -> None:
    try:
        index.flush(stamp)
    except OSError as error:
        log.warning("the index stays in memory, its file cannot be written: %s", error)
