"""Columns and tags of a library in a file beside its index, for whoever starts the next time.

To read them of a catalog of millions takes most of a minute; the file is mapped, and what has
changed since it was written is asked of the catalog. The file is written, named, checked and
removed as those of an index are (`indexes.files`); one that is damaged, or of anything but this
library, this model and this version of lexpix, is as none::

    STEM.facets.json     the stamp
    STEM.facets.1f6a...  LXFACETS, length (u32) and CRC (u32) of the JSON that tells what is where,
                         then arrays, each at a multiple of 64 bytes; those of the ids are the last
"""

from __future__ import annotations

import json
import logging
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from searchengine.errors import IndexFileError
from searchengine.indexes.files import Generations
from searchengine.indexes.sync import stem_of
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.columns import Columns
from searchengine.search.tag_pairs import Pairs, PictureTags
from searchengine.search.tag_table import TagTable, missed
from searchengine.search.values import COLUMNS, Numbering
from searchengine.types import Stamp

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog

log = logging.getLogger(__name__)

KIND = "facets"
FEWEST = 50_000
"""Fewer pictures are read in less than half a second, and not worth a file."""
SHARE = 50
"""The file is written anew once more than one of so many pictures has changed."""
FEW = 1_000
"""So many may have changed in any case."""

_MAGIC = b"LXFACETS"
_HEAD = struct.Struct("<8sII")
_ALIGNED = 64

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is read of a file, as of when it was written."""

    columns: Columns
    tags: TagTable


class KeptFacets:
    """The file of a library and a model.

    Args:
        catalog: Of the library.
        fingerprint: Of the model, whose guesses count.
        folder: Where index files live.
    """

    def __init__(self, catalog: Catalog, fingerprint: str, folder: Path) -> None:
        self._catalog, self._fingerprint, self._folder = catalog, fingerprint, folder
        self._tags: TagTable | None = None

    def load(self, vocabulary: TagVocabulary) -> Kept | None:
        """Map the file; None if there is none that is sound, of this library and not of its future.

        Args:
            vocabulary: Which names of tags mean the same.
        """
        if self._catalog.meta("uid") is None:  # an engine without a library
            return None
        of = self._of(vocabulary)
        loaded = self._files().load(lambda _, path, __: _read(path, of))
        if loaded is None or (kept := loaded[1]) is None:
            return None
        catalog, columns, tags = self._catalog, kept.columns, kept.tags
        known = (columns.seq, tags.version[1], columns.named, tags.version[0])
        seq = catalog.seq()
        now = (seq, seq, catalog.places.changes(), catalog.tags.changes())
        # What says more than the catalog is of a library that was restored from a copy since.
        return kept if all(one <= most for one, most in zip(known, now, strict=True)) else None

    def current(self, vocabulary: TagVocabulary) -> Kept | None:
        """Return what the file holds with what has changed since; None if that is too much."""
        kept = self.load(vocabulary)
        tags = None if kept is None else self._brought_up(kept.tags, vocabulary)
        if kept is None or tags is None:
            return None
        return Kept(kept.columns.refreshed(self._catalog), tags)

    def tags(self, vocabulary: TagVocabulary) -> TagTable | None:
        """Return the tags as `current` does, at the cost of a look at the catalog from then on."""
        tags = self._tags
        if tags is None and (kept := self.load(vocabulary)) is not None:
            tags = kept.tags
        self._tags = None if tags is None else self._brought_up(tags, vocabulary)
        return self._tags

    def _brought_up(self, tags: TagTable, vocabulary: TagVocabulary) -> TagTable | None:
        catalog = self._catalog
        now = catalog.tags.changes(), catalog.seq()
        if tags.version == now:
            return tags
        ids = missed(catalog, tags.version, _most(tags.pairs.by_picture.pictures))
        if ids is None:
            return None
        renewed = tags.with_renewed(catalog.tags, vocabulary, self._fingerprint, ids)
        return replace(renewed, version=now)

    def is_due(self, vocabulary: TagVocabulary) -> bool:
        """Whether the library is so large, and so far from the file, that it should be written."""
        catalog = self._catalog
        pictures = catalog.counts()["ok"]
        if pictures < FEWEST:
            return False
        kept = self.load(vocabulary)
        if kept is None:
            return True
        most = _most(pictures)
        return (
            missed(catalog, kept.tags.version, most) is None
            or catalog.changed(kept.columns.seq, most) > most
            or catalog.places.changed(kept.columns.named, most) is None
        )

    def save(self, columns: Columns, tags: TagTable, vocabulary: TagVocabulary) -> bool:
        """Write the file; return whether the folder can be written."""
        tags = tags.merged()
        about, arrays = _told(columns, tags)
        about |= self._of(vocabulary)
        try:
            self._files().write(
                Stamp(self._fingerprint, columns.seq),
                len(arrays),
                len(columns.ids),
                lambda file: _write(file, about, arrays),
            )
        except OSError as error:
            log.info("%s: facets cannot be kept (%s)", self._folder, error.strerror)
            return False
        return True

    def _files(self) -> Generations:
        return Generations(self._folder / stem_of(self._catalog, self._fingerprint), KIND)

    def _of(self, vocabulary: TagVocabulary) -> dict[str, Any]:
        return {
            "library": self._catalog.uid,
            "fingerprint": self._fingerprint,
            "vocabulary": vocabulary.version,
            "lexpix": version("lexpix"),
        }


def _most(pictures: int) -> int:
    """Return how many of a library are worth being asked for, beside what is kept."""
    return max(FEW, pictures // SHARE)


def _told(columns: Columns, tags: TagTable) -> tuple[dict[str, Any], Arrays]:
    """Return what is written as JSON, and as arrays."""
    pairs = tags.pairs
    about = {
        "seq": columns.seq,
        "named": columns.named,
        "tags_version": tags.version,
        "tags": tags.names,
        "values": {facet: list(columns.numbering[facet].values) for facet in COLUMNS},
    }
    arrays: Arrays = {
        "taken": columns.taken,
        "where": columns.where,
        **{str(facet): codes for facet, codes in columns.codes.items()},
        "tag starts": pairs.starts,
        "tag ids": pairs.ids,
        "tag confidence": pairs.confidence,
        "tag said": pairs.said,
        "picture starts": pairs.by_picture.starts,
        "picture tags": pairs.by_picture.codes,
        "ids": columns.ids,
    }
    return about, arrays


def _kept(about: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Kept:
    columns = Columns(
        arrays["ids"],
        arrays["taken"],
        about["seq"],
        arrays["where"],
        {facet: arrays[facet] for facet in COLUMNS},
        {facet: Numbering.of(about["values"][facet]) for facet in COLUMNS},
        about["named"],
    )
    pairs = Pairs(arrays["tag starts"], arrays["tag ids"], arrays["tag confidence"])
    pairs.__dict__["said"] = arrays["tag said"]
    by_picture = PictureTags(arrays["picture tags"], arrays["picture starts"])
    pairs.__dict__["by_picture"] = by_picture
    changes, seq = about["tags_version"]
    return Kept(columns, replace(TagTable.of_pairs(about["tags"], pairs), version=(changes, seq)))


def _write(file: BinaryIO, about: Mapping[str, Any], arrays: Arrays) -> None:
    places: dict[str, tuple[str, tuple[int, ...], int]] = {}
    offset = 0
    for name, array in arrays.items():
        offset += -offset % _ALIGNED
        places[name] = array.dtype.str, array.shape, offset
        offset += array.nbytes
    text = json.dumps({**about, "arrays": places}).encode()
    file.write(_HEAD.pack(_MAGIC, len(text), zlib.crc32(text)) + text)
    file.write(bytes(-(_HEAD.size + len(text)) % _ALIGNED))
    first = file.tell()
    for name, array in arrays.items():
        file.write(bytes(first + places[name][2] - file.tell()))
        file.write(np.ascontiguousarray(array).data)


def _read(path: str, of: Mapping[str, Any]) -> Kept | None:
    """Map a file; None if it is of anything else.

    Raises:
        OSError: It cannot be read.
        IndexFileError: It is damaged.
    """
    try:
        whole = np.frombuffer(np.memmap(path, dtype=np.uint8, mode="r"), dtype=np.uint8)
        magic, length, checksum = _HEAD.unpack(whole[: _HEAD.size].tobytes())
        text = whole[_HEAD.size : _HEAD.size + length].tobytes()
        if magic != _MAGIC or zlib.crc32(text) != checksum:
            raise IndexFileError("its beginning is not what was written")
        about = json.loads(text)
        if any(about[name] != value for name, value in of.items()):
            return None
        first = _HEAD.size + length
        first += -first % _ALIGNED
        arrays: Arrays = {}
        for name, (dtype, shape, offset) in about["arrays"].items():
            count = int(np.prod(shape))
            array = np.frombuffer(whole, dtype=dtype, count=count, offset=first + offset)
            arrays[name] = array.reshape(shape)
        return _kept(about, arrays)
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise IndexFileError(f"not what was written ({error})") from error
