"""Examine a whole library: its catalog, its index against it, its model, its folder and disk."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sqlite3
from importlib.metadata import version
from pathlib import Path

import numpy as np

from searchengine import plugins
from searchengine.catalog.backups import copies
from searchengine.catalog.database import FILE_NAME, open_database
from searchengine.catalog.health import REPAIR, RESTORE, Finding, examine
from searchengine.catalog.mending import mend
from searchengine.catalog.opening import INDEX_FOLDER
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.errors import LexpixError, MissingPlugin, NothingIndexed
from searchengine.indexes.sync import index_at, open_index, remove_index
from searchengine.models.inference import choose
from searchengine.models.loading import load_configured
from searchengine.types import Encoder

SAMPLE = 256
"""Vectors of the index that are compared with those of the catalog."""

ROUNDING = 2e-3
"""How far a vector's cosine with itself may be from 1 once it was stored in half precision."""


def diagnose(settings: Settings) -> list[Finding]:
    """Examine a library without writing to it.

    Raises:
        NothingIndexed: There is none.
    """
    path = settings.library / FILE_NAME
    if not path.exists():
        raise NothingIndexed(
            f"{settings.library}: nothing is indexed here yet; run: lexpix index FOLDER"
        )
    found = examine(path)
    if any(one.severity == "damage" and one.remedy == RESTORE for one in found):
        newest = next(iter(copies(settings.library)), None)
        told = f"the newest copy is {newest}" if newest else "no copy was made by itself"
        found.append(Finding("copies", "warning", told))
    elif not any(one.check == "schema" and one.severity != "ok" for one in found):
        found += _parts(settings)  # opening a catalog of an older version would change it
    return [*found, _permissions(settings.library), _space(path), _versions()]


def repair(settings: Settings) -> list[str]:
    """Mend what is safe; return what was done, in words.

    Raises:
        LibraryError: The catalog is damaged beyond that.
    """
    done = mend(settings.library / FILE_NAME)
    encoder = load_configured(settings, for_texts=True)
    with contextlib.closing(
        Catalog(open_database(settings.library, create=False, address=settings.catalog))
    ) as catalog:
        if _index(catalog, encoder, settings).severity != "ok":
            folder = settings.library / INDEX_FOLDER
            backend = plugins.load_at("lexpix.indexes", settings.index)
            remove_index(catalog, encoder.fingerprint, folder, backend)
            index = open_index(catalog, encoder.fingerprint, encoder.dim, folder, backend)
            done.append(f"made the index anew, {len(index)} pictures")
        removed = 0
        for file in _strangers(catalog, settings.library / INDEX_FOLDER):
            with contextlib.suppress(OSError):
                file.unlink()
                removed += 1
        if removed:
            done.append(f"removed {removed} index files of no library")
    return done


def _parts(settings: Settings) -> list[Finding]:
    """Examine what needs a catalog that can be opened."""
    found = []
    try:
        encoder = load_configured(settings, for_texts=True)
        catalog = Catalog(open_database(settings.library, create=False, address=settings.catalog))
    except LexpixError as error:
        return [Finding("model", "damage", str(error))]
    with contextlib.closing(catalog):
        for name, check in (("model", _model), ("inference", _inference), ("index", _index)):
            try:
                found.append(check(catalog, encoder, settings))
            except (LexpixError, ValueError, OSError) as error:
                found.append(Finding(name, "damage", f"cannot be examined ({error})", REPAIR))
        strangers = len(_strangers(catalog, settings.library / INDEX_FOLDER))
    if strangers:
        told = f"{strangers} index files of no library"
        found.append(Finding("leftovers", "warning", told, REPAIR))
    return found


