"""Which files of a scan have to be looked into, by what the catalog knows of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from indexer.library.reading import Job, is_described
from indexer.library.scan import is_under
from indexer.library.tally import Tally
from indexer.library.volumes import Volumes
from searchengine.catalog.frames import FILM
from searchengine.catalog.rows import KnownFile
from searchengine.catalog.store import Catalog
from searchengine.formats import is_installed
from searchengine.types import FileStat, Picture

CHUNK = 1000
"""Files that are compared with the catalog at a time."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One pass over the files of a root.

    A retry of single files is no scan of a root: it has neither number nor root nor volumes.

    Attributes:
        tally: What is counted.
        number: By which the catalog knows what this scan has seen.
        run: That of the first scan of its run, by which it is taken back; 0 for none.
        root: The folder, absolute.
        volumes: The disks that the files lie on.
        given_up: Roots that are gone for good, as somebody has said.
    """

    tally: Tally
    number: int = 0
    root: str | None = None
    volumes: Volumes | None = None
    run: int = 0
    given_up: Collection[str] = ()

    def unchanged(self, rows: Sequence[Picture | KnownFile]) -> None:
        """Note files that are as they were."""
        self.tally.counts["unchanged"] += len(rows)
        if self.volumes is not None:
            for row in rows:
                if row.state == "ok":
                    self.volumes.unchanged(row)

    def is_mounted(self, path: str) -> bool:
        """Tell whether the disk of a path is there, as far as is known, or gone for good."""
        if self.volumes is None or any(is_under(path, root) for root in self.given_up):
            return True
        return self.volumes.mounted(path)

    def root_of(self, row: Picture | None) -> str:
        """Return the root that a file belongs to, a new one or that of a row."""
        root = self.root if row is None else self.root or row.root
        assert root is not None, "without a root only known files are tried again"
        return root


def plan(
    files: Iterator[FileStat],
    catalog: Catalog,
    fingerprint: str,
    scan: Scan,
    *,
    leave: Callable[[FileStat], bool] | None = None,
    retry_failed: bool = False,
) -> Iterator[Job]:
    """Yield what has to be looked into; note the rest as seen.

    Args:
        files: What lies below the root.
        catalog: Knows files by path, size and times.
        fingerprint: The model whose vectors count.
        scan: The pass.
        leave: Tells of a new or changed file whether it is left alone, with what is known of it.
        retry_failed: Look again into unchanged files that were no readable pictures.
    """
    while chunk := list(islice(files, CHUNK)):
        rows = catalog.known_files(stat.path for stat in chunk)
        present = {row.id for row in rows.values() if row.state == "ok"}
        embedded = present - catalog.without_vector(present, fingerprint)
        if is_installed(FILM):  # else it could not be read now
            embedded -= catalog.frames.lacking(embedded, fingerprint)
        settled = embedded | {
            row.id for row in rows.values() if row.state == "bad" and not retry_failed
        }
        jobs: list[tuple[FileStat, bool, bool]] = []
        seen: list[KnownFile] = []
        for stat in chunk:
            row = rows.get(stat.path)
            is_embedded = row is not None and row.id in embedded
            if row is None or row.id not in settled or not same_stat(row, stat):
                if leave is None or not leave(stat):
                    jobs.append((stat, is_embedded, False))
                elif row is not None:
                    seen.append(row)
            elif is_described(row, stat):
                seen.append(row)
            else:  # of a file that was no picture more may be read now
                jobs.append((stat, is_embedded, is_embedded))
        catalog.mark_seen([row.id for row in seen], scan.number)
        scan.unchanged(seen)
        scan.tally.advance(len(seen))
        pictures = catalog.by_paths(stat.path for stat, _, _ in jobs if stat.path in rows)
        for stat, is_embedded, is_unchanged in jobs:
            picture = pictures.get(stat.path)
            known = picture is not None
            yield Job(stat, picture, known and is_embedded, unchanged=known and is_unchanged)


def same_stat(row: KnownFile | Picture, stat: FileStat) -> bool:
    """Tell whether a file is, by its size and times, the one that was read."""
    known = (row.size, row.mtime_ns, row.ctime_ns)
    return known == (stat.size, stat.mtime_ns, stat.ctime_ns)
