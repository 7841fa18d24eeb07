"""Read a corpus as streams of words, cut exactly as queries are.

A corpus is text files, JSON lines, either of them compressed with gzip, or folders of these. It is
never held in memory: what is read goes on line by line. A file that is no text, or a line that is
no JSON, is reported and left out; the rest goes through.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from searchengine.errors import TrainingDataError
from searchengine.language.words import tokenize
from searchengine.types import Failure

JSON_LINES = (".jsonl", ".ndjson", ".json")
PIECE = 1 << 16
"""Characters read at once of a line that does not end, such as a book in one line."""
LONGEST = 1000
"""Words of a sentence at most; longer ones are cut. gensim stops at ten times that."""
MOST_FAILURES = 20
"""Failures kept for the report; the others are counted only."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus that was cut: the file of its sentences, and its vocabulary, most frequent first."""

    path: Path
    sentences: int
    words: int
    counts: Mapping[str, int]

    def __iter__(self) -> Iterator[list[str]]:
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                yield line.split()


@dataclass(slots=True)
class CorpusReport:
    """What reading a corpus met.

    Attributes:
        files: How many were read, at least in part.
        sentences, words: What came out of them.
        failed: Files and lines that were left out.
        failures: The first `MOST_FAILURES` of these, each with the reason.
    """

    files: int = 0
    sentences: int = 0
    words: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)

    def fail(self, place: str, reason: str) -> None:
        """Count a file, or a line of one, that is left out."""
        self.failed += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(Failure(place, reason))


def corpus_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of a corpus in a fixed order, those of folders at any depth.

    Hidden files and folders are passed over.

    Raises:
        TrainingDataError: A path is not there, or there is no file at all.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                files += [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
        elif path.exists():
            files.append(path)
        else:
            raise TrainingDataError(f"{path}: no such file or folder; name a corpus that is there")
    if not files:
        named = ", ".join(map(str, paths)) or "no path"
        raise TrainingDataError(f"{named}: no file in it; name text files or JSON lines")
    return files


def read_corpus(
    files: Sequence[Path], fields: Sequence[str], report: CorpusReport
) -> Iterator[tuple[list[str], int]]:
    """Yield each sentence as words, and how many bytes of the files, as stored, were read.

    A line of text, or a string of a JSON field, is a sentence.

    Args:
        files: What `corpus_files` returned.
        fields: Which fields of JSON lines hold text: strings, or lists of them.
        report: Where counts and failures go.

    Raises:
        TrainingDataError: JSON lines, but no field named; the message lists those that are there.
    """
    before = 0
    for path in files:
        try:
            with path.open("rb") as stored:
                sentences = 0
                for sentence in _sentences(path, stored, fields, report):
                    sentences += 1
                    report.sentences += 1
                    report.words += len(sentence)
                    yield sentence, before + stored.tell()
                report.files += sentences > 0
        except UnicodeDecodeError as error:
            what = f"not UTF-8 text ({error.reason}); left out from there on"
            report.fail(str(path), what)
        except (OSError, EOFError, zlib.error) as error:
            report.fail(str(path), f"cannot be read ({error}); left out from there on")
        before += _size(path)


def corpus_size(files: Sequence[Path]) -> int:
    """Return the bytes of all files as they are stored."""
    return sum(map(_size, files))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _sentences(
    path: Path, stored: io.BufferedReader, fields: Sequence[str], report: CorpusReport
) -> Iterator[list[str]]:
    name = path.name.lower()
    raw = gzip.GzipFile(fileobj=stored) if name.endswith(".gz") else stored
    if b"\0" in raw.peek(PIECE)[:PIECE]:
        report.fail(str(path), "not text (there are zero bytes in it); left out")
        return
    # Only a line feed ends a line: texts may hold what Unicode calls line ends.
    text = io.TextIOWrapper(cast(IO[bytes], raw), encoding="utf-8-sig", newline="\n")
    is_json = name.removesuffix(".gz").endswith(JSON_LINES)
    strings = _json_strings(path, text, fields, report) if is_json else _pieces(text)
    try:
        for string in strings:
            words = tokenize(string)
            for start in range(0, len(words), LONGEST):
                yield words[start : start + LONGEST]
    finally:
        text.detach()  # whoever opened the file closes it


def _pieces(text: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines, those that do not end soon in pieces cut at spaces."""
    carried = ""
    while piece := text.readline(PIECE):
        if len(piece) < PIECE or piece.endswith("\n"):
            yield carried + piece
            carried = ""
            continue
        head, _, tail = piece.rpartition(" ")
        yield carried + (head or tail)
        carried = tail if head else ""
    if carried:
        yield carried


def _json_strings(
    path: Path, text: io.TextIOWrapper, fields: Sequence[str], report: CorpusReport
) -> Iterator[str]:
    lacking = read = 0
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            report.fail(f"{path}:{number}", f"not JSON ({error}); left out")
            continue
        if not isinstance(entry, dict):
            report.fail(f"{path}:{number}", "not a JSON object; left out")
            continue
        if not fields:
            raise TrainingDataError(
                f"{path}:{number}: JSON lines need to know where the text is: name one or more "
                f"fields with --field; there are: {', '.join(entry) or 'none'}"
            )
        read += 1
        strings = [string for name in fields for string in _strings(entry.get(name))]
        if strings:
            yield from strings
        else:
            lacking += 1
            report.fail(f"{path}:{number}", f"no text in {' or '.join(fields)}; left out")
            if lacking == read == 1:
                first = ", ".join(entry)
    if read and lacking == read:
        raise TrainingDataError(
            f"{path}: no line has text in the field {' or '.join(fields)}; the first has: {first}"
        )


def _strings(value: Any) -> Iterator[str]:
    """Yield a string, or those of a list."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (string for string in value if isinstance(string, str))
