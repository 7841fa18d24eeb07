"""Read recipes and other texts from Markdown, with or without front matter.

A recipe is told by its list of ingredients: a heading "Ingredients", or the word in bold or with a
colon on a line of its own, or a field of the front matter. What stands below "Instructions" (or
Method, Directions, Steps, Preparation) are its instructions; other parts of a recipe, such as
notes, are left out. Any other text is its paragraphs, list items and headings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

Section = Literal["ingredients", "instructions", "other"]
_SECTIONS: dict[str, Section] = {
    "ingredients": "ingredients",
    "instructions": "instructions",
    "method": "instructions",
    "directions": "instructions",
    "steps": "instructions",
    "preparation": "instructions",
}
_BOLD = 7
"""The level of a heading that is no heading, but a line in bold or with a colon."""


@dataclass
class _Page:
    """What is found in a text, in order."""

    title: str = ""
    image: str | None = None
    paragraphs: list[str] = field(default_factory=list)
    ingredients: list[str] = field(default_factory=list)
    instructions: list[str] = field(default_factory=list)
    has_ingredients: bool = False

    def into(self, section: Section) -> list[str]:
        """Return the list that texts of a section go to."""
        return {
            "ingredients": self.ingredients,
            "instructions": self.instructions,
            "other": self.paragraphs,
        }[section]


def record(text: str) -> dict[str, Any]:
    """Return a text in the fields of JSON lines: title, image, id, and those of its kind.

    Raises:
        ValueError: The front matter is not what it says it is.
    """
    matter, content = _front_matter(text)
    page = _read(content)
    entry: dict[str, Any] = {
        "id": matter.get("id"),
        "title": _line(matter.get("title")) or page.title,
        "image": matter.get("image") or page.image,
    }
    ingredients = _entries(matter.get("ingredients")) or page.ingredients
    if ingredients or page.has_ingredients:
        entry["ingredients"] = ingredients
        entry["instructions"] = _entries(matter.get("instructions")) or page.instructions
    else:
        entry["body"] = page.paragraphs + page.instructions
    return entry


def _front_matter(text: str) -> tuple[dict[str, Any], str]:
    if not text.startswith("---"):
        return {}, text
    import frontmatter
    import yaml

    try:
        matter, content = frontmatter.parse(text)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{line}the front matter is no YAML ({error.problem})") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"the front matter cannot be read ({error})") from error
    return {str(name).lower(): value for name, value in matter.items()}, content


def _entries(value: Any) -> list[str]:
    """Return the entries of a list of the front matter; YAML reads "flour: 2 cups" as a field."""
    if isinstance(value, str):
        return [line for part in value.splitlines() if (line := _line(part))]
    if isinstance(value, dict):
        return [_line(f"{name}: {amount}") for name, amount in value.items()]
    if isinstance(value, list):
        return [entry for one in value for entry in _entries(one)]
    return [_line(value)] if _line(value) else []


def _line(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, dt.date)):
        return ""
    return " ".join(str(value).split())


def _read(text: str) -> _Page:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    page = _Page()
    section: Section = "other"
    level = 0
    for node in SyntaxTreeNode(MarkdownIt("commonmark").parse(text)).children:
        heading = _heading(node)
        if heading is None:
            page.into(section).extend(_texts(node, page, by_line=section == "ingredients"))
            continue
        depth, words = heading
        named = _SECTIONS.get(words.rstrip(":").strip().casefold())
        if named is not None:
            section, level = named, depth
            page.has_ingredients |= named == "ingredients"
        elif depth <= level:
            section, level = "other", 0
        if named is None and section == "other":  # headings inside a section are no entries of it
            if depth == 1 and not page.title:
                page.title = words
            else:
                page.paragraphs.append(words)
    return page


def _heading(node: SyntaxTreeNode) -> tuple[int, str] | None:
    """Return level and words of a heading, or of a paragraph that serves as one."""
    if node.type == "heading":
        return int(node.tag[1:]), _inline(node.children[0])
    if node.type == "paragraph":
        inline = node.children[0]
        words = _inline(inline)
        parts = [one for one in inline.children if one.type != "text" or one.content.strip(" :")]
        is_bold = len(parts) == 1 and parts[0].type == "strong"
        if (is_bold or words.endswith(":")) and words.rstrip(":").strip().casefold() in _SECTIONS:
            return _BOLD, words
    return None


def _texts(node: SyntaxTreeNode, page: _Page, by_line: bool) -> Iterator[str]:
    """Yield the texts of a block: paragraphs, or their lines, and items of lists."""
    if node.type == "inline":
        for child in node.walk():
            if child.type == "image" and page.image is None:
                page.image = str(child.attrs.get("src") or "") or None
        for text in _inline(node, "\n").split("\n") if by_line else [_inline(node)]:
            if words := _line(text):
                yield words
    elif node.type in ("code_block", "fence"):
        yield from filter(None, map(_line, node.content.split("\n\n")))
    else:
        for child in node.children:
            yield from _texts(child, page, by_line)


def _inline(node: SyntaxTreeNode, line_end: str = " ") -> str:
    """Return the words of a line without marks; pictures say nothing."""
    texts = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.type in ("text", "code_inline"):
            texts.append(one.content)
        elif one.type in ("softbreak", "hardbreak"):
            texts.append(line_end)
        elif one.type != "image":
            waiting.extend(reversed(one.children))
    return "".join(texts).strip()
