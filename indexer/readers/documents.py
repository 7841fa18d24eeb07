"""Read texts and recipes from files: what `docs/texts.md` shows.

Each file gives documents and failures in the order of the file; a bad entry never stops the rest,
and JSON lines are read one at a time, so that a file may be larger than memory.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from indexer.readers import jsonld, markdown
from searchengine.documents import Document, Kind
from searchengine.types import Failure, PathLike

LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_BOMS = (b"\xff\xfe", b"\xfe\xff")
_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n")
_SENTENCE_ENDS = (".", "!", "?", ":", ";", ",")
_TITLE_LENGTH = 100
"""Characters of the longest first line of a plain text that is its title."""

# Where an entry stands in its file ("line 3"), and what is there, or what is wrong with it.
_Entry = tuple[str, "dict[str, Any] | str"]


def read_documents(path: PathLike, kind: Kind | None = None) -> Iterator[Document | Failure]:
    """Yield what a file, or each readable file below a folder, holds.

    A picture that a document names and that is not there is a failure beside the document.

    Args:
        path: JSON lines, JSON, JSON-LD, a web page, Markdown or plain text, told by the name; or a
            folder, of which files with other names and those that begin with a dot are passed over.
        kind: What every document is; told by the fields of each if None.
    """
    root = Path(path)
    if not root.is_dir():
        yield from _Reader(root, kind).read()
        return
    has_texts = False
    unreadable: list[Failure] = []
    for folder, folders, names in os.walk(
        root, onerror=lambda error: unreadable.append(_unreadable(Path(error.filename), error))
    ):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if is_readable(name) and not name.startswith("."):
                has_texts = True
                yield from _Reader(Path(folder, name), kind).read()
    yield from unreadable
    if not has_texts and not unreadable:
        yield Failure(os.fspath(root), f"no text in this folder; read are: {', '.join(SUFFIXES)}")


def is_readable(name: str) -> bool:
    """Return whether a file has a name that texts have."""
    return name.lower().endswith(SUFFIXES)


def record(document: Document) -> dict[str, Any]:
    """Return a document as a line of JSON lines holds it; reading it gives the document again."""
    fields: dict[str, Any] = {"id": document.key, "title": document.title}
    if document.kind == "recipe":
        fields["ingredients"] = list(document.ingredients)
        fields["instructions"] = list(document.body)
    else:
        fields["body"] = list(document.body)
    if document.image is not None:
        fields["image"] = os.fspath(document.image)
    return fields


class _Reader:
    """Read one file, knowing the ids that it has given already."""

    def __init__(self, path: Path, kind: Kind | None) -> None:
        self._path = path
        self._kind = kind
        self._places: dict[str, str] = {}
        self._titles: Counter[bytes] = Counter()

    def read(self) -> Iterator[Document | Failure]:
        name = self._path.name.lower()
        read = next((read for end, read in _FORMATS.items() if name.endswith(end)), _plain_text)
        try:
            for place, entry in read(self._path):
                yield from self._documents(place, entry)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            yield _unreadable(self._path, error)

    def _documents(
        self, place: str, entry: Mapping[str, Any] | str
    ) -> Iterator[Document | Failure]:
        """Yield the document of an entry and what is wrong with it, or only the latter."""
        if isinstance(entry, str):
            yield self._failure(place, entry)
            return
        try:
            document = self._document(place, entry)
        except ValueError as error:
            yield self._failure(place, f"{error}; skipped")
            return
        yield document
        if document.image is not None and not document.image.is_file():
            yield self._failure(place, f"its picture {document.image} is not there")

    def _document(self, place: str, entry: Mapping[str, Any]) -> Document:
        kind = self._kind or ("recipe" if _looks_like_a_recipe(entry) else "text")
        title = _title(entry.get("title"))
        ingredients = _list(entry, "ingredients")
        body = [*_list(entry, "instructions"), *_list(entry, "body")]
        if kind == "text":
            body, ingredients = [*ingredients, *body], []
        words = "".join([title, *ingredients, *body, str(entry.get("id"))])
        if any("\ud800" <= letter <= "\udfff" for letter in words):
            raise ValueError("it holds half a character (an escape \\ud800 to \\udfff by itself)")
        if not any(map(str.isalpha, "".join([title, *ingredients, *body]))):
            raise ValueError(f"a {kind} without words")
        return Document(
            kind,
            title,
            tuple(body),
            tuple(ingredients),
            self._image(entry.get("image")),
            self._key(place, entry.get("id"), title),
        )

    def _key(self, place: str, written: Any, title: str) -> str:
        """Return the id of an entry, or a digest of its title and its place among equal titles.

        Lines that are put in before it so leave its key alone.
        """
        if written is None or written == "":
            digest = hashlib.blake2b(title.encode("utf-8", "surrogatepass"), digest_size=12)
            self._titles[digest.digest()] += 1
            digest.update(b"%d" % self._titles[digest.digest()])
            return digest.hexdigest()
        if isinstance(written, bool) or not isinstance(written, (str, int)):
            raise ValueError(f"its id is {_kind_of(written)}; write a text or a whole number")
        key = str(written)
        if key in self._places:
            raise ValueError(f"the id {key!r} was used by {self._places[key]}")
        self._places[key] = place
        return key

    def _image(self, written: Any) -> Path | None:
        """Return the path of a picture, relative ones being from the file; None for an address."""
        if written is None or written == "":
            return None
        if not isinstance(written, str):
            raise ValueError(f"its image is {_kind_of(written)}; write a path")
        if "\0" in written:
            raise ValueError("its image is no path")
        address = urlsplit(written) if re.match(r"[a-zA-Z][\w+.-]+:|//", written) else None
        if address is not None and address.scheme != "file":
            return None
        path = written if address is None else unquote(address.path)
        return Path(os.path.abspath(self._path.parent / path))

    def _failure(self, place: str, reason: str) -> Failure:
        return Failure(os.fspath(self._path), f"{place}: {reason}" if place else reason)


def _unreadable(path: Path, error: Exception) -> Failure:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, (EOFError, zlib.error, gzip.BadGzipFile)):
        reason = f"the compressed file is damaged ({error})"
    return Failure(os.fspath(path), reason)


def _looks_like_a_recipe(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("ingredients") or entry.get("instructions")) or "ingredients" in entry


def _title(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"its title is {_kind_of(value)}; write a text")
    return " ".join(value.split())


def _list(entry: Mapping[str, Any], field: str) -> list[str]:
    """Return a field of texts; one text is taken apart at its line ends, a body at empty lines."""
    value = entry.get(field)
    if value is None:
        return []
    if isinstance(value, str):
        value = _PARAGRAPHS.split(_unix(value)) if field == "body" else value.splitlines()
    if not isinstance(value, list):
        raise ValueError(f"its {field} are {_kind_of(value)}; write a list of texts")
    for one in value:
        if not isinstance(one, str):
            raise ValueError(f"one of its {field} is {_kind_of(one)}; write a text")
    return [line for one in value if (line := " ".join(one.split()))]


def _kind_of(value: Any) -> str:
    names = {bool: "true or false", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else "a text")


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text(path: Path) -> str:
    """Return a file's text; raise ValueError if it is none."""
    return _decoded(path.read_bytes())


