"""What picture words of other languages, and emoji, are in English: a table that is memory-mapped.

`assets/aliases.bin`, made by `indexer/vocabulary/make_aliases.py`; all numbers are little-endian::

    8 bytes       MAGIC
    4 x uint32    bytes of the languages, English texts, bytes of these, blocks
    bytes         languages, as BCP 47 has them, with spaces between; "" is of every language
    uint32 each   where each English text begins, and the end of the last
    bytes         the English texts
    uint32 each   where each block begins, and the end of the last
    blocks        of 16 aliases in order of UTF-8 bytes

An alias in a block is one byte that says how many bytes it shares with the one before, one for the
number of its own bytes, these, the number of its meanings, and three bytes for each: a language
(6 bits) with a level (2 bits), and the number of its English text. A look-up reads some 15 aliases
by halving and one block.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from searchengine.errors import ModelError

FILE = Path(__file__).parent.parent / "assets" / "aliases.bin"

MAGIC = b"lexpixA1"
BLOCK = 16
LONGEST = 255
"""Bytes of an alias at most."""

ENGLISH = "en"
"""The language of an alias that is an English word itself; its meaning has no text."""
EMOJI = "und"
"""The language of emoji, which are of every language."""
SMALL = "zxx"
"""The language, as BCP 47 calls none, of words that say nothing of a picture."""

SURE, STRONG, WEAK, PLAIN = 3, 2, 1, 0
"""Levels: written by hand or a name, well aligned, aligned, and a spelling without its marks."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an alias is in English, in one language; without text it says nothing of a picture."""

    language: str
    english: str
    level: int


Meanings: TypeAlias = tuple[Meaning, ...]


class Aliases:
    """A read-only table from aliases to meanings."""

    def __init__(self, data: bytes | mmap.mmap, name: str = "aliases") -> None:
        self._data = data
        if data[:8] != MAGIC:
            raise ModelError(f"{name}: not a table of aliases; install lexpix again")
        languages, self._texts, size, self._blocks = (self._number(8 + 4 * i) for i in range(4))
        place = 24
        self.languages = tuple(data[place : place + languages].decode().split())
        self._text_places = place + languages
        self._text = self._text_places + 4 * (self._texts + 1)
        self._block_places = self._text + size
        self._body = self._block_places + 4 * (self._blocks + 1)
        if len(data) != self._body + self._number(self._body - 4):
            raise ModelError(f"{name}: not complete; install lexpix again")
        # Words of a query are asked for more than once: as themselves, in phrases, for suggestions.
        self.find = lru_cache(maxsize=4096)(self._find)
        self.begins = lru_cache(maxsize=4096)(self._begins)

    @classmethod
    def open(cls, path: Path = FILE) -> Aliases:
        """Map a table into memory; raise ModelError naming it if it cannot be read."""
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: it is empty
            raise ModelError(f"{path}: cannot be read ({error}); install lexpix again") from error
        return cls(mapped, str(path))

    def _find(self, alias: str) -> Meanings:
        """Return the meanings of an alias, none if it is not in the table."""
        encoded = alias.encode()
        for key, place in self._from(encoded):
            if key == encoded:
                return self._meanings(place)
            if key > encoded:
                break
        return ()

    def _begins(self, letters: str) -> bool:
        """Tell whether any alias begins with some letters."""
        return next(self.beginning(letters), None) is not None

    def beginning(self, letters: str) -> Iterator[tuple[str, Meanings]]:
        """Yield the aliases that begin with some letters, in order, with their meanings."""
        # No letter in UTF-8 has the byte 0xff, so this stands behind all that begin so.
        return self.between(letters.encode(), letters.encode() + b"\xff")

    def between(self, low: bytes, high: bytes) -> Iterator[tuple[str, Meanings]]:
        """Yield the aliases from some bytes on, up to others."""
        for key, place in self._from(low):
            if key > high:
                return
            if key >= low:
                yield key.decode(), self._meanings(place)

    def __iter__(self) -> Iterator[tuple[str, Meanings]]:
        return self.between(b"", b"\xff")

    def _from(self, first: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield aliases with the place of their meanings, from the block that may hold one on."""
        low, high = 0, self._blocks
        while high - low > 1:
            middle = (low + high) // 2
            place = self._block(middle)
            if self._data[place + 2 : place + 2 + self._data[place + 1]] <= first:
                low = middle
            else:
                high = middle
        place, end = self._block(low), len(self._data)
        key = b""
        while place < end:
            shared, own = self._data[place], self._data[place + 1]
            key = key[:shared] + self._data[place + 2 : place + 2 + own]
            place += 2 + own
            yield key, place
            place += 1 + 3 * self._data[place]

    def _meanings(self, place: int) -> Meanings:
        meanings = []
        for at in range(place + 1, place + 1 + 3 * self._data[place], 3):
            kind = self._data[at]
            text = self._data[at + 1] | self._data[at + 2] << 8
            start = self._number(self._text_places + 4 * text)
            end = self._number(self._text_places + 4 * text + 4)
            english = self._data[self._text + start : self._text + end].decode()
            meanings.append(Meaning(self.languages[kind >> 2], english, kind & 3))
        return tuple(meanings)

    def _block(self, number: int) -> int:
        return self._body + self._number(self._block_places + 4 * number)

    def _number(self, place: int) -> int:
        return int.from_bytes(self._data[place : place + 4], "little")


def packed(entries: Mapping[str, Sequence[Meaning]], languages: Sequence[str]) -> bytes:
    """Return the bytes of a table.

    Args:
        entries: Meanings by alias, of at most `LONGEST` bytes.
        languages: All that occur, at most 64.

    Raises:
        ValueError: A limit of the format is passed.
    """
    texts = sorted({meaning.english for meanings in entries.values() for meaning in meanings})
    if len(languages) > 64 or len(texts) > 1 << 16 or not entries:
        raise ValueError("a table holds aliases of up to 64 languages and 65,536 English texts")
    number = {text: place for place, text in enumerate(texts)}
    code = {language: place for place, language in enumerate(languages)}
    body = bytearray()
    blocks: list[int] = []
    before = b""
    for place, (key, alias) in enumerate(sorted((alias.encode(), alias) for alias in entries)):
        if place % BLOCK == 0:
            blocks.append(len(body))
            before = b""
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        body += bytes([shared, len(key) - shared]) + key[shared:]
        body.append(len(entries[alias]))
        for meaning in entries[alias]:
            body.append(code[meaning.language] << 2 | meaning.level)
            body += number[meaning.english].to_bytes(2, "little")
        before = key
    encoded = [text.encode() for text in texts]
    offsets = [0]
    for text in encoded:
        offsets.append(offsets[-1] + len(text))
    names = " ".join(languages).encode()
    head = (len(names), len(texts), offsets[-1], len(blocks))

    def numbers(values: Sequence[int]) -> bytes:
        return b"".join(value.to_bytes(4, "little") for value in values)

    parts = [MAGIC, numbers(head), names, numbers(offsets), *encoded]
    return b"".join([*parts, numbers([*blocks, len(body)]), bytes(body)])
