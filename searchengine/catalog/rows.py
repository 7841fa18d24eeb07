"""What is read of the rows of a catalog: plain values, which need no database to be made."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from searchengine.types import Ids, Picture, State, Vectors


@dataclass(frozen=True, slots=True)
class Root:
    """An indexed folder: `device` is its st_dev at the last scan, which began at `scanned_at`."""

    path: str
    device: int | None
    scanned_at: dt.datetime


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What a scan has to know of a file; the attributes are those of `Picture`."""

    id: int
    path: str
    state: State
    size: int
    mtime_ns: int
    ctime_ns: int
    sidecar_ns: int | None
    metadata_version: int


@dataclass(frozen=True, slots=True)
class Description:
    """What a present picture can be narrowed down by."""

    id: int
    path: str
    taken_at: dt.datetime | None
    camera: str | None
    width: int | None
    height: int | None
    format: str | None = None
    place: str | None = None
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True, slots=True)
class Appearance:
    """A present picture, as duplicates are told by; the attributes are those of `Picture`."""

    id: int
    path: str
    sha256: str | None
    phash: int | None
    sharpness: float | None
    width: int | None
    height: int | None
    size: int
    mtime_ns: int
    format: str | None
    damage: str | None
    taken_at: dt.datetime | None
    camera: str | None

    @classmethod
    def of(cls, picture: Picture) -> Appearance:
        """Return that of a picture that was read already."""
        exif = picture.exif
        return cls(
            picture.id,
            picture.path,
            picture.sha256,
            picture.phash,
            picture.sharpness,
            picture.width,
            picture.height,
            picture.size,
            picture.mtime_ns,
            picture.format,
            picture.damage,
            exif.taken_at,
            exif.camera,
        )

    @property
    def pixels(self) -> int:
        """How many there are; 0 if nobody knows."""
        return (self.width or 0) * (self.height or 0)


@dataclass(frozen=True, slots=True)
class Change:
    """A step of bringing an index up to date; each id is in one of the two arrays.

    Attributes:
        put_ids: Shape (n,).
        put_vectors: Shape (n, dim).
        drop_ids: Shape (m,); ids that the index may not know.
    """

    put_ids: Ids
    put_vectors: Vectors
    drop_ids: Ids
