"""Word vectors in a table that is memory-mapped, so that looking up three words reads three rows.

A table is a folder of NumPy files; row i of each belongs to the i-th word in order of UTF-8 bytes:

======================  ==============  ==========================================================
`words-text.npy`        uint8 (bytes,)  all words, one after the other
`words-offsets.npy`     uint32 (n + 1,) where each word starts
`words-ranks.npy`       uint32 (n,)     0 for the most frequent word
`words-codes.npy`       int8 (n, dim)   vectors, each divided by its scale
`words-scales.npy`      float32 (n,)    largest absolute entry of a vector / 127
======================  ==============  ==========================================================
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from searchengine.errors import ModelError
from searchengine.types import UnknownWord

_KINDS = {
    "words-text.npy": (np.uint8, 1),
    "words-offsets.npy": (np.uint32, 1),
    "words-ranks.npy": (np.uint32, 1),
    "words-codes.npy": (np.int8, 2),
    "words-scales.npy": (np.float32, 1),
}
FILES = tuple(_KINDS)

_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
# Typographic marks; and lower() leaves the dot of "İ" behind as a character of its own.
_PLAIN = {"’": "'", "\u2010": "-", "i\u0307": "i"}
_POSSESSIVE = re.compile(r"(?<=.)'s$")


def tokenize(text: str) -> list[str]:
    """Split text into lower-case words.

    Hyphens and apostrophes inside a word stay ("t-shirt"), a possessive ending goes ("dog's"),
    everything that is neither letter nor digit separates.
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    for mark, plain in _PLAIN.items():
        folded = folded.replace(mark, plain)
    return [_POSSESSIVE.sub("", word) for word in _WORD.findall(folded)]


def quantize(
    vectors: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return int8 codes (n, dim) and float32 scales (n,) with vectors ~ codes * scales[:, None]."""
    scales = np.abs(vectors).max(axis=1, initial=0.0) / 127
    divisors = np.where(scales > 0, scales, 1.0)
    codes = np.rint(vectors / divisors[:, None]).clip(-127, 127).astype(np.int8)
    return codes, scales.astype(np.float32)


class WordVectors:
    """A read-only table from words to vectors."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        for name, (dtype, dimensions) in _KINDS.items():
            if arrays[name].dtype != dtype or arrays[name].ndim != dimensions:
                raise ModelError(f"{name}: not a part of a word table; install it again")
        text, self._offsets, self._ranks, self._codes, self._scales = (
            arrays[name] for name in FILES
        )
        sizes = {len(self._offsets) - 1, len(self._ranks), len(self._codes), len(self._scales)}
        if len(sizes) != 1 or int(self._offsets[-1]) != len(text):
            raise ModelError("the files of the word table do not belong together; install it again")
        self._text = memoryview(np.ascontiguousarray(text).data)

    @classmethod
    def load(cls, folder: Path) -> WordVectors:
        """Map a table into memory; raise ModelError naming a file that cannot be read."""
        arrays = {}
        for name in FILES:
            try:
                arrays[name] = np.lib.format.open_memmap(folder / name, mode="r")
            except Exception as error:  # a damaged header makes NumPy raise nearly anything
                raise ModelError(f"{folder / name}: not a word table ({error})") from error
        try:
            return cls(arrays)
        except ModelError as error:
            raise ModelError(f"{folder}: {error}") from error

    @classmethod
    def build(cls, words: Sequence[str], vectors: npt.NDArray[np.float32]) -> WordVectors:
        """Make a table of distinct words, the most frequent first, with vectors (n, dim)."""
        encoded = [word.encode() for word in words]
        order = np.array(sorted(range(len(encoded)), key=encoded.__getitem__), dtype=np.int64)
        codes, scales = quantize(vectors[order])
        offsets = np.cumsum([0, *(len(encoded[i]) for i in order)], dtype=np.uint32)
        text = np.frombuffer(b"".join(encoded[i] for i in order), dtype=np.uint8)
        parts = (text, offsets, order.astype(np.uint32), codes, scales)
        return cls(dict(zip(FILES, parts, strict=True)))

    def save(self, folder: Path) -> None:
        """Write the files of the table into an existing folder."""
        parts = (np.asarray(self._text), self._offsets, self._ranks, self._codes, self._scales)
        for name, array in zip(FILES, parts, strict=True):
            np.save(folder / name, array, allow_pickle=False)

    def __len__(self) -> int:
        return len(self._ranks)

    def __iter__(self) -> Iterator[str]:
        for row in range(len(self)):
            yield self._word(row).decode()

    def __contains__(self, word: str) -> bool:
        return self.row(word) is not None

    @property
    def dim(self) -> int:
        """Length of a word vector."""
        return int(self._codes.shape[1])

    def row(self, word: str) -> int | None:
        """Return the row of a word as `tokenize` writes it, or None."""
        wanted = word.encode()
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._word(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self._word(low) == wanted else None

    def word(self, row: int) -> str:
        """Return the word of a row."""
        return self._word(row).decode()

    def rank(self, row: int) -> int:
        """Return how many words of the table are more frequent."""
        return int(self._ranks[row])

    def vectors(
        self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]
    ) -> npt.NDArray[np.float32]:
        """Return the vectors of rows, shape (len(rows), dim), as they were, not unit length."""
        index = np.asarray(rows, dtype=np.int64)
        result: npt.NDArray[np.float32] = self._codes[index] * self._scales[index][:, None]
        return result

    def find(self, text: str) -> tuple[list[int], list[str]]:
        """Return the rows of the words of a text in order, and the words that have none.

        A word that is not in the table is tried without accents, then in its parts ("sheep-dog").
        """
        rows: list[int] = []
        unknown: list[str] = []
        for word in tokenize(text):
            row = self._row_of_variant(word)
            if row is not None:
                rows.append(row)
                continue
            for part in re.split(r"[-']", word):
                row = self._row_of_variant(part)
                if row is not None:
                    rows.append(row)
                elif part not in unknown:
                    unknown.append(part)
        return rows, unknown

    def spelling(self, word: str) -> str | None:
        """Return the nearest word by edit distance, or None.

        One edit is allowed in words of up to four letters, two in longer ones; a swap of
        neighbours is one edit. Of equals, a word of the same length comes first ("dgo" is rather
        "dog" than "do"), then the more frequent one.
        """
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        limit = 1 if len(word) <= 4 else 2
        scored = process.extract(
            word, list(self), scorer=OSA.distance, score_cutoff=limit, limit=None
        )
        # Misspellings are words of a large table too; a rare neighbour must be nearer to win.
        nearest = min(
            scored,
            key=lambda item: (item[1], abs(len(item[0]) - len(word)), self.rank(item[2])),
            default=None,
        )
        return nearest[0] if nearest else None

    def unknown(self, text: str) -> list[UnknownWord]:
        """Return the words of a text that have no vector, each with the nearest spelling."""
        return [UnknownWord(word, self.spelling(word)) for word in self.find(text)[1]]

    def _word(self, row: int) -> bytes:
        return bytes(self._text[int(self._offsets[row]) : int(self._offsets[row + 1])])

    def _row_of_variant(self, word: str) -> int | None:
        row = self.row(word)
        if row is None:
            plain = "".join(
                letter
                for letter in unicodedata.normalize("NFKD", word)
                if not unicodedata.combining(letter)
            )
            row = self.row(plain) if plain != word else None
        return row
