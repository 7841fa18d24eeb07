"""The classes that a CNN was trained on, as a file names them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from searchengine.errors import TrainingDataError


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the CNN's own classifier: its synset, what it is called, and what that means."""

    synset: str
    name: str
    synonyms: tuple[str, ...]
    gloss: str

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its synonyms, each once."""
        return tuple(dict.fromkeys((self.name, *self.synonyms)))

    @property
    def texts(self) -> tuple[str, ...]:
        """What a picture of the class may be described by.

        The name three times: it is what people type, the gloss is only there to place it.
        """
        return (self.name,) * 3 + self.synonyms + (self.gloss,)


def read_classes(path: Path) -> list[Class]:
    """Read a tab-separated table of INDEX, ID, NAME, SYNONYMS, GLOSS, in order of the index.

    Raises:
        TrainingDataError: The file is not the expected table; the message names the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingDataError(f"{path}: cannot be read ({error})") from error
    classes = []
    for number, row in enumerate(rows):
        if len(row) != 5 or row[0] != str(number):
            raise TrainingDataError(
                f"{path}:{number + 1}: expected class {number} as INDEX, ID, NAME, SYNONYMS, GLOSS"
            )
        _, synset, name, synonyms, gloss = row
        classes.append(Class(synset, name, tuple(synonyms.split(", ")), gloss))
    if not classes:
        raise TrainingDataError(f"{path}: no classes in it")
    return classes
