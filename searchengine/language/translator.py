"""Read a text in any language as English, word by word, by the table of aliases.

A word that the model knows is English where it is an English word; what else it may mean in another
language only counts if that language was asked for. Words that are no English are looked up as they
stand, then without their inflection, then without their marks. Where a word means several things,
what decides is, in this order: the language that was asked for, the languages of the other words
of the text, the languages that are preferred (`prefer`), and how sure the table is.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from searchengine.language import inflections
from searchengine.language.aliases import (
    EMOJI,
    ENGLISH,
    PLAIN,
    SMALL,
    SURE,
    WEAK,
    Aliases,
    Meaning,
    Meanings,
)
from searchengine.language.misspelling import nearest_alias
from searchengine.language.preference import preferred
from searchengine.language.spelling import fold, plain_emoji, script, tokens, unmarked

PHRASE = 5
"""Words of the longest alias that is looked for."""
UNSPACED = 16
"""Characters of the longest alias in a script without spaces."""


@cache
def aliases() -> Aliases:
    """Return the table that is part of lexpix."""
    return Aliases.open()


def knowing(find: Callable[[str], tuple[list[int], list[str]]]) -> Callable[[str], bool]:
    """Return what tells whether every word of a text is known, by what `WordVectors.find` does."""

    def knows(text: str) -> bool:
        rows, unknown = find(text)
        return bool(rows) and not unknown

    return knows


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text.

    Attributes:
        source: As the user wrote it.
        english: What it is in English; "" for a small word, which says nothing of a picture.
        language: From which it was translated; "en" if it was left as it is, "und" for an emoji.
        known: Whether it is in the table, or the model knows it.
    """

    source: str
    english: str
    language: str = ENGLISH
    known: bool = True

    @property
    def is_translated(self) -> bool:
        """Whether it is not in English, and says something."""
        return self.language != ENGLISH and bool(self.english)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    meanings: Meanings
    written: str


