"""What is done to a single file before anything is written: hash, decode, embed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from PIL.Image import Image

from searchengine.catalog import Catalog
from searchengine.errors import ImageError, MissingPlugin, ModelError
from searchengine.images import Photo, open_file, read_photo
from searchengine.types import Encoder, FileStat, Picture, Prepare, Vector
from searchengine.vectors import unit_rows


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


def embed(
    encoder: Encoder, pictures: Mapping[str, Image]
) -> tuple[dict[str, Vector], dict[str, str]]:
    """Return the unit vectors of pictures by their keys, and of those that have none, the reasons.

    Pictures that fail together are tried one by one.

    Raises:
        ModelError, MissingPlugin, ImportError: The model cannot run at all; no picture is to blame.
    """
    if not pictures:
        return {}, {}
    try:
        rows = unit_rows(encoder.encode_images(list(pictures.values())), encoder.dim)
        return dict(zip(pictures, rows, strict=True)), {}
    except (ModelError, MissingPlugin, ImportError):
        raise
    except Exception as error:  # whatever a model does, the other pictures must not pay for it
        if len(pictures) == 1:
            return {}, dict.fromkeys(pictures, f"the model cannot encode it ({error})")
    vectors: dict[str, Vector] = {}
    reasons: dict[str, str] = {}
    for key, picture in pictures.items():
        vector, reason = embed(encoder, {key: picture})
        vectors |= vector
        reasons |= reason
    return vectors, reasons
