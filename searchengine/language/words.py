"""Word vectors in a table that is memory-mapped, so that looking up three words reads three rows.

A table is a folder of NumPy files; row i of each belongs to the i-th word in order of UTF-8 bytes:

======================  ==============  ==========================================================
`words-text.npy`        uint8 (bytes,)  all words, one after the other
`words-offsets.npy`     uint32 (n + 1,) where each word starts
`words-ranks.npy`       uint32 (n,)     0 for the most frequent word
`words-codes.npy`       int8 (n, dim)   vectors, each divided by its scale
`words-scales.npy`      float32 (n,)    largest absolute entry of a vector / 127
`words-weights.npy`     float32 (n,)    what a word counts in a sum, in 0..1; may be missing
======================  ==============  ==========================================================

A word may be a phrase: words with single spaces between them ("ice cream"). In a text the longest
one that begins at a word is found first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from searchengine.errors import ModelError
from searchengine.language.spelling import INDIC, MARKS, fold, script, unmarked
from searchengine.types import MOST_SUGGESTIONS, UnknownWord

_KINDS = {
    "words-text.npy": (np.uint8, 1),
    "words-offsets.npy": (np.uint32, 1),
    "words-ranks.npy": (np.uint32, 1),
    "words-codes.npy": (np.int8, 2),
    "words-scales.npy": (np.float32, 1),
}
FILES = tuple(_KINDS)
WEIGHTS = "words-weights.npy"

JOINT = "_"
"""What holds the words of a phrase together where files of the field allow no space in a word."""
SMOOTHING = 1e-3
"""`a` of the weight a / (a + p(word)) of a word in a sum (Arora et al., ICLR 2017)."""

SHORTEST = 3
"""Letters of a word that another may be near to."""

_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
# A mark is no letter to Python, but a vowel of Hindi is one.
_LETTERS = rf"(?:[^\W_][{MARKS}{INDIC}]*)+"
_MARKED_WORD = rf"{_LETTERS}(?:[-']{_LETTERS})*"
_POSSESSIVE = re.compile(r"(?<=.)'s$")


def tokenize(text: str) -> list[str]:
    """Split text into lower-case words.

    Hyphens and apostrophes inside a word stay ("t-shirt"), a possessive ending goes ("dog's"),
    everything that is neither letter nor digit separates.
    """
    folded = fold(text)
    return [folded[start:end] for start, end in word_spans(folded)]


def normalise(text: str) -> str:
    """Return a word or phrase as word tables have it: its tokens with single spaces."""
    return " ".join(tokenize(text))


def word_spans(folded: str) -> list[tuple[int, int]]:
    """Return where the words of a folded text begin and end; the ending of "dog's" is left out."""
    matches = (_WORD if folded.isascii() else re.compile(_MARKED_WORD)).finditer(folded)
    return [(word.start(), word.end() - 2 * bool(_POSSESSIVE.search(word[0]))) for word in matches]


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

    def __init__(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        weights: npt.NDArray[np.float32] | None = None,
    ) -> None:
        for name, (dtype, dimensions) in _KINDS.items():
            if arrays[name].dtype != dtype or arrays[name].ndim != dimensions:
                raise ModelError(f"{name}: not a part of a word table; install it again")
        text, self._offsets, self._ranks, self._codes, self._scales = (
            arrays[name] for name in FILES
        )
        sizes = {len(self._offsets) - 1, len(self._ranks), len(self._codes), len(self._scales)}
        if len(sizes) != 1 or int(self._offsets[-1]) != len(text):
            raise ModelError("the files of the word table do not belong together; install it again")
        if weights is not None and (weights.dtype != np.float32 or weights.shape != (len(self),)):
            raise ModelError(f"{WEIGHTS}: not a part of this word table; install it again")
        self._weights = weights
        self._text = memoryview(np.ascontiguousarray(text).data)

    @classmethod
    def load(cls, folder: Path) -> WordVectors:
        """Map a table into memory; raise ModelError naming a file that cannot be read."""
        arrays = {}
        has_weights = (folder / WEIGHTS).exists()
        for name in (*FILES, WEIGHTS) if has_weights else FILES:
            try:
                arrays[name] = np.lib.format.open_memmap(folder / name, mode="r")
            except Exception as error:  # a damaged header makes NumPy raise nearly anything
                raise ModelError(f"{folder / name}: not a word table ({error})") from error
        try:
            return cls(arrays, arrays.get(WEIGHTS))
        except ModelError as error:
            raise ModelError(f"{folder}: {error}") from error

    @classmethod
    def build(
        cls,
        words: Sequence[str],
        vectors: npt.NDArray[np.float32],
        *,
        weights: npt.NDArray[np.float32] | None = None,
    ) -> WordVectors:
        """Make a table of distinct words, the most frequent first.

        Args:
            words: As `tokenize` writes them, those of a phrase with a space between.
            vectors: Shape (n, dim).
            weights: What each counts in a sum, shape (n,), in 0..1.
        """
        encoded = [word.encode() for word in words]
        order = np.array(sorted(range(len(encoded)), key=encoded.__getitem__), dtype=np.int64)
        codes, scales = quantize(vectors[order])
        offsets = np.cumsum([0, *(len(encoded[i]) for i in order)], dtype=np.uint32)
        text = np.frombuffer(b"".join(encoded[i] for i in order), dtype=np.uint8)
        parts = (text, offsets, order.astype(np.uint32), codes, scales)
        ordered = None if weights is None else weights[order].astype(np.float32)
        return cls(dict(zip(FILES, parts, strict=True)), ordered)

    def save(self, folder: Path) -> None:
        """Write the files of the table into an existing folder."""
        parts = (np.asarray(self._text), self._offsets, self._ranks, self._codes, self._scales)
        for name, array in zip(FILES, parts, strict=True):
            np.save(folder / name, array, allow_pickle=False)
        if self._weights is not None:
            np.save(folder / WEIGHTS, self._weights, allow_pickle=False)

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
        encoded = word.encode()
        row = self._first_row(encoded)
        return row if row < len(self) and self._word(row) == encoded else None

    def _first_row(self, encoded: bytes) -> int:
        """Return the first row whose word does not come before some bytes."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._word(middle) < encoded:
                low = middle + 1
            else:
                high = middle
        return low

    def beginning(self, letters: str, limit: int) -> list[str]:
        """Return words and phrases that begin with some letters, the most frequent first."""
        start = self._first_row(letters.encode())
        # No letter in UTF-8 has the byte 0xff, so this stands behind all that begin so.
        end = self._first_row(letters.encode() + b"\xff")
        ranks = self._ranks[start:end]
        count = min(limit, len(ranks))
        if not count:
            return []
        best = np.argpartition(ranks, count - 1)[:count]
        return [self.word(start + int(row)) for row in best[np.argsort(ranks[best])]]

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

    def weights(
        self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]
    ) -> npt.NDArray[np.float32]:
        """Return what words count in a sum, shape (len(rows),), in 0..1; frequent ones count less.

        A table that was not told takes shares from the ranks, by Zipf's law.
        """
        index = np.asarray(rows, dtype=np.int64)
        if self._weights is not None:
            return np.asarray(self._weights[index], dtype=np.float32)
        harmonic = np.log(max(len(self), 1)) + np.euler_gamma
        share = 1 / ((self._ranks[index].astype(np.float64) + 1) * harmonic)
        return np.asarray(SMOOTHING / (SMOOTHING + share), dtype=np.float32)

    def find(self, text: str) -> tuple[list[int], list[str]]:
        """Return the rows of the words of a text in order, and the words that have none.

        The longest phrase of the table comes first. A word that is not in the table is tried
        without accents, then in its parts ("sheep-dog"), which may be a phrase too ("ice-cream").
        """
        rows: list[int] = []
        unknown: dict[str, None] = {}
        for word, row in self._matched(tokenize(text)):
            if row is not None:
                rows.append(row)
                continue
            for part, row_of_part in self._matched(re.split(r"[-']", word)):
                if row_of_part is not None:
                    rows.append(row_of_part)
                else:
                    unknown[part] = None
        return rows, list(unknown)

    def spelling(self, word: str) -> str | None:
        """Return the nearest word by edit distance, or None.

        One edit is allowed in words of three or four letters, two in longer ones; a swap of
        neighbours is one edit. Only words of the same script are near. Of equals, a word of the
        same letters comes first ("dgo" is rather "dog" than "ago"), then one of the same length,
        then the more frequent one.
        """
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        if len(word) < SHORTEST:
            return None
        kind = script(word)
        limit = 1 if len(word) <= 4 else 2
        if len(word) > self._most_letters + limit:
            return None
        scored = process.extract(
            word, self._spellings, scorer=OSA.distance, score_cutoff=limit, limit=None
        )
        # Misspellings are words of a large table too; a rare neighbour must be nearer to win.
        nearest = min(
            (item for item in scored if script(item[0]) == kind),
            key=lambda item: (
                item[1],
                sorted(item[0]) != sorted(word),
                abs(len(item[0]) - len(word)),
                self.rank(item[2]),
            ),
            default=None,
        )
        return nearest[0] if nearest else None

    def unknown(self, text: str, suggestions: int = MOST_SUGGESTIONS) -> list[UnknownWord]:
        """Return the words of a text that have no vector, the first with the nearest spelling."""
        return [
            UnknownWord(word, self.spelling(word) if at < suggestions else None)
            for at, word in enumerate(self.find(text)[1])
        ]

    @cached_property
    def _spellings(self) -> list[str]:
        """All words, read once: a server is asked for spellings again and again."""
        return list(self)

    @cached_property
    def _most_letters(self) -> int:
        return max(map(len, self._spellings), default=0)

    @cached_property
    def _longest(self) -> int:
        """How many words the longest phrase has."""
        spaces = np.flatnonzero(np.frombuffer(self._text, dtype=np.uint8) == ord(" "))
        if not len(spaces):
            return 1
        return 1 + int(np.bincount(np.searchsorted(self._offsets, spaces, side="right")).max())

    def _matched(self, words: Sequence[str]) -> Iterator[tuple[str, int | None]]:
        """Yield words, or the phrases that they make, and the row of each, None if it has none."""
        start = 0
        while start < len(words):
            for size in range(min(self._longest, len(words) - start), 0, -1):
                word = " ".join(words[start : start + size])
                row = self._rows(word)
                if row is not None or size == 1:
                    yield word, row
                    start += size
                    break

    def _word(self, row: int) -> bytes:
        return bytes(self._text[int(self._offsets[row]) : int(self._offsets[row + 1])])

    @cached_property
    def _rows(self) -> Callable[[str], int | None]:
        """`_row_of_variant`, which remembers: a query asks three times for each of its words."""
        return lru_cache(maxsize=1024)(self._row_of_variant)

    def _row_of_variant(self, word: str) -> int | None:
        """Return the row of a word, however its marks are written: café and cafe are one word.

        The spelling without marks has the row if it is in the table, else the most frequent one.
        """
        plain = unmarked(word)
        row = self.row(plain)
        if row is None and plain != word:
            row = self.row(word)
        if row is None:
            row = self._unmarked.get(plain)
        if row is None and " " in word:  # "golden retrievers"; a single word's plural has a row
            rows = map(self.row, _singulars(plain))
            row = next((row for row in rows if row is not None), None)
        return row

    @cached_property
    def _unmarked(self) -> dict[str, int]:
        """The rows of words with marks, by the spelling without."""
        marked = np.flatnonzero(np.frombuffer(self._text, dtype=np.uint8) >= 0x80)
        rows = np.unique(np.searchsorted(self._offsets, marked, side="right") - 1)
        frequent = rows[np.argsort(self._ranks[rows], kind="stable")].tolist()
        return {unmarked(self.word(row)): row for row in reversed(frequent)}


def _singulars(name: str) -> Iterator[str]:
    """Yield what a name of several words may be the plural of."""
    for ending, singular in (("ies", "y"), ("es", ""), ("s", "")):
        if name.endswith(ending):
            yield name.removesuffix(ending) + singular
