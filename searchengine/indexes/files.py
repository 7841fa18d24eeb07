"""The files of an index: rows and changes to them with random names, and the stamp that names both.

A flush writes rows into a new file, or what has changed since into a small one beside it, and then
replaces the stamp, so that a crash leaves either the old files or the new ones. Whatever is torn,
missing or not understood reads as "no stamp", and the index is rebuilt from the catalog.

::

    STEM.KIND.json       {"fingerprint", "seq", "dim", "rows", "changes" (may be null)},
                         both with "file", "count", "size", "digest"
    STEM.KIND.1f6a...    the rows, in the format of the backend
    STEM.KIND.93c0...    the changes to them, in the format of the backend
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from searchengine.errors import IndexFileError
from searchengine.types import Stamp

T = TypeVar("T")

log = logging.getLogger(__name__)

EDGE = 4096
"""Bytes at either end of a file, besides 8 per row, that its digest covers."""

ORPHAN_AGE = 3600.0
"""Seconds after which a file that no stamp names is a crash's remains, not another's work."""

ATTEMPTS = 3
"""Readings of a stamp whose file is replaced by another process at that very moment."""


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file beside the stamp, and what shows that it is the one that was written.

    `digest` covers both ends of the file: headers and ids, which a reader trusts with its memory,
    but not every vector between them, because reading those would cost more than a search.
    """

    file: str
    count: int
    size: int
    digest: str

    @classmethod
    def describe(cls, path: str, count: int) -> RowFile:
        """Describe a file of `count` rows."""
        return cls(os.path.basename(path), count, _size(path), _digest(path, count))

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> RowFile:
        """Read what a stamp says; raises ValueError, TypeError or KeyError."""
        count = int(fields["count"])
        if count < 0:
            raise ValueError(count)
        file = os.path.basename(fields["file"])
        return cls(file, count, int(fields["size"]), str(fields["digest"]))

    def path_in(self, folder: str) -> str:
        """Return its path, once its content is known to be what was written.

        Raises:
            OSError: It cannot be read.
            IndexFileError: It has other content.
        """
        path = os.path.join(folder, self.file)
        if (_size(path), _digest(path, self.count)) != (self.size, self.digest):
            raise IndexFileError("not the bytes that were written")
        return path


@dataclass(frozen=True, slots=True)
class Generation:
    """The files of one flush and what they reflect: `count` rows in all, of width `dim`."""

    fingerprint: str
    seq: int
    dim: int
    count: int
    rows: RowFile
    changes: RowFile | None = None

    @property
    def stamp(self) -> Stamp:
        """What the rows reflect."""
        return Stamp(self.fingerprint, self.seq)

    @property
    def files(self) -> set[str]:
        """Names of its files."""
        return {one.file for one in (self.rows, self.changes) if one is not None}


