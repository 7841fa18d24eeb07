"""Stores, which keep pictures with path and shelf, lexpix among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contract import BATCH, GRAPH, LISTS, SHELVES, K, Rows, Store, path_of


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
        self.nothing = answer.nothing_like_that
        return [hit.path for hit in answer.hits]


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
    "lancedb": Lance,
    "chroma": Chroma,
    "milvus-lite": MilvusLite,
    "sqlite-vec": SqliteVec,
    "qdrant-local": Qdrant,
}
