"""Texts as bags of rows of a word table, which is all that training reads of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from indexer.readers.pairs import Pair
from searchengine.language.words import WordVectors


def groups_of(pairs: Sequence[Pair]) -> list[int]:
    """Number the pictures so that those with the very same captions share a number."""
    numbers: dict[tuple[str, ...], int] = {}
    return [numbers.setdefault(pair.captions, row) for row, pair in enumerate(pairs)]


def captions_with(
    bags: Sequence[Sequence[Any]], pairs: Sequence[Pair], used: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return how many captions of training pictures have each row that is used.

    Captions of further sources do not count: a drawing of a fish says little of photos of fish.
    """
    captions = [
        np.unique(rows)
        for pair, bag in zip(pairs, bags, strict=False)
        if pair.split == "train"
        for rows in bag
    ]
    return np.bincount(np.searchsorted(used, np.concatenate(captions)), minlength=len(used))


def bags_of(table: WordVectors, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    """Return the rows of the words of each text that has any that are known."""
    bags = (table.find(text)[0] for text in texts)
    return [np.array(rows, dtype=np.int64) for rows in bags if rows]


def tensors_of(bags: Sequence[Sequence[Any]], used: Any) -> list[list[Tensor]]:
    """Number the rows of texts anew, by their places among the rows that are used."""
    return [[torch.from_numpy(np.searchsorted(used, rows)) for rows in bag] for bag in bags]
