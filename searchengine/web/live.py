"""One engine that many threads ask while other processes go on indexing.

FAISS may be searched by many threads at once, but not while its rows change. So searches read under
a lock that they share, and what others wrote to the catalog is applied by a writer alone, at most
once in `EVERY` seconds, by the request that finds it due. Of tags those of a few pictures are read
that others have changed; many, by a thread of its own. Nothing is written to files of vectors:
whoever indexes does that. What counts need is kept in a file for the next start (`kept_facets`).

When the library moves to another model (`lexpix reembed`), a thread loads that one; the old one
answers until it is there. Where a flag or a variable has named the model, it stays.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from searchengine.catalog.rows import Change
from searchengine.config import Settings
from searchengine.errors import LexpixError, LibraryError, UnknownWords
from searchengine.indexes.sync import apply, changes_since, renewal_of
from searchengine.search.columns import Columns
from searchengine.search.engine import Engine
from searchengine.search.facets import Facets
from searchengine.search.tag_table import TagTable, missed, version_of
from searchengine.search.texts import Texts
from searchengine.types import SharedIndex

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks at what other processes have written."""

RETRY = 60.0
"""Seconds until a model that could not be loaded is tried again."""

FEW = 1000
"""Up to so many pictures have their tags read one by one by a request."""

TENTH = 10
"""Up to one of so many pictures has its tags read one by one beside the requests."""

KEEP_EVERY = 600.0
"""Seconds between two looks at whether what is kept for the next start is too old."""

WORN = 50_000
"""Pictures whose tags have changed since all were read, from which on both are put in one."""

SHARE = 0.2
"""Most of the time that goes into reading tags anew while another process keeps writing them."""

AT_ONCE = 0.03
"""Seconds up to which a request reads the tags itself, going by how long it took last time."""


