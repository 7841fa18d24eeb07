"""The files of an index: one file of rows with a random name, and the stamp that names it.

A flush writes rows into a new file and then replaces the stamp, so that a crash leaves either the
old pair or the new one. Whatever is torn, missing or not understood reads as "no stamp", and the
index is rebuilt from the catalog.

::

    STEM.KIND.json       {"fingerprint", "seq", "dim", "count", "file", "size", "digest"}
    STEM.KIND.1f6a...    the rows, in the format of the backend
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

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
class Generation:
    """The rows of one flush: what they reflect and the file that holds them.

    `digest` covers both ends of the file: headers and ids, which a reader trusts with its memory,
    but not every vector between them, because reading those would cost more than a search.
    """

    fingerprint: str
    seq: int
    dim: int
    count: int
    file: str
    size: int
    digest: str

    @property
    def stamp(self) -> Stamp:
        """What the rows reflect."""
        return Stamp(self.fingerprint, self.seq)


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

    def load(self, read: Callable[[str, Generation], T]) -> tuple[Generation, T] | None:
        """Open the current generation, or return None if the index must be rebuilt.

        Args:
            read: Opens the file at a path; raises OSError or IndexFileError if it cannot.
        """
        for _ in range(ATTEMPTS):
            generation = self._named()
            if generation is None:
                return None
            path = os.path.join(self._folder, generation.file)
            try:
                if (_size(path), _digest(path, generation.count)) != (
                    generation.size,
                    generation.digest,
                ):
                    raise IndexFileError("not the bytes that were written")
                rows = read(path, generation)
            except (OSError, IndexFileError) as error:
                if self._named() == generation:
                    log.warning("%s: unreadable index file (%s); rebuilding it", path, error)
                    return None
            else:
                self._mine = generation
                return generation, rows
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
        os.makedirs(self._folder, exist_ok=True)
        before = self._named()
        path = os.path.join(self._folder, self._prefix + secrets.token_hex(8))
        try:
            _write_durably(path, save)
            generation = Generation(
                fingerprint=stamp.fingerprint,
                seq=stamp.seq,
                dim=dim,
                count=count,
                file=os.path.basename(path),
                size=_size(path),
                digest=_digest(path, count),
            )
            self._name(generation)
        except OSError:
            with contextlib.suppress(OSError):
                os.remove(path)
            raise
        self._remove_others(generation.file, before.file if before else None)

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
            generation = Generation(
                fingerprint=str(fields["fingerprint"]),
                seq=int(fields["seq"]),
                dim=int(fields["dim"]),
                count=int(fields["count"]),
                file=os.path.basename(fields["file"]),
                size=int(fields["size"]),
                digest=str(fields["digest"]),
            )
        except (OSError, ValueError, TypeError, KeyError):
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

    def _remove_others(self, current: str, previous: str | None) -> None:
        """Remove the generation before this one and what crashes left behind.

        Another process may be flushing at the same time; what it has written and not yet named is
        younger than `ORPHAN_AGE`.
        """
        keep = {current, os.path.basename(self._stamp_path)}
        with os.scandir(self._folder) as entries:
            others = [
                entry
                for entry in entries
                if entry.name.startswith(self._prefix) and entry.name not in keep
            ]
        for entry in others:
            # Windows refuses to remove a file that somebody has mapped; a later flush will.
            with contextlib.suppress(OSError):
                if entry.name == previous or time.time() - entry.stat().st_mtime > ORPHAN_AGE:
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
