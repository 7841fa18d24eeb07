"""Arrays that are learned, kept after each epoch, so that an interrupted training goes on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def checkpoint(work: Path, epochs: int, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays after some epochs; a crash leaves the last checkpoint whole."""
    fresh = work / "checkpoint.new.npz"
    np.savez(fresh, allow_pickle=False, epochs=np.array(epochs), **arrays)
    os.replace(fresh, work / "checkpoint.npz")


def resume(work: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> int:
    """Fill arrays from the checkpoint; return how many epochs it has seen, 0 if there is none."""
    path = work / "checkpoint.npz"
    if not path.exists():
        return 0
    with np.load(path, allow_pickle=False) as saved:
        for name, array in arrays.items():
            array[:] = saved[name]
        return int(saved["epochs"])
