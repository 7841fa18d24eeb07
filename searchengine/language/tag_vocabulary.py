"""The words that a picture can be tagged with: `assets/tags.tsv`, one tag a line.

Columns: name, kind (noun, class, scene, colour, activity), rank, synonyms with commas between them,
and the tag that it is a kind of, or nothing. A class is a noun that the bundled model's CNN was
trained to tell from others. The rank says how many words people use more often;
`indexer/vocabulary/make_tags.py` makes the file.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

FILE = Path(__file__).parent.parent / "assets" / "tags.tsv"

Kind = Literal["noun", "class", "scene", "colour", "activity"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A tag: its name, other words and inflections that mean the same, and what it is a kind of."""

    name: str
    kind: Kind
    rank: int
    synonyms: tuple[str, ...]
    broader: str = ""


class TagVocabulary:
    """The tags that a model may propose."""

    def __init__(self, text: str) -> None:
        self.version = hashlib.sha256(text.encode()).hexdigest()[:16]
        rows = [line.split("\t") for line in text.splitlines()]
        self.entries: tuple[Entry, ...] = tuple(
            Entry(name, kind, int(rank), tuple(filter(None, synonyms.split(","))), broader)  # type: ignore[arg-type]
            for name, kind, rank, synonyms, broader in rows
        )

    @classmethod
    def load(cls) -> TagVocabulary:
        """Read the vocabulary that is part of lexpix."""
        return cls(FILE.read_text(encoding="utf-8"))

    def canonical(self, name: str) -> str:
        """Return the tag that a word means, or the word itself, as `tag_name` writes it."""
        plain = tag_name(name)
        return self._names.get(plain, plain)

    def same(self, name: str) -> tuple[str, ...]:
        """Return a name and all words that mean the same."""
        plain, canonical = tag_name(name), self.canonical(name)
        entry = self._entries.get(canonical)
        return (plain,) if entry is None else (canonical, *entry.synonyms)

    def __contains__(self, name: str) -> bool:
        return tag_name(name) in self._names

    @cached_property
    def _entries(self) -> Mapping[str, Entry]:
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def _names(self) -> Mapping[str, str]:
        return {
            word: entry.name for entry in self.entries for word in (entry.name, *entry.synonyms)
        }


def tag_name(text: str) -> str:
    """Return a name as tags are stored and compared: case and spacing do not count."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
