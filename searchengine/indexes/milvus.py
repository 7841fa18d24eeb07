"""The Milvus index: rows on a server, or in a file by Milvus Lite, which many machines ask.

A collection holds the rows of one model over one library. It is found by an alias, so that whoever
builds it anew does so beside the old one, and all who search see the new one at once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import grpc
import numpy as np
import tenacity
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from searchengine.errors import IndexUnavailable
from searchengine.indexes.rows import Candidates, best, checked_queries, checked_rows, padding
from searchengine.types import Ids, Scores, Stamp, Vector, Vectors

# It writes a traceback of every failed call, one that is tried again with success too.
for name in ("pymilvus", "grpc._server"):
    logging.getLogger(name).setLevel(logging.CRITICAL)

T = TypeVar("T")

DEFAULT = "http://localhost:19530"
ROWS = 1000
"""Rows of a write: 2 MB of 512 dimensions, where servers take 64."""

MARGIN = 32
"""Rows that are asked for beyond those wanted, among which ties are found."""

NOISE = 1e-5
"""How far Milvus's sums in single precision may be from the true cosine."""

_CHANNEL = {"grpc.use_local_subchannel_pool": 1, "grpc.max_reconnect_backoff_ms": 1000}
"""A new connection must not wait, for up to two minutes, as long as those that failed before it."""

_STAMP = "lexpix.stamp"
_GONE = (100,)
"""Milvus's code for a collection that does not exist."""


