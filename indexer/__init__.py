"""Everything that produces what is searched: scans, embeddings, models.

>>> import indexer, searchengine
>>> with searchengine.open("~/library", create=True) as engine:    # doctest: +SKIP
...     report = indexer.index(engine, "~/Pictures")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexer.library.importing import ImportReport, import_tags
    from indexer.library.indexing import index, retry, running, undo
    from indexer.library.sweeping import Gone, Sweeps
    from indexer.library.tally import Progress

_HOMES = {
    "Gone": "sweeping",
    "ImportReport": "importing",
    "Progress": "tally",
    "Sweeps": "sweeping",
    "import_tags": "importing",
    "index": "indexing",
    "retry": "indexing",
    "running": "indexing",
    "undo": "indexing",
}

__all__ = [
    "Gone",
    "ImportReport",
    "Progress",
    "Sweeps",
    "import_tags",
    "index",
    "retry",
    "running",
    "undo",
]


def __getattr__(name: str) -> Any:
    # A public name loads its module when it is used: commands of other parts do not need it.
    if name in _HOMES:
        return getattr(importlib.import_module(f"indexer.library.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
