"""Entry points of really installed distributions: found, loaded, or explained."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import tomllib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

import indexer
from searchengine import plugins
from searchengine.config import Settings
from searchengine.errors import MissingPlugin
from searchengine.models.files import FORMAT
from searchengine.models.loading import load_model
from searchengine.search.engine import Engine
from searchengine.search.resolve import Resolver

Install = Callable[..., None]
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))[
    "project"
]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs a distribution as pip leaves it: metadata on sys.path."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(
        name: str, group: str, points: dict[str, str], extras: tuple[str, ...] = ()
    ) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-1.2.dist-info"
        folder.mkdir()
        lines = [f"Name: {name}", "Version: 1.2", *(f"Provides-Extra: {extra}" for extra in extras)]
        (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))
        listed = "\n".join(f"{point} = {target}" for point, target in points.items())
        (folder / "entry_points.txt").write_text(f"[{group}]\n{listed}\n")

    return install


def test_plugin_of_another_distribution_is_loaded(install: Install) -> None:
    install("lexpix-zoo", "lexpix.indexes", {"zoo": "collections:OrderedDict"})
    from collections import OrderedDict

    assert "zoo" in plugins.names("lexpix.indexes")
    assert plugins.load("lexpix.indexes", "zoo") is OrderedDict


def test_names_are_sorted_and_of_one_group(install: Install) -> None:
    install("lexpix-b", "lexpix.executors", {"zebra": "json:dumps", "ape": "json:loads"})
    install("lexpix-c", "lexpix.indexes", {"whale": "json:loads"})
    found = plugins.names("lexpix.executors")
    assert [name for name in found if name in {"ape", "whale", "zebra"}] == ["ape", "zebra"]
    assert found == sorted(found)


def test_missing_extra_names_the_command_that_installs_it(install: Install) -> None:
    install("lexpix", "lexpix.indexes", {"milvus": "no_such_module_milvus:Index"}, ("milvus",))
    with pytest.raises(MissingPlugin) as caught:
        plugins.load("lexpix.indexes", "milvus")
    assert str(caught.value) == "index 'milvus' needs: pip install 'lexpix[milvus]'"
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_extra_of_another_distribution_is_named_as_its_own(install: Install) -> None:
    install("zoo-search", "lexpix.encoders", {"owl": "no_such_module_owl:Owl"}, ("owl",))
    with pytest.raises(
        MissingPlugin, match=r"encoder 'owl' needs: pip install 'zoo-search\[owl\]'"
    ):
        plugins.load("lexpix.encoders", "owl")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no_such_module_owl:Owl", "No module named 'no_such_module_owl'"),
        ("json:Owl", "module 'json' has no attribute 'Owl'"),
        ("damaged_owl:Owl", "this owl is damaged"),
    ],
)
def test_plugin_that_no_extra_heals_says_why(
    install: Install, tmp_path: Path, target: str, reason: str
) -> None:
    (tmp_path / "damaged_owl.py").write_text("raise ValueError('this owl is damaged')")
    install("zoo-search", "lexpix.executors", {"owl": target})
    with pytest.raises(MissingPlugin) as caught:
        plugins.load("lexpix.executors", "owl")
    assert str(caught.value) == f"executor 'owl' of zoo-search 1.2 cannot be loaded: {reason}"


def test_unknown_name_lists_the_known_ones(install: Install) -> None:
    install("lexpix", "lexpix.indexes", {"exact": "json:dumps", "faiss": "json:loads"})
    with pytest.raises(MissingPlugin) as caught:
        plugins.load("lexpix.indexes", "fais")
    assert str(caught.value) == "no index is called 'fais'; installed are: exact, faiss"


def test_two_plugins_of_one_name_are_refused_and_both_named(install: Install) -> None:
    install("zoo-search", "lexpix.indexes", {"owl": "json:loads", "ape": "json:loads"})
    install("night-birds", "lexpix.indexes", {"owl": "json:dumps"})
    with pytest.raises(MissingPlugin) as caught:
        plugins.load("lexpix.indexes", "owl")
    assert str(caught.value).startswith("2 plugins are the index 'owl': ")
    for one in ("json:loads of zoo-search 1.2", "json:dumps of night-birds 1.2"):
        assert one in str(caught.value)
    assert plugins.load("lexpix.indexes", "ape") is json.loads


def test_distribution_that_lies_twice_on_the_path_is_no_conflict(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("zoo-search", "lexpix.indexes", {"owl": "json:loads"})
    metadata = "zoo_search-1.2.dist-info"
    shutil.copytree(tmp_path / metadata, tmp_path / "other" / metadata)
    monkeypatch.syspath_prepend(tmp_path / "other")
    assert plugins.load("lexpix.indexes", "owl") is json.loads


def test_one_name_in_two_groups_is_no_conflict(install: Install) -> None:
    install("zoo-search", "lexpix.indexes", {"owl": "json:loads"})
    install("night-birds", "lexpix.executors", {"owl": "json:dumps"})
    assert plugins.load("lexpix.indexes", "owl") is json.loads
    assert plugins.load("lexpix.executors", "owl") is json.dumps


def install_owl(install: Install, folder: Path, *members: str) -> Path:
    """Install an encoder that notes the sizes of pictures it is given; return a model for it."""
    lines = "\n".join(f"    {member}" for member in members)
    (folder / "owl_encoder.py").write_text(OWL.format(members=lines))
    install("zoo-search", "lexpix.encoders", {"owl": "owl_encoder:Owl"})
    model = folder / "model"
    model.mkdir()
    entries = {"format": FORMAT, "kind": "owl", "name": "owl", "dim": 3}
    (model / "config.json").write_text(
        json.dumps(entries | {"image": {}, "text": {}, "notes": {}, "files": {}})
    )
    return model


OWL = """
import numpy as np
SEEN = []
class Owl:
    name, fingerprint, dim = "owl", "07" * 32, 3
{members}
    def __init__(self, folder):
        pass
    def encode_texts(self, texts):
        return np.eye(3, dtype=np.float32)[np.zeros(len(texts), int)]
    def encode_images(self, images):
        SEEN.extend(image.size for image in images)
        return self.encode_texts(images)