class Translator:
    """Read texts as English.

    Args:
        knows: Tells whether the model knows an English word or phrase.
        language: In which texts are first; None for English.
        table: The aliases; those that are part of lexpix if None.
    """

    def __init__(
        self,
        knows: Callable[[str], bool],
        language: str | None = None,
        table: Aliases | None = None,
    ) -> None:
        self._knows, self._language, self._table = knows, language, table
        # A query is read for its vector, its unknown words, what was translated, and its match.
        # What is preferred is an argument because it changes the answer.
        self._read = lru_cache(maxsize=64)(self._pieces_of)

    @property
    def table(self) -> Aliases:
        """The aliases."""
        return self._table or aliases()

    def read(self, text: str) -> list[Piece]:
        """Return the words of a text in order, neighbours that are English as one piece."""
        return list(self._read(text, preferred()))

    def _pieces_of(self, text: str, _preferred: tuple[str, ...]) -> tuple[Piece, ...]:
        folded, written = fold(text), " ".join(unicodedata.normalize("NFKC", text).split())
        if len(folded) != len(written):  # a letter in lower case may be two
            written = folded
        words = [
            _Token(kind, word, self._meanings(kind, word), written[start:end])
            for kind, word, start, end in tokens(folded)
        ]
        votes = self._votes(words)
        pieces = list(self._pieces(words, votes))
        spoken = {one.language for one in pieces if one.is_translated} | {self._language}
        small = (self._is_small(piece, spoken) for piece in pieces)
        read = [
            Piece(piece.source, "", SMALL) if is_small else piece
            for piece, is_small in zip(pieces, small, strict=True)
        ]
        return tuple(_joined(read))

    def translate(self, word: str) -> str | None:
        """Return what a word or phrase is in English, None if it is not of another language."""
        pieces = self.read(word)
        if not any(piece.is_translated for piece in pieces) or not all(p.known for p in pieces):
            return None
        return " ".join(piece.english for piece in pieces if piece.english)

    def completions(self, prefix: str, limit: int) -> list[tuple[str, str]]:
        """Return aliases that begin with some letters, and what they are in English.

        Those of preferred languages come first, then short ones.
        """
        first = [*filter(None, [self._language]), *preferred()]
        is_latin = script(prefix) in ("LATIN", "")
        ranked: list[tuple[tuple[int, int, int, str], str, str]] = []
        for alias, meanings in self.table.beginning(fold(prefix)):
            # Whoever writes in Latin letters and says nothing writes English.
            usable = [
                one
                for one in meanings
                if one.english and one.level > PLAIN and (not is_latin or one.language in first)
            ]
            best = self._best(usable, Counter())
            if best is None or self._is_english(alias, meanings):
                continue
            place = first.index(best.language) if best.language in first else len(first)
            ranked.append(((place, -best.level, len(alias), alias), alias, best.english))
        return [(alias, english) for _, alias, english in sorted(ranked)[:limit]]

    def nearest(self, word: str) -> str | None:
        """Return the alias nearest in spelling, of the same script; None if none is near."""
        return nearest_alias(word, self.table, {*preferred(), self._language} - {None, ENGLISH})

    def _votes(self, words: Sequence[_Token]) -> Counter[str]:
        """Count the words of a text that each language has."""
        votes: Counter[str] = Counter()
        for token in words:
            if token.kind == "run":
                votes[self._language_of_run(token.text)] += 1
            elif len(words) > 1:
                votes.update({one.language for one in token.meanings if one.level > PLAIN})
        for no_language in (ENGLISH, EMOJI):
            votes.pop(no_language, None)
        return votes

    def _language_of_run(self, run: str) -> str:
        """Return the language that has most of what is written without spaces."""
        if any("\u3041" <= letter <= "\u30ff" for letter in run):
            return "ja"
        has: Counter[str] = Counter()
        for language in (*preferred(), *self.table.languages):
            if language in ("ja", "zh", "th") and language not in has:
                votes = Counter({language: 1})
                pieces = [one for one in self._cut(run, votes) if one.language == language]
                has[language] = sum(len(one.source) for one in pieces)
        return has.most_common(1)[0][0] if has else EMOJI

    def _meanings(self, kind: str, word: str) -> Meanings:
        return () if kind == "run" else self.table.find(plain_emoji(word))

    def _pieces(self, words: Sequence[_Token], votes: Counter[str]) -> Iterator[Piece]:
        at = 0
        while at < len(words):
            token = words[at]
            if token.kind == "run":
                yield from self._cut(token.text, votes)
            elif token.kind == "emoji":
                yield from self._emoji(token)
            else:
                size, meaning = self._phrase(words[at : at + PHRASE], votes)
                if meaning is not None:
                    written = " ".join(one.written for one in words[at : at + size])
                    yield Piece(written, meaning.english, meaning.language)
                    at += size
                    continue
                yield self._word(token, votes)
            at += 1

    def _phrase(self, words: Sequence[_Token], votes: Counter[str]) -> tuple[int, Meaning | None]:
        """Return the longest alias of several words that a text begins with."""
        for size in range(len(words), 1, -1):
            part = words[:size]
            if any(token.kind != "word" for token in part):
                continue
            phrase = " ".join(token.text for token in part)
            meanings = self.table.find(phrase)
            if not meanings or self._is_english(phrase, meanings):
                continue
            # Words may stand beside each other by chance; with these very marks they hardly do.
            is_plain = phrase.isascii()
            if (
                is_plain
                and self._language is None
                and all(self._is_english(one.text, one.meanings) for one in part)
            ):
                continue
            best = self._best(meanings, votes)
            if best is None or not best.english:
                continue
            if best.level == SURE or not is_plain or not all(token.meanings for token in part):
                return size, best
        return 0, None

    def _word(self, token: _Token, votes: Counter[str]) -> Piece:
        word = token.text
        is_known = self._knows(word)
        if is_known and self._is_english(word, token.meanings) and token.meanings:
            return Piece(token.written, token.written)
        best = None
        if not is_known or token.meanings:
            best = self._best(token.meanings, votes)
        if best is None and not inflections.is_english(word, self.table):
            # A table of vectors has words of other languages too, which say little there; but
            # what is a stem in one of many languages may be a name, or an error of typing.
            is_latin = script(word) == "LATIN"
            best = self._inflected(word, votes, least=SURE if is_known or is_latin else WEAK)
        if best is None and not is_known and (plain := unmarked(word)) != word:
            best = self._best(self.table.find(plain), votes)
        if best is not None:
            return Piece(token.written, best.english, best.language)
        if script(word) == "HANGUL" and (parts := self._compound(word, votes)):
            return Piece(token.written, " ".join(parts), "ko")
        return Piece(token.written, token.written, known=is_known)

    def _inflected(self, word: str, votes: Counter[str], least: int) -> Meaning | None:
        """Return the meaning of the bare form of a word.

        Args:
            word: It is no alias.
            votes: For the languages of the text.
            least: The level it must have if nothing but the word itself speaks for its language.
        """
        if script(word) == "HANGUL":
            bare = inflections.korean(word, self.table)
            return None if bare is None else self._best(self.table.find(bare), votes)
        first = [self._language, *(one for one, _ in votes.most_common()), *preferred()]
        candidates: list[Meaning] = []
        for language in dict.fromkeys([*first, *self.table.languages]):
            if language is None or language in (ENGLISH, EMOJI):
                continue
            bare = inflections.bare(word, language, self.table)
            if bare is None:
                continue
            meanings = [one for one in self.table.find(bare) if one.language == language]
            if best := self._best(meanings, votes):
                if language in first:
                    return best
                if best.level >= least and (least < SURE or inflections.is_near(word, bare)):
                    candidates.append(best)
        return max(candidates, key=lambda one: one.level, default=None)

    def _compound(self, word: str, votes: Counter[str]) -> list[str]:
        """Return the English of a Korean word made of several, none if a part is not known."""
        parts: list[str] = []
        at = 0
        while at < len(word):
            for end in range(len(word), at + 1, -1):
                part = word[at:end]
                best = self._best(self.table.find(part), votes)
                if best is None and end == len(word):
                    best = self._inflected(part, votes, least=WEAK)
                if best is not None and best.english:
                    parts.append(best.english)
                    at = end
                    break
            else:
                return []
        return parts

    def _cut(self, run: str, votes: Counter[str]) -> Iterator[Piece]:
        """Cut what is written without spaces by the longest aliases."""
        at = start = 0
        while at < len(run):
            size, best = 0, None
            for end in range(at + 1, min(len(run), at + UNSPACED) + 1):
                if not self.table.begins(run[at:end]):
                    break
                meaning = self._best(self.table.find(run[at:end]), votes)
                if meaning is not None:
                    size, best = end - at, meaning
            if best is None:
                at += 1
                continue
            if start < at:
                yield Piece(run[start:at], run[start:at], known=self._knows(run[start:at]))
            yield Piece(run[at : at + size], best.english, best.language)
            at = start = at + size
        if start < at:
            yield Piece(run[start:], run[start:], known=self._knows(run[start:]))

    def _emoji(self, token: _Token) -> Iterator[Piece]:
        meanings = [one for one in token.meanings if one.language == EMOJI]
        if meanings:
            yield Piece(token.text, meanings[0].english, EMOJI)
            return
        for part in plain_emoji(token.text).split("\u200d"):
            for one in self.table.find(part):
                if one.language == EMOJI:
                    yield Piece(part, one.english, EMOJI)

    def _is_english(self, word: str, meanings: Meanings) -> bool:
        if self._language is not None and any(one.language == self._language for one in meanings):
            return self._language == ENGLISH
        if not self._knows(word):
            return False
        if any(one.language == ENGLISH for one in meanings):
            return True
        # A word that a table of vectors has may be one of another language that it met.
        least = SURE if word.isascii() else WEAK  # one with marks may be known without them only
        return max((one.level for one in meanings if one.english), default=PLAIN) < least

    def _is_small(self, piece: Piece, spoken: Collection[str | None]) -> bool:
        """Tell whether a piece is a small word of a language that others of the text are in."""
        if piece.language != ENGLISH:
            return not piece.english
        return any(
            not one.english and one.language != ENGLISH and one.language in spoken
            for one in self.table.find(fold(piece.source))
        )

    def _best(self, meanings: Sequence[Meaning], votes: Counter[str]) -> Meaning | None:
        """Return the meaning that fits best, of those that the model knows."""
        languages = preferred()
        agreed = Counter(one.english for one in meanings)

        def worth(one: Meaning) -> tuple[bool, int, int, int, int]:
            place = languages.index(one.language) if one.language in languages else len(languages)
            is_set = one.language == self._language
            return (
                is_set,
                votes[one.language],
                len(languages) - place,
                one.level,
                agreed[one.english],
            )

        known = [
            one
            for one in meanings
            if one.language not in (ENGLISH, EMOJI)
            and (not one.english or self._knows(one.english))
        ]
        return max(known, key=worth, default=None)


def _joined(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Yield pieces, neighbours that were left as they are as one, unless one is not known."""
    words: list[str] = []
    for piece in pieces:
        if piece.language == ENGLISH and piece.known:
            words.append(piece.source)
            continue
        if words:
            yield Piece(" ".join(words), " ".join(words))
            words = []
        yield piece
    if words:
        yield Piece(" ".join(words), " ".join(words))
