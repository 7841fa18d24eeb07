"""What a library holds, in numbers, and the errors where it holds nothing to answer with."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from searchengine.catalog.skipped import skipped
from searchengine.config import Settings
from searchengine.documents import Kind
from searchengine.errors import NothingIndexed
from searchengine.sources.addresses import absolute
from searchengine.types import Encoder, Ids, PathLike, State, VectorIndex

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model of a library: of how many present pictures it has a vector, and if it answers."""

    name: str
    fingerprint: str
    dim: int
    vectors: int
    current: bool


@dataclass(frozen=True, slots=True)
class Status:
    """What a library holds.

    Attributes:
        library: Its folder.
        counts: Pictures by state: ok, missing, bad.
        roots: Indexed folders and when the last scan of each began.
        model, fingerprint, dim: The model that answers.
        index, indexed: The index plugin, and how many pictures it can find.
        models: All models of which there are vectors.
        texts: Texts by kind.
        damaged: Present pictures of which only a part can be seen.
        skipped: Files that the last scans passed over, by the endings of their names.
        inference: What embeds pictures on this machine, in which numbers and why; empty for a model
            whose kind leaves no choice.
    """

    library: str
    counts: dict[State, int]
    roots: tuple[tuple[str, dt.datetime], ...]
    model: str
    fingerprint: str
    dim: int
    index: str
    indexed: int
    models: tuple[ModelStatus, ...] = ()
    texts: dict[Kind, int] = field(default_factory=dict)
    damaged: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    inference: str = ""


def status_of(catalog: Catalog, encoder: Encoder, settings: Settings, indexed: int) -> Status:
    """Describe a library of which `indexed` pictures can be found with a model."""
    return Status(
        library=str(settings.library),
        counts=catalog.counts(),
        roots=tuple((root.path, root.scanned_at) for root in catalog.roots()),
        model=encoder.name,
        fingerprint=encoder.fingerprint,
        dim=encoder.dim,
        index=settings.index,
        indexed=indexed,
        models=tuple(
            ModelStatus(
                one.name, one.fingerprint, one.dim, count, one.fingerprint == encoder.fingerprint
            )
            for one, count in catalog.embeddings.counts()
        ),
        texts=catalog.texts.counts(),
        damaged=len(catalog.damaged()),
        skipped=skipped(catalog),
        inference=getattr(encoder, "runs_on", ""),
    )


def require_pictures(
    index: VectorIndex, catalog: Catalog, encoder: Encoder, settings: Settings
) -> None:
    """Raise NothingIndexed if a model has no picture to find; it says why, and what to do."""
    if len(index):
        return
    others = [one.name for one, count in catalog.embeddings.counts() if count]
    known = f", but by {' and '.join(map(repr, others))}" if others else ""
    remedy = ", or: lexpix reembed --model MODEL" if others else ""
    raise NothingIndexed(
        f"{settings.library}: no picture is indexed by the model {encoder.name!r}{known}; "
        f"run: lexpix index FOLDER{remedy}"
    )


def require_vectors(catalog: Catalog, encoder: Encoder, ids: Ids, within: PathLike | None) -> None:
    """Raise NothingIndexed if a model has the vector of none of these pictures."""
    if not catalog.has_vector(ids, encoder.fingerprint):
        raise NothingIndexed(
            f"{within}: no picture there is indexed by this model; run: lexpix index FOLDER"
        )


def ids_within(catalog: Catalog, folder: PathLike) -> Ids:
    """Return the sorted ids of the present pictures at or under a path.

    Raises:
        NothingIndexed: There is none.
    """
    path = absolute(folder)
    ids = catalog.ids_under(path)
    if not len(ids):
        raise NothingIndexed(f"{path}: nothing of it is indexed; run: lexpix index {path}")
    return ids
