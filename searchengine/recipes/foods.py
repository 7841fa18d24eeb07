"""What names of ingredients mean: whether "toasted pecans" are nuts, and "peanut butter" butter.

`assets/foods.tsv` holds what is known, a food a line: key, names, the foods of which it is a kind,
what it contains or may contain, words in its name that mean something else in it, and `group` if
its own name may stand for any member. `indexer/vocabulary/make_foods.py` makes it. English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path

from searchengine.errors import QuerySyntaxError
from searchengine.language.singular import to_singular

FILE = Path(__file__).parent.parent / "assets" / "foods.tsv"
LONGEST = 5
"""Words of the longest name that is looked for."""

_FREE = re.compile(r"\b(\w++)[-\s]free\b")

# Where a name of a food stands in a text: begin, end, and the name as `to_singular` writes it.
_Span = tuple[int, int, str]


def matches(names: Iterable[str], wanted: str, *, wary: bool = False) -> bool:
    """Return whether one of some ingredients is a food that somebody wants, or wants to avoid.

    A text names a food if its words are in it, in the singular or plural, or those of a kind of it:
    "pecans" for "nuts". Of a known name only the food that it is counts at its end ("sweet potato"
    is no potato), and "X-free" is free of X.

    Args:
        names: The names of the ingredients; to be wary their lines as written.
        wanted: A food or group of foods, such as "chicken", "nuts", "dairy", "gluten".
        wary: For people who must avoid the food: count as well what may contain it ("pesto" for
            nuts), groups that it may be hidden in ("mixed nuts" for almonds), and any name that
            holds its word, unless it is known to be something else ("coconut milk" for milk).

    Raises:
        QuerySyntaxError: No word is wanted.
    """
    return _load().matches(names, wanted, wary)


class Foods:
    """The foods of a file."""

    def __init__(self, text: str) -> None:
        rows = [line.split("\t") for line in text.splitlines()]
        numbers = {row[0]: number for number, row in enumerate(rows)}

        def column(place: int) -> list[tuple[int, ...]]:
            return [tuple(numbers[key] for key in row[place].split(",") if key) for row in rows]

        self._kinds = column(2)
        self._contains = column(3)
        self._others = [frozenset(map(to_singular, row[4].split(","))) - {""} for row in rows]
        self._groups = frozenset(number for number, row in enumerate(rows) if row[5] == "group")
        self._by_name: dict[str, tuple[int, ...]] = {}
        for number, row in enumerate(rows):
            for name in filter(None, map(to_singular, row[1].split(","))):
                known = self._by_name.get(name, ())
                self._by_name[name] = known if number in known else (*known, number)
        self._above: dict[int, frozenset[int]] = {}
        self.named = lru_cache(maxsize=100_000)(self._named)

    def matches(self, names: Iterable[str], wanted: str, wary: bool) -> bool:
        """Do what the function of this module says."""
        name = to_singular(wanted)
        if not name:
            raise QuerySyntaxError(f"{wanted!r} names no food; write a word, such as 'nuts'")
        foods = self._by_name.get(name, ())
        above = frozenset().union(*map(self.above, foods))
        meant = self._may_mean if wary else self._means
        return any(
            name == found or meant(found, foods, above)
            for text in names
            if not self._is_free_of(text, name, above)
            for found in self.named(text, wary)
        )

    def above(self, food: int) -> frozenset[int]:
        """Return a food and all of which it is a kind."""
        if food not in self._above:
            self._above[food] = frozenset(_closure([food], self._kinds))
        return self._above[food]

    def _means(self, found: str, foods: Iterable[int], above: frozenset[int]) -> bool:  # noqa: ARG002
        wanted = frozenset(foods)
        return any(wanted & self.above(food) for food in self._by_name.get(found, ()))

    def _may_mean(self, found: str, foods: Iterable[int], above: frozenset[int]) -> bool:
        wanted = frozenset(foods)
        return any(
            wanted & self.above(food) or (food in above and food in self._groups)
            for food in self._inside(self._by_name.get(found, ()))
        )

    def _inside(self, foods: Iterable[int]) -> Iterator[int]:
        """Return foods and all that they may contain; what their kinds share, each of them has."""
        return _closure(foods, self._contains)

    def _is_free_of(self, text: str, name: str, above: frozenset[int]) -> bool:
        """Return whether a text says that it is free of a food; not if it is one of two choices."""
        lowered = text.lower()
        if "free" not in lowered or " or " in lowered:
            return False
        said = {to_singular(word) for word in _FREE.findall(lowered)}
        return any(word == name or above & {*self._by_name.get(word, ())} for word in said)

    def _named(self, text: str, wary: bool) -> tuple[str, ...]:
        """Return the names in a text that count: of known foods, and any run of words."""
        words = to_singular(text).split()
        spans = [
            (begin, end, " ".join(words[begin:end]))
            for begin in range(len(words))
            for end in range(begin + 1, min(begin + LONGEST, len(words)) + 1)
        ]
        known = [span for span in spans if span[2] in self._by_name]
        return tuple(
            span[2]
            for span in spans
            if not any(self._is_other(span, around, wary) for around in known)
        )

    def _is_other(self, span: _Span, around: _Span, wary: bool) -> bool:
        """Return whether a name means something else inside a longer one."""
        begin, end, name = span
        if not (around[0] <= begin and end <= around[1]) or span == around:
            return False
        foods = self._by_name[around[2]]
        if any(name in self._others[food] for food in foods):
            return True
        own = frozenset(self._by_name.get(name, ()))
        if any(own & self.above(food) for food in foods):
            return True  # "cheddar cheese" is cheese, but not any cheese that there is
        return not wary and end == around[1] and all(self._kinds[food] for food in foods)


def _closure(start: Iterable[int], edges: list[tuple[int, ...]]) -> Iterator[int]:
    waiting, seen = list(start), set(start)
    while waiting:
        one = waiting.pop()
        yield one
        new = [other for other in edges[one] if other not in seen]
        seen.update(new)
        waiting.extend(new)


@cache
def _load() -> Foods:
    return Foods(FILE.read_text(encoding="utf-8"))
