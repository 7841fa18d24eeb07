"""The words, or letters, that captions are made of, and their numbers."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from searchengine.errors import ModelError

END, START, UNKNOWN = 0, 1, 2
MARKS = ("<end>", "<start>", "<unknown>")
"""What stands for the numbers above; no text has these, because they are no words."""

Level = Literal["words", "characters"]
LONGEST = 24
"""Most words of a caption; 99.7 % of those of Flickr8k have fewer."""

_WORD = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*")


def caption_words(text: str) -> list[str]:
    """Split a caption into lower-case words; hyphens and apostrophes inside of one stay.

    Unlike in a query, a possessive ending stays as well: a sentence needs it.
    """
    folded = unicodedata.normalize("NFKD", text).lower().replace("’", "'")
    return _WORD.findall("".join(mark for mark in folded if not unicodedata.combining(mark)))


class CaptionWords:
    """A vocabulary: numbers 0, 1 and 2 are marks, the rest are words or letters.

    Args:
        words: All of them, the marks first.
        level: What a word is.
    """

    def __init__(self, words: Sequence[str], level: Level = "words") -> None:
        if tuple(words[: len(MARKS)]) != MARKS or len(set(words)) != len(words):
            raise ModelError("not the vocabulary of a captioner; install it again")
        self.words, self.level = tuple(words), level
        self._numbers = {word: number for number, word in enumerate(self.words)}

    @classmethod
    def build(cls, texts: Iterable[str], level: Level = "words", least: int = 1) -> CaptionWords:
        """Return the vocabulary of texts: what stands in them at least so often, by frequency.

        A rare word with hyphens is counted by its parts.
        """
        if level == "characters":
            counts = Counter(letter for text in texts for letter in text)
        else:
            counts = Counter(word for text in texts for word in caption_words(text))
            for word in [word for word, count in counts.items() if count < least and "-" in word]:
                for part in word.split("-"):
                    counts[part] += counts[word]
        kept = [word for word, count in counts.items() if count >= least]
        return cls([*MARKS, *sorted(kept, key=lambda word: (-counts[word], word))], level)

    @classmethod
    def load(cls, path: Path, level: str) -> CaptionWords:
        """Read a file that `save` wrote; raise ModelError if it is something else."""
        try:
            words: Any = json.loads(path.read_text(encoding="utf-8"))
            if not all(isinstance(word, str) for word in words):
                raise TypeError("not a list of words")
            if level not in get_args(Level):
                raise ValueError(f"{level!r} is no level")
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(
                f"{path}: not a vocabulary ({error}); install the model again"
            ) from error
        return cls(words, "characters" if level == "characters" else "words")

    def save(self, path: Path) -> None:
        """Write the words as a JSON list."""
        path.write_text(json.dumps(self.words, indent=0) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        return len(self.words)

    def numbers(self, text: str) -> list[int]:
        """Return the numbers of a text, without marks; what is not known is UNKNOWN.

        A word with hyphens that is not known is tried in its parts.
        """
        if self.level == "characters":
            return [self._numbers.get(letter, UNKNOWN) for letter in text]
        numbers: list[int] = []
        for word in caption_words(text):
            parts = [word] if word in self._numbers else word.split("-")
            numbers += [self._numbers.get(part, UNKNOWN) for part in parts]
        return numbers

    def text(self, numbers: Sequence[int]) -> str:
        """Return the text of numbers, without marks."""
        between = "" if self.level == "characters" else " "
        return between.join(self.words[number] for number in numbers if number >= len(MARKS))
