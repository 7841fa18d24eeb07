"""What a captioner learns from: features of places on disk, captions as numbers, word vectors."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import ImageOps
from PIL.Image import Image
from torch import Tensor

from indexer.executors import Threads
from indexer.readers.pairs import Pair
from indexer.train.captioner.model import IGNORED
from searchengine.images import open_image
from searchengine.models.captioner.words import END, START, UNKNOWN, CaptionWords
from searchengine.models.joint import JointEncoder

Features = npt.NDArray[np.float16]

VIEWS = 2
"""The whole picture, and the same mirrored."""
BATCH = 16


def extract_places(
    encoder: JointEncoder,
    images: Sequence[Path],
    work: Path,
    on_step: Callable[[int, int], None] | None = None,
) -> Features:
    """Return what the CNN sees at each place, (pictures, VIEWS, L, channels), mapped from disk.

    It is computed once for a model and a list of pictures, and kept in `work`.

    Raises:
        ImageError: A picture cannot be read.
        ModelError: The model cannot say what its CNN sees at a place.
    """
    key = hashlib.sha256(encoder.fingerprint.encode())
    for path in images:
        stat = path.stat() if path.exists() else None
        known = (stat.st_size, stat.st_mtime_ns) if stat else 0
        key.update(os.fsencode(path) + str(known).encode())
    cache = work / f"places-{key.hexdigest()[:16]}.npy"
    if not cache.exists():
        fresh = cache.with_suffix(".new.npy")
        _extract(encoder, images, fresh, on_step)
        os.replace(fresh, cache)
    return np.lib.format.open_memmap(cache, mode="r")


def _extract(
    encoder: JointEncoder,
    images: Sequence[Path],
    path: Path,
    on_step: Callable[[int, int], None] | None,
) -> None:
    def read(image: Path) -> Image:
        return open_image(image, size=encoder.decode_size, prepare=encoder.prepare)

    result: Any = None
    decoded = Threads().imap(read, images)
    with closing(decoded):
        for start in range(0, len(images), BATCH):
            whole = list(islice(decoded, BATCH))
            pictures = [view for one in whole for view in (one, ImageOps.mirror(one))]
            features = encoder.encode_features(pictures)
            features = features.reshape(len(whole), VIEWS, *features.shape[1:])
            if result is None:
                shape = (len(images), *features.shape[1:])
                result = np.lib.format.open_memmap(path, "w+", dtype=np.float16, shape=shape)
            result[start : start + len(whole)] = features
            if on_step:
                on_step(start + len(whole), len(images))
    if result is not None:
        result.flush()


def starting_vectors(
    words: CaptionWords, encoder: JointEncoder, dim: int
) -> npt.NDArray[np.float32]:
    """Return what the embedding of words starts from, (vocabulary, dim).

    The vectors of the joint model's table and those in its space stand side by side, and are
    projected to their `dim` principal components. What has none starts as noise.
    """
    random = np.random.default_rng(0)
    start = random.normal(0, 0.1, (len(words), dim)).astype(np.float32)
    rows = [encoder.words.row(word) for word in words.words]
    known = [number for number, row in enumerate(rows) if row is not None]
    if len(known) < 2:
        return start
    index = [row for row in rows if row is not None]
    both = [encoder.words.vectors(index), encoder.word_vectors(index)]
    scaled = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-6) for part in both]
    joined = np.concatenate(scaled, axis=1)
    joined -= joined.mean(axis=0)
    left, values, _ = np.linalg.svd(joined, full_matrices=False)
    kept = min(dim, len(values))
    projected = left[:, :kept] * values[:kept]
    start[known, :kept] = projected * (0.1 / max(float(projected.std()), 1e-6))
    return start


@dataclass(frozen=True, slots=True)
class Batch:
    """Captions of some pictures, from the longest to the shortest.

    Attributes:
        pictures: (n,), rows of the pairs.
        owner: (m,), the place among the pictures of the one a caption is about.
        words: (m, T), START and the words; END beyond them.
        targets: (m, T), the words and END; IGNORED beyond it, and for words that are not known.
        lengths: (m,), words and START of each caption.
    """

    pictures: Tensor
    owner: Tensor
    words: Tensor
    targets: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class CaptionData:
    """Everything that is learned from.

    Attributes:
        pairs: Pictures of the splits train and dev.
        numbers: For each picture, for each caption, the numbers of its words.
        features: (pictures, VIEWS, L, channels).
    """

    pairs: Sequence[Pair]
    numbers: Sequence[Sequence[Sequence[int]]]
    features: Features

    def rows(self, split: str) -> list[int]:
        """Return the numbers of the pictures of a split that have a caption."""
        return [
            row for row, pair in enumerate(self.pairs) if pair.split == split and self.numbers[row]
        ]

    def batches(self, rows: Sequence[int], size: int) -> Iterator[Batch]:
        """Yield all pictures once, in random order, each with all its captions."""
        order = torch.tensor(rows)[torch.randperm(len(rows))]
        for start in range(0, len(rows), size):
            yield self.batch(order[start : start + size])

    def batch(self, pictures: Tensor) -> Batch:
        """Return the captions of pictures."""
        captions = [
            (place, [START, *caption])
            for place, row in enumerate(pictures.tolist())
            for caption in self.numbers[row]
        ]
        captions.sort(key=lambda one: -len(one[1]))
        longest = len(captions[0][1])
        words = torch.full((len(captions), longest), END)
        targets = torch.full((len(captions), longest), IGNORED)
        for line, (_, caption) in enumerate(captions):
            words[line, : len(caption)] = torch.tensor(caption)
            target = torch.tensor([*caption[1:], END])
            targets[line, : len(caption)] = target.masked_fill(target == UNKNOWN, IGNORED)
        return Batch(
            pictures,
            torch.tensor([place for place, _ in captions]),
            words,
            targets,
            torch.tensor([len(caption) for _, caption in captions]),
        )

    def seen(self, pictures: Tensor) -> Tensor:
        """Return the features of pictures, of a random view each, (n, L, channels)."""
        views = torch.randint(VIEWS, (len(pictures),))
        chosen = self.features[pictures.numpy(), views.numpy()]
        return torch.from_numpy(chosen.astype(np.float32))
