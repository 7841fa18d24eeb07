"""The documentation says what the code does."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

import searchengine

ROOT = Path(__file__).parents[2]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = _load("generate_cli")
layers = _load("generate_layers")
formats = _load("generate_formats")
site = _load("site_pages")


@pytest.fixture(scope="module")
def lexpix() -> click.Group:
    from searchengine.cli.main import main

    return main


@pytest.fixture
def zoo() -> click.Group:
    @click.group()
    def zoo() -> None:
        """Keep animals."""

    @zoo.group()
    def feed() -> None:
        """Give food."""

    @feed.command()
    @click.option("--grams", help="How much.")
    def cat(grams: str) -> None:
        """Feed the cat."""

    return zoo


def test_page_of_commands_is_what_the_commands_say() -> None:
    # In a process of its own: a command keeps the first help option that it makes, and other tests
    # call commands without the group that names it.
    code = (
        "import runpy, sys; from searchengine.cli.main import main;"
        "sys.stdout.buffer.write(runpy.run_path(sys.argv[1])['render'](main).encode())"
    )
    command = [sys.executable, "-c", code, str(ROOT / "docs" / "generate_cli.py")]
    rendered = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == rendered, "run: python docs/generate_cli.py"


def test_page_of_formats_is_what_a_real_file_of_each_gives() -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert page == formats.render(), "run: python docs/generate_formats.py"


def test_drawing_of_layers_is_what_the_imports_are_held_to() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert page == layers.render(page), "run: python docs/generate_layers.py"


def test_drawing_shows_each_layer_below_the_other() -> None:
    drawn = layers.drawing([("searchengine.errors",), ("searchengine.web", "indexer.cli")])
    assert drawn.splitlines() == ["errors", "  < web/*  indexer/cli/*"]


def test_drawing_breaks_long_layers_between_names() -> None:
    names = [f"searchengine.{letter * 30}" for letter in "abcd"]
    first, second = layers.drawing([("searchengine",), names]).splitlines()[1:]
    assert first == f"  < {'a' * 30}  {'b' * 30}  {'c' * 30}"
    assert second == f"    {'d' * 30}"


def test_site_has_links_between_its_own_pages() -> None:
    text = (
        "[a](docs/web.md#x) ![b](docs/screenshots/map.webp) [c](NOTICE) [d](https://e.org/docs/f)"
    )
    assert site.page("README.md", text) == (
        "[a](web.md#x) ![b](screenshots/map.webp) [c](NOTICE.md) [d](https://e.org/docs/f)"
    )


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name
)
def test_links_of_a_page_lead_to_files_of_the_repository(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_page_holds_groups_and_their_commands_in_order(zoo: click.Group) -> None:
    page = generator.render(zoo, "zoo")
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == ["## zoo", "## zoo feed", "## zoo feed cat"]
    assert "Usage: zoo feed cat [OPTIONS]" in page
    assert "How much." in page


def test_page_does_not_depend_on_the_terminal(
    zoo: click.Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = []
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        pages.append(generator.render(zoo, "zoo"))
    assert pages[0] == pages[1]


def test_every_command_and_option_has_help(lexpix: click.Group) -> None:
    assert list(_without_help(lexpix, "lexpix")) == []


def test_every_group_lists_each_command_once(lexpix: click.Group) -> None:
    listed = {
        context.command_path: context.command.list_commands(context)
        for context in generator.walk(lexpix, "lexpix")
        if isinstance(context.command, click.Group)
    }
    assert {"lexpix", "lexpix train"} <= set(listed)
    assert listed == {group: list(dict.fromkeys(names)) for group, names in listed.items()}


@pytest.mark.parametrize("make", [click.Option, click.Argument])
def test_missing_help_is_noticed(make: Callable[[list[str]], click.Parameter]) -> None:
    name = "--size" if make is click.Option else "size"
    command = click.Command("paint", params=[make([name])])
    expected = ["lexpix"] if make is click.Argument else ["lexpix", "lexpix --size"]
    assert list(_without_help(command, "lexpix")) == expected


def test_every_public_name_is_explained() -> None:
    assert [name for name in searchengine.__all__ if not _is_explained(name)] == []


def test_command_page_and_help_name_no_path_of_this_machine(lexpix: click.Group) -> None:
    page = generator.render(lexpix)
    assert str(Path.home()) not in page
    assert sys.prefix not in page


def _without_help(command: click.Command, name: str) -> Iterator[str]:
    """Yield the paths of commands and options that say nothing about themselves."""
    for context in generator.walk(command, name):
        if not (context.command.help or "").strip():
            yield context.command_path
        for parameter in context.command.params:
            if isinstance(parameter, click.Option) and not (parameter.help or "").strip():
                yield f"{context.command_path} {parameter.opts[-1]}"


def _is_explained(name: str) -> bool:
    value = getattr(searchengine, name)
    if inspect.ismodule(value):
        return bool(value.__doc__)
    if inspect.isclass(value) or inspect.isfunction(value):
        text = value.__doc__ or ""
        # A dataclass without a docstring gets its signature as one.
        return bool(text.strip()) and not text.startswith(f"{name}(")
    return name in _names_with_text_below(ROOT / "searchengine" / "types.py")


def _names_with_text_below(file: Path) -> set[str]:
    """Return the assigned names of a module that are followed by a string."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return {
        target.id
        for statement, below in itertools.pairwise(body)
        if isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
        for target in _targets(statement)
    }


def _targets(statement: ast.stmt) -> list[ast.Name]:
    targets = (
        statement.targets
        if isinstance(statement, ast.Assign)
        else [statement.target]
        if isinstance(statement, ast.AnnAssign)
        else []
    )
    return [target for target in targets if isinstance(target, ast.Name)]
