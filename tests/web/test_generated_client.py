"""A client that openapi-python-client generates from the description, against a real server."""

from __future__ import annotations

import datetime as dt
import importlib
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

import indexer
from searchengine.config import Settings
from searchengine.search.engine import Engine
from searchengine.web.app import create_app
from tests.support.colour_library import photograph, photograph_all
from tests.support.web_server import PATIENCE, Served, served

PACKAGE = "lexpix_client"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    photograph_all(folder)
    return folder


@pytest.fixture(scope="module")
def server(
    colour_model: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    library = tmp_path_factory.mktemp("generated") / "library"
    chosen = Settings(library=library, model=str(colour_model), workers=2)
    with Engine.open(chosen, create=True) as engine:
        indexer.index(engine, photos)
    with served(create_app(chosen)) as running:
        yield running


@pytest.fixture(scope="module")
def generated(server: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield what calls an operation by its name, with a client that was just generated."""
    folder = tmp_path_factory.mktemp("generated-client")
    described = folder / "openapi.json"
    described.write_bytes(httpx.get(f"{server.url}/api/openapi.json", timeout=PATIENCE).content)
    (folder / "config.yml").write_text("post_hooks: []\n", encoding="utf-8")  # no formatting
    words = ["openapi_python_client", "generate", "--path", str(described), "--fail-on-warning"]
    words += ["--config", str(folder / "config.yml"), "--meta", "none"]
    words += ["--output-path", str(folder / PACKAGE)]
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    made = importlib.import_module(PACKAGE).Client(base_url=server.url, timeout=PATIENCE)

    def call(name: str, *path: Any, **options: Any) -> Any:
        group, _, operation = name.partition(".")
        module = importlib.import_module(f"{PACKAGE}.api.{group}.{operation}")
        return module.sync(*path, client=client, **options)

    with made as client:
        yield call
    sys.path.remove(str(folder))
    for module in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[module]


def model(name: str) -> Any:
    return getattr(importlib.import_module(f"{PACKAGE}.models"), name)


def test_search_image_and_file(generated: Any, server: Served) -> None:
    found = generated("search.search", body=model("SearchRequest")(query="red", limit=3))
    by_address = generated("search.search_by_address", q="red", limit=3)
    plain = httpx.get(f"{server.url}/api/v1/search?q=red&limit=3", timeout=PATIENCE).json()
    ids = [hit["id"] for hit in plain["hits"]]
    assert [hit.id for hit in found.hits] == [hit.id for hit in by_address.hits] == ids
    image = generated("images.get_image", ids[0])
    assert image.path == plain["hits"][0]["path"]
    assert image.taken_at == dt.datetime.fromisoformat(plain["hits"][0]["taken_at"])
    file = generated("images.get_file", ids[0]).payload.read()
    assert file == Path(image.path).read_bytes()
    small = generated("images.get_thumb", ids[0]).payload
    assert Image.open(small).format == "JPEG"
    problem = generated("images.get_image", 4000)
    assert (problem.status, problem.title) == (404, "There is no such picture")


def test_facets(generated: Any, server: Served) -> None:
    body = model("FacetsRequest")(query="red", filters=model("Filters")(year=[2021]))
    counted = generated("search.facets", body=body)
    plain = httpx.get(f"{server.url}/api/v1/facets?q=red&year=2021", timeout=PATIENCE).json()
    assert counted.to_dict() == plain
    assert (
        {(one.value, one.count) for one in counted.year}
        == {(one["value"], one["count"]) for one in plain["year"]}
        != set()
    )


def test_tags(generated: Any) -> None:
    said = generated("images.edit_tags", 5, body=model("TagsRequest")(add=["best of all"]))
    assert ("best of all", "user") in [(tag.name, tag.source) for tag in said.tags]
    by_facet = generated("search.search_by_address", tag=["best of all"])
    assert [hit.id for hit in by_facet.hits] == [5]
    generated("images.edit_tags", 5, body=model("TagsRequest")(remove=["best of all"]))
    assert generated("search.search_by_address", tag=["best of all"]).total == 0


def test_words(generated: Any, server: Served) -> None:
    near = generated("words.find_near_words", word="red", k=3)
    plain = httpx.get(f"{server.url}/api/v1/words/near?word=red&k=3", timeout=PATIENCE).json()
    assert [(one.word, one.score) for one in near] == [(w["word"], w["score"]) for w in plain]
    assert plain != []
    suggested = generated("words.suggest", q="re").suggestions
    assert "red" in [one.text for one in suggested]


def test_exports_are_bytes_of_any_form(generated: Any) -> None:
    request = model("ExportRequest")
    for form, beginning in (("csv", b"id,path,"), ("json", b"{"), ("zip", b"PK")):
        taken = generated(
            "library.export_images", body=request(ids=[1, 2], form=model("ExportRequestForm")(form))
        )
        assert taken.payload.read().startswith(beginning)


def test_jobs(generated: Any, tmp_path: Path) -> None:
    photograph(tmp_path / "new" / "a.jpg", "red", "blue")
    before = generated("library.get_revision")
    job = generated("jobs.start_job", body=model("JobRequest")(folder=str(tmp_path / "new")))
    for _ in range(600):
        job = generated("jobs.get_job", job.id)
        if job.state != "running":
            break
        time.sleep(0.1)
    assert (job.state, job.error) == ("done", None)
    assert (job.report.added, job.report.failed) == (1, 0)
    assert job.started_at.tzinfo is not None
    assert job.started_at < job.ended_at < dt.datetime.now(dt.UTC)
    assert job.id in [one.id for one in generated("jobs.list_jobs").jobs]
    after = generated("library.get_revision")
    assert after.revision > before.revision
    assert after.pictures == before.pictures + 1


def test_whoever_takes_bytes_only_gets_bytes(server: Served) -> None:
    for path, sent in (("thumb", "image/jpeg"), ("file", "image/jpeg")):
        address = f"{server.url}/api/v1/images/1/{path}"
        own = httpx.get(address, timeout=PATIENCE)
        plain = httpx.get(address, headers={"Accept": "application/octet-stream"}, timeout=PATIENCE)
        assert own.headers["content-type"] == sent
        assert plain.headers["content-type"] == "application/octet-stream"
        assert own.content == plain.content
        assert own.headers["vary"] == plain.headers["vary"] == "Accept"
        assert Image.open(io.BytesIO(plain.content)).format == "JPEG"


def test_names_of_operations_and_schemas_are_readable_and_unique(server: Served) -> None:
    described = httpx.get(f"{server.url}/api/openapi.json", timeout=PATIENCE).json()
    operations = [one for path in described["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    assert {"search", "get_image", "edit_tags", "start_job", "get_map"} <= set(names)
    assert not [name for name in names if "api_v1" in name]
    groups = {tag["name"] for tag in described["tags"]}
    assert {tag for one in operations for tag in one["tags"]} == groups
    assert not [name for name in described["components"]["schemas"] if "__" in name]
