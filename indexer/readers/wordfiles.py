"""Word vectors in the files of the field: word2vec text and binary, GloVe, fastText `.vec`.

==================  ==============================================================================
`word2vec`          header "count dim", then a line for each word; fastText's `.vec` is the same
`word2vec-binary`   the same header, then word, space, and float32 numbers, little endian
`glove`             lines without a header
`table`             the folder of `searchengine.language.words`
==================  ==============================================================================

Any of the files may be compressed with gzip. Where a word must not hold a space, the words of a
phrase are held together by `_`, as in the vectors of Google News.
"""

from __future__ import annotations

import codecs
import gzip
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from searchengine.errors import TrainingDataError
from searchengine.language.words import FILES, JOINT, WEIGHTS, WordVectors

Format = Literal["word2vec", "word2vec-binary", "glove", "fasttext", "table"]
FORMATS: tuple[Format, ...] = get_args(Format)
DESCRIPTION = "words.json"
"""What a word table that was trained or converted says about itself."""
LONGEST_WORD = 2000
"""Bytes of a word in a binary file; a longer one means that it is none."""

Entry = tuple[str, npt.NDArray[np.float32]]


def read_vectors(path: Path) -> Iterator[Entry]:
    """Yield words and vectors of a file or a folder, in its order, phrases with spaces.

    Raises:
        TrainingDataError: It cannot be read; the message names the line or the word.
    """
    if path.is_dir():
        return _read_table(path)
    return _read_binary(path) if _is_binary(path) else _read_text(path)


def write_vectors(path: Path, form: Format, words: list[str], vectors: npt.NDArray[Any]) -> None:
    """Write words, the most frequent first, and vectors (n, dim) to a file or a folder.

    Raises:
        TrainingDataError: The folder holds something else than a word table.
    """
    if form == "table":
        require_replaceable(path)
        save_table(WordVectors.build(words, vectors.astype(np.float32)), path, {})
        return
    fresh = path.with_name(path.name + ".new")
    packed = gzip.open if path.name.endswith(".gz") else open
    try:
        with cast(IO[bytes], packed(fresh, "wb")) as file:
            if form != "glove":
                file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
            for word, vector in zip(words, vectors.astype("<f4"), strict=True):
                file.write(word.replace(" ", JOINT).encode() + b" ")
                if form == "word2vec-binary":
                    file.write(vector.tobytes() + b"\n")
                else:
                    # The shortest text that gives the same number again.
                    file.write(" ".join(map(str, vector)).encode() + b"\n")
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def require_replaceable(folder: Path) -> None:
    """Raise TrainingDataError if writing a word table there would destroy something else."""
    own = {*FILES, WEIGHTS, DESCRIPTION}
    if folder.is_dir() and own.issuperset(os.listdir(folder)):
        return
    if os.path.lexists(folder):
        raise TrainingDataError(
            f"{folder}: exists and is no word table, so it is not replaced; name another"
        )


def save_table(table: WordVectors, folder: Path, notes: Mapping[str, Any]) -> None:
    """Write a word table with a description in place of the one there may be."""
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    table.save(fresh)
    entries = {"entries": len(table), "dim": table.dim, **notes}
    (fresh / DESCRIPTION).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path) if path.name.endswith(".gz") else path.open("rb"))


def _is_binary(path: Path) -> bool:
    """Return whether a file is word2vec's binary form: text lines hold no such bytes."""
    try:
        with _open(path) as file:
            header, sample = file.readline(LONGEST_WORD), file.read(4096)
    except (OSError, EOFError, zlib.error) as error:
        raise TrainingDataError(f"{path}: cannot be read as word vectors ({error})") from error
    is_header = len(header.split()) == 2 and all(part.isdigit() for part in header.split())
    if not is_header:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # its end may be cut
    except UnicodeDecodeError:
        return True
    return any(byte < 9 or 13 < byte < 32 for byte in sample)


def _read_table(folder: Path) -> Iterator[Entry]:
    if not (folder / FILES[0]).exists():
        raise TrainingDataError(f"{folder}: no word table there ({FILES[0]} is missing)")
    table = WordVectors.load(folder)
    words = list(table)
    order = sorted(range(len(words)), key=table.rank)
    return ((words[row], table.vectors([row])[0]) for row in order)


def _read_text(path: Path) -> Iterator[Entry]:
    dim = None
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, 1):
                entry = line.decode().rstrip()
                # GloVe 840B has a few words with spaces in them, so vectors are cut off the end.
                word, *values = entry.rsplit(" ", dim) if dim else entry.split(" ")
                if number == 1 and len(values) == 1:
                    continue  # word2vec's header: how many words, how many dimensions
                try:
                    vector = np.array(values, dtype=np.float32)
                except ValueError as error:
                    raise TrainingDataError(
                        f"{path}:{number}: not a word vector ({error})"
                    ) from error
                dim = dim or len(vector)
                if not dim or len(vector) != dim or not np.isfinite(vector).all():
                    raise TrainingDataError(
                        f"{path}:{number}: expected {dim or 'some'} finite numbers for {word!r}"
                    )
                yield _phrase(word), vector
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise TrainingDataError(f"{path}: cannot be read as word vectors ({error})") from error


def _read_binary(path: Path) -> Iterator[Entry]:
    try:
        with _open(path) as file:
            count, dim = map(int, file.readline().split())
            for number in range(1, count + 1):
                word = _binary_word(file)
                packed = file.read(4 * dim)
                if word is None or len(packed) < 4 * dim:
                    raise TrainingDataError(
                        f"{path}: word {number} of {count}: the file is cut short or damaged; "
                        "fetch it again"
                    )
                vector = np.frombuffer(packed, dtype="<f4").astype(np.float32)
                if not np.isfinite(vector).all():
                    raise TrainingDataError(
                        f"{path}: word {number} of {count}: expected {dim} finite numbers for "
                        f"{word.decode(errors='replace')!r}"
                    )
                # The vectors of Google News hold some names that are no UTF-8.
                yield _phrase(word.decode(errors="replace")), vector
    except (OSError, EOFError, zlib.error) as error:
        raise TrainingDataError(f"{path}: cannot be read as word vectors ({error})") from error


def _binary_word(file: IO[bytes]) -> bytes | None:
    """Return the bytes up to the next space, None if there is none near."""
    word = bytearray()
    while len(word) < LONGEST_WORD:
        byte = file.read(1)
        if not byte:
            return None
        if byte == b" ":
            return bytes(word)
        if byte != b"\n":  # some writers put one after a vector, some do not
            word += byte
    return None


def _phrase(word: str) -> str:
    """Return a word with spaces where underscores hold a phrase together."""
    return word.replace(JOINT, " ") if JOINT in word.strip(JOINT) else word
