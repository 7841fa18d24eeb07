"""What every model that is a folder has, whatever its kind."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from searchengine.errors import ModelError
from searchengine.models import files
from searchengine.models.calibration import GROUP, Calibration


class StoredModel:
    """The description of a model folder, and what goes with it.

    Attributes:
        folder: Where the model lies.
        fingerprint: SHA-256 over weights, configuration and preprocessing.
        name: What people call the model.
        dim: Length of a vector.
    """

    def __init__(self, folder: Path, kind: str, what: str) -> None:
        """Read the description; raise ModelError if it is of another kind than `what` names."""
        self._lock = threading.Lock()
        self._loaded: Any = None
        self.folder = folder
        self._config = files.read_config(folder)
        self.fingerprint, self.name, self.dim = (
            self._config.fingerprint,
            self._config.name,
            self._config.dim,
        )
        if self._config.kind != kind:
            raise ModelError(f"{folder}: a model of kind {self._config.kind!r}, not {what}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as the name or folder of a model, not as its weights."""
        folder = self.folder
        name = folder.name if folder.parent == files.ASSETS else os.path.abspath(folder)
        return _open_same, (type(self), name, self.fingerprint, *self._beside())

    def _beside(self) -> tuple[Any, ...]:
        """Return what it is made with beside its folder."""
        return ()

    @cached_property
    def calibration(self) -> Calibration | None:
        """What its cosines are worth, None if nobody has fitted that yet."""
        parts = files.attached(self.folder, self._config, GROUP)
        return Calibration.load(parts[".json"], parts[".npy"]) if parts else None

    @property
    def _network(self) -> Any:
        """What `_load` returns; threads that ask for it at once share one."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> Any:
        """Load the network, if the model has one; that may take seconds."""
        raise NotImplementedError


def _open_same(
    kind: Callable[..., StoredModel], name: str, fingerprint: str, *beside: Any
) -> StoredModel:
    """Open a model of this machine; raise ModelError if it is not the same as that of another."""
    model = kind(files.resolve(name), *beside)
    if model.fingerprint != fingerprint:
        raise ModelError(
            f"{model.folder}: on {socket.gethostname()} this is another model "
            f"({model.fingerprint[:12]}) than where the work comes from ({fingerprint[:12]}); copy "
            "its folder, or install the same version of lexpix, on each machine"
        )
    return model
