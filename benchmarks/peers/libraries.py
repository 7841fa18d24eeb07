"""Libraries of nearest neighbours: they keep no paths, which are computed from numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from contract import GRAPH, LISTS, SHELVES, K, Rows, Store, path_of


class _Faiss(Store):
    """FAISS alone, with a selector of the rows of each shelf."""

    distribution, keeps_rows = "faiss-cpu", False

    def open(self, folder: Path, rows: int) -> None:
        """Read the index."""
        import faiss

        self.faiss = faiss
        self.index = faiss.read_index(str(folder / "index.faiss"))
        self.shelves = [
            faiss.IDSelectorBatch(np.arange(shelf, rows, SHELVES)) for shelf in range(SHELVES)
        ]

    def ask(self, _word: str, vector: Rows, effort: int, shelf: int | None = None) -> list[str]:
        """Ask with the selector of what passes."""
        chosen = None if shelf is None else self.shelves[shelf]
        params = self.how(effort, chosen)
        return _paths(self.index.search(vector[None], K, params=params)[1][0])

    def how(self, effort: int, chosen: Any) -> Any:
        """Return the parameters of a search."""
        raise NotImplementedError


class RawFaiss(_Faiss):
    """FAISS alone: an inverted file of 8-bit rows, re-ranked from half-precision rows."""

    efforts: Sequence[int] = LISTS

    def build(self, folder: Path, rows: Rows) -> None:
        """Train and add."""
        import faiss

        lists = int(4 * len(rows) ** 0.5)
        index = faiss.index_factory(
            rows.shape[1], f"IVF{lists},SQ8,Refine(SQfp16)", faiss.METRIC_INNER_PRODUCT
        )
        index.train(rows[:: max(1, len(rows) // (40 * lists))])
        index.add(rows)
        faiss.write_index(index, str(folder / "index.faiss"))

    def how(self, effort: int, chosen: Any) -> Any:
        """Look through some lists, and compare four times as many rows as are wanted again."""
        lists = self.faiss.SearchParametersIVF(nprobe=effort, sel=chosen)
        return self.faiss.IndexRefineSearchParameters(k_factor=4, base_index_params=lists)


class FlatFaiss(_Faiss):
    """FAISS alone, comparing every half-precision row: the limit of what is exact."""

    efforts: Sequence[int] = (0,)

    def build(self, folder: Path, rows: Rows) -> None:
        """Add all rows."""
        import faiss

        index = faiss.index_factory(rows.shape[1], "SQfp16", faiss.METRIC_INNER_PRODUCT)
        index.train(rows[:1000])
        index.add(rows)
        faiss.write_index(index, str(folder / "index.faiss"))

    def how(self, _effort: int, chosen: Any) -> Any:
        """Compare every row that passes."""
        return self.faiss.SearchParameters(sel=chosen)


class Hnswlib(Store):
    """A graph in memory; a filter is a function that is called for each row that is met."""

    distribution, keeps_rows = "hnswlib", False
    efforts: Sequence[int] = GRAPH

    def build(self, folder: Path, rows: Rows) -> None:
        """Make the graph."""
        import hnswlib

        index = hnswlib.Index(space="ip", dim=rows.shape[1])
        index.init_index(max_elements=len(rows), M=16, ef_construction=200)
        index.add_items(rows, np.arange(len(rows)), num_threads=2)
        index.save_index(str(folder / "index.bin"))
        (folder / "dim").write_text(str(rows.shape[1]))

    def open(self, folder: Path, _rows: int) -> None:
        """Read the graph."""
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=int((folder / "dim").read_text()))
        self.index.load_index(str(folder / "index.bin"))

    def ask(self, _word: str, vector: Rows, effort: int, shelf: int | None = None) -> list[str]:
        """Walk the graph."""
        self.index.set_ef(effort)
        if shelf is None:
            found = self.index.knn_query(vector, K, num_threads=1)[0][0]
        else:
            found = self.index.knn_query(
                vector, K, num_threads=1, filter=lambda number: number % SHELVES == shelf
            )[0][0]
        return _paths(found)


class Usearch(Store):
    """A graph over half-precision rows, mapped; it has no filter."""

    distribution, keeps_rows = "usearch", False
    efforts: Sequence[int] = GRAPH

    def build(self, folder: Path, rows: Rows) -> None:
        """Make the graph."""
        from usearch.index import Index

        index = Index(ndim=rows.shape[1], metric="ip", dtype="bf16")
        index.add(np.arange(len(rows)), rows, threads=1)
        index.save(str(folder / "index.usearch"))

    def open(self, folder: Path, _rows: int) -> None:
        """Read the graph."""
        from usearch.index import Index

        self.index = Index.restore(str(folder / "index.usearch"), view=False)

    def ask(self, _word: str, vector: Rows, effort: int, shelf: int | None = None) -> list[str]:
        """Walk the graph."""
        if shelf is not None:
            raise NotImplementedError
        self.index.expansion_search = effort
        return _paths(self.index.search(vector, K, threads=1).keys)


LIBRARIES: dict[str, type[Store]] = {
    "faiss-ivf": RawFaiss,
    "faiss-flat": FlatFaiss,
    "hnswlib": Hnswlib,
    "usearch": Usearch,
}


def _paths(numbers: npt.NDArray[Any]) -> list[str]:
    return [path_of(int(number)) for number in numbers if number >= 0]