"""


@pytest.fixture
def fresh_owl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "owl_encoder", raising=False)


@pytest.mark.usefixtures("fresh_owl")
def test_encoder_without_members_is_refused_with_what_to_add(
    install: Install, tmp_path: Path
) -> None:
    model = install_owl(install, tmp_path, "prepare = None")
    with pytest.raises(MissingPlugin) as caught:
        load_model(str(model))
    first, *members = str(caught.value).splitlines()
    assert first == (
        "encoder 'owl' of zoo-search 1.2 is incomplete; give Owl what searchengine.types.Encoder "
        "asks for:"
    )
    assert members == [
        "  decode_size: Pixels that the shorter side of a picture needs; no more of it is decoded."
    ]


@pytest.mark.parametrize(
    ("members", "size"),
    [
        (("decode_size = 40", "prepare = None"), (60, 40)),
        (("decode_size = 40", "def prepare(self, image): return image.resize((7, 9))"), (7, 9)),
    ],
)
@pytest.mark.usefixtures("fresh_owl")
def test_encoder_gets_its_pictures_alike_on_every_way(
    install: Install, tmp_path: Path, members: tuple[str, ...], size: tuple[int, int]
) -> None:
    model = install_owl(install, tmp_path, *members)
    photos, other = tmp_path / "photos", tmp_path / "other.png"
    photos.mkdir()
    Image.new("RGB", (300, 200), "red").save(photos / "red.png")
    Image.new("RGB", (300, 200), "blue").save(other)
    settings = Settings(tmp_path / "library", str(model), "exact")
    with Engine.open(settings, create=True) as engine:
        indexer.index(engine, photos)
        engine.search(str(other))
        resolver = Resolver(engine.catalog, engine.encoder)
        resolver.picture_in(BytesIO(other.read_bytes()), "upload")
    seen = importlib.import_module("owl_encoder").SEEN
    assert seen == [size] * 3  # indexed, asked by its path, uploaded


def test_project_declares_no_group_that_is_not_known() -> None:
    assert set(PROJECT["entry-points"]) <= set(plugins.GROUPS)


@pytest.mark.parametrize(
    ("group", "name", "target"),
    [
        (group, name, target)
        for group, points in PROJECT["entry-points"].items()
        for name, target in points.items()
    ],
)
def test_entry_point_of_the_project_loads(
    install: Install, group: str, name: str, target: str
) -> None:
    install("lexpix", group, {name: target})
    attribute = target.rpartition(":")[2]
    plugin = plugins.load(group, name)
    assert getattr(plugin, "__name__", getattr(plugin, "name", None)) in {attribute, name}
