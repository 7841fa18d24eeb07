"""The default index: FAISS's flat scan over float16 rows, mapped from disk.

The scan is exhaustive, so no filter and no update costs a result. Catalog vectors are float16, so
float16 rows lose nothing; they halve the file and a query takes about a third of float32's time
(benchmarks/search.py). FAISS accepts NaN, keeps duplicates under one id, orders ties arbitrarily,
and kills the process when a mapped index grows or a header is damaged: all of that stops here.

Rows of a file stay mapped as they are. What changes is kept beside them: flags of the rows that are
gone, and a second index, in memory, of the rows that are new. Both go into a small file of their
own; only when they have become many are all rows written anew.

A large file may have a guide (`guides`), which says where the best rows may be; what it proposes is
scored from the mapped rows. It is asked where that pays (`plans`), and the scan is always there.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import faiss
import numpy as np
import numpy.typing as npt

from searchengine.errors import IndexFileError
from searchengine.indexes.base import FileIndex
from searchengine.indexes.files import Generation, Generations, Named
from searchengine.indexes.flat import FlatRows, count_of
from searchengine.indexes.guides import Flags, Guide, GuideKind
from searchengine.indexes.journals import Journal
from searchengine.indexes.plans import Tuning, planned
from searchengine.indexes.rows import Candidates, Positions, best, checked_queries, padding
from searchengine.types import Ids, Scores, SearchPlan, Stamp, Vectors

log = logging.getLogger(__name__)

DESCRIPTORS = "/dev/fd"
"""Where a system shows the open files of a process; Windows does not."""

BLOCK = 16_384
"""Rows that are copied at a time."""


class FaissIndex(FileIndex):
    """Let FAISS scan every row, in float16, which turns a row by at most 2**-11."""

    kind = "faiss"

    fewest: ClassVar[int] = 20_000
    """A file of fewer rows is written anew at each flush, in less than a tenth of a second."""
    share: ClassVar[float] = 0.05
    """Changes to more than this share of the rows of a file are merged into a new one."""

    def __init__(self, path: Path | None) -> None:
        self._mapped = FlatRows(None)  # those of the file
        self._gone = np.empty(0, dtype=np.bool_)  # which of them do not count any more
        self._recent = FlatRows(None)  # in memory
        self._guide: Guide | None = None  # to those of the file
        self._tuning: Tuning | None = None  # of the guide
        self._guide_file: str | None = None  # its name, also if it is damaged
        self._passed_over: Named | None = None  # files that are no better than what is here
        super().__init__(path)  # takes the rows of the file

    def __len__(self) -> int:
        return len(self._mapped) - self._lost + len(self._recent)

    @property
    def _gone(self) -> Flags:
        """Flags of the rows of the file that do not count any more."""
        return self._flags

    @_gone.setter
    def _gone(self, flags: Flags) -> None:
        # Counted once: of a million flags that takes as long as a part of a search.
        self._flags, self._lost = flags, int(np.count_nonzero(flags))

    def _add(self, ids: Ids, vectors: Vectors) -> None:
        self._recent.add(ids, vectors)

    def _remove(self, ids: Ids) -> None:
        self._gone |= np.isin(self._mapped.ids, ids)
        self._recent.remove(ids)

    def search_exactly(
        self, queries: Vectors, k: int, within: Ids | None = None
    ) -> tuple[Ids, Scores]:
        """Answer as `search` does, but let nothing guide it: no row is missed."""
        return self.search_by(None, queries, k, within)

    def search_by(
        self, effort: int | None, queries: Vectors, k: int, within: Ids | None = None
    ) -> tuple[Ids, Scores]:
        """Answer as `search` does, with so much effort of the guide; with None without it."""
        queries = checked_queries(queries, k, self._dim)
        if not len(self):
            return padding(len(queries), k)
        return self._answer(queries, k, within, self._chosen(within), effort)

    def plan(self, k: int, within: Ids | None = None) -> SearchPlan:
        """Say how a search for the k best would go, and why."""
        recent = count_of(self._recent, self._recent.chosen(within))
        return self._planned(k, self._chosen(within), recent)

    def _chosen(self, within: Ids | None) -> Flags | None:
        """Return flags of the rows of the file that may be answers, None for all."""
        return self._mapped.chosen(within, self._gone if self._lost else None)

    def _planned(self, k: int, chosen: Flags | None, recent: int = 0) -> SearchPlan:
        passing = count_of(self._mapped, chosen)
        return planned(k, passing, len(self._mapped), recent, self._tuning)

    def _search(self, queries: Vectors, k: int, within: Ids | None) -> tuple[Ids, Scores]:
        chosen = self._chosen(within)
        effort = self._planned(k, chosen).effort
        return self._answer(queries, k, within, chosen, effort)

    def _answer(
        self,
        queries: Vectors,
        k: int,
        within: Ids | None,
        chosen: Flags | None,
        effort: int | None,
    ) -> tuple[Ids, Scores]:
        recent = self._recent.candidates(queries, k, self._recent.chosen(within))
        mapped = self._mapped.candidates(queries, k, chosen)
        if effort is not None:
            mapped = self._guided(queries, k, chosen, effort)
        first = len(self._recent)
        joined = (
            Candidates(
                np.concatenate((one.ids, other.ids)),
                np.concatenate((one.scores, other.scores)),
                np.concatenate((one.positions, other.positions + first)),
            )
            for one, other in zip(recent, mapped, strict=True)
        )
        return best(queries, k, joined, self._fetch)

    def _guided(
        self, queries: Vectors, k: int, chosen: Flags | None, effort: int
    ) -> Iterator[Candidates]:
        """Yield for each query the rows that the guide proposes; they are as many as are wanted.

        Where it finds fewer, because few rows pass, it looks harder, and at last all are scanned.
        """
        assert self._guide is not None, "somebody planned with it"
        wanted = min(k, count_of(self._mapped, chosen))
        most = self._guide.most
        scores, near = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), int)
        if effort < most:
            scores, near = self._guide.near(queries, k, effort, chosen)
        for query, *first in zip(queries, scores, near, strict=True):
            line, positions = first
            harder = effort
            # Each by itself: what one query lacks must not have others look harder.
            while (found := np.count_nonzero(positions >= 0)) < wanted:
                if (harder := 4 * harder) >= most:
                    break
                (line,), (positions,) = self._guide.near(query[None], k, harder, chosen)
            if found < wanted:
                yield from self._mapped.candidates(query[None], k, chosen)
                continue
            proposed = positions[:found]  # FAISS pads at the end
            yield Candidates(self._mapped.ids[proposed], line[:found], proposed)

    def _fetch(self, positions: Positions) -> Vectors:
        rows = np.empty((len(positions), self._recent.index.d), dtype=np.float32)
        first = len(self._recent)
        for part, places, chosen in (
            (self._recent, positions, positions < first),
            (self._mapped, positions - first, positions >= first),
        ):
            if chosen.any():
                rows[chosen] = part.fetch(places[chosen])
        return rows

    def _reset(self, dim: int) -> None:
        self._mapped, self._gone = FlatRows(None), np.empty(0, dtype=np.bool_)
        self._recent = FlatRows(_empty(dim))
        self._guide = self._tuning = self._guide_file = None

    @property
    def _dim(self) -> int | None:
        return int(self._recent.index.d) if self._recent.index is not None else None

    @property
    def _ids(self) -> Ids:
        return np.concatenate((self._mapped.ids[~self._gone], self._recent.ids))

    def _write(self, files: Generations, stamp: Stamp, dim: int) -> None:
        changed = self._lost + len(self._recent)
        if (
            # After a `clear` nothing is mapped, whatever the file has.
            len(self._mapped) >= max(self.fewest, 1)
            and changed <= self.share * len(self._mapped)
            and files.write_changes(stamp, len(self), changed, self._save_changes)
        ):
            return
        super()._write(files, stamp, dim)
        written = files.load(self._read) if len(self) else None
        # Mapped, so that the next changes are few, and a guide leads to the rows of the file;
        # unless another process has flushed meanwhile.
        if written and written[0].stamp == stamp:
            self._take(*written)

    def _read(
        self, generation: Generation, path: str, changes: str | None
    ) -> tuple[Any, Flags, Any]:
        mapped = _map(path)
        if (mapped.d, mapped.ntotal) != (generation.dim, generation.rows.count):
            raise IndexFileError(f"{mapped.ntotal} rows of {mapped.d}")
        gone, recent = np.zeros(mapped.ntotal, dtype=np.bool_), _empty(mapped.d)
        if changes is not None:
            places, ids, codes = _load_changes(changes, recent.sa_code_size())
            gone[places] = True
            if len(ids):
                recent.add_sa_codes(codes, ids)
        if mapped.ntotal - gone.sum() + recent.ntotal != generation.count:
            raise IndexFileError(f"changes that do not lead to {generation.count} rows")
        return mapped, gone, recent

    def _take(self, generation: Generation, rows: tuple[Any, Flags, Any]) -> None:  # noqa: ARG002
        mapped, self._gone, recent = rows
        self._mapped, self._recent = FlatRows(mapped), FlatRows(recent)
        self._take_guide(self._files)

    def _take_guide(self, files: Generations | None) -> None:
        """Follow the guide that the files have, if they have one that is whole."""
        self._guide = self._tuning = self._guide_file = None
        if files is not None:
            self._guide_file = files.guide_file()
            if found := files.guide():
                self._follow(*found)

    def renewed(self) -> FaissIndex | None:
        """Return the index as its files have it now, None if they have these rows and this guide.

        Changes alone, which everybody takes from the catalog, make no other index of it.
        """
        files = self._files
        if files is None or self._stamp is None:
            return None
        named = files.others(self._guide_file)
        if named is None or named == self._passed_over:
            return None
        other = type(self)(files.stem)
        stamp = other.stamp()
        if stamp is None or stamp.seq < self._stamp.seq:
            # Damaged, or from before rows that stand in memory, as they could not be written.
            self._passed_over = named
            return None
        return other

    def become(self, other: FaissIndex) -> None:
        """Have what another index over the same files has, which is not used afterwards."""
        vars(self).update(vars(other))

    # Guides

    @property
    def is_exact(self) -> bool:
        """Whether every search compares all rows that pass, so that none is missed."""
        return self._tuning is None

    @property
    def rows_of_file(self) -> FlatRows:
        """The rows that a guide leads to; there are none until they are flushed."""
        return self._mapped

    @property
    def guide(self) -> Guide | None:
        """What spares a search to look at all rows of the file."""
        return self._guide

    @property
    def about(self) -> Mapping[str, Any] | None:
        """What was last measured and decided of a guide to these rows; None if nothing was."""
        return None if self._files is None else self._files.about()

    @property
    def bytes_on_disk(self) -> int:
        """Size of its files."""
        return 0 if self._files is None else self._files.size()

    def blocks(self) -> Iterator[tuple[Ids, Vectors]]:
        """Yield ids and rows of all that count, some at a time."""
        for part, kept in (
            (self._mapped, np.flatnonzero(~self._gone)),
            (self._recent, np.arange(len(self._recent))),
        ):
            for start in range(0, len(kept), BLOCK):
                places = kept[start : start + BLOCK]
                yield part.ids[places], part.fetch(places)

    @contextlib.contextmanager
    def journal(self, kind: GuideKind) -> Iterator[Journal | None]:
        """Hold what an earlier build of a guide to the rows of the file has left, if it can be."""
        with contextlib.ExitStack() as stack:
            file = None
            if self._files is not None:
                file = stack.enter_context(self._files.unfinished(kind))
            of = {"rows": len(self._mapped), "kind": kind, "faiss": faiss.__version__}
            yield None if file is None else Journal(file, of)

    def try_guide(self, guide: Guide | None) -> None:
        """Let `search_by` ask a guide that is in memory; `search` does without."""
        self._guide, self._tuning = guide, None

    def keep_guide(self, guide: Guide | None, about: Mapping[str, Any]) -> bool:
        """Write a guide to the rows of the file, or that none is worth while, and follow it.

        The files that are there are in use until the new ones are whole.

        Returns:
            False if another process has written other rows meanwhile; then nothing is kept.

        Raises:
            OSError: The folder cannot be written; nothing has changed.
        """
        self._guide = self._tuning = None
        if self._files is None:
            return False
        kept = self._files.write_guide(about, None if guide is None else guide.save)
        self._take_guide(self._files)
        return kept

    def _follow(self, path: str, about: Mapping[str, Any]) -> None:
        """Map a guide to the rows of the file; without it they are scanned."""
        try:
            tuning = Tuning.parse(about)
            guide = Guide.map(tuning.kind, path, self._mapped.flat)
        except (IndexFileError, ValueError, TypeError, KeyError) as error:
            log.warning("%s: %s; searching without it; run: lexpix index", path, error)
        else:
            self._guide, self._tuning = guide, tuning

    def _save(self, file: BinaryIO) -> None:
        every = self._recent.index
        if len(self._mapped):
            every = _empty(every.d)
            kept, codes = np.flatnonzero(~self._gone), self._mapped.codes()
            for start in range(0, len(kept), BLOCK):
                block = kept[start : start + BLOCK]
                every.add_sa_codes(codes[block], self._mapped.ids[block])
            if len(self._recent):
                every.add_sa_codes(self._recent.codes(), self._recent.ids)
        faiss.write_index(every, faiss.PyCallbackIOWriter(file.write))

    def _save_changes(self, file: BinaryIO) -> None:
        for array in (np.flatnonzero(self._gone), self._recent.ids, self._recent.codes()):
            np.save(file, array, allow_pickle=False)


def _empty(dim: int) -> Any:
    float16 = faiss.ScalarQuantizer.QT_fp16
    return faiss.IndexIDMap(faiss.IndexScalarQuantizer(dim, float16, faiss.METRIC_INNER_PRODUCT))


def _map(path: str) -> Any:
    """Map a file that FAISS has written; its own errors are RuntimeErrors."""
    with open(path, "rb") as file:
        try:
            index = faiss.read_index(_source(path, file), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise IndexFileError(str(error)) from error
    if not isinstance(index, faiss.IndexIDMap):
        raise IndexFileError(f"a {type(index).__name__}")
    return index


def _load_changes(path: str, bytes_of_row: int) -> tuple[Positions, Ids, npt.NDArray[np.uint8]]:
    """Read places of rows that are gone, and ids and codes of new ones."""
    with open(path, "rb") as file:
        try:
            places, ids, codes = (np.load(file, allow_pickle=False) for _ in range(3))
        except (ValueError, EOFError) as error:
            raise IndexFileError(f"changes: {error}") from error
    if codes.shape != (len(ids), bytes_of_row):
        raise IndexFileError(f"changes: codes of shape {codes.shape} for {len(ids)} ids")
    return places, ids, codes


def _source(path: str, file: BinaryIO) -> Any:
    """Return what FAISS opens a file by: its name, so that it is mapped, or what has opened it."""
    try:
        # FAISS takes names in UTF-8, but on Windows hands them on as names in some code page.
        path.encode("ascii" if os.name == "nt" else "utf-8")
    except UnicodeEncodeError:
        descriptor = f"{DESCRIPTORS}/{file.fileno()}"  # reached without its name
        return descriptor if os.path.exists(descriptor) else faiss.PyCallbackIOReader(file.read)
    return path