class Generations:
    """Read and write the generations of one index.

    Args:
        stem: Path without the endings; the folder need not exist yet.
        kind: The backend, so that two of them can share a stem.
    """

    def __init__(self, stem: Path, kind: str) -> None:
        self._folder = os.fspath(stem.parent)
        self._prefix = f"{stem.name}.{kind}."
        self._stamp_path = os.path.join(self._folder, f"{self._prefix}json")
        self._mine: Generation | None = None  # the one that was loaded or written here

    def load(self, read: Callable[[Generation, str, str | None], T]) -> tuple[Generation, T] | None:
        """Open the current generation, or return None if the index must be rebuilt.

        Args:
            read: Opens the file of rows at a path, and that of changes if there is one; raises
                OSError or IndexFileError if it cannot.
        """
        for _ in range(ATTEMPTS):
            generation = self._named()
            if generation is None:
                return None
            rows, changes = generation.rows, generation.changes
            try:
                found = read(
                    generation,
                    rows.path_in(self._folder),
                    changes.path_in(self._folder) if changes else None,
                )
            except (OSError, IndexFileError) as error:
                if self._named() == generation:
                    path = os.path.join(self._folder, rows.file)
                    log.warning("%s: unreadable index file (%s); rebuilding it", path, error)
                    return None
            else:
                self._mine = generation
                return generation, found
        return None

    def write(self, stamp: Stamp, dim: int, count: int, save: Callable[[BinaryIO], None]) -> None:
        """Write rows, then the stamp, then remove the generation that was current.

        Args:
            stamp: What the rows reflect.
            dim: Columns of a row.
            count: Number of rows.
            save: Writes the rows into an open file.

        Raises:
            OSError: The folder cannot be written; what was there is still valid.
        """
        with self._new_file(save) as path:
            rows = RowFile.describe(path, count)
            self._replace(Generation(stamp.fingerprint, stamp.seq, dim, count, rows))

    def write_changes(
        self, stamp: Stamp, count: int, changed: int, save: Callable[[BinaryIO], None]
    ) -> bool:
        """Write what has changed since the rows that were loaded or written here, then the stamp.

        Args:
            stamp: What the rows with the changes reflect.
            count: Number of rows in all.
            changed: Number of rows that the file of changes holds.
            save: Writes the changes into an open file.

        Returns:
            False if those rows are no longer the current ones on disk, and all have to be written.

        Raises:
            OSError: The folder cannot be written; what was there is still valid.
        """
        mine, current = self._mine, self._named()
        if mine is None or current is None or current.rows != mine.rows:
            return False
        with self._new_file(save) as path:
            changes = RowFile.describe(path, changed)
            self._replace(
                Generation(stamp.fingerprint, stamp.seq, mine.dim, count, mine.rows, changes)
            )
        # Another process may have merged them into new rows at that very moment.
        return os.path.exists(os.path.join(self._folder, mine.rows.file))

    @contextlib.contextmanager
    def _new_file(self, save: Callable[[BinaryIO], None]) -> Iterator[str]:
        """Write a file, which goes again if what follows fails."""
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, self._prefix + secrets.token_hex(8))
        try:
            _write_durably(path, save)
            yield path
        except OSError:
            with contextlib.suppress(OSError):
                os.remove(path)
            raise

    def _replace(self, generation: Generation) -> None:
        """Make a generation the current one and remove the files of the one before."""
        before = self._named()
        self._name(generation)
        self._remove_others(generation.files, before.files if before else set())

    def restamp(self, stamp: Stamp) -> bool:
        """Say that the rows which were loaded or written here reflect a later seq.

        Returns:
            False if they are no longer the current ones on disk, and have to be written.

        Raises:
            OSError: The folder cannot be written.
        """
        if self._mine is None or self._named() != self._mine:
            return False
        self._name(replace(self._mine, fingerprint=stamp.fingerprint, seq=stamp.seq))
        return True

    def _named(self) -> Generation | None:
        """Read the stamp; None if there is none, or none that this version wrote."""
        try:
            with open(self._stamp_path, encoding="utf-8") as file:
                fields = json.load(file)
            changes = fields["changes"]
            generation = Generation(
                fingerprint=str(fields["fingerprint"]),
                seq=int(fields["seq"]),
                dim=int(fields["dim"]),
                count=int(fields["count"]),
                rows=RowFile.parse(fields["rows"]),
                changes=None if changes is None else RowFile.parse(changes),
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return generation if generation.dim > 0 and generation.count >= 0 else None

    def _name(self, generation: Generation) -> None:
        """Make a generation the current one."""
        text = json.dumps(asdict(generation), indent=1).encode()
        temporary = f"{self._stamp_path}.{secrets.token_hex(8)}"
        _write_durably(temporary, lambda file: file.write(text))
        os.replace(temporary, self._stamp_path)
        self._mine = generation
        _sync_folder(self._folder)

    def _remove_others(self, current: set[str], previous: set[str]) -> None:
        """Remove files of the generation before this one and what crashes left behind.

        Another process may be flushing at the same time; what it has written and not yet named is
        younger than `ORPHAN_AGE`.
        """
        keep = {*current, os.path.basename(self._stamp_path)}
        with os.scandir(self._folder) as entries:
            others = [
                entry
                for entry in entries
                if entry.name.startswith(self._prefix) and entry.name not in keep
            ]
        for entry in others:
            # Windows refuses to remove a file that somebody has mapped; a later flush will.
            with contextlib.suppress(OSError):
                if entry.name in previous or time.time() - entry.stat().st_mtime > ORPHAN_AGE:
                    os.remove(entry.path)


def _write_durably(path: str, save: Callable[[BinaryIO], object]) -> None:
    with open(path, "xb") as file:
        save(file)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: str) -> None:
    """Make a rename durable, where folders can be synchronised; not on Windows, nor everywhere."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _size(path: str) -> int:
    return os.stat(path).st_size


def _digest(path: str, count: int) -> str:
    """Hash both ends of a file of `count` rows, whose 8-byte ids may stand at its end."""
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read(EDGE))
        file.seek(max(EDGE, _size(path) - EDGE - 8 * count))
        digest.update(file.read())
    return digest.hexdigest()
