"""The peers, each made to do the same: keep pictures with path and shelf, find the nearest paths.

An effort is what trades time for recall: `nprobe`, `ef`, `num_candidates`; stores that compare
every row have the one effort 0. Everything else stays as its makers set it, but for the parameters
that are named here. Packages are imported where they are needed: a process holds one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]

K = 10
SHELVES = 100
"""Folders of a library, so that one of them is a hundredth of it."""
BATCH = 5_000
LISTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Efforts of inverted lists: how many are looked through."""
GRAPH = (16, 32, 64, 128, 256, 512, 1024, 2048)
"""Efforts of a graph, from the least that is of use for ten neighbours."""


def path_of(number: int) -> str:
    """Return the path of a picture, which tells its shelf."""
    return f"/photos/{number % SHELVES:02}/{number:07}.jpg"


def number_of(path: str) -> int:
    """Return the number of a picture by its path."""
    return int(path[-11:-4])


class Store(Protocol):
    """Answer for pictures whose vectors are the rows of one array, in its order.

    Attributes:
        distribution: What pip calls it.
        keeps_rows: Whether it stores paths and filters by fields; else they are computed here.
        efforts: From the least to the greatest.
    """

    distribution: ClassVar[str]
    keeps_rows: ClassVar[bool]
    efforts: Sequence[int]

    def build(self, folder: Path, rows: Rows) -> None:
        """Store all pictures below a folder."""
        ...

    def open(self, folder: Path, rows: int) -> None:
        """Open what was built, in another process."""
        ...

    def ask(self, word: str, vector: Rows, effort: int, shelf: int | None = None) -> list[str]:
        """Return the paths of the nearest pictures, the nearest first."""
        ...


class Lexpix(Store):
    """The whole engine: reads the word, ranks, and fetches rows from the catalog."""

    distribution, keeps_rows = "lexpix", True
    efforts: Sequence[int] = (0,)  # it chooses by itself, for the recall that it is told

    def build(self, folder: Path, rows: Rows) -> None:
        """Write catalog and index, as `lexpix index --recall 0.97` does."""
        from searchengine.catalog.database import open_database
        from searchengine.catalog.records import PictureRecord
        from searchengine.catalog.store import Catalog
        from searchengine.search.engine import load_model
        from searchengine.types import FileStat

        encoder = load_model()
        catalog = Catalog(open_database(folder, create=True))
        scan = catalog.begin_scan("/photos", None)
        for start in range(0, len(rows), BATCH):
            records = [
                PictureRecord(
                    FileStat(path_of(number), 1, number, number),
                    "/photos",
                    f"{number:064x}",
                    width=4000,
                    height=3000,
                    vector=row,
                )
                for number, row in enumerate(rows[start : start + BATCH], start)
            ]
            catalog.write(
                records,
                fingerprint=encoder.fingerprint,
                model_name=encoder.name,
                dim=rows.shape[1],
                scan=scan,
            )
        catalog.close()
        self.open(folder, len(rows))
        self.engine.improve_index()
        self.engine.close()

    def open(self, folder: Path, _rows: int) -> None:
        """Open the library."""
        from searchengine.config import Settings
        from searchengine.search.engine import Engine

        self.engine = Engine.open(Settings(library=folder, recall=0.97))

    def ask(self, word: str, _vector: Rows, _effort: int, shelf: int | None = None) -> list[str]:
        """Search for the word."""
        within = None if shelf is None else f"/photos/{shelf:02}"
        answer = self.engine.search(word, limit=K, within=within, unlikely=True)
        return [hit.path for hit in answer.hits]


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

        index = Index(ndim=rows.shape[1], metric="ip", dtype="f16")
        index.add(np.arange(len(rows)), rows, threads=2)
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


