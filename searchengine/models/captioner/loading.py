"""Which captioner writes, and the joint model it belongs to."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from searchengine.errors import ModelError
from searchengine.models.files import read_config, resolve
from searchengine.models.joint import JointEncoder
from searchengine.models.loading import load_model
from searchengine.types import Encoder

if TYPE_CHECKING:
    from searchengine.models.captioner.captioner import Captioner

DEFAULT = "captioner"
"""The bundled captioner."""


def load_captioner(
    name: str = DEFAULT, model: str | None = None, *, loaded: Encoder | None = None
) -> Captioner:
    """Load a captioner and the joint model whose cells it reads.

    Args:
        name: The bundled captioner, or the folder of one.
        model: The joint model by name or folder; the bundled one if None.
        loaded: A model that is there already and serves if it is the right one.

    Raises:
        ModelError: One of them is missing or changed, or they do not belong together.
    """
    from searchengine.models.captioner.captioner import Captioner

    folder = resolve(name)
    bound = read_config(folder).image.get("model")
    if model is None and isinstance(loaded, JointEncoder) and loaded.fingerprint == bound:
        return Captioner(folder, loaded)
    return Captioner(folder, joint_model(model or "default"))


class Captioners:
    """The captioners that are loaded beside a model, each once.

    Args:
        encoder: Serves those that belong to it.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._loaded: dict[str, Captioner] = {}

    def get(self, name: str) -> Captioner:
        """Return a captioner as `load_captioner` does; threads that ask at once share one."""
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load_captioner(name, loaded=self._encoder)
            return self._loaded[name]


def joint_model(name: str) -> JointEncoder:
    """Load a joint model by name or folder.

    Raises:
        ModelError: There is none, or it is a model of another kind.
    """
    encoder = load_model(name)
    if not isinstance(encoder, JointEncoder):
        raise ModelError(
            f"model {encoder.name!r}: captions need a joint model, whose CNN says what it sees at "
            "each place"
        )
    return encoder