def _decoded(data: bytes) -> str:
    if data.startswith(_BOMS):
        raise ValueError("not UTF-8 but UTF-16 or UTF-32; save it as UTF-8")
    if b"\0" in data:
        raise ValueError(f"not a text (byte {data.index(0)} is zero)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"not UTF-8 (byte 0x{data[error.start]:02x} in line "
            f"{data.count(10, 0, error.start) + 1}); save it as UTF-8"
        ) from error


def _json_lines(path: Path) -> Iterator[_Entry]:
    opens = gzip.open if path.name.lower().endswith(".gz") else open
    with opens(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            place = f"line {number}"
            if number == 1 and line.startswith(_BOMS):
                raise ValueError("not UTF-8 but UTF-16 or UTF-32; save it as UTF-8")
            if not line.strip():
                continue
            try:
                text = _decoded(line) if number == 1 else _line(line)
                value = json.loads(text.strip())
            except json.JSONDecodeError as error:
                yield place, f"no JSON ({_what(error)}, character {error.pos + 1}); skipped"
            except (ValueError, RecursionError) as error:
                yield place, f"{_reason(error)}; skipped"
            else:
                yield from _objects(value, place)


def _line(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = f"byte 0x{data[error.start]:02x} at {error.start + 1}"
        raise ValueError(f"not UTF-8 ({byte}); save it as UTF-8") from error


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _what(error: json.JSONDecodeError) -> str:
    return error.msg.removesuffix(" at")


def _objects(value: Any, place: str) -> Iterator[_Entry]:
    """Yield the entries of a JSON value: one object, a list of them, or JSON-LD."""
    if jsonld.is_jsonld(value):
        yield from _recipes(value, place)
    elif isinstance(value, list):
        for number, one in enumerate(value, 1):
            inner = f"{place}, entry {number}" if place else f"entry {number}"
            if isinstance(one, list):
                yield inner, "a list in a list; skipped"
            else:
                yield from _objects(one, inner)
    elif isinstance(value, dict):
        if value.keys().isdisjoint({"title", "body", "ingredients", "instructions"}):
            names = ", ".join(sorted(value)[:5]) or "none"
            yield place, f"no field title, body, ingredients or instructions (but {names}); skipped"
        else:
            yield place, value
    else:
        yield place, f"{_kind_of(value)} instead of an object with a title; skipped"


def _recipes(value: Any, place: str) -> Iterator[_Entry]:
    recipes = list(jsonld.recipes(value))
    if not recipes:
        yield place, "JSON-LD without a schema.org Recipe; skipped"
    for number, recipe in enumerate(recipes, 1):
        inner = [place] if place else []
        if len(recipes) > 1:
            inner.append(f"recipe {number}")
        yield ", ".join(inner), jsonld.record(recipe)


def _json(path: Path) -> Iterator[_Entry]:
    try:
        value = jsonld.loads(_text(path))
    except json.JSONDecodeError as error:
        yield f"line {error.lineno}", f"no JSON ({_what(error)}, character {error.colno})"
    except RecursionError as error:
        yield "", _reason(error)
    else:
        yield from _objects(value, "")


def _page(path: Path) -> Iterator[_Entry]:
    has_recipes = False
    failures: list[_Entry] = []
    for line, script in jsonld.scripts(_text(path)):
        try:
            value = jsonld.loads(script)
        except json.JSONDecodeError as error:
            failures.append(
                (f"line {line + error.lineno - 1}", f"no JSON ({_what(error)}); skipped")
            )
        except RecursionError as error:
            failures.append((f"line {line}", _reason(error)))
        else:
            recipes = list(jsonld.recipes(value))
            has_recipes |= bool(recipes)
            for recipe in recipes:
                yield f"line {line}", jsonld.record(recipe)
    yield from failures
    if not has_recipes and not failures:
        yield "", "a web page without a schema.org Recipe in JSON-LD; save its text as .txt or .md"


def _markdown(path: Path) -> Iterator[_Entry]:
    yield "", markdown.record(_text(path))


def _plain_text(path: Path) -> Iterator[_Entry]:
    """Yield a text as paragraphs; a first line that stands alone, no sentence, is the title."""
    paragraphs = [one for one in _PARAGRAPHS.split(_unix(_text(path)).strip()) if one.strip()]
    first = paragraphs[0].strip() if paragraphs else ""
    is_title = (
        len(paragraphs) > 1
        and "\n" not in first
        and len(first) <= _TITLE_LENGTH
        and not first.endswith(_SENTENCE_ENDS)
    )
    yield "", {"title": first if is_title else "", "body": paragraphs[is_title:]}


_FORMATS: dict[str, Callable[[Path], Iterator[_Entry]]] = {
    **dict.fromkeys(LINES, _json_lines),
    **dict.fromkeys((".json", ".jsonld"), _json),
    **dict.fromkeys((".html", ".htm"), _page),
    **dict.fromkeys((".md", ".markdown"), _markdown),
    ".txt": _plain_text,
}
SUFFIXES = tuple(_FORMATS)
"""Ends of the names of files that are read in a folder; a single file may be called anything."""
