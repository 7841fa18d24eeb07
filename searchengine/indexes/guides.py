"""Guides to many rows: approximate indexes of FAISS, which say where the best of them may be.

A guide knows rows by their positions in a flat index, which stays the truth: whatever it proposes
is scored again from the rows themselves. So a guide can miss a row, but never show a wrong one, a
removed one or a wrong score. How hard it looks is a number, its effort: of an inverted file the
number of lists that are looked through (`nprobe`), of a graph that of candidates (`efSearch`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, BinaryIO, Literal, get_args

import faiss
import numpy as np
import numpy.typing as npt

from searchengine.errors import IndexFileError
from searchengine.indexes import graphs
from searchengine.indexes.journals import Journal, Lists
from searchengine.indexes.packing import packed
from searchengine.indexes.rows import SLACK, Positions
from searchengine.types import Scores, Vectors

GuideKind = Literal["ivf-pq4", "ivf-sq8", "ivf-pq", "hnsw"]
KINDS: tuple[GuideKind, ...] = get_args(GuideKind)
"""The quickest first; then that which proposes the best rows; the smallest; the slowest to make."""

BLOCK = 20_000
"""Rows that are added at a time."""
SAMPLE = 40
"""Rows for each list of an inverted file that its lists are found from."""
ROUNDS = 10
"""How often the middles of lists are moved when they are found; more move them hardly."""
LEAST_SAMPLE = 10_000
"""Rows that a product quantiser learns its 256 codes from at least."""
CODE = 64
"""Bytes of a row's code of a product quantiser."""
WIDER: Mapping[GuideKind, int] = {"ivf-pq4": 10, "ivf-pq": 16, "ivf-sq8": 3, "hnsw": 1}
"""How many times as many rows as are wanted a guide proposes: its own scores are rough."""
NARROWEST: Mapping[GuideKind, int] = {"ivf-pq4": 300, "ivf-pq": 32, "ivf-sq8": 32, "hnsw": 32}
"""Rows that a guide proposes at least.

By 4-bit codes of 100,000 mixed photographs, the 100 best hold 98 % of the ten true ones where the
400 best hold 99 %.
"""

MORE = 16
"""Rows beyond those wanted that are kept first of what is proposed, to see where ties end."""

Flags = npt.NDArray[np.bool_]


class Guide:
    """An approximate index over the positions of rows; safe to share between threads.

    Args:
        kind: What it is.
        index: The index of FAISS.
        storage: The flat index of the rows, by which what is proposed is scored.
    """

    def __init__(self, kind: GuideKind, index: Any, storage: Any) -> None:
        self.kind, self.index = kind, index
        self._storage = storage  # kept alive as long as what points to it

    def __len__(self) -> int:
        return int(self.index.ntotal)

    @property
    def most(self) -> int:
        """The greatest effort: all lists, or all rows."""
        return len(self) if self.kind == "hnsw" else int(self.index.nlist)

    @property
    def efforts(self) -> list[int]:
        """Efforts to choose from, rising, each about a fifth more than the one before."""
        least = NARROWEST[self.kind] if self.kind == "hnsw" else 1
        steps = np.unique((least * 2 ** (np.arange(0, 80) / 4)).astype(int))
        return [int(one) for one in steps if one < self.most]

    def near(
        self, queries: Vectors, k: int, effort: int, chosen: Flags | None = None
    ) -> tuple[Scores, Positions]:
        """Return the best rows that are proposed for each query, by their scores as rows.

        Args:
            queries: Unit rows.
            k: How many are wanted.
            effort: How hard to look.
            chosen: Flags of the rows that count, None for all.

        Returns:
            Both (q, k or more), good to `SLACK`; a position of -1 is none. All that may be among
            the k best of what is proposed is there.
        """
        wide = max(WIDER[self.kind] * k, NARROWEST[self.kind])
        if self.kind == "ivf-pq4":  # whoever looks harder must not lose what is found among more
            wide = max(wide, 2 * effort)
        width = min(len(self), wide)
        selector = None
        if chosen is not None:
            selector = faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))
        else:  # a damaged file may name any row; and 4-bit codes fill lists up with more
            selector = faiss.IDSelectorRange(0, len(self))
        if self.kind == "hnsw":
            parameters = faiss.SearchParametersHNSW(efSearch=max(effort, width), sel=selector)
        else:
            parameters = faiss.SearchParametersIVF(nprobe=effort, sel=selector)
        faiss.omp_set_num_threads(1)  # as the scan of one query: see there
        kept = min(width, k + MORE)
        while True:
            # FAISS scores what is proposed from the rows where they lie: to take each out and
            # widen it for NumPy would be three quarters of the time of a query.
            refined = faiss.IndexRefineSearchParameters(
                k_factor=(width + 0.5) / kept, base_index_params=parameters
            )
            scores, positions = self._refined.search(queries, kept, params=refined)
            settled = scores[:, min(k, kept) - 1] - scores[:, -1] > SLACK
            if kept == width or (settled | (positions[:, -1] < 0)).all():
                return scores, positions
            kept = width

    @cached_property
    def _refined(self) -> Any:
        return faiss.IndexRefine(self.index, self._storage)

    def save(self, file: BinaryIO) -> None:
        """Write it, without the rows of a graph."""
        if self.kind == "hnsw":
            graphs.save(self.index, file)
        else:
            faiss.write_index(self.index, faiss.PyCallbackIOWriter(file.write))

    @classmethod
    def map(cls, kind: GuideKind, path: str, storage: Any) -> Guide:
        """Map a file that `save` has written; the lists of an inverted file are not read.

        Raises:
            IndexFileError: It is none of that kind, or of another number of rows.
        """
        try:
            path.encode("ascii" if os.name == "nt" else "utf-8")
            if kind == "hnsw":
                index = graphs.read(path, faiss.IO_FLAG_MMAP_IFC, storage, int(storage.ntotal))
                index.own_fields, index.storage = False, storage
                return cls(kind, index, storage)
            index = faiss.read_index(path, faiss.IO_FLAG_MMAP)
        except (RuntimeError, UnicodeEncodeError) as error:
            raise IndexFileError(f"no guide can be read from it: {error}") from error
        if not isinstance(index, faiss.IndexIVF) or (index.ntotal, index.d) != (
            storage.ntotal,
            storage.d,
        ):
            raise IndexFileError(f"a {type(index).__name__} of {index.ntotal} rows of {index.d}")
        # To start threads that read lists ahead takes as long as to look through the lists.
        faiss.downcast_InvertedLists(index.invlists).prefetch_nthread = 0
        return cls(kind, index, storage)

    @classmethod
    def build(
        cls,
        kind: GuideKind,
        storage: Any,
        *,
        threads: int,
        progress: Callable[[int, int], None] | None = None,
        journal: Journal | None = None,
    ) -> Guide:
        """Make a guide to all rows of a flat index, in memory.

        Args:
            kind: What it becomes.
            storage: The flat index.
            threads: How many compute.
            progress: Called with the rows that are done, and how many there are.
            journal: What is done already, and where it is written down what is done here. The
                guide is the same whether anything was or not; a graph is as good.
        """
        faiss.omp_set_num_threads(threads)
        if kind == "hnsw":
            return cls(kind, graphs.grown(storage, progress, journal), storage)
        count = int(storage.ntotal)
        index = _trained(kind, storage, journal)
        for block, start in enumerate(range(0, count, BLOCK)):
            end = min(start + BLOCK, count)
            rows = storage.reconstruct_n(start, end - start)
            _add(index, rows, _lists(index, rows, block, journal))
            if progress is not None:
                progress(end, count)
        return cls(kind, packed(index) if kind == "ivf-pq4" else index, storage)


