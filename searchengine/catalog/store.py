"""`Catalog`, the one store of a library: pictures, vectors, tags, captions, texts, searches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Engine, delete, insert, update

from searchengine.catalog.bulk import BulkCatalog
from searchengine.catalog.captions import CaptionCatalog
from searchengine.catalog.changes import bury
from searchengine.catalog.embeddings import Embeddings
from searchengine.catalog.filtering import FilterCatalog
from searchengine.catalog.following import FollowCatalog
from searchengine.catalog.frames import FrameCatalog, Frames, replace_frames
from searchengine.catalog.looks import LookCatalog
from searchengine.catalog.packed import pack
from searchengine.catalog.pictures import (
    under,
)
from searchengine.catalog.places import PlaceCatalog
from searchengine.catalog.reading import PictureReading, unseen
from searchengine.catalog.records import (
    PictureRecord,
    StoredEncoder,
    describe_rows,
    encoder_id,
    replace_vectors,
    write_rows,
)
from searchengine.catalog.searches import SearchCatalog
from searchengine.catalog.statements import chunks, counter, raise_counter, refuse_twice, set_meta
from searchengine.catalog.tables import (
    ImageRow,
    RootRow,
)
from searchengine.catalog.tags import TagCatalog
from searchengine.catalog.texts import TextCatalog
from searchengine.catalog.undoing import UndoCatalog, note
from searchengine.types import FileStat


class Catalog(PictureReading):
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

    def frames_of_content(self, sha256: str, fingerprint: str) -> Frames:
        """Return the frames that a model has of any film with these bytes, missing ones too."""
        return self.frames.of_content(sha256, fingerprint)

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
            note(connection, unseen(folder, scan), run, seq)
            swept = connection.execute(
                update(ImageRow)
                .where(unseen(folder, scan))
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
