"""Read recipes as they are published: schema.org Recipe in JSON-LD, alone or inside a web page.

https://schema.org/Recipe says what the fields mean; what sites write is looser, and all of it is
read: texts where objects are asked for and the reverse, markup and entities inside texts, single
values for lists, steps in sections, references by `@id`.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from itertools import islice
from typing import Any, TypeAlias

Node: TypeAlias = Mapping[str, Any]

_WRAPPER = re.compile(r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|//\s*\]\]>|\]\]>);?\s*$")
_MARKUP = re.compile(r"<\s*+/?\s*+[a-zA-Z!]")
_BLOCKS = frozenset({"br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ol", "p", "ul"})


def scripts(page: str) -> Iterator[tuple[int, str]]:
    """Yield the JSON-LD blocks of a web page, each with the number of its first line."""
    parser = _Scripts()
    parser.feed(page)
    parser.close()
    for line, text in parser.scripts:
        yield line, _WRAPPER.sub("", text)


def recipes(value: Any) -> Iterator[Node]:
    """Yield the Recipe nodes of a JSON-LD value, wherever they stand in it, in order.

    References by `@id` to a node of the same value are replaced by the node.
    """
    named = {node["@id"]: node for node in _nodes(value) if _is_defined(node)}
    for node in _nodes(value):
        if is_recipe(node) and (node is named.get(node.get("@id")) or not _is_reference(node)):
            yield _resolved(node, named)


def is_recipe(value: Any) -> bool:
    """Return whether a JSON value is a node of type Recipe."""
    types = value.get("@type", ()) if isinstance(value, dict) else ()
    names = types if isinstance(types, list) else [types]
    return any(isinstance(name, str) and re.split(r"[/#:]", name)[-1] == "Recipe" for name in names)


def is_jsonld(value: Any) -> bool:
    """Return whether a JSON value says that it is JSON-LD."""
    if isinstance(value, list):
        return any(map(is_jsonld, value))
    return isinstance(value, dict) and not value.keys().isdisjoint({"@context", "@graph", "@type"})


def record(recipe: Node) -> dict[str, Any]:
    """Return a Recipe in the fields of JSON lines: id, title, ingredients, instructions, image.

    The image is the first that is named, a path or an address; None if there is none.
    """
    ingredients = recipe.get("recipeIngredient", recipe.get("ingredients"))
    return {
        "id": recipe.get("@id"),
        "title": " ".join(_texts(recipe.get("name", recipe.get("headline")))),
        "ingredients": list(_texts(ingredients)),
        "instructions": list(_steps(recipe.get("recipeInstructions"))),
        "image": next(_addresses(recipe.get("image")), None),
    }


def plain(text: str) -> list[str]:
    """Return the lines of a text without markup and entities; blocks of markup are lines."""
    if not _MARKUP.search(text):
        lines = html.unescape(text).split("\n")
    else:
        parser = _Text()
        parser.feed(text)
        parser.close()
        lines = "".join(parser.parts).split("\n")
    # Many sites escape twice: "&amp;frac12; cup".
    cleaned = (" ".join(html.unescape(line).split()) for line in lines)
    return [line for line in cleaned if line]


def loads(text: str) -> Any:
    """Parse JSON as sites write it: with line ends inside texts, or a comma after the last entry.

    Raises:
        ValueError: It is not even that; the error is the one of strict JSON.
    """
    try:
        return json.loads(text, strict=False)
    except json.JSONDecodeError:
        values = _as_of_javascript(text)
        if len(values) != 1:  # nothing, or things side by side, of which one would be lost
            raise
        return values[0]


def _as_of_javascript(text: str) -> list[Any]:
    """Read the first two objects of a text as JavaScript would."""
    import chompjs

    if not text.lstrip().startswith(("{", "[")):  # else it looks for one amid anything
        return []
    try:
        return list(islice(chompjs.parse_js_objects(text, loader_kwargs={"strict": False}), 2))
    except ValueError:
        return []


def _nodes(value: Any) -> Iterator[Node]:
    """Yield the objects of a value, outer ones first; what a Recipe holds is part of it."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, dict):
            yield one
            if not is_recipe(one):
                waiting.extend(reversed(one.values()))


def _is_reference(node: Node) -> bool:
    return node.keys() <= {"@id", "@type"}


def _is_defined(node: Node) -> bool:
    return isinstance(node.get("@id"), str) and not _is_reference(node)


def _resolved(recipe: Node, named: Mapping[str, Node]) -> Node:
    """Return a recipe whose fields are nodes where it only names them."""

    def resolve(value: Any) -> Any:
        if isinstance(value, list):
            return [resolve(one) for one in value]
        if isinstance(value, dict) and value.keys() == {"@id"}:
            return named.get(value["@id"], value)
        return value

    return {key: resolve(value) for key, value in recipe.items()}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from plain(value)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        yield from _texts(value.get("@value", value.get("text", value.get("name"))))


def _steps(value: Any) -> Iterator[str]:
    """Yield the instructions of a text, HowToStep, HowToSection, ItemList or list of those."""
    if isinstance(value, str):
        yield from plain(value)
    elif isinstance(value, list):
        for one in value:
            yield from _steps(one)
    elif isinstance(value, dict):
        inner = value.get("itemListElement", value.get("item"))
        if inner:  # a section's name is a heading, no step
            yield from _steps(inner)
        else:
            yield from _texts(value.get("text") or value.get("name") or value.get("@value"))


def _addresses(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield html.unescape(value.strip())
    elif isinstance(value, list):
        for one in value:
            yield from _addresses(one)
    elif isinstance(value, dict):
        for field in ("url", "contentUrl", "@id"):
            if isinstance(value.get(field), (str, list)):
                yield from _addresses(value[field])
                return


class _Parser(HTMLParser):
    """Read on where Python's parser gives up."""

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Take "<![" that begins no section for a comment up to the next ">", as browsers do."""
        try:
            return super().parse_marked_section(i, bool(report))
        except AssertionError:
            return self.parse_bogus_comment(i, bool(report))


class _Scripts(_Parser):
    """Collect the texts of script elements of type application/ld+json."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[tuple[int, str]] = []
        self._line: int | None = None
        self._parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = (dict(attrs).get("type") or "").partition(";")[0].strip().lower()
        if tag == "script" and kind == "application/ld+json":
            self._line, self._parts = self.getpos()[0], []

    def handle_data(self, data: str) -> None:
        if self._line is not None:
            self._parts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self._line is not None:
            self.scripts.append((self._line, "".join(self._parts)))
            self._line = None


class _Text(_Parser):
    """Collect the text of markup, a line per block."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")
