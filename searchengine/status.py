"""What a library holds, in numbers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from searchengine.catalog import Catalog
from searchengine.config import Settings
from searchengine.documents import Kind
from searchengine.types import Encoder, State


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
    )


def why_empty(catalog: Catalog, encoder: Encoder, settings: Settings) -> str:
    """Say why a model finds nothing in a library, and what to do."""
    others = [one.name for one, count in catalog.embeddings.counts() if count]
    known = f", but by {' and '.join(map(repr, others))}" if others else ""
    remedy = ", or: lexpix reembed --model MODEL" if others else ""
    return (
        f"{settings.library}: no picture is indexed by the model {encoder.name!r}{known}; "
        f"run: lexpix index FOLDER{remedy}"
    )