class SharedLock:
    """A lock that many readers hold at once, or one writer; a writer who waits comes first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writing = False
        self._waiting = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold it together with other readers."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._writing or self._waiting))
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold it alone."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not (self._writing or self._readers))
                self._writing = True
            finally:
                self._waiting -= 1
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class View:
    """A library as one request sees it."""

    engine: Engine
    facets: Facets


class Live:
    """An engine that threads share and that follows its catalog.

    Args:
        engine: Belongs to this object from now on, which closes it.
        settings: Those it was opened with.
        clock: Tells the seconds.

    Attributes:
        id: Names this server with its model, and no other start of it.
        on_move: Called when another model answers, by those who keep what the last one has made.
    """

    def __init__(
        self, engine: Engine, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.engine, self.settings = engine, settings
        self.id = secrets.token_hex(8)
        self._clock = clock
        self._lock = SharedLock()
        self._refreshing = threading.Lock()
        self._texts = threading.Lock()
        self._store = engine.catalog.tags
        stamp = engine.index.stamp()
        self._seq = stamp.seq if stamp is not None else 0
        self._tags_due = self._tags_took = 0.0
        self._tags_reader: threading.Thread | None = None
        self._tagged: list[int] = []
        self._due = 0.0
        self._model = engine.catalog.embeddings.choice()
        self._mover: threading.Thread | None = None
        self._move_due = 0.0
        self._dropped: str | None = None
        self.on_move: list[Callable[[], object]] = []
        self._keeper: threading.Thread | None = None
        self._keep_due = float("inf")  # until there is anything to keep
        self._facets = self._first_facets(engine)
        self.refresh()
        self._keep_due = 0.0
        self._keep()

    def _first_facets(self, engine: Engine) -> Facets:
        """Return what is kept of another start, to be brought up, or nothing."""
        vocabulary = engine.tags.vocabulary
        kept = engine.kept.load(vocabulary)
        if kept is None:
            return Facets(Columns.empty(), TagTable.empty(), (), vocabulary)
        roots = tuple(root.path for root in engine.catalog.roots())
        return Facets(kept.columns, kept.tags, roots, vocabulary)

    @contextmanager
    def reading(self) -> Iterator[View]:
        """Let a request read; it sees one state of the index from beginning to end."""
        if self._clock() >= self._due and self._refreshing.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._refreshing.release()
        with self._lock.reading():
            if self._dropped is not None:
                raise LibraryError(self._dropped)
            yield View(self.engine, self._facets)

    @contextmanager
    def texts(self) -> Iterator[Texts]:
        """Let one request at a time ask the texts, whose index may be brought up to date by it."""
        with self._texts:
            yield self.engine.texts

    def refresh(self) -> None:
        """Follow the catalog now, and wait for it; for what this process itself has written."""
        while True:
            self._wait_for_tags()
            with self._refreshing:
                if self._tags_reader is None:
                    self._tags_due = 0.0
                    self._refresh(at_once=True)
                    return

    def tagged(self, id_: int) -> None:
        """Take note of what this process has just said about the tags of a picture."""
        with self._refreshing:  # whose holder waits for readers: not to be called by one
            facets = self._facets
            tags = self._renewed(facets.tags, [id_])
            self._facets = facets.followed_by(facets.columns, tags, facets.roots)
            self._tagged.append(id_)  # a thread may have read it before

    def count(self) -> int:
        """Return how many pictures can be found."""
        with self._lock.reading():
            return len(self.engine.index)

    def check_library(self) -> None:
        """Raise a LibraryError if the catalog cannot be read."""
        self.engine.catalog.seq()

    def check_model(self) -> None:
        """Raise a LexpixError if the model makes no vectors; one word is asked for."""
        with suppress(UnknownWords):  # it has looked for it
            self.engine.encoder.encode_texts(["picture"])

    def close(self) -> None:
        """Wait for the readers and close the engine."""
        for thread in (self._mover, self._keeper):
            if thread is not None:
                thread.join()
        self._wait_for_tags()
        with self._refreshing, self._lock.writing():
            self.engine.close()

    def _refresh(self, *, at_once: bool = False) -> None:
        engine, catalog = self.engine, self.engine.catalog
        self._due = self._clock() + EVERY
        self._keep()
        self._follow_model()
        columns = self._facets.columns.refreshed(catalog)
        tags = self._tags_now(columns.seq, at_once)
        moved = columns is not self._facets.columns
        changes: list[Change] = []
        if columns.seq != self._seq or self._dropped is not None:
            self._dropped = self._what_was_dropped()
            if self._dropped is not None:
                self._seq = 0
                with self._lock.writing():
                    engine.index.clear(engine.encoder.dim)
        if columns.seq != self._seq:
            if isinstance(engine.index, SharedIndex):  # may be written while others search
                engine.refresh()
                self._seq = columns.seq
            else:
                fingerprint = engine.encoder.fingerprint
                self._seq, changes = changes_since(catalog, fingerprint, self._seq)
        renewal = renewal_of(engine.index, catalog)
        if renewal is not None:
            self._seq, changes = renewal.seq, []
        roots = tuple(root.path for root in catalog.roots()) if moved else self._facets.roots
        if not moved and not changes and tags is self._facets.tags and renewal is None:
            return
        facets = self._facets.followed_by(columns, tags, roots)
        with self._lock.writing():
            if renewal is not None:
                renewal.take()
            apply(engine.index, changes)
            engine.scenes.refresh()
            if tags is not self._facets.tags:
                engine.follow_taught()
            self._facets = facets

    def _keep(self) -> None:
        """Write what was read for the next start, beside the requests, if that is due."""
        if self._clock() < self._keep_due or (self._keeper and self._keeper.is_alive()):
            return
        self._keep_due = self._clock() + KEEP_EVERY
        engine, facets = self.engine, self._facets

        def keep() -> None:
            try:
                if engine.kept.is_due(facets.vocabulary):
                    engine.kept.save(facets.columns, facets.tags, facets.vocabulary)
            except Exception:  # of the database, or of memory: the next start reads it all
                log.exception("facets: cannot be kept")

        self._keeper = threading.Thread(target=keep, name="keeping")
        self._keeper.start()

    def _follow_model(self) -> None:
        """Begin to move to the model that the library has chosen meanwhile."""
        if "model" not in self.settings.yielding or self._clock() < self._move_due:
            return
        chosen = self.engine.catalog.embeddings.choice()
        if chosen is not None and chosen != self._model and self._mover is None:
            self._mover = threading.Thread(target=self._move, args=(chosen,), name="model")
            self._mover.start()

    def _move(self, chosen: str) -> None:
        try:
            engine = Engine.open(self.settings)
        except LexpixError as error:
            log.warning("the library uses %s now, which cannot be loaded (%s)", chosen, error)
            with self._refreshing:
                self._move_due, self._mover = self._clock() + RETRY, None
            return
        while True:
            self._wait_for_tags()
            with self._refreshing:
                if self._tags_reader is None:
                    self._take(engine, chosen)
                    self._mover = None
                    return

    def _take(self, engine: Engine, chosen: str) -> None:
        """Answer by another engine from now on; no tags are being read."""
        store, vocabulary = engine.catalog.tags, engine.tags.vocabulary
        kept = engine.kept.current(vocabulary)
        tags = kept.tags if kept else TagTable.of(store, vocabulary, engine.encoder.fingerprint)
        stamp = engine.index.stamp()
        with self._texts, self._lock.writing():
            old, self.engine = self.engine, engine
            self._store, self._model = store, chosen
            self._facets = Facets(self._facets.columns, tags, self._facets.roots, vocabulary)
            self._seq = stamp.seq if stamp is not None else 0
            self._dropped = None
            self.id = secrets.token_hex(8)
        for forget in self.on_move:
            forget()
        old.close()
        log.warning("the library uses %s now, and so does this server", chosen)

    def _what_was_dropped(self) -> str | None:
        """Say that the vectors of the model are gone, if they are; pictures have no other here."""
        fingerprint, catalog = self.engine.encoder.fingerprint, self.engine.catalog
        if catalog.searchable(fingerprint) or not len(catalog.present()):
            return None
        if any(one.fingerprint == fingerprint for one, _ in catalog.embeddings.counts()):
            return None
        return (
            f"the vectors of {self.engine.encoder.name}, by which this server answers, were "
            "deleted (lexpix reembed --drop); start it again with a model that the library has: "
            "lexpix status"
        )

    def _tags_now(self, seq: int, at_once: bool) -> TagTable:
        """Return the tags as they are, or as they were until a thread has read them."""
        tags = self._facets.tags
        version = (self._store.changes(), seq)
        if version == tags.version or self._tags_reader:
            return tags
        ids = missed(self.engine.catalog, tags.version, FEW)
        if ids is not None and len(tags.renewed) + len(ids) < WORN:
            return replace(self._renewed(tags, ids), version=version)
        if self._clock() < self._tags_due:
            return tags
        self._tagged.clear()
        if at_once or self._tags_took <= AT_ONCE:
            return self._read_tags()
        reader = threading.Thread(target=self._replace_tags, name="tags")
        reader.start()  # it waits for the lock that is held here before it ends
        self._tags_reader = reader
        return tags

    def _read_tags(self) -> TagTable:
        """Read what has changed of the tags, or all of them."""
        started = self._clock()
        catalog, tags, version = self.engine.catalog, self._facets.tags, version_of(self._store)
        ids = missed(catalog, tags.version, len(self._facets.ids) // TENTH)
        if ids is None:
            vocabulary, fingerprint = self._facets.vocabulary, self.engine.encoder.fingerprint
            tags = TagTable.of(self._store, vocabulary, fingerprint)
        else:
            tags = replace(self._renewed(tags, ids), version=version)
            if len(tags.renewed) >= WORN:
                tags = tags.merged()
        _ = tags.pairs.by_picture  # not when the first request counts
        finished = self._clock()
        self._tags_took = finished - started
        self._tags_due = finished + self._tags_took / SHARE
        return tags

    def _replace_tags(self) -> None:
        """Read the tags beside the requests, then let them have them."""
        try:
            tags = self._read_tags()
            with self._refreshing:
                facets = self._facets
                tags = self._renewed(tags, self._tagged)
                with self._lock.writing():
                    self.engine.follow_taught()
                    self._facets = facets.followed_by(facets.columns, tags, facets.roots)
                self._tags_reader = None
        except Exception:  # of the database: the tags stay as they were until the next try
            log.exception("tags: cannot be read")
            with self._refreshing:
                self._tags_due = self._clock() + max(EVERY, self._tags_took / SHARE)
                self._tags_reader = None

    def _renewed(self, tags: TagTable, ids: list[int]) -> TagTable:
        vocabulary, fingerprint = self._facets.vocabulary, self.engine.encoder.fingerprint
        return tags.with_renewed(self._store, vocabulary, fingerprint, ids)

    def _wait_for_tags(self) -> None:
        with self._refreshing:
            reader = self._tags_reader
        if reader is not None:
            reader.join()
