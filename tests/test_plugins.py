"""Entry points of really installed distributions: found, loaded, or explained."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from searchengine import plugins
from searchengine.errors import MissingPlugin

Install = Callable[..., None]
PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))[
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
