"""Bring the texts of files into a library, and write them out again.

A text is the same one as long as its file and its key are; what has the same digest is not looked
at again. Texts that a file no longer has stay unless they are to be pruned, and a file of which a
part could not be read is never pruned by, as that part may hold them.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from indexer.readers.documents import is_readable, read_documents, record
from searchengine.catalog.texts import StoredText, TextRecord, digest_of
from searchengine.documents import Document, Kind
from searchengine.recipes.filters import ingredient_names
from searchengine.recipes.ingredients import is_available, is_ready
from searchengine.search.text_indexes import BATCH, Progress, encoded
from searchengine.search.texts import MANY_UNPARSED, Texts
from searchengine.types import Failure


@dataclass(frozen=True, slots=True)
class TextReport:
    """What adding texts did, in numbers of texts.

    Attributes:
        added: New ones.
        updated: Changed since they were added.
        unchanged: Known as they are.
        failed: Not stored, or an older version of them stays: malformed, named twice, or without a
            word that the model knows.
        without_picture: Stored, but the picture that they name is not there.
        gone: No longer in their file, and still in the library.
        removed: The same, and pruned.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    without_picture: int = 0
    gone: int = 0
    removed: int = 0


def add_texts(
    path: str,
    texts: Texts,
    *,
    kind: Kind | None = None,
    prune: bool = False,
    progress: Progress = lambda _stage, _done, _total: None,
    on_failure: Callable[[Failure], None] = lambda _failure: None,
) -> TextReport:
    """Add the texts of a file, or bring them up to it, in batches of one transaction each.

    Args:
        path: The file, absolute.
        texts: Those of the library.
        kind: What they are; if None, the file tells.
        prune: Remove the texts that came from this file and are no longer in it.
        progress: Called with the numbers of texts done and, by the size of the file, to do.
        on_failure: Called with whatever is not as it should be, and why.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb"):  # a file that is not there is no file without texts
        size = max(os.path.getsize(path), 1)
    importing = _Import(path, texts, on_failure)
    documents = importing.checked(read_documents(Path(path), kind))
    done = read = 0
    while batch := list(islice(documents, BATCH)):
        importing.take(batch)
        done += len(batch)
        # Only the reader knows how far it is, so the texts to come are taken to be as long.
        read += sum(len(line) for one in batch for field in one.fields.values() for line in field)
        progress("adding texts", done, max(done, round(done * size / max(read, 1))))
    importing.finish(prune)
    return TextReport(**importing.counts)


def files_of(path: str) -> list[str]:
    """Return a file if it is there, or the files below a folder with names of texts, sorted."""
    if not os.path.isdir(path):
        return [path] if os.path.lexists(path) else []
    paths: list[str] = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [
            os.path.join(folder, name)
            for name in names
            if is_readable(name) and not name.startswith(".")
        ]
    return sorted(paths)


def exported(texts: Iterable[StoredText]) -> Iterator[str]:
    """Yield texts as JSON lines that `read_documents` reads back, each with a key of its own."""
    used: set[str] = set()
    for text in texts:
        entry = record(text.document)
        if entry["id"] in used:  # files may use the same ids
            entry["id"] = f"{entry['id']} of {text.source}"
        used.add(entry["id"])
        yield json.dumps(entry)


class _Import:
    """What was counted, and which keys the file has."""

    def __init__(self, path: str, texts: Texts, on_failure: Callable[[Failure], None]) -> None:
        self._path, self._texts, self._on_failure = path, texts, on_failure
        self._keys: set[str] = set()
        self._is_whole = True
        self.counts: Counter[str] = Counter()

    def checked(self, results: Iterable[Document | Failure]) -> Iterator[Document]:
        """Yield the texts that can be stored; count and tell of all else."""
        lacks_picture = False  # which the reader tells right after the text
        for one in results:
            if isinstance(one, Failure):
                if lacks_picture:
                    self.counts["without_picture"] += 1
                else:
                    self._is_whole = False
                    self.counts["failed"] += 1
                self._on_failure(one)
                lacks_picture = False
                continue
            lacks_picture = one.image is not None and not one.image.is_file()
            self._keys.add(one.key)
            yield one

    def take(self, documents: Sequence[Document]) -> None:
        """Store what is new or has changed."""
        known = self._texts.store.known(self._path, [one.key for one in documents])
        fresh: list[Document] = []
        for document in documents:
            there = known.get(document.key)
            if there is not None and there.sha256 == digest_of(document):
                self.counts["unchanged"] += 1
            else:
                fresh.append(document)
        model = self._texts.general
        records: list[TextRecord] = []
        parse = self._is_worth_parsing(fresh)
        for document, vector in zip(fresh, encoded(model, fresh), strict=True):
            if vector is None:
                self.counts["failed"] += 1
                named = document.title or document.key
                reason = f"{named!r}: the model knows no word of it; not stored"
                self._on_failure(Failure(self._path, reason))
                continue
            self.counts["updated" if document.key in known else "added"] += 1
            names = ingredient_names(document) if parse and document.ingredients else ()
            records.append(TextRecord(document, names, vector))
        self._texts.store.write(self._path, records, model.fingerprint)

    def _is_worth_parsing(self, fresh: Sequence[Document]) -> bool:
        """Tell whether ingredients are parsed now, rather than when somebody asks for them.

        Loading the parser takes longer than all else that adding a recipe does.
        """
        count = sum(bool(document.ingredients) for document in fresh)
        if not count or not is_available():
            return False
        return is_ready() or count + len(self._texts.store.unparsed()) >= MANY_UNPARSED

    def finish(self, prune: bool) -> None:
        """Count what the file no longer has, and remove it if that is wanted."""
        known = self._texts.store.known(self._path)
        gone = [text.id for key, text in known.items() if key not in self._keys]
        if not gone:
            return
        if prune and self._is_whole:
            self.counts["removed"] = len(self._texts.store.remove(gone))
            return
        self.counts["gone"] = len(gone)
        what = (
            f"{len(gone)} texts of the library are not in it; they stay because other parts of it "
            "could not be read"
            if prune
            else f"{len(gone)} texts of the library are no longer in it; --prune removes them"
        )
        self._on_failure(Failure(self._path, what))
