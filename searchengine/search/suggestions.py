"""How a query may go on where somebody types: words, filters and what these hold, paths.

Shells and the prompt of `lexpix search -i` ask here. A suggestion replaces the end of the text from
`start` on, and is written as a query needs it: ``tag:"hot dog"``. Nothing is raised for what cannot
be had: no library, a model without words, an unreadable folder.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from searchengine.catalog.glance import Glance
from searchengine.catalog.opening import CATALOG_FILE
from searchengine.config import Settings
from searchengine.errors import ModelError
from searchengine.formats import FORMATS
from searchengine.language import query as grammar
from searchengine.language.filters import KEYS, SHAPES, TAKES, plain
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.language.translator import Translator
from searchengine.language.words import WordVectors
from searchengine.models.files import resolve
from searchengine.types import Filter, FilterKind, Query

MOST = 20
"""Suggestions of a kind at most."""

_KEY = "|".join(KEYS)
_FILTER = re.compile(rf'(?<!\S)([+-]?)({_KEY}):(?:"((?:[^"\\]|\\.)*+)|([^\s"]\S*+)?)\Z')
_TERM = re.compile(r"(?:\A|\s)[+-]\s")
_WEIGHT = re.compile(r"[0-9.]+\*\s*")
_PATH = re.compile(r'@?"?(?=\.{1,2}/|~?/)|@"?')
_WORD = re.compile(r'([^\s"*]+\s+)?"?(?:[0-9.]+\*)?([^\s"*]*+)\Z')
_SIGNED = re.compile(r"(?<!\S)([+-]?)(\w*)\Z")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the text may be from `start` on; `goes_on` where a value or a path is still to come."""

    start: int
    text: str
    about: str = ""
    goes_on: bool = False


