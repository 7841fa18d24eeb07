"""The files of an index: rows and changes to them with random names, and the stamp that names both.

A flush writes rows into a new file, or what has changed since into a small one beside it, and then
replaces the stamp, so that a crash leaves either the old files or the new ones. Whatever is torn,
missing or not understood reads as "no stamp", and the index is rebuilt from the catalog.

::

    STEM.KIND.json       {"fingerprint", "seq", "dim", "rows", "changes", "guide" (may be null)},
                         each with "file", "count", "size", "checksum"; "about": what the guide is
    STEM.KIND.1f6a...    the rows, in the format of the backend
    STEM.KIND.93c0...    the changes to them, in the format of the backend
    STEM.KIND.07be...    a guide to the rows, which spares a search to look at all of them
    STEM.KIND.1f6a....ivf-sq8   what is made of a guide to those rows (`journals`)

Every byte of a file is checked when it is written, and when it is opened, so each answer comes from
what was written. Only a large file is not read again for each process while the system shows it as
untouched since it was written: that would take longer than the search.

Whoever writes a file holds a lock on it until the stamp names it: what nobody holds and nothing
names is what a crash left behind, and goes the next time that an index is opened or flushed.
"""

from __future__ import annotations

import contextlib
import glob
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

from searchengine.errors import IndexFileError
from searchengine.indexes.row_files import RowFile
from searchengine.types import Stamp
from searchengine.unfinished import held, left, renamed, resumed, written

T = TypeVar("T")

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Readings of a stamp whose file is replaced by another process at that very moment."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The files of one flush and what they reflect: `count` rows in all, of width `dim`."""

    fingerprint: str
    seq: int
    dim: int
    count: int
    rows: RowFile
    changes: RowFile | None = None
    guide: RowFile | None = None
    about: Mapping[str, Any] | None = None

    @property
    def stamp(self) -> Stamp:
        """What the rows reflect."""
        return Stamp(self.fingerprint, self.seq)

    @property
    def files(self) -> set[str]:
        """Names of its files."""
        return {one.file for one in (self.rows, self.changes, self.guide) if one is not None}

    def has_rows_of(self, other: Generation) -> bool:
        """Whether another generation has the same rows and changes, whatever guides to them."""
        return (self.rows, self.changes) == (other.rows, other.changes)

    def checked_in(self, folder: str) -> Generation:
        """Return it with rows and changes as they are seen now, once both are what was written.

        Raises:
            OSError: A file cannot be read.
            IndexFileError: A file has other content.
        """
        changes = None if self.changes is None else self.changes.checked_in(folder)
        return replace(self, rows=self.rows.checked_in(folder), changes=changes)

    def guided_as(self, other: Generation) -> Generation:
        """Return this generation with the guide of another one, which has the same file of rows."""
        guide = self.guide if self.guide == other.guide else other.guide  # as it was seen last
        return replace(self, guide=guide, about=other.about)


Named: TypeAlias = tuple[str, str | None]
"""Names of the files of rows and of a guide to them."""


