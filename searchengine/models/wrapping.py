"""Encoders around another encoder: they read texts their own way, and leave pictures to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from searchengine.models.calibration import matcher_of
from searchengine.types import (
    Encoder,
    Explainable,
    Matcher,
    PathLike,
    Polyglot,
    Prepare,
    Vectors,
    Vocabulary,
)

if TYPE_CHECKING:
    from PIL.Image import Image


class EncoderWrapper:
    """Forward all that is not about texts; a subclass adds `encode_texts`."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        # Asked once: a query asks five times, and each protocol is looked up name by name.
        self._vocabulary = encoder if isinstance(encoder, Vocabulary) else None
        self._polyglot = encoder if isinstance(encoder, Polyglot) else None
        self.fingerprint, self.name, self.dim = encoder.fingerprint, encoder.name, encoder.dim

    @property
    def calibration(self) -> Matcher | None:
        """As that of the encoder."""
        return matcher_of(self._encoder)

    @property
    def decode_size(self) -> int:
        """As that of the encoder."""
        return self._encoder.decode_size

    @property
    def prepare(self) -> Prepare | None:
        """As that of the encoder."""
        return self._encoder.prepare

    def encode_images(self, images: Sequence[PathLike | Image]) -> Vectors:
        """As the encoder does."""
        return self._encoder.encode_images(images)


class ExplainableWrapper(EncoderWrapper):
    """The same around an encoder whose scores can be split; a subclass adds `encode_words`."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder)
        assert isinstance(encoder, Explainable), "chosen by whoever wraps it"
        self._explainable: Explainable = encoder

    @property
    def grid(self) -> tuple[int, int]:
        """As that of the encoder."""
        return self._explainable.grid

    def encode_regions(self, images: Sequence[PathLike | Image]) -> npt.NDArray[np.float32]:
        """As the encoder does."""
        return self._explainable.encode_regions(images)
