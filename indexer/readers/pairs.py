"""Read captioned pictures in the formats the field publishes them in.

=============  ===============================================================================
JSON lines     `{"image": path relative to the file, "captions": [..], "split": "train"}`; pictures
               with names have "labels" instead
Karpathy       `dataset_coco.json`: `{"images": [{"filename", "sentences", "split", "filepath"}]}`
COCO           `captions_train2014.json`: `{"images": [{"id", "file_name"}], "annotations": [..]}`
Flickr token   `Flickr8k.token.txt`: `1000268201_693b08cb0e.jpg#0<TAB>A child in a pink ...`
=============  ===============================================================================
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from indexer.readers.jsonl import parsed_lines, read_text
from searchengine.errors import TrainingDataError

SPLITS = {"train": "train", "restval": "train", "dev": "dev", "val": "dev", "test": "test"}
DEV_SHARE = 20
"""Where a file names no splits, one picture in this many is kept for dev, chosen by its name."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and the sentences that describe it."""

    image: Path
    captions: tuple[str, ...]
    split: str


def read_pairs(path: Path, images: Path | None = None) -> list[Pair]:
    """Read a file of pairs in any of the formats above, told apart by its content.

    Args:
        path: The file.
        images: The folder that picture paths are relative to; the file's own folder by default.

    Raises:
        TrainingDataError: The file cannot be read, a line is malformed, a picture is in two splits,
            or there is no pair.
    """
    text = read_text(path)
    folder = images or path.parent
    pairs: dict[str, Pair] = {}
    for name, captions, split in _entries(path, text):
        # A picture that comes twice is one picture: its captions are no negatives of each other.
        known = pairs.get(name, Pair(folder / name, (), split or _split_of(name)))
        if split is not None and split != known.split:
            raise TrainingDataError(f"{path}: {name} is in the splits {known.split} and {split}")
        pairs[name] = replace(known, captions=known.captions + captions)
    if not pairs:
        raise TrainingDataError(f"{path}: no pairs of a picture and captions in it")
    return list(pairs.values())


def _entries(path: Path, text: str) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    start = text.lstrip()[:1]
    try:
        document = json.loads(text) if start == "{" else None
    except ValueError:
        document = None  # several objects, one a line
    if isinstance(document, dict) and "annotations" in document:
        return _coco(path, document)
    if isinstance(document, dict) and "images" in document:
        return _karpathy(path, document)
    return _json_lines(path, text) if start == "{" else _flickr_tokens(path, text)


def _json_lines(path: Path, text: str) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    return parsed_lines(path, text, _pair, 'a pair {"image": path, "captions": [..]}')


def _pair(entry: Any) -> tuple[str, tuple[str, ...], str | None]:
    # A picture with names is described by them.
    captions = entry["captions"] if "captions" in entry else entry["labels"]
    if not isinstance(captions, list):
        raise TypeError("captions must be a list of strings")
    return (
        _string(entry["image"]),
        tuple(_string(caption) for caption in captions),
        _known_split(entry.get("split")),
    )


def _karpathy(
    path: Path, document: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    if not isinstance(document["images"], list):
        raise TrainingDataError(f"{path}: images is not a list")
    for number, entry in enumerate(document["images"]):
        try:
            name = "/".join(filter(None, (entry.get("filepath"), _string(entry["filename"]))))
            captions = tuple(_string(sentence["raw"]) for sentence in entry["sentences"])
            yield name, captions, _known_split(entry.get("split"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingDataError(f"{path}: images[{number}] is malformed ({error!r})") from error


def _coco(
    path: Path, document: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    captions: dict[Any, list[str]] = {}
    try:
        for annotation in document["annotations"]:
            captions.setdefault(annotation["image_id"], []).append(_string(annotation["caption"]))
        for image in document["images"]:
            yield _string(image["file_name"]), tuple(captions.get(image["id"], ())), None
    except (KeyError, TypeError) as error:
        raise TrainingDataError(f"{path}: not COCO captions ({error!r})") from error


def _flickr_tokens(path: Path, text: str) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        name, tab, caption = line.partition("\t")
        image, _, count = name.rpartition("#")
        if not tab or not image or not count.isdecimal():
            raise TrainingDataError(f"{path}:{number}: expected NAME#N<TAB>CAPTION")
        captions.setdefault(image, []).append(caption)
    for name, sentences in captions.items():
        yield name, tuple(sentences), None


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value


def _known_split(split: str | None) -> str | None:
    if split is not None and split not in SPLITS:
        raise ValueError(f"split {split!r}, expected one of {', '.join(SPLITS)}")
    return SPLITS[split] if split else None


def _split_of(name: str) -> str:
    return "dev" if zlib.crc32(name.encode()) % DEV_SHARE == 0 else "train"