class MilvusIndex:
    """Have Milvus compare every row with the query; ties are then put in the order of all indexes.

    Reads are strongly consistent: they see every write that was over when they began, of whatever
    process.

    Args:
        path: File stem in the library, which names the collection; None for one of its own.
        address: URL of a server, or path of a file of Milvus Lite.

    Raises:
        IndexUnavailable: The server does not answer; so does every method.
    """

    most = 16384
    """The most rows that Milvus returns for a search, and the most ids named in a filter here."""
    patience = 4.0
    """Seconds in which a call is tried again, with growing pauses, while nobody answers."""

    def __init__(self, path: Path | None, address: str = DEFAULT) -> None:
        stem = f"{path.parent.name}_{path.name}" if path else secrets.token_hex(8)
        self.name = re.sub(r"\W", "_", f"lexpix_{stem}")
        self.token: str | None = None
        self._address = address
        if "://" not in address:
            _make_room(Path(address))
        self._lazy_client: MilvusClient | None = None
        self._building: str | None = None  # a collection that the alias does not name yet
        self._known_dim: int | None = None
        self._count: int | None = None
        self._is_known = False  # whether the server was asked for it

    def __len__(self) -> int:
        count = self._count
        if count is None:
            count = self._count = self._counted() if self._dim else 0
        return count

    def put(self, ids: Ids, vectors: Vectors) -> None:
        """Insert rows, replacing those of ids that are present; of an id given twice the last.

        Raises:
            ValueError: As of every index.
        """
        ids, vectors = checked_rows(ids, vectors, self._dim)
        if self._dim is None:
            self.clear(vectors.shape[1])
        self._count = None
        for start in range(0, len(ids), ROWS):
            part = slice(start, start + ROWS)
            rows = [
                {"id": id_, "vector": row}
                for id_, row in zip(ids[part].tolist(), vectors[part], strict=True)
            ]
            self._ask(partial(self._upsert, rows))

    def drop(self, ids: Ids) -> None:
        """Remove rows; unknown ids are ignored."""
        if self._dim is None:
            return
        self._count = None
        for start in range(0, len(ids), self.most):
            part = ids[start : start + self.most].tolist()
            self._ask(partial(self._delete, part))

    def search(self, queries: Vectors, k: int, within: Ids | None = None) -> tuple[Ids, Scores]:
        """Return ids and cosines, both (q, k), of the best rows, only among `within` if given.

        Raises:
            ValueError: As of every index.
        """
        queries = checked_queries(queries, k, self._dim)
        ids, scores = padding(len(queries), k)
        if len(self):
            for row, query in enumerate(queries):
                near, rows = self._candidates(query, k, within)
                found = best(query[None], k, [near], rows.__getitem__)
                ids[row : row + 1], scores[row : row + 1] = found
        return ids, scores

    def stamp(self) -> Stamp | None:
        """Return what the index reflects, asked anew, or None if it must be rebuilt."""
        self._count, self.token = None, None
        described = self._described()
        self._is_known = True
        self._known_dim = _dim_of(described) if described else None
        stored = (described or {}).get("properties", {}).get(_STAMP)
        if not stored:
            return None
        stamp = json.loads(stored)
        self.token = stamp["token"]
        return Stamp(stamp["fingerprint"], stamp["seq"])

    def flush(self, stamp: Stamp) -> None:
        """Stamp the collection; one that was built anew takes the place of the old one.

        Raises:
            ValueError: The width of a row is not known yet.
        """
        if self._dim is None:
            raise ValueError("an index without rows has no width; clear(dim) sets it")
        token = secrets.token_hex(8)
        stored = {"fingerprint": stamp.fingerprint, "seq": stamp.seq, "token": token}
        properties = {_STAMP: json.dumps(stored)}
        self._ask(lambda: self._client.alter_collection_properties(self._collection, properties))
        if self._building is not None:
            self._switch(self._building)
        self.token = token

    def clear(self, dim: int) -> None:
        """Forget every row and the stamp; rows put from now on have `dim` columns.

        Others find the rows that there were until the next `flush`.
        """
        self._drop_all_but(self._aliased())
        building = f"{self.name}_{secrets.token_hex(4)}"
        self._ask(lambda: _create(self._client, building, dim))
        self._building, self._known_dim, self._count, self.token = building, dim, 0, None
        self._is_known = True

    def remove(self) -> None:
        """Delete the collection, and what is left of others of its name."""
        if self._aliased():
            self._ask(lambda: self._client.drop_alias(self.name))
        self._drop_all_but(None)
        self._building = self._known_dim = self._count = self.token = None

    # The server

    @property
    def _dim(self) -> int | None:
        if not self._is_known:
            self.stamp()
        return self._known_dim

    @property
    def _collection(self) -> str:
        return self._building or self.name

    @property
    def _client(self) -> MilvusClient:
        if self._lazy_client is None:
            self._lazy_client = MilvusClient(
                uri=self._address, timeout=self.patience, dedicated=True, grpc_options=_CHANNEL
            )
        return self._lazy_client

    def _forget_client(self) -> None:
        client, self._lazy_client = self._lazy_client, None
        if client is not None:
            with contextlib.suppress(Exception):  # whatever its connection has become
                client.close()

    def _ask(self, call: Callable[[], T]) -> T:
        """Call the server, again and again while it is starting or cannot be reached."""
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            stop=tenacity.stop_after_delay(self.patience),
            wait=tenacity.wait_exponential(0.05, max=2),
            reraise=True,
        )
        try:
            return again(call)
        except (MilvusException, grpc.RpcError, OSError) as error:
            self._forget_client()  # the next call connects anew
            reason = getattr(error, "message", None) or str(error) or type(error).__name__
            raise IndexUnavailable(
                f"{self._address}: Milvus cannot be used ({reason.strip()[:200]}); see that it "
                "runs and can be reached from here, or choose another index: --index faiss"
            ) from error

    def _upsert(self, rows: list[dict[str, Any]]) -> None:
        self._client.upsert(self._collection, rows)

    def _delete(self, ids: list[int]) -> None:
        self._client.delete(self._collection, ids=ids)

    def _drop_collection(self, name: str) -> None:
        self._client.drop_collection(name)

    def _described(self) -> dict[str, Any] | None:
        def describe() -> dict[str, Any] | None:
            name = self._collection
            if not self._client.has_collection(name, timeout=self.patience):
                return None
            self._client.load_collection(name)  # which it is, but in a file that was just opened
            described: dict[str, Any] = self._client.describe_collection(name)
            return described

        return self._ask(describe)

    def _aliased(self) -> str | None:
        """Return the collection that the alias names."""
        if not self._ask(lambda: self._client.has_collection(self.name, timeout=self.patience)):
            return None
        named: str = self._ask(lambda: self._client.describe_alias(self.name))["collection_name"]
        return named

    def _switch(self, building: str) -> None:
        change = self._client.alter_alias if self._aliased() else self._client.create_alias
        self._ask(lambda: change(building, self.name))
        self._building = None
        self._drop_all_but(building)

    def _drop_all_but(self, kept: str | None) -> None:
        names = self._ask(lambda: self._client.list_collections())  # noqa: PLW0108 - it may change
        for name in names:
            if name.startswith(f"{self.name}_") and name != kept:
                self._ask(partial(self._drop_collection, name))

    def _counted(self) -> int:
        counted = self._ask(
            lambda: self._client.query(
                self._collection,
                filter="id > 0",
                output_fields=["count(*)"],
                consistency_level="Strong",
            )
        )
        return int(counted[0]["count(*)"])

    def _nearest(self, query: Vector, limit: int, condition: str) -> tuple[Ids, Scores, Vectors]:
        (hits,) = self._ask(
            lambda: self._client.search(
                self._collection,
                data=[query],
                limit=limit,
                filter=condition,
                output_fields=["vector"],
                search_params={"metric_type": "IP"},
                consistency_level="Strong",
            )
        )
        rows = np.empty((len(hits), len(query)), dtype=np.float32)
        for place, hit in enumerate(hits):
            rows[place] = hit["entity"]["vector"]
        ids = np.array([hit["id"] for hit in hits], dtype=np.int64)
        return ids, np.array([hit["distance"] for hit in hits], dtype=np.float32), rows

    # The rows that may be an answer

    def _candidates(self, query: Vector, k: int, within: Ids | None) -> tuple[Candidates, Vectors]:
        parts = [
            part
            for condition in self._conditions(within)
            for part in self._complete(query, k, condition)
        ]
        ids, scores, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Candidates(ids, scores, np.arange(len(ids))), rows

    def _complete(
        self, query: Vector, k: int, condition: str
    ) -> Iterator[tuple[Ids, Scores, Vectors]]:
        """Yield the k best rows with all that may be as good as the last of them, or more."""
        limit = min(k + MARGIN, self.most)
        while True:
            found = self._nearest(query, limit, condition)
            scores = found[1]
            if len(scores) < limit or (limit >= k and scores[-1] < scores[k - 1] - NOISE):
                yield found
                return
            if limit == self.most:
                break
            limit = min(4 * limit, self.most)
        # More rows than Milvus returns at a time: one range of ids after the other.
        seen, start = 0, 0
        while seen < len(self):
            span = f"id > {start} and id <= {start + self.most}"
            seen += int(self._in_span(span))
            start += self.most
            yield self._nearest(query, self.most, f"{span} and {condition}" if condition else span)

    def _in_span(self, span: str) -> int:
        counted = self._ask(
            lambda: self._client.query(
                self._collection,
                filter=span,
                output_fields=["count(*)"],
                consistency_level="Strong",
            )
        )
        return int(counted[0]["count(*)"])

    def _conditions(self, within: Ids | None) -> Iterator[str]:
        """Yield filters that together let the ids pass."""
        if within is None:
            yield ""
            return
        for start in range(0, max(len(within), 1), self.most):
            yield f"id in {within[start : start + self.most].tolist()}"


def _make_room(file: Path) -> None:
    """Make the folder of a file of Milvus Lite, which it does not."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IndexUnavailable(f"{file}: cannot be made ({error.strerror})") from error


def _create(client: MilvusClient, name: str, dim: int) -> None:
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    params = client.prepare_index_params()
    params.add_index("vector", index_type="FLAT", metric_type="IP")
    client.create_collection(name, schema=schema, index_params=params, consistency_level="Strong")


def _dim_of(described: dict[str, Any]) -> int:
    (dim,) = (field["params"]["dim"] for field in described["fields"] if field["name"] == "vector")
    return int(dim)


def _may_pass(error: BaseException) -> bool:
    """Tell whether a server may do later what it refused; a missing collection stays missing."""
    if isinstance(error, MilvusException):
        return error.code not in _GONE
    return isinstance(error, grpc.RpcError | OSError)
