"""What importing costs: a fresh interpreter loads nothing that the task at hand does not need."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.colour_library import paint
from tests.support.command import lexpix
from tests.support.fresh_interpreter import loaded_by

HEAVY = frozenset(
    {"alembic", "faiss", "fastapi", "onnx", "onnxruntime", "PIL", "ray", "sklearn", "skimage"}
    | {"sqlalchemy", "torch", "torchvision", "rapidfuzz", "importlib.metadata"}
)


@pytest.mark.parametrize(
    "module",
    ["searchengine", "searchengine.language.query", "searchengine.config", "searchengine.plugins"],
)
def test_light_module_loads_nothing_heavy(module: str) -> None:
    assert HEAVY & loaded_by(f"import {module}") == set()


@pytest.mark.parametrize(
    "module",
    ["searchengine.recipes.foods", "searchengine.recipes.ingredients", "indexer.readers.documents"],
)
def test_reader_of_texts_loads_its_libraries_only_when_it_reads(module: str) -> None:
    readers = {"nltk", "ingredient_parser", "markdown_it", "frontmatter", "yaml"}
    assert (HEAVY | readers) & loaded_by(f"import {module}") == set()


def test_commands_load_no_prompt_no_drawing_and_no_shells() -> None:
    loaded = loaded_by("import searchengine.cli.main, searchengine.cli.search")
    assert loaded & {"prompt_toolkit", "rich", "textual_image", "numpy"} == set()
    assert loaded & HEAVY == set()


def test_search_for_a_word_loads_these_packages_and_no_other(tmp_path: Path) -> None:
    library = tmp_path / "library"
    paint(tmp_path / "photos" / "a.jpg", "red", "green")
    lexpix("index", tmp_path / "photos", library=library)
    arguments = ["search", "dog", "--all", "--json", "--library", str(library)]
    run = f"assert not main({arguments}, standalone_mode=False)"  # None: no exit code but 0
    loaded = loaded_by(f"from searchengine.cli.main import main\n{run}")
    known = sys.stdlib_module_names | loaded_by("pass")  # what is installed may load itself
    packages = {name.partition(".")[0] for name in loaded} - known - {"__main__"}
    asked = {"click", "faiss", "numpy", "platformdirs", "searchengine"}
    theirs = {"packaging"}  # of FAISS
    theirs |= {"cython_runtime", "swig_runtime_data5"}  # what compiled modules leave behind
    found = {name for name in packages if not name.startswith(("_cython", "_sysconfigdata"))}
    assert found - theirs == asked
    models = {"captioner.captioner", "captioner.beam", "food", "clip"}
    assert not loaded & {f"searchengine.models.{name}" for name in models}
    assert not loaded & {"searchengine.search.texts", "searchengine.recipes.filters"}


def test_completions_load_no_database_layer() -> None:
    loaded = loaded_by("import searchengine.search.suggestions")
    assert loaded & (HEAVY | {"prompt_toolkit", "scipy"}) == set()


def test_reading_settings_loads_nothing_heavy() -> None:
    code = "from searchengine.config import load_settings\nload_settings({}, {})"
    assert HEAVY & loaded_by(code) == set()


@pytest.mark.parametrize("module", ["searchengine.catalog.store", "searchengine.catalog.database"])
def test_catalog_loads_no_alembic(module: str) -> None:
    assert loaded_by(f"import {module}") & {"alembic", "faiss", "onnxruntime", "torch"} == set()


def test_tests_of_the_catalog_load_no_torch() -> None:
    folder = Path(__file__).parents[1]
    modules = [f"tests.catalog.{path.stem}" for path in (folder / "catalog").glob("*.py")]
    assert "tests.catalog.test_store" in modules
    loaded = loaded_by(f"import tests.conftest, {', '.join(sorted(modules))}", folder.parent)
    assert loaded & {"torch", "onnxruntime", "faiss", "sklearn", "skimage", "scipy"} == set()


def test_index_plugins_load_no_database_and_no_model() -> None:
    loaded = loaded_by("import searchengine.indexes.exact, searchengine.indexes.faiss")
    assert loaded & {"sqlalchemy", "alembic", "onnxruntime", "torch"} == set()


def test_words_are_encoded_without_the_runtime_of_the_cnn() -> None:
    code = "import searchengine.models.joint, searchengine.models.food"
    assert loaded_by(code) & {"onnxruntime", "openvino", "PIL", "torch"} == set()


def test_recipes_are_measured_without_torch() -> None:
    code = "import indexer.evaluation.recipes, indexer.train.food.data"
    assert loaded_by(code) & {"onnxruntime", "torch", "scipy", "alembic"} == set()


def test_pipeline_loads_no_torch() -> None:
    assert (
        loaded_by("import indexer.library.pipeline") & {"torch", "torchvision", "alembic"} == set()
    )


def test_check_notices_a_heavy_import() -> None:
    assert {"sqlalchemy", "importlib.metadata"} <= loaded_by("import sqlalchemy")


def test_no_test_module_imports_another() -> None:
    files = list(Path(__file__).parents[1].rglob("*.py"))
    assert Path(__file__) in files
    between = re.compile(r"^\s*(from|import) tests\.(\w+\.)*test_", re.MULTILINE)
    assert between.search("from tests.web.test_jobs import draw")
    assert [path.name for path in files if between.search(path.read_text(encoding="utf-8"))] == []
