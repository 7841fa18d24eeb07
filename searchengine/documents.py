"""Texts that a library holds beside its pictures: paragraphs, articles, recipes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["text", "recipe"]


@dataclass(frozen=True, slots=True)
class Document:
    """A text as its author structured it.

    Attributes:
        kind: What it is.
        title: A line; may be empty.
        body: Paragraphs; of a recipe its instructions.
        ingredients: Of a recipe, as written ("2 cups of flour, sifted").
        image: Its picture, if it names one; an absolute path that need not exist.
        key: Its name within the file it came from: the id written there, or a digest of its title
            and place. A document of the same file and key is the same one, in a newer version.
    """

    kind: Kind
    title: str
    body: tuple[str, ...] = ()
    ingredients: tuple[str, ...] = ()
    image: Path | None = None
    key: str = ""

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Return the parts that are embedded with weights of their own, by name."""
        return {
            "title": (self.title,) if self.title else (),
            "ingredients": self.ingredients,
            "body": self.body,
        }
