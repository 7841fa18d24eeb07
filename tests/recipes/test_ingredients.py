"""Ingredient lines are taken apart, offline, and only where somebody asks for it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from indexer.vocabulary.make_tagger import OUT, PICKLE, convert
from searchengine.errors import TrainingDataError
from searchengine.recipes.ingredients import Ingredient, is_available, parse_ingredients

LINES = [
    ("2 boneless chicken thighs", ("boneless chicken thighs",), "2", ""),
    ("1 1/2 cups finely chopped walnuts, toasted", ("walnuts",), "3/2", "cup"),
    ("½ tsp. ground cumin", ("ground cumin",), "1/2", "teaspoon"),
    ("2-3 lb potatoes", ("potatoes",), "2-3", "pound"),
    ("salt or soy sauce to taste", ("salt", "soy sauce"), "", ""),
    ("200 g plain flour", ("plain flour",), "200", "gram"),
    ("1 (14 oz) can coconut milk", ("coconut milk",), "1", "can"),
    ("For the sauce:", (), "", ""),
    ("eggs", ("eggs",), "", ""),
    ("***", (), "", ""),
]


@pytest.mark.parametrize(("line", "names", "quantity", "unit"), LINES)
def test_line_is_taken_apart(line: str, names: tuple[str, ...], quantity: str, unit: str) -> None:
    assert parse_ingredients([line]) == (Ingredient(line, names, quantity, unit),)


def test_blank_lines_are_left_out_and_the_order_is_kept() -> None:
    parsed = parse_ingredients(["  1 egg ", "", "\t", "1 cup milk"])
    assert [(one.line, one.name) for one in parsed] == [("1 egg", "egg"), ("1 cup milk", "milk")]


def test_line_without_a_name_is_looked_at_whole() -> None:
    heading, egg = parse_ingredients(["For the sauce:", "2 large eggs"])
    assert heading.texts == ("For the sauce:",)
    assert egg.texts == ("eggs",)


def test_nothing_is_fetched_where_the_machine_has_no_data_of_its_own(tmp_path: Path) -> None:
    """A fresh interpreter with an empty home, where opening a socket ends it."""
    code = """
import json, socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("asked the network")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from searchengine.recipes.ingredients import parse_ingredients
print(json.dumps([one.names for one in parse_ingredients(["2 cups chopped pecans"])]))
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PATH": ""},
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout) == [["pecans"]]


def test_importing_loads_no_parser_and_asking_for_nothing_neither() -> None:
    code = (
        "import sys, searchengine.recipes.ingredients as i, searchengine.recipes.foods\n"
        "assert i.parse_ingredients([]) == ()\n"
        "assert i.is_available()\n"
        "print(*{'nltk', 'ingredient_parser', 'pint'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_missing_extra_is_named(tmp_path: Path) -> None:
    """Where the libraries cannot be found; `-S` leaves out what is installed."""
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "import importlib.machinery as m\n"
        "find = m.PathFinder.find_spec\n"
        "m.PathFinder.find_spec = classmethod(lambda c, n, *a: None if n.partition('.')[0] in"
        " ('nltk', 'ingredient_parser') else find(n, *a))\n"
        "import searchengine.recipes.ingredients as i\n"
        "from searchengine.errors import MissingPlugin\n"
        "assert not i.is_available()\n"
        "try: i.parse_ingredients(['1 egg'])\n"
        "except MissingPlugin as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "ingredients are parsed by an extra; pip install 'lexpix[recipes]'\n"
    assert is_available()


def test_weights_of_the_tagger_are_three_places_of_json() -> None:
    with zipfile.ZipFile(OUT) as archive:
        name = "averaged_perceptron_tagger_eng"
        weights, words, tags = (
            json.loads(archive.read(f"{name}/{name}.{kind}.json"))
            for kind in ("weights", "tagdict", "classes")
        )
    assert {"NN", "NNS", "JJ", "VBD", "CD"} <= set(tags)
    assert {tag for by_tag in weights.values() for tag in by_tag} <= set(tags)
    assert words["the"] == "DT"
    assert all(round(w, 3) == w for by_tag in weights.values() for w in by_tag.values())


def test_pickle_that_names_code_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "bad.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(PICKLE, b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(TrainingDataError, match=r"names os\.system"):
        convert(wheel, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
