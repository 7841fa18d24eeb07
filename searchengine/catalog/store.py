"""`Catalog`, the one store of a library: pictures, vectors, tags, captions, texts, searches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Engine, delete, insert, select, update

from searchengine.catalog.bulk import BulkCatalog
from searchengine.catalog.captions import CaptionCatalog
from searchengine.catalog.changes import IndexedStore, bury
from searchengine.catalog.embeddings import Embeddings, count_present
from searchengine.catalog.filtering import FilterCatalog
from searchengine.catalog.following import FollowCatalog
from searchengine.catalog.frames import FrameCatalog, Frames, replace_frames
from searchengine.catalog.looks import LookCatalog
from searchengine.catalog.pictures import (
    COPIES,
    DESCRIPTION,
    KNOWN_FILE,
    PICTURE,
    VECTOR,
    VECTOR_OF_CONTENT,
    Description,
    KnownFile,
    Root,
    picture_of,
    under,
)
from searchengine.catalog.places import PlaceCatalog
from searchengine.catalog.records import (
    PictureRecord,
    StoredEncoder,
    describe_rows,
    encoder_id,
    made_by,
    replace_vectors,
    write_rows,
)
from searchengine.catalog.searches import SearchCatalog
from searchengine.catalog.statements import (
    AnyRow,
    AnySelect,
    chunks,
    columns_of,
    counter,
    pack,
    raise_counter,
    refuse_twice,
    select_in,
    set_meta,
    storable,
    unpack,
)
from searchengine.catalog.tables import (
    EmbeddingRow,
    ImageRow,
    RootRow,
    TombstoneRow,
)
from searchengine.catalog.tags import TagCatalog
from searchengine.catalog.texts import TextCatalog
from searchengine.catalog.undoing import UndoCatalog, note
from searchengine.types import Failure, FileStat, Ids, Picture, State, Vector

_STATES: AnySelect = select(ImageRow.id, ImageRow.state)
MANY = 10_000
"""Ids from which on the few rows that are not present are read faster than each is looked up."""


class Catalog(IndexedStore):
    """Read and write what a library knows; safe to share between threads.

    Args:
        database: An engine of `database.open_database`. Its execution option `writes=True` must
            make transactions take the write lock when they begin.

    Attributes:
        embeddings: The vectors by model, and the choice of one.
        frames: The vectors of the scenes of films.
        bulk: All pictures and tags at once.
        tags: The tags of pictures, and the words that were taught.
        captions: The captions of pictures.
        looks: What pictures look like, by which duplicates are told.
        filters: Pictures by what their files say.
        places: Names of where pictures were taken.
        texts: The texts, which have vectors and numbers of writes of their own.
        searches: What was saved under a name.
        following: Pictures that are other files by now.
        undo: What the last run of the indexer has marked and moved.
    """

    _seq, _table = "seq", ImageRow

    def __init__(self, database: Engine) -> None:
        super().__init__(database, database.execution_options(writes=True))
        self.embeddings = Embeddings(self._reader, self._writer)
        self.frames = FrameCatalog(self._reader, self._writer)
        self.bulk = BulkCatalog(self._reader, self._writer)
        self.tags = TagCatalog(self._reader, self._writer)
        self.captions = CaptionCatalog(self._reader, self._writer)
        self.looks = LookCatalog(self._reader, self._writer)
        self.filters = FilterCatalog(self._reader, self._writer)
        self.places = PlaceCatalog(self._reader, self._writer)
        self.texts = TextCatalog(self._reader, self._writer)
        self.searches = SearchCatalog(self._reader, self._writer)
        self.following = FollowCatalog(self._reader, self._writer)
        self.undo = UndoCatalog(self._reader, self._writer)

    def close(self) -> None:
        """Close every connection."""
        self._reader.dispose()

    # Reading

    def counts(self) -> dict[State, int]:
        """Return the number of pictures in each state, zeros included."""
        absent = (
            select(ImageRow.state, sa.func.count())
            .where(ImageRow.state.in_(("missing", "bad")))
            .group_by(ImageRow.state)
        )
        with self._reader.begin() as connection:
            total = connection.scalar(select(sa.func.count()).select_from(ImageRow)) or 0
            counted: dict[State, int] = {row[0]: row[1] for row in connection.execute(absent)}
        missing, bad = counted.get("missing", 0), counted.get("bad", 0)
        return {"ok": total - missing - bad, "missing": missing, "bad": bad}

    def get(self, ids: Iterable[int]) -> dict[int, Picture]:
        """Return the pictures with these ids; unknown ids are absent."""
        with self._reader.begin() as connection:
            rows = select_in(connection, PICTURE, ImageRow.id, storable(ids))
            return {row.id: picture_of(row) for row in rows}

    def by_paths(self, paths: Iterable[str]) -> dict[str, Picture]:
        """Return the pictures at these paths; unknown paths are absent."""
        with self._reader.begin() as connection:
            rows = select_in(connection, PICTURE, ImageRow.path, paths)
            return {row.path: picture_of(row) for row in rows}

    def known_files(self, paths: Iterable[str]) -> dict[str, KnownFile]:
        """Return what a scan has to know of these paths, faster than `by_paths`."""
        with self._reader.begin() as connection:
            rows = select_in(connection, KNOWN_FILE, ImageRow.path, paths)
            return {row.path: KnownFile(*row) for row in rows}

    def by_sha256(self, digest: str) -> list[Picture]:
        """Return the pictures of any state with these bytes, by rising id."""
        with self._reader.begin() as connection:
            return [picture_of(row) for row in connection.execute(COPIES, {"digest": digest})]

    def ids_under(self, folder: str) -> Ids:
        """Return the sorted ids of the present pictures at or under an absolute path."""
        query = select(ImageRow.id).where(under(ImageRow.path, folder), ImageRow.state == "ok")
        return self._sorted_ids(query)

    def listed_under(self, folder: str) -> int:
        """Return how many rows at or under an absolute path are not missing."""
        known = under(ImageRow.path, folder) & (ImageRow.state != "missing")
        return self._count(select(sa.func.count()).select_from(ImageRow).where(known))

    def unseen(self, folder: str, scan: int) -> int:
        """Return how many rows at or under a folder `sweep` would mark as missing."""
        return self._count(
            select(sa.func.count()).select_from(ImageRow).where(_unseen(folder, scan))
        )

    def sizes(self) -> set[int]:
        """Return the sizes of all files whose bytes are known by their hash."""
        query = select(ImageRow.size).where(ImageRow.sha256.is_not(None)).distinct()
        with self._reader.begin() as connection:
            return set(connection.scalars(query))

    def present(self, among: Ids | None = None) -> Ids:
        """Return the sorted ids of all present pictures, or of those among some that have rows."""
        if among is None:
            return self._sorted_ids(select(ImageRow.id).where(ImageRow.state == "ok"))
        if len(among) > MANY:
            absent = select(ImageRow.id).where(ImageRow.state.in_(("missing", "bad")))
            return np.setdiff1d(among, self._ids(absent))
        with self._reader.begin() as connection:
            # Were the state asked for, SQLite would go through all that are present.
            rows = select_in(connection, _STATES, ImageRow.id, among.tolist())
            return np.sort(np.array([row.id for row in rows if row.state == "ok"], np.int64))

    def knows(self, folder: str) -> bool:
        """Return whether any row, of whatever state, is at or under an absolute path."""
        query = select(ImageRow.id).where(under(ImageRow.path, folder)).limit(1)
        with self._reader.begin() as connection:
            return connection.scalar(query) is not None

    def failures(self, folder: str | None = None) -> list[Failure]:
        """Return the files that could not be read, by path; only those at or under `folder`."""
        bad = ImageRow.state == "bad"
        return [Failure(row.path, row.error or "") for row in self._reports(bad, folder)]

    def damaged(self, folder: str | None = None) -> list[Failure]:
        """Return the present files of which only a part can be seen, by path."""
        rows = self._reports(ImageRow.damage.is_not(None), folder)  # by an index of them
        return [Failure(row.path, row.damage or "") for row in rows if row.state == "ok"]

    def _reports(self, condition: ColumnElement[bool], folder: str | None) -> Sequence[AnyRow]:
        query = select(ImageRow.path, ImageRow.state, ImageRow.error, ImageRow.damage)
        query = query.where(condition).order_by(ImageRow.path)
        if folder is not None:
            query = query.where(under(ImageRow.path, folder))
        with self._reader.begin() as connection:
            return connection.execute(query).all()

    def roots(self) -> list[Root]:
        """Return the indexed folders, by path."""
        query: AnySelect = select(*columns_of(RootRow, Root)).order_by(RootRow.path)
        with self._reader.begin() as connection:
            return [Root(*row) for row in connection.execute(query)]

    def vectors(self, ids: Iterable[int], fingerprint: str) -> dict[int, Vector]:
        """Return the vectors that a model gave to these pictures; ids without one are absent."""
        model = {"fingerprint": fingerprint}
        with self._reader.begin() as connection:
            wanted = select_in(connection, VECTOR, EmbeddingRow.image_id, storable(ids), model)
            rows = list(wanted)
        unpacked = unpack([row.vector for row in rows])
        return {row.image_id: vector for row, vector in zip(rows, unpacked, strict=True)}

    def vector_of_content(self, sha256: str, fingerprint: str) -> Vector | None:
        """Return the vector that a model gave to any picture with these bytes, missing ones too."""
        content = {"digest": sha256, "fingerprint": fingerprint}
        with self._reader.begin() as connection:
            packed = connection.scalar(VECTOR_OF_CONTENT, content)
        return None if packed is None else unpack([packed])[0]

    def frames_of_content(self, sha256: str, fingerprint: str) -> Frames:
        """Return the frames that a model has of any film with these bytes, missing ones too."""
        return self.frames.of_content(sha256, fingerprint)

    def without_vector(self, ids: Iterable[int], fingerprint: str) -> set[int]:
        """Return those of the ids for which a model's vector is not stored."""
        missing = {int(id_) for id_ in ids}
        query = select(EmbeddingRow.image_id).where(made_by(fingerprint))
        with self._reader.begin() as connection:
            rows = list(select_in(connection, query, EmbeddingRow.image_id, missing))
        return missing - {row.image_id for row in rows}

    def has_vector(self, ids: Iterable[int], fingerprint: str) -> bool:
        """Return whether a model's vector is stored for any of the ids."""
        query = select(EmbeddingRow.image_id).where(made_by(fingerprint)).limit(1)
        with self._reader.begin() as connection:
            return any(select_in(connection, query, EmbeddingRow.image_id, storable(ids)))

    def searchable(self, fingerprint: str) -> int:
        """Return the number of present pictures with a model's vector."""
        with self._reader.begin() as connection:
            return count_present(connection, fingerprint)

    def _vectors(self, fingerprint: str) -> AnySelect:
        present = sa.case((ImageRow.state == "ok", EmbeddingRow.vector))
        mine = (EmbeddingRow.image_id == ImageRow.id) & made_by(fingerprint)
        return select(ImageRow.id, present.label("vector")).outerjoin(EmbeddingRow, mine)

    def descriptions(self, after: int) -> tuple[list[Description], Ids]:
        """Return the present pictures that have changed since seq `after`, and who is gone since.

        Read `seq` first: what is committed in between is returned, and harmlessly so once more.
        """
        changed = DESCRIPTION.where(ImageRow.seq > after)
        buried = select(TombstoneRow.row_id).where(TombstoneRow.seq > after)
        present: list[Description] = []
        gone: list[int] = []
        with self._reader.begin() as connection:
            for row in connection.execute(changed):
                if row.state == "ok":
                    present.append(Description(*row[:-1]))
                else:
                    gone.append(row.id)
            gone += connection.scalars(buried)
        return present, np.array(gone, dtype=np.int64)

    # Writing

    def set_meta(self, key: str, value: str) -> None:
        """Record a fact about the library."""
        with self._writer.begin() as connection:
            set_meta(connection, key, value)

    def begin_scan(self, root: str, device: int | None) -> int:
        """Record a root and its device; return a scan number larger than any before."""
        now = dt.datetime.now(dt.UTC)
        with self._writer.begin() as connection:
            scan = raise_counter(connection, "scan")
            connection.execute(delete(RootRow).where(RootRow.path == root))
            connection.execute(insert(RootRow).values(path=root, device=device, scanned_at=now))
        return scan

    def write(
        self,
        records: Sequence[PictureRecord],
        *,
        fingerprint: str,
        model_name: str,
        dim: int,
        scan: int,
        run: int = 0,
    ) -> list[int]:
        """Insert or update rows with their vectors; return their ids in the order of the records.

        Vectors of bytes that a row no longer holds are removed, those of other models too. A row
        whose path is taken by a record with another id is forgotten. A record whose id has been
        forgotten meanwhile is treated as new.

        Raises:
            ValueError: Two records share a path or an id, or a vector does not have `dim` numbers.
        """
        if not records:
            return []
        refuse_twice([record.stat.path for record in records])
        refuse_twice([record.id for record in records if record.id is not None])
        with_vector = [place for place, one in enumerate(records) if one.vector is not None]
        packed = pack([one.vector for one in records if one.vector is not None], dim)
        with self._writer.begin() as connection:
            seq = raise_counter(connection, "seq")
            # Scans may overlap. What is there now must not be missing to one that began after this
            # one, and was past its folder before it came.
            latest = max(scan, counter(connection, "scan"))
            ids, known = write_rows(connection, records, latest, seq, run)
            if packed:
                encoder = encoder_id(connection, StoredEncoder(fingerprint, model_name, dim))
                owners = [ids[place] for place in with_vector]
                vectors = dict(zip(owners, packed, strict=True))
                replace_vectors(connection, encoder, vectors, known)
                frames = {ids[place]: records[place].frames for place in with_vector}
                replace_frames(connection, encoder, {id_: f for id_, f in frames.items() if f}, dim)
        return ids

    def describe(self, records: Sequence[PictureRecord], scan: int) -> None:
        """Store what was read anew of files, given by id, whose bytes are as they were."""
        if not records:
            return
        with self._writer.begin() as connection:
            describe_rows(connection, records, scan, raise_counter(connection, "seq"))

    def mark_seen(self, ids: Iterable[int], scan: int) -> None:
        """Note that a scan found these files unchanged."""
        with self._writer.begin() as connection:
            for chunk in chunks(map(int, ids)):
                # Two scans may overlap; the number of the later one must stay.
                older = ImageRow.id.in_(chunk) & (ImageRow.scan < scan)
                connection.execute(update(ImageRow).where(older).values(scan=scan))

    def refresh(self, stats: Mapping[int, FileStat], scan: int) -> None:
        """Note that a scan found these files with the same bytes but other times."""
        if not stats:
            return
        with self._writer.begin() as connection:
            connection.execute(
                update(ImageRow)
                .where(ImageRow.id == sa.bindparam("row"))
                .values(scan=sa.case((ImageRow.scan < scan, scan), else_=ImageRow.scan)),
                [
                    {
                        "row": int(row),
                        "size": stat.size,
                        "mtime_ns": stat.mtime_ns,
                        "ctime_ns": stat.ctime_ns,
                        "sidecar_ns": stat.sidecar_ns,
                    }
                    for row, stat in stats.items()
                ],
            )

    def spare(self, paths: Iterable[str], scan: int) -> None:
        """Have `sweep` leave rows at or under paths alone, which the scan could not look at."""
        with self._writer.begin() as connection:
            for path in paths:
                unseen = under(ImageRow.path, path) & (ImageRow.scan < scan)
                connection.execute(update(ImageRow).where(unseen).values(scan=scan))

    def sweep(self, folder: str, scan: int, run: int = 0) -> int:
        """Mark rows at or under a folder as missing that the scan did not see; count them.

        Of a `run`, `undo` can take it back.
        """
        with self._writer.begin() as connection:
            seq = counter(connection, "seq") + 1
            note(connection, _unseen(folder, scan), run, seq)
            swept = connection.execute(
                update(ImageRow)
                .where(_unseen(folder, scan))
                .values(state="missing", error=None, seq=seq)
            ).rowcount
            if swept:
                set_meta(connection, "seq", str(seq))
        return swept

    def forget(self, path: str) -> int:
        """Remove what is known at or under a path, roots too; return the number of pictures."""
        with self._keeper.begin() as connection:
            seq = counter(connection, "seq") + 1
            forgotten = bury(connection, ImageRow, under(ImageRow.path, path), seq)
            connection.execute(delete(RootRow).where(under(RootRow.path, path)))
            if forgotten:
                set_meta(connection, "seq", str(seq))
        return forgotten


def _unseen(folder: str, scan: int) -> ColumnElement[bool]:
    """Match the rows at or under a folder that a scan did not see and that are not missing yet."""
    return under(ImageRow.path, folder) & (ImageRow.scan < scan) & (ImageRow.state != "missing")