def _model(catalog: Catalog, encoder: Encoder, _settings: Settings) -> Finding:
    known = f"{encoder.name}, {encoder.fingerprint[:12]}"
    missing = len(catalog.embeddings.unembedded(encoder.fingerprint))
    for stored, _ in catalog.embeddings.counts():
        if stored.fingerprint == encoder.fingerprint and stored.dim != encoder.dim:
            told = f"{known}: has {encoder.dim} dimensions, its vectors {stored.dim}"
            return Finding("model", "damage", told, "lexpix reembed --model MODEL")
    if missing:
        told = f"{known}: has no vector of {missing} pictures"
        return Finding("model", "warning", told, "lexpix index")
    return Finding("model", "ok", known)


def _inference(_catalog: Catalog, encoder: Encoder, settings: Settings) -> Finding:
    """Tell what embeds pictures here; vectors of other machines are as good, whatever made them."""
    if not hasattr(encoder, "runs_on"):
        return Finding("inference", "ok", "as the model has it")
    try:
        return Finding("inference", "ok", str(choose(settings.inference)))
    except MissingPlugin as error:
        return Finding("inference", "warning", str(error))


def _index(catalog: Catalog, encoder: Encoder, settings: Settings) -> Finding:
    """Compare an index with the catalog: how many rows, and a sample of their vectors."""
    backend = plugins.load_at("lexpix.indexes", settings.index)
    index = index_at(catalog, encoder.fingerprint, settings.library / INDEX_FOLDER, backend)
    stamp, seq = index.stamp(), catalog.seq()
    expected = catalog.searchable(encoder.fingerprint)
    if stamp is None:
        told = "there is none, or it is damaged; it is made anew when it is next needed"
        return Finding("index", "warning" if expected else "ok", told, REPAIR if expected else "")
    if stamp.fingerprint != encoder.fingerprint or stamp.seq != seq:
        told = f"it reflects write {stamp.seq} of {seq}; the next search brings it up"
        return Finding("index", "warning", told, REPAIR)
    if len(index) != expected:
        told = f"it has {len(index)} pictures, the catalog {expected}"
        return Finding("index", "damage", told, REPAIR)
    for change in catalog.changes(encoder.fingerprint, 0):
        step = max(1, expected // SAMPLE)
        for id_, vector in zip(change.put_ids[::step], change.put_vectors[::step], strict=True):
            only = np.array([id_], dtype=np.int64)
            ids, scores = index.search(vector[None], 1, only)
            if ids[0, 0] != id_ or not abs(scores[0, 0] - 1) < ROUNDING:
                told = f"picture #{id_} has another vector in it than in the catalog"
                return Finding("index", "damage", told, REPAIR)
    return Finding("index", "ok", f"{settings.index}, {expected} pictures, as in the catalog")


def _strangers(catalog: Catalog, folder: Path) -> list[Path]:
    """Return index files that belong to another library than the one they lie in."""
    own = {catalog.uid[:12], catalog.texts.uid[:12]}
    return [
        file
        for file in folder.rglob("*")
        if file.is_file() and file.name.partition("-")[0] not in own
    ]


def _permissions(library: Path) -> Finding:
    files = [library, *(library / name for name in (FILE_NAME, INDEX_FOLDER))]
    refused = [file for file in files if file.exists() and not os.access(file, os.W_OK)]
    if refused:
        told = f"{', '.join(map(str, refused))}: cannot be written; it is searched, not changed"
        return Finding("permissions", "warning", told)
    return Finding("permissions", "ok", "everything can be written")


def _space(path: Path) -> Finding:
    free, size = shutil.disk_usage(path.parent).free, path.stat().st_size
    told = f"{free / 2**20:,.0f} MB free, the catalog has {size / 2**20:,.1f} MB"
    if free < 2 * size:
        return Finding("disk", "warning", f"{told}; copies and upgrades need twice its size")
    return Finding("disk", "ok", told)


def _versions() -> Finding:
    told = f"lexpix {version('lexpix')}, Python {platform.python_version()}"
    return Finding("versions", "ok", f"{told}, SQLite {sqlite3.sqlite_version}")