def _trained(kind: GuideKind, storage: Any, journal: Journal | None) -> Any:
    """Return an index without rows that has learnt from some of those it is for."""
    if journal is not None and journal.trained is not None:
        return faiss.deserialize_index(np.frombuffer(journal.trained, dtype=np.uint8))
    count = int(storage.ntotal)
    index = _untrained(kind, storage.d, count)
    # Rows stand in the order in which they came, so the sample is drawn from everywhere.
    sample = min(count, max(LEAST_SAMPLE, SAMPLE * lists_for(count, kind)))
    drawn = np.random.default_rng(1).choice(count, sample, replace=False)
    index.train(storage.reconstruct_batch(np.sort(drawn)))
    if journal is not None:
        journal.keep_trained(faiss.serialize_index(index).tobytes())
    return index


def _lists(index: Any, rows: Vectors, block: int, journal: Journal | None) -> Lists:
    """Return the list that each row of a block belongs to."""
    if journal is not None and block < len(journal.blocks):
        return journal.blocks[block]
    found: Lists = index.quantizer.assign(rows, 1)[:, 0]
    if journal is not None:
        journal.keep_block(found)
    return found


def _add(index: Any, rows: Vectors, lists: Lists) -> None:
    """Add rows to the lists they belong to."""
    index.add_core(len(rows), faiss.swig_ptr(rows), None, faiss.swig_ptr(lists))


def lists_for(count: int, kind: GuideKind | Literal["flat"] = "ivf-sq8") -> int:
    """Return the number of lists of an inverted file: a power of two near four roots of its rows.

    Of lists that are scanned fast two roots are enough: they are found in a quarter of the time.

    Of 100,000 mixed photographs, 1,024 lists find as much as 256 in three fifths of the time; 2,048
    save another quarter of it, and take three times as long to be found.
    """
    wanted = round(np.log2(max(count, 4)) / 2 + 1.6) - (kind == "ivf-pq4")
    return int(2 ** max(1, min(wanted, np.floor(np.log2(max(count / SAMPLE, 2))))))


def memory_of(kind: GuideKind | Literal["flat"], count: int, dim: int) -> int:
    """Return about how many bytes searches touch again and again, in memory or mapped.

    A scan and a graph go through the rows, of two bytes a column; an inverted file through codes.
    """
    rows, lists = 2 * dim * count, 4 * dim * lists_for(count, kind)
    return {
        "flat": rows,
        "hnsw": rows + (8 * graphs.LINKS + 12) * count,
        "ivf-pq4": (_parts(dim, dim // 2) // 2 + 8) * count + lists,
        "ivf-sq8": (dim + 8) * count + lists,
        "ivf-pq": (CODE + 8) * count + lists,
    }[kind]


def _untrained(kind: GuideKind, dim: int, count: int) -> Any:
    inner = faiss.METRIC_INNER_PRODUCT
    # "np": what FAISS does else for short cuts between codes takes minutes and is not used here.
    code = {
        "ivf-pq4": f"PQ{_parts(dim, dim // 2)}x4np",
        "ivf-sq8": "SQ8",
        "ivf-pq": f"PQ{_parts(dim, CODE)}np",
    }[kind]
    index = faiss.index_factory(dim, f"IVF{lists_for(count, kind)},{code}", inner)
    index.cp.max_points_per_centroid, index.cp.niter = SAMPLE, ROUNDS
    return index


def _parts(dim: int, most: int) -> int:
    """Return into how many parts of equal width a row is cut at most for a product quantiser."""
    return next(parts for parts in range(max(1, min(most, dim)), 0, -1) if dim % parts == 0)
