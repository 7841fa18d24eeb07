"""Ingredient lines taken apart: "2 boneless chicken thighs" is 2, of "boneless chicken thighs".

`ingredient-parser-nlp` (extra `recipes`) does the work, a conditional random field over the words
of a line (English). It asks NLTK for the part of speech of each word, whose weights it would
download; here they come from `assets/nltk_data`, so nothing is fetched. What a name means is for
`foods`.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from searchengine.errors import MissingPlugin

NLTK_DATA = Path(__file__).parent.parent / "assets" / "nltk_data"
EXTRA = "ingredients are parsed by an extra; pip install 'lexpix[recipes]'"


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A line of a recipe's ingredients.

    Attributes:
        line: As written.
        names: What it is, without amount and preparation; several for "butter or margarine", none
            for a heading ("For the sauce:") or a line that names nothing.
        quantity: Of the first amount, a number, fraction or range ("3/2", "2-3"); may be empty.
        unit: Of the first amount, in the singular ("cup"); may be empty.
    """

    line: str
    names: tuple[str, ...]
    quantity: str = ""
    unit: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """What `foods.matches` looks at for a wanted food: the names, or the line without any."""
        return self.names or (self.line,)

    @property
    def name(self) -> str:
        """All names in one."""
        return " or ".join(self.names)


def parse_ingredients(lines: Iterable[str]) -> tuple[Ingredient, ...]:
    """Take ingredient lines apart, one entry per line that is not blank, in order.

    The first call of a process takes a second or two: it loads the library and its models
    (`is_ready`).

    Raises:
        MissingPlugin: The extra `recipes` is not installed.
    """
    written = [line for line in map(str.strip, lines) if line]
    return tuple(map(_entry, written)) if written else ()


def is_available() -> bool:
    """Return whether lines can be parsed, without loading what parses them."""
    from importlib.util import find_spec

    return find_spec("ingredient_parser") is not None


def require_parser() -> None:
    """Raise MissingPlugin unless lines can be parsed; nothing is loaded for that."""
    if not is_available():
        raise MissingPlugin(EXTRA)


def is_ready() -> bool:
    """Return whether this process has loaded what parses lines, so that a line takes no time."""
    return bool(_parser.cache_info().currsize)


def _entry(line: str) -> Ingredient:
    if not any(map(str.isalnum, line)):
        return Ingredient(line, ())
    parsed = _parser()(line)
    names = tuple(dict.fromkeys(name.text for name in parsed.name))
    quantity, unit = _first_amount(parsed.amount)
    return Ingredient(line, names, quantity, unit)


def _first_amount(amounts: Any) -> tuple[str, str]:
    if not amounts:
        return "", ""
    amount = amounts[0]
    if hasattr(amount, "amounts"):  # "2 lb 3 oz": one amount of two parts
        amount = amount.amounts[0]
    low, high = str(amount.quantity), str(amount.quantity_max)
    is_range = bool(low) and low != high
    return (f"{low}-{high}" if is_range else low), str(amount.unit)


@cache
def _private_data() -> str:
    """Copy the weights of the tagger to a place that is only ours, until the process ends.

    NLTK refuses data that another account could have changed, such as what root installed for all,
    or what stands in folders that a group may write to.
    """
    folder = Path(tempfile.mkdtemp(prefix="lexpix-"))  # mode 0700
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for source in sorted(NLTK_DATA.rglob("*")):
        target = folder / source.relative_to(NLTK_DATA)
        if source.is_dir():
            target.mkdir()
            target.chmod(0o700)
        else:
            shutil.copyfile(source, target)
            target.chmod(0o600)
    return str(folder)


@cache
def _parser() -> Callable[[str], Any]:
    """Load the library, which looks for the weights of the tagger when it is imported."""
    try:
        with _without(_UNUSED):
            import nltk.data
    except ModuleNotFoundError as error:
        raise MissingPlugin(EXTRA) from error
    nltk.data.path.append(_private_data())  # after the user's own, which come from NLTK
    try:
        from ingredient_parser import parse_ingredient
    except ModuleNotFoundError as error:
        raise MissingPlugin(EXTRA) from error
    return parse_ingredient


_UNUSED = frozenset({"scipy", "sklearn"})
"""What NLTK imports if it is there, for other things than tagging words: half of its time."""


@contextmanager
def _without(packages: Collection[str]) -> Iterator[None]:
    """Let this thread import as if packages that are not loaded yet were not installed."""
    refusal = _Refusal(packages)
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)


class _Refusal(MetaPathFinder):
    def __init__(self, packages: Collection[str]) -> None:
        self._packages, self._thread = packages, threading.get_ident()

    def find_spec(self, fullname: str, *_: object) -> None:
        """Refuse a package to the thread; say nothing of all else."""
        if threading.get_ident() == self._thread and fullname.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