class Lance(Store):
    """LanceDB's table with inverted lists of whole rows; its product codes miss the recall."""

    distribution, keeps_rows = "lancedb", True
    efforts: Sequence[int] = LISTS

    def build(self, folder: Path, rows: Rows) -> None:
        """Write the table and its indexes."""
        import lancedb
        import pyarrow as pa

        schema = pa.schema(
            [
                ("path", pa.string()),
                ("shelf", pa.int32()),
                ("vector", pa.list_(pa.float32(), rows.shape[1])),
            ]
        )
        table = lancedb.connect(folder).create_table("pictures", schema=schema)
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            numbers = range(start, start + len(part))
            table.add(
                pa.table(
                    {
                        "path": [path_of(number) for number in numbers],
                        "shelf": pa.array([number % SHELVES for number in numbers], pa.int32()),
                        "vector": pa.FixedSizeListArray.from_arrays(part.ravel(), rows.shape[1]),
                    },
                    schema=schema,
                )
            )
        table.create_index("dot", vector_column_name="vector", index_type="IVF_FLAT")
        table.create_scalar_index("shelf")

    def open(self, folder: Path, _rows: int) -> None:
        """Open the table."""
        import lancedb

        self.table = lancedb.connect(folder).open_table("pictures")

    def ask(self, _word: str, vector: Rows, effort: int, shelf: int | None = None) -> list[str]:
        """Search the table."""
        query = self.table.search(vector).distance_type("dot").select(["path"]).limit(K)
        query = query.nprobes(effort)
        if shelf is not None:
            query = query.where(f"shelf = {shelf}", prefilter=True)
        return [str(path) for path in query.to_arrow()["path"].to_pylist()]


class Chroma(Store):
    """Chroma's collection on disk."""

    distribution, keeps_rows = "chromadb", True
    efforts: Sequence[int] = GRAPH

    def build(self, folder: Path, rows: Rows) -> None:
        """Add all pictures."""
        collection = self._client(folder).create_collection(
            "pictures", configuration={"hnsw": {"space": "ip"}}
        )
        for start in range(0, len(rows), BATCH):
            numbers = range(start, min(start + BATCH, len(rows)))
            collection.add(
                ids=[path_of(number) for number in numbers],
                embeddings=rows[start : start + BATCH],
                metadatas=[{"shelf": number % SHELVES} for number in numbers],
            )

    def open(self, folder: Path, _rows: int) -> None:
        """Open the collection."""
        self.folder, self.effort = folder, 0
        self.collection = self._client(folder).get_collection("pictures")

    def ask(self, _word: str, vector: Rows, effort: int, shelf: int | None = None) -> list[str]:
        """Query the collection."""
        if effort != self.effort:
            self._try(effort)
        where = None if shelf is None else {"shelf": shelf}
        found = self.collection.query(
            query_embeddings=vector[None], n_results=K, where=where, include=["metadatas"]
        )
        return [str(path) for path in found["ids"][0]]

    def _try(self, effort: int) -> None:
        """Set the effort, which a graph that is in memory does not follow, so it is read again."""
        from chromadb.api.shared_system_client import SharedSystemClient

        self.collection.modify(configuration={"hnsw": {"ef_search": effort}})
        SharedSystemClient.clear_system_cache()
        self.open(self.folder, 0)
        self.effort = effort

    @staticmethod
    def _client(folder: Path) -> Any:
        import chromadb

        settings = chromadb.Settings(anonymized_telemetry=False)
        return chromadb.PersistentClient(str(folder), settings=settings)


class MilvusLite(Store):
    """Milvus in the process; its file knows flat and inverted indexes."""

    distribution, keeps_rows = "milvus-lite", True
    efforts: Sequence[int] = LISTS

    def build(self, folder: Path, rows: Rows) -> None:
        """Write the collection and its index."""
        from pymilvus import DataType, MilvusClient

        client = MilvusClient(str(folder / "milvus.db"))
        schema = client.create_schema()
        schema.add_field("number", DataType.INT64, is_primary=True)
        schema.add_field("path", DataType.VARCHAR, max_length=64)
        schema.add_field("shelf", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=rows.shape[1])
        how = client.prepare_index_params()
        lists = {"nlist": min(1024, int(4 * len(rows) ** 0.5))}
        how.add_index("vector", index_type="IVF_FLAT", metric_type="IP", params=lists)
        client.create_collection("pictures", schema=schema, index_params=how)
        for start in range(0, len(rows), 1000):
            client.insert(
                "pictures",
                [
                    {
                        "number": number,
                        "path": path_of(number),
                        "shelf": number % SHELVES,
                        "vector": row,
                    }
                    for number, row in enumerate(rows[start : start + 1000], start)
                ],
            )
        client.close()

    def open(self, folder: Path, _rows: int) -> None:
        """Open the collection."""
        from pymilvus import MilvusClient

        self.client = MilvusClient(str(folder / "milvus.db"))
        self.client.load_collection("pictures")

    def ask(self, _word: str, vector: Rows, effort: int, shelf: int | None = None) -> list[str]:
        """Search the collection."""
        found = self.client.search(
            "pictures",
            data=[vector.tolist()],
            limit=K,
            filter="" if shelf is None else f"shelf == {shelf}",
            output_fields=["path"],
            search_params={"params": {"nprobe": effort}},
        )
        return [str(hit["entity"]["path"]) for hit in found[0]]


