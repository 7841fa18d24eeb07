"""Read pictures that have names: JSON lines of `LINE`.

A name may be a word or several; a synset says which meaning of WordNet it has ("n01443537", as
ImageNet writes it).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.readers.jsonl import parsed_lines, read_text
from indexer.readers.pairs import SPLITS
from searchengine.errors import TrainingDataError

LINE = '{"image": path, "labels": [..]}'


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture, what people call it, the synset of that, and the split that it is in."""

    image: Path
    names: tuple[str, ...]
    synset: str | None = None
    split: str | None = None


def read_labelled(path: Path, split: str | None = None) -> list[Labelled]:
    """Read the labelled pictures of a file, of one split if any is named.

    Args:
        path: JSON lines; "image" is relative to the file, "synset" and "split" may be missing.
        split: Only these pictures. A file that names no split at all belongs to every one.

    Raises:
        TrainingDataError: A line is malformed, or no picture is left; the message says which.
    """
    lines = parsed_lines(path, read_text(path), _labelled, LINE)
    entries = [
        Labelled(path.parent / image, names, synset, of)
        for image, names, synset, of in lines
        if names
    ]
    if not entries:
        raise TrainingDataError(f"{path}: no labelled pictures in it")
    present = sorted({entry.split for entry in entries if entry.split})
    if split is None or not present:
        return entries
    chosen = [entry for entry in entries if entry.split == SPLITS.get(split, split)]
    if not chosen:
        raise TrainingDataError(
            f"{path}: no labelled pictures of the split {split!r} in it; "
            f"splits in it: {', '.join(present)}"
        )
    return chosen


def _labelled(entry: Any) -> tuple[str, tuple[str, ...], str | None, str | None]:
    image, labels = entry["image"], entry["labels"]
    synset, split = entry.get("synset"), entry.get("split")
    if not isinstance(image, str) or not all(isinstance(name, str) for name in labels):
        raise TypeError("image is a path, labels are names")
    if not all(value is None or isinstance(value, str) for value in (synset, split)):
        raise TypeError("synset and split are texts")
    return image, tuple(labels), synset, SPLITS.get(split, split) if split else None
