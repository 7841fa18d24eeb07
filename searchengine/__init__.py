"""Search a photo collection by words, sentences, other pictures and arithmetic on them.

>>> import searchengine
>>> engine = searchengine.open("~/library")                        # doctest: +SKIP
>>> engine.search("a dog on the beach").hits[0].path               # doctest: +SKIP
"""

# ruff: noqa: F403, F405 - `__all__` names them, once

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from searchengine.errors import *
    from searchengine.search.engine import Engine, ModelStatus, Status, load_model, open
    from searchengine.types import *

__all__ = [
    "Answer",
    "CancelledQuery",
    "Caption",
    "ConfigError",
    "Encoder",
    "Engine",
    "Exif",
    "Failure",
    "FileStat",
    "Filter",
    "Hit",
    "ImageError",
    "IndexFileError",
    "IndexReport",
    "LexpixError",
    "LibraryError",
    "MissingPlugin",
    "ModelError",
    "ModelStatus",
    "NothingIndexed",
    "Picture",
    "Query",
    "QueryError",
    "QuerySyntaxError",
    "RootError",
    "Stamp",
    "Status",
    "Tag",
    "TaughtWord",
    "Term",
    "TextAnswer",
    "TextHit",
    "TrainingDataError",
    "UnknownPicture",
    "UnknownText",
    "UnknownWord",
    "UnknownWords",
    "VectorIndex",
    "Vocabulary",
    "load_model",
    "open",
]


def __getattr__(name: str) -> Any:
    # A public name loads its module when it is used: `import searchengine` by itself is free.
    if name in __all__:
        for home in ("errors", "types", "search.engine"):  # the light ones first
            module = importlib.import_module(f"searchengine.{home}")
            if name in vars(module):
                return vars(module)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