class SqliteVec(Store):
    """A virtual table of SQLite that compares every row."""

    distribution, keeps_rows = "sqlite-vec", True
    efforts: Sequence[int] = (0,)

    def build(self, folder: Path, rows: Rows) -> None:
        """Write the table."""
        base = self._connect(folder)
        base.execute(
            "CREATE VIRTUAL TABLE pictures USING vec0("
            f"shelf INTEGER, +path TEXT, vector FLOAT[{rows.shape[1]}] distance_metric=cosine)"
        )
        for start in range(0, len(rows), BATCH):
            with base:
                base.executemany(
                    "INSERT INTO pictures(rowid, shelf, path, vector) VALUES (?, ?, ?, ?)",
                    (
                        (number, number % SHELVES, path_of(number), row.tobytes())
                        for number, row in enumerate(rows[start : start + BATCH], start)
                    ),
                )
        base.close()

    def open(self, folder: Path, _rows: int) -> None:
        """Open the database."""
        self.base = self._connect(folder)

    def ask(self, _word: str, vector: Rows, _effort: int, shelf: int | None = None) -> list[str]:
        """Select the nearest."""
        passing = "" if shelf is None else f"AND shelf = {shelf:d}"
        found = self.base.execute(
            "SELECT path FROM pictures"
            f" WHERE vector MATCH ? AND k = {K} {passing} ORDER BY distance",
            (vector.tobytes(),),
        )
        return [str(path) for (path,) in found]

    @staticmethod
    def _connect(folder: Path) -> Any:
        import pysqlite3  # Python's own is often built without extensions
        import sqlite_vec

        base = pysqlite3.connect(folder / "pictures.sqlite", check_same_thread=False)
        base.enable_load_extension(True)
        sqlite_vec.load(base)
        return base


class Qdrant(Store):
    """Qdrant's local mode, which keeps vectors in NumPy and compares every one."""

    distribution, keeps_rows = "qdrant-client", True
    efforts: Sequence[int] = (0,)

    def build(self, folder: Path, rows: Rows) -> None:
        """Add all points."""
        from qdrant_client import QdrantClient, models

        client = QdrantClient(path=str(folder))
        client.create_collection(
            "pictures",
            vectors_config=models.VectorParams(size=rows.shape[1], distance=models.Distance.DOT),
        )
        for start in range(0, len(rows), BATCH):
            numbers = range(start, min(start + BATCH, len(rows)))
            client.upsert(
                "pictures",
                models.Batch(
                    ids=list(numbers),
                    vectors=rows[start : start + BATCH].tolist(),
                    payloads=[
                        {"path": path_of(number), "shelf": number % SHELVES} for number in numbers
                    ],
                ),
            )
        client.close()

    def open(self, folder: Path, _rows: int) -> None:
        """Open the collection."""
        from qdrant_client import QdrantClient, models

        self.models = models
        self.client = QdrantClient(path=str(folder), force_disable_check_same_thread=True)

    def ask(self, _word: str, vector: Rows, _effort: int, shelf: int | None = None) -> list[str]:
        """Query the points."""
        models = self.models
        chosen = None
        if shelf is not None:
            match = models.FieldCondition(key="shelf", match=models.MatchValue(value=shelf))
            chosen = models.Filter(must=[match])
        found = self.client.query_points(
            "pictures", vector, limit=K, query_filter=chosen, with_payload=["path"]
        )
        return [str((point.payload or {})["path"]) for point in found.points]


STORES: dict[str, type[Store]] = {
    "lexpix": Lexpix,
    "faiss-ivf": RawFaiss,
    "faiss-flat": FlatFaiss,
    "hnswlib": Hnswlib,
    "usearch": Usearch,
    "lancedb": Lance,
    "chroma": Chroma,
    "milvus-lite": MilvusLite,
    "sqlite-vec": SqliteVec,
    "qdrant-local": Qdrant,
}


def _paths(numbers: npt.NDArray[Any]) -> list[str]:
    return [path_of(int(number)) for number in numbers if number >= 0]
