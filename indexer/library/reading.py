"""What is done to a single file before anything is embedded or written: hash, decode."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from io import BufferedReader
from typing import Protocol, TypeAlias

from indexer.library.sidecars import completed, xmp_beside
from searchengine.bounds import sha256_of
from searchengine.catalog.frames import FILM, Frames
from searchengine.catalog.rows import KnownFile
from searchengine.errors import ImageError, NotNow
from searchengine.images import read_photo, refuse_excess
from searchengine.look import Look, Looking
from searchengine.reader import Photo
from searchengine.sources.opening import open_stored
from searchengine.types import METADATA_VERSION, FileStat, Picture, Prepare, Vector


@dataclass(frozen=True, slots=True)
class Job:
    """A file to look into.

    Attributes:
        stat: How it is now.
        row: What the catalog knows of it.
        embedded: The catalog has the vector of what the row says.
        unchanged: The file is as the row says; only what is said of the picture is to be read.
    """

    stat: FileStat
    row: Picture | None
    embedded: bool = False
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file with new times and the bytes that its row says."""

    stat: FileStat
    row: Picture


@dataclass(frozen=True, slots=True)
class Described:
    """A file with the bytes that its row says, of whose picture something else is said now."""

    stat: FileStat
    row: Picture
    photo: Photo


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture; with pixels, and its look, if `vector`, that of its bytes, is not known yet.

    Of a film `frames` are those that are known of its bytes; else its photo has stills.
    """

    stat: FileStat
    row: Picture | None
    sha256: str
    photo: Photo
    vector: Vector | None
    look: Look | None = None
    frames: Frames = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is no picture, or (`sha256` is None) that could not be read today."""

    stat: FileStat
    row: Picture | None
    sha256: str | None
    reason: str


Result: TypeAlias = Unchanged | Described | Decoded | Unreadable
"""What became of a file that was looked into."""


def digest_of(_job: Job, file: BufferedReader) -> str:
    """Return the hex digest of the bytes of an open file."""
    return sha256_of(file)


class Vectors(Protocol):
    """What knows the vectors and frames of contents: a catalog."""

    def vector_of_content(self, sha256: str, fingerprint: str) -> Vector | None:
        """Return the vector that a model gave to these bytes, None if it is not known."""
        ...

    def frames_of_content(self, sha256: str, fingerprint: str) -> Frames:
        """Return the frames that a model has of a film with these bytes, none if it has none."""
        ...


def decode(
    job: Job,
    *,
    catalog: Vectors,
    fingerprint: str,
    size: int,
    prepare: Prepare | None = None,
    hashing: Callable[[Job, BufferedReader], str] = digest_of,
) -> Result | None:
    """Hash a file, and decode it unless the vector of its bytes is known.

    Args:
        job: The file.
        catalog: Is asked for the vector.
        fingerprint: The model whose vector counts.
        size: Length in pixels of the shorter side that the model needs.
        prepare: What the model does to a decoded picture, done here so that it runs in threads.
        hashing: Returns the digest of the bytes.

    Returns:
        What the file holds, or None if it was deleted meanwhile.
    """
    stat, row, digest = job.stat, job.row, None
    try:
        sidecar = None if stat.sidecar_ns is None else xmp_beside(stat.path)
        with open_stored(stat.path, size=stat.size, place=stat.place) as file:
            if stat.size < 0:  # its server did not say
                stat = replace(stat, size=os.fstat(file.fileno()).st_size)
            refuse_excess(file)
            if not job.unchanged:
                digest = hashing(job, file)
                file.seek(0)
            if row is not None and (job.unchanged or (job.embedded and row.sha256 == digest)):
                return _same(replace(job, stat=stat), row, file, sidecar)
            assert digest is not None, "only a known file can be unchanged"
            vector = catalog.vector_of_content(digest, fingerprint)
            looking = Looking(prepare, size)
            read = partial(read_photo, file, size=size, prepare=looking, sidecar=sidecar)
            photo = read(decode=vector is None, stills=vector is None)
            frames: Frames = {}
            if photo.format == FILM and vector is not None:
                frames = catalog.frames_of_content(digest, fingerprint)
                if not frames:  # it was indexed before scenes were looked for
                    file.seek(0)
                    photo = read(decode=True, stills=True)
            if stat.sidecar_ns is not None:
                photo = completed(photo, stat.path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Unreadable(stat, row, None, f"cannot be read ({error.strerror or error})")
    except ImageError as error:
        known = None if isinstance(error, NotNow) else digest
        return Unreadable(stat, row, known, str(error).removeprefix(f"{stat.path}: "))
    except MemoryError:
        return Unreadable(stat, row, None, "cannot be read (not enough memory)")
    return Decoded(stat, row, digest, photo, vector, looking.look, frames)


def _same(job: Job, row: Picture, file: BufferedReader, sidecar: bytes | None) -> Result:
    """Read what is said of a picture with the bytes that its row says, if that is not known."""
    if is_described(row, job.stat):
        return Unchanged(job.stat, row)
    photo = read_photo(file, decode=False, sidecar=sidecar)
    if job.stat.sidecar_ns is not None:
        photo = completed(photo, job.stat.path)
    return Described(job.stat, row, photo)


def is_described(row: Picture | KnownFile, stat: FileStat) -> bool:
    """Tell whether a row says what can be read of its file, and of the files beside it."""
    return row.metadata_version >= METADATA_VERSION and row.sidecar_ns == stat.sidecar_ns