class Suggestions:
    """What is suggested over one library; look-ups are made again for each text.

    Args:
        settings: Name the library, the model and the language of words.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def suggest(self, text: str) -> list[Suggestion]:
        """Return how a query may go on at its end, what is likely meant first."""
        if (found := _FILTER.search(text)) is not None:
            sign, key, quoted, bare = found.groups()
            begun = (quoted or "").replace("\\", "") if bare is None else bare
            named = self._named(key, begun)
            suggested = [
                Suggestion(found.start(), f"{sign}{key}:{_quoted(name)}", about, goes_on)
                for name, about, goes_on in named
            ]
        elif (path := _path_in(text)) is not None:
            suggested = list(_files(text, path))
        else:
            suggested = [*self._words(text), *_filters(text)]
        # A control character in a name must not reach a terminal, nor a line break a shell.
        return [one for one in suggested if one.text.isprintable()]

    def values(self, key: FilterKind, begun: str) -> list[str]:
        """Return what a filter may hold that begins so, as it stands in a flag of its own."""
        return [name for name, _, _ in self._named(key, begun) if name.isprintable()]

    def taught(self, begun: str) -> list[str]:
        """Return the words that were taught and begin so."""
        with self._glance() as glance:
            return [name for name in glance.taught() if name.startswith(begun.casefold())]

    def words(self, begun: str, before: str = "") -> list[str]:
        """Return words that begin so: what was taught, what can be seen, then all others.

        Args:
            begun: The letters, in any case.
            before: The word that stands before, which may make a phrase.
        """
        letters, phrase = begun.casefold(), f"{before} {begun}".casefold()
        if not letters:
            return []
        with self._glance() as glance:
            taught = glance.taught()
            table = self._table(glance.model())
        known = [*taught, *self._vocabulary]
        size = len(before) + 1
        words = [name[size:] for name in known if before and name.startswith(phrase)]
        if table is not None and (self._settings.lang or not letters.isascii()):
            translator = Translator(table.__contains__, self._settings.lang or None)
            words += [alias for alias, _ in translator.completions(letters, MOST // 2)]
        if before and table is not None:
            words += [name[size:] for name in table.beginning(phrase, MOST)]
        words += [name for name in known if name.startswith(letters)][:MOST]
        if table is not None:
            words += table.beginning(letters, MOST)
        return [*dict.fromkeys(word for word in words if " " not in word or word in taught)][:MOST]

    def _words(self, text: str) -> Iterator[Suggestion]:
        last = _WORD.search(text)
        assert last is not None, "it matches nothing as well"
        start, begun = last.start(2), last[2]
        if last[1] is None and begun[:1] in ("+", "-"):  # only the first sign may touch its term
            start, begun = start + 1, begun[1:]
        for word in self.words(begun, (last[1] or "").strip()):
            yield Suggestion(start, word)

    def _named(self, key: str, begun: str) -> list[tuple[str, str, bool]]:
        """Return values of a filter that begin so, what is known of each, whether it goes on."""
        if key == "in":
            with self._glance() as glance:
                return _folders(begun, glance.folders(), glance.roots())
        kept, bar, last = begun.rpartition("|")  # alternatives that stand already stay
        with self._glance() as glance:
            known = self._known(key, plain(last), glance)
        fitting = [pair for pair in known if plain(pair[0]).startswith(plain(last))]
        if len(fitting) < MOST and key in ("camera", "lens", "place", "keyword"):
            wanted = plain(last)
            fitting += [pair for pair in known if pair not in fitting and wanted in plain(pair[0])]
        return [(kept + bar + name, about, False) for name, about in fitting[:MOST]]

    def _known(self, key: str, begun: str, glance: Glance) -> list[tuple[str, str]]:
        match key:
            case "tag":
                counts = glance.tags(begun)
            case "caption":
                counts = glance.caption_words(begun)
            case "keyword":
                counts = glance.keywords()
            case "camera" | "lens" | "place":
                counts = glance.names(key)
            case "year" | "after" | "before":
                counts = glance.years()
            case _:
                return [(name, "") for name in _CONSTANT.get(key, ())]
        return [(name, _pictures(count)) for name, count in counts]

    def _glance(self) -> Glance:
        # A catalog on a server would make whoever types wait for a network.
        return Glance(None if self._settings.catalog else self._settings.library / CATALOG_FILE)

    def _table(self, choice: str | None) -> WordVectors | None:
        """Return the word table of the model that answers, else that of lexpix itself."""
        named = choice if choice and "model" in self._settings.yielding else self._settings.model
        for name in (named, "default"):
            # Its hash is not compared, as that takes a while, and a wrong word does no harm.
            with contextlib.suppress(ModelError):
                return WordVectors.load(resolve(name))
        return None

    @cached_property
    def _vocabulary(self) -> list[str]:
        entries = TagVocabulary.load().entries
        return [entry.name for entry in sorted(entries, key=lambda entry: entry.rank)]


_CONSTANT: Mapping[str, tuple[str, ...]] = {
    "type": tuple(one.name for one in FORMATS),
    "shape": SHAPES,
    "month": tuple(str(month) for month in range(1, 13)),
    "rating": tuple(str(stars) for stars in range(6)),
    **dict.fromkeys(SHAPES, ("yes", "no")),
}
"""What some filters take, whatever the library."""


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _quoted(value: str) -> str:
    """Return a value as it stands behind the colon of a filter."""
    return grammar.format(Query((), (Filter(value),))).removeprefix("tag:")


def _filters(text: str) -> Iterator[Suggestion]:
    last = _SIGNED.search(text)
    if last is None:
        return
    for key in KEYS:
        if key.startswith(last[2].lower()):
            about = TAKES[key][1].rstrip(".") if key in TAKES else "Of this shape: yes or no"
            yield Suggestion(last.start(), f"{last[1]}{key}:", about, goes_on=True)


def _folders(begun: str, counts: Counter[str], roots: list[str]) -> list[tuple[str, str, bool]]:
    """Return folders of pictures: whole paths if one is begun, else names of some in a row."""
    found: Counter[str] = Counter()
    going_on: set[str] = set()
    if begun.startswith(os.sep):
        for folder, count in counts.items():
            if f"{folder}{os.sep}".startswith(begun):
                end = folder.find(os.sep, len(begun) + (begun == os.sep))
                name = folder if end < 0 else folder[:end]
                found[name] += count
                going_on |= {name} if name != folder else set()
    else:
        *above, last = plain(begun).split("/")
        for folder, count in counts.items():
            parts = _inside(folder, roots)
            plains = [plain(part) for part in parts]
            names = {
                "/".join(parts[at : at + len(above) + 1])
                for at in range(len(parts) - len(above))
                if plains[at : at + len(above)] == above
                and plains[at + len(above)].startswith(last)
            }
            for name in names:
                found[name] += count
    best = sorted(found, key=lambda name: (-found[name], name))[:MOST]
    return [(name, _pictures(found[name]), name in going_on) for name in best]


def _inside(folder: str, roots: Iterable[str]) -> list[str]:
    """Return the names on the way from an indexed folder, which is the first, to one in it."""
    for root in roots:
        if folder == root or folder.startswith(root.rstrip(os.sep) + os.sep):
            return [os.path.basename(root), *folder[len(root) :].strip(os.sep).split(os.sep)]
    return folder.strip(os.sep).split(os.sep)


def _path_in(text: str) -> int | None:
    """Return where the path of a picture begins at which the text ends, None if it does not."""
    start = max((sign.end() for sign in _TERM.finditer(text)), default=0)
    start += len(text[start:]) - len(text[start:].lstrip())
    if (weight := _WEIGHT.match(text, start)) is not None:
        start = weight.end()
    found = _PATH.match(text, start)
    return found.end() if found is not None else None


def _files(text: str, start: int) -> Iterator[Suggestion]:
    """Yield folders, and the files in them that a picture may be in."""
    endings = {ending for one in FORMATS for ending in one.endings}
    folder, _, begun = text[start:].rpartition("/")
    within = folder + "/" if "/" in text[start:] else ""
    is_quoted = text[:start].endswith('"')
    with contextlib.suppress(OSError), os.scandir(os.path.expanduser(within) or ".") as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if not entry.name.startswith(begun) or entry.name.startswith(".") > begun.startswith(
                "."
            ):
                continue
            path = within + entry.name
            if entry.is_dir():
                yield Suggestion(start, path + "/", goes_on=True)
            elif os.path.splitext(entry.name)[1].lower() in endings:
                yield Suggestion(start, path + '"' * is_quoted)