class Generations:
    """Read and write the generations of one index.

    Args:
        stem: Path without the endings; the folder need not exist yet.
        kind: The backend, so that two of them can share a stem.

    Attributes:
        stem: That path.
    """

    def __init__(self, stem: Path, kind: str) -> None:
        self.stem = stem
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
            self._remove_orphans()
            try:
                generation = generation.checked_in(self._folder)
                rows, changes = generation.rows, generation.changes
                found = read(
                    generation,
                    rows.path_in(self._folder),
                    changes.path_in(self._folder) if changes else None,
                )
            except (OSError, IndexFileError) as error:
                if self._named() == generation:
                    path = generation.rows.path_in(self._folder)
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
            written = replace(
                mine, fingerprint=stamp.fingerprint, seq=stamp.seq, count=count, changes=changes
            )
            self._replace(written.guided_as(current))
        # Another process may have merged them into new rows at that very moment.
        return os.path.exists(os.path.join(self._folder, mine.rows.file))

    def write_guide(
        self, about: Mapping[str, Any], save: Callable[[BinaryIO], None] | None
    ) -> bool:
        """Write a guide to the rows that were loaded or written here; other guides to them go.

        Args:
            about: What it is, as JSON holds it.
            save: Writes it into an open file; None if the rows are better off without one.

        Returns:
            False if those rows are no longer the current ones on disk; nothing is left of it then.

        Raises:
            OSError: The folder cannot be written; what was there is still valid.
        """
        mine = self._mine
        if mine is None:
            return False
        if save is None:
            return self._name_guide(mine, None, about)
        with self._new_file(save) as path:
            if self._name_guide(mine, RowFile.describe(path, 0), about):
                return True
        with contextlib.suppress(OSError):
            os.remove(path)
        return False

    @contextlib.contextmanager
    def unfinished(self, kind: str) -> Iterator[BinaryIO | None]:
        """Hold the file that a guide to the rows that were loaded or written here begins in.

        What an earlier build left is in it. It goes with those rows, or once a guide to them is
        written. Yields None if there is no place for it, or another process builds.
        """
        with contextlib.ExitStack() as stack:
            file = None
            if self._mine is not None:
                path = f"{self._mine.rows.path_in(self._folder)}.{kind}"
                file = stack.enter_context(resumed(path))
            yield file

    def _remove_unfinished(self, rows: RowFile) -> None:
        """Remove what builds of guides to some rows have left."""
        for path in glob.glob(f"{glob.escape(rows.path_in(self._folder))}.*"):
            self._remove(path)

    def _name_guide(
        self, mine: Generation, guide: RowFile | None, about: Mapping[str, Any]
    ) -> bool:
        current = self._named()  # writing took a while: changes may have come since
        if current is None or current.rows != mine.rows:
            return False
        self._replace(replace(current, rows=mine.rows, guide=guide, about=dict(about)))
        self._mine = replace(mine, guide=guide, about=dict(about))
        self._remove_unfinished(mine.rows)
        return True

    def guide_file(self) -> str | None:
        """Return the name of the guide to the rows that were loaded or written here, if any."""
        mine = self._mine
        return None if mine is None or mine.guide is None else mine.guide.file

    def guide(self) -> tuple[str, Mapping[str, Any]] | None:
        """Return the path of the guide to the rows that were loaded or written here, and about it.

        None if there is none, or it has other bytes than were written; a search does without it.
        """
        mine = self._mine
        if mine is None or mine.guide is None or mine.about is None:
            return None
        path = mine.guide.path_in(self._folder)
        try:
            guide = mine.guide.checked_in(self._folder)
        except (OSError, IndexFileError) as error:
            log.warning("%s: unreadable (%s); searching without it; run: lexpix index", path, error)
            return None
        self._mine = replace(mine, guide=guide)
        return path, mine.about

    def about(self) -> Mapping[str, Any] | None:
        """Return what was last decided of a guide to these rows; None if nothing was."""
        return None if self._mine is None else self._mine.about

    def others(self, guide: str | None) -> Named | None:
        """Return the files that the stamp names, None if they are those of here and this guide.

        Args:
            guide: Name of the file of the guide that is followed; None if none is.
        """
        mine, current = self._mine, self._named()
        if mine is None or current is None:
            return None
        named = None if current.guide is None else current.guide.file
        if current.rows == mine.rows and named == guide:
            return None
        return current.rows.file, named

    def size(self) -> int:
        """Return how many bytes the files have that were loaded or written here."""
        mine = self._mine
        every = () if mine is None else (mine.rows, mine.changes, mine.guide)
        return sum(one.size for one in every if one is not None)

    @contextlib.contextmanager
    def _new_file(self, save: Callable[[BinaryIO], object], prefix: str = "") -> Iterator[str]:
        """Write a file durably and hold it while it is named; it goes again if that fails."""
        os.makedirs(self._folder, exist_ok=True)
        with held(os.path.join(self._folder, prefix or self._prefix)) as file:
            try:
                save(file)
                written(file)
                yield file.name
            except OSError:
                with contextlib.suppress(OSError):
                    os.remove(file.name)
                raise

    def _replace(self, generation: Generation) -> None:
        """Make a generation the current one and remove the files of the one before."""
        before = self._named()
        self._name(generation)
        if before is not None:
            for name in before.files - generation.files:
                self._remove(os.path.join(self._folder, name))
        self._remove_orphans()

    def restamp(self, stamp: Stamp) -> bool:
        """Say that the rows which were loaded or written here reflect a later seq.

        Returns:
            False if they are no longer the current ones on disk, and have to be written.

        Raises:
            OSError: The folder cannot be written.
        """
        mine, current = self._mine, self._named()
        if mine is None or current is None or not current.has_rows_of(mine):
            return False
        known = replace(mine, fingerprint=stamp.fingerprint, seq=stamp.seq)
        self._name(known.guided_as(current))
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
                guide=None if fields.get("guide") is None else RowFile.parse(fields["guide"]),
                about=fields.get("about"),
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return generation if generation.dim > 0 and generation.count >= 0 else None

    def _name(self, generation: Generation) -> None:
        """Make a generation the current one."""
        text = json.dumps(asdict(generation), indent=1).encode()
        with self._new_file(lambda file: file.write(text), f"{self._stamp_path}.") as temporary:
            os.replace(temporary, self._stamp_path)
        self._mine = generation
        renamed(self._folder)

    def _remove_orphans(self) -> None:
        """Remove what crashes left behind: files that no stamp names and nobody is writing."""
        try:
            with os.scandir(self._folder) as entries:
                names = [entry.name for entry in entries if entry.name.startswith(self._prefix)]
        except OSError:  # there is no folder yet
            return
        stamp = os.path.basename(self._stamp_path)
        for name in names:
            path = os.path.join(self._folder, name)
            if name != stamp and not self._may_be_named(name):
                with left(path) as is_left:
                    # Whoever held it a moment ago has named it by now.
                    if is_left and not self._may_be_named(name):
                        self._remove(path)

    def _may_be_named(self, name: str) -> bool:
        generation = self._named()
        if generation is None or name in generation.files:
            return True
        return name.startswith(f"{generation.rows.file}.")  # a guide to them is unfinished

    def _remove(self, path: str) -> None:
        # Windows refuses to remove a file that somebody has mapped; a later flush will.
        with contextlib.suppress(OSError):
            os.remove(path)
