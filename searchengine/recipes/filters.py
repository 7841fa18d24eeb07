"""What recipes need, and whether that is what a filter names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from searchengine.documents import Document
from searchengine.recipes.foods import matches
from searchengine.recipes.ingredients import parse_ingredients


def ingredient_names(document: Document) -> tuple[str, ...]:
    """Return the names of a recipe's ingredients, each once.

    Where nothing of a list can be parsed, its lines stand for the names, so that filters still see
    their words.

    Raises:
        MissingPlugin: The parser is not installed.
    """
    names = (name.lower() for line in document.ingredients for name in _names_in(line))
    found = tuple(dict.fromkeys(names))
    return found or tuple(dict.fromkeys(line.lower() for line in document.ingredients))


def needs(name: str, wanted: str) -> bool:
    """Tell whether an ingredient, by its name, is a food that is wanted."""
    return matches([name], wanted)


def is_without(document: Document, unwanted: Iterable[str]) -> bool:
    """Tell whether no line of a recipe's ingredients has, or may contain, a food to be avoided."""
    return not any(_may_hold(line, food) for food in unwanted for line in document.ingredients)


@lru_cache(maxsize=100_000)
def _may_hold(line: str, unwanted: str) -> bool:
    return matches([line], unwanted, wary=True)


@lru_cache(maxsize=100_000)
def _names_in(line: str) -> tuple[str, ...]:
    return tuple(name for one in parse_ingredients([line]) for name in one.names)
