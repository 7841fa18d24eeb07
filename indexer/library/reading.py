"""What is done to a single file before anything is embedded or written: hash, decode."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from searchengine.catalog.store import Catalog
from searchengine.errors import ImageError
from searchengine.images import Photo, open_file, read_photo
from searchengine.types import Encoder, FileStat, Picture, Prepare, Vector


@dataclass(frozen=True, slots=True)
class Job:
    """A file to look into; `embedded` if the catalog has the vector of what its row says."""

    stat: FileStat
    row: Picture | None
    embedded: bool = False


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file with new times and the bytes that its row says."""

    stat: FileStat
    row: Picture


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture; with pixels if `vector`, that of its bytes, is not known yet."""

    stat: FileStat
    row: Picture | None
    sha256: str
    photo: Photo
    vector: Vector | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is no picture, or (`sha256` is None) that could not even be read."""

    stat: FileStat
    row: Picture | None
    sha256: str | None
    reason: str


def decoder(
    catalog: Catalog, encoder: Encoder
) -> Callable[[Job], Unchanged | Decoded | Unreadable | None]:
    """Return what decodes files as a model wants its pictures; an executor may call it anywhere."""
    return partial(
        decode,
        catalog=catalog,
        fingerprint=encoder.fingerprint,
        size=encoder.decode_size,
        prepare=encoder.prepare,
    )


def decode(
    job: Job, *, catalog: Catalog, fingerprint: str, size: int, prepare: Prepare | None = None
) -> Unchanged | Decoded | Unreadable | None:
    """Hash a file, and decode it unless the vector of its bytes is known.

    Args:
        job: The file.
        catalog: Is asked for the vector.
        fingerprint: The model whose vector counts.
        size: Length in pixels of the shorter side that the model needs.
        prepare: What the model does to a decoded picture, done here so that it runs in threads.

    Returns:
        What the file holds, or None if it was deleted meanwhile.
    """
    stat, row, digest = job.stat, job.row, None
    try:
        with open_file(stat.path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if job.embedded and row is not None and row.sha256 == digest:
                return Unchanged(stat, row)
            vector = catalog.vector_of_content(digest, fingerprint)
            file.seek(0)
            photo = read_photo(file, size=size, prepare=prepare, decode=vector is None)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Unreadable(stat, row, None, f"cannot be read ({error.strerror or error})")
    except ImageError as error:
        return Unreadable(stat, row, digest, str(error).removeprefix(f"{stat.path}: "))
    return Decoded(stat, row, digest, photo, vector)
