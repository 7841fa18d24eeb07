"""`Captioner`: sentences about pictures, from what the CNN of a joint model sees at each cell.

A captioner is a folder like any model (`searchengine/models/files.py`) of the kind "captioner". Its
fingerprint binds vocabulary, weights and the fingerprint of the joint model whose cells it learned
to read; with any other joint model it is refused. It runs on NumPy.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from searchengine.errors import ModelError, QueryError
from searchengine.models import files
from searchengine.models.captioner import beam
from searchengine.models.captioner.decoder import Decoder
from searchengine.models.captioner.words import UNKNOWN, CaptionWords
from searchengine.models.stored import StoredModel
from searchengine.types import Caption, PathLike, Prepare, Preparing

if TYPE_CHECKING:
    from PIL.Image import Image

KIND = "captioner"
WEIGHTS, WORDS = "decoder.npz", "vocabulary.json"
BEAM = 3
BATCH = 32
"""Pictures that are decoded together."""
BLANK = 12
"""Grey levels of 255 between the darkest and the brightest of a picture that shows nothing."""
SURENESS = "sureness"
"""The group of the files that say what a log-probability is worth."""


class FeatureEncoder(Preparing, Protocol):
    """What a captioner needs of a joint model."""

    @property
    def fingerprint(self) -> str:
        """What its features belong to."""
        ...

    def encode_features(self, images: Sequence[PathLike | Image]) -> npt.NDArray[np.float32]:
        """Return what the CNN sees at every cell, shape (n, cells, channels)."""
        ...


@dataclass(frozen=True, slots=True)
class CaptionCalibration:
    """How probable it is that a caption is mostly true: a logistic curve over its log-probability.

    Attributes:
        slope, offset: Of the curve.
        line: The least confidence of a caption that is worth showing.
    """

    slope: float
    offset: float
    line: float

    def confidence(self, logprob: float) -> float:
        """Return the probability, 0..1, for a mean log-probability."""
        return 0.5 * math.tanh(0.5 * (self.slope * logprob + self.offset)) + 0.5

    @classmethod
    def load(cls, path: Path) -> CaptionCalibration:
        """Read a JSON file; raise ModelError if it is something else."""
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            return cls(*(float(entries[name]) for name in ("slope", "offset", "line")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not a calibration of captions ({error!r})") from error


class Captioner(StoredModel):
    """Write captions.

    Args:
        folder: The captioner.
        encoder: The joint model it was trained on.

    Raises:
        ModelError: A file is missing or changed, or the captioner belongs to another joint model.
    """

    def __init__(self, folder: Path, encoder: FeatureEncoder) -> None:
        super().__init__(folder, KIND, "a captioner")
        self._encoder = encoder
        bound = self._config.image.get("model")
        if bound != encoder.fingerprint:
            raise ModelError(
                f"{folder}: reads the places of the joint model {str(bound)[:12]}, not of "
                f"{encoder.fingerprint[:12]}; use the joint model it was trained on, or train "
                "another: lexpix train captioner"
            )

    def _beside(self) -> tuple[FeatureEncoder]:
        return (self._encoder,)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the cells of a picture."""
        rows, columns = self._config.image["cells"]
        return int(rows), int(columns)

    @cached_property
    def words(self) -> CaptionWords:
        """The vocabulary."""
        path = files.verify(self.folder, self._config, WORDS)
        return CaptionWords.load(path, str(self._config.text.get("level")))

    @cached_property
    def sureness(self) -> CaptionCalibration | None:
        """What a log-probability is worth, None if nobody has fitted that yet."""
        parts = files.attached(self.folder, self._config, SURENESS)
        return CaptionCalibration.load(parts[".json"]) if parts else None

    @property
    def weights(self) -> Mapping[str, npt.NDArray[np.float32]]:
        """What was learned, by the names that training gives it."""
        return self._decoder.weights

    def caption(
        self,
        images: Sequence[PathLike | Image],
        *,
        width: int = BEAM,
        begin: str = "",
    ) -> list[Caption]:
        """Return a caption for each picture.

        A picture of one colour gets one that is not sure.

        Args:
            images: Pictures, or their paths.
            width: Sentences that are followed at a time; 1 is greedy.
            begin: What each caption begins with.

        Raises:
            ImageError: A file is no readable picture.
            QueryError: A word of `begin` is not known.
        """
        from searchengine.images import open_for

        captions: list[Caption] = []
        for start in range(0, len(images), BATCH):
            opened = [open_for(self, image) for image in images[start : start + BATCH]]
            features = self._encoder.encode_features(opened)
            captions += [
                replace(caption, confidence=0.0, sure=False) if _is_blank(image) else caption
                for image, caption in zip(
                    opened, self.decode(features, width=width, begin=begin), strict=True
                )
            ]
        return captions

    @property
    def decode_size(self) -> int:
        """Pixels per side that pictures are scaled to; decoding finer than that is wasted."""
        return self._encoder.decode_size

    @property
    def prepare(self) -> Prepare | None:
        """What is done to a picture while it is decoded, as the CNN wants it."""
        return self._encoder.prepare

    def decode(
        self, features: npt.NDArray[np.floating[Any]], *, width: int = BEAM, begin: str = ""
    ) -> list[Caption]:
        """Return a caption for each picture that is given by its features.

        Args:
            features: Shape (n, cells, channels).
            width: Sentences that are followed at a time; 1 is greedy.
            begin: What each caption begins with.

        Raises:
            ModelError: The features are not of the shape that the captioner was trained on.
            QueryError: A word of `begin` is not known, or it is too long.
        """
        numbers = self.words.numbers(begin)
        longest = int(self._config.text["longest"])
        if UNKNOWN in numbers or len(numbers) > longest:
            raise QueryError(f"{begin!r}: a word that no caption has, or more than {longest} words")
        rows, columns = self.grid
        expected = (rows * columns, int(self._config.image["channels"]))
        if features.shape[1:] != expected:
            raise ModelError(
                f"{self.folder}: expects {expected} places and channels of a picture, "
                f"not {features.shape[1:]}; train the captioner anew"
            )
        captions: list[Caption] = []
        for start in range(0, len(features), BATCH):
            part = features[start : start + BATCH].astype(np.float32, copy=False)
            lines = beam.search(self._decoder, part, width=width, longest=longest, begin=numbers)
            captions += map(self._caption_of, lines)
        return captions

    def _caption_of(self, line: beam.Line) -> Caption:
        *words, _ = line.words
        *logprobs, end = line.logprobs
        attention = None
        if line.attention:
            attention = np.stack(line.attention[:-1]).reshape(-1, *self.grid)
        confidence, is_sure = None, True
        if self.sureness is not None:
            confidence = self.sureness.confidence(line.total / len(line.words))
            is_sure = confidence >= self.sureness.line
        return Caption(
            self.words.text(words),
            tuple(self.words.words[word] for word in words),
            tuple(logprobs),
            end,
            attention,
            confidence,
            is_sure,
        )

    @cached_property
    def _decoder(self) -> Decoder:
        path = files.verify(self.folder, self._config, WEIGHTS)
        settings = self._config.text
        try:
            with np.load(path, allow_pickle=False) as arrays:
                weights = {name: arrays[name] for name in arrays.files}
            decoder = Decoder(weights, settings["cell"], settings["attention"])
        except Exception as error:  # a damaged archive makes NumPy raise nearly anything
            raise ModelError(f"{path}: not a decoder ({error}); install the model again") from error
        if decoder.vocabulary_size != len(self.words):
            raise ModelError(
                f"{path}: weights for {decoder.vocabulary_size} words, the vocabulary has "
                f"{len(self.words)}; train the captioner anew"
            )
        return decoder


def _is_blank(image: Image) -> bool:
    """Return whether a picture is of one colour: whatever is said of it is made up."""
    bands = np.asarray(image).reshape(-1, 3).astype(np.int16)
    return bool((bands.max(axis=0) - bands.min(axis=0) <= BLANK).all())


def save_captioner(
    out: Path,
    encoder: Any,
    words: CaptionWords,
    weights: dict[str, npt.NDArray[np.float32]],
    *,
    cell: str,
    attention: str,
    channels: int,
    longest: int,
    notes: dict[str, Any],
) -> None:
    """Write a captioner's folder; large weights are stored in half precision.

    Args:
        out: The folder; a model that is there is replaced.
        encoder: The joint model, with `fingerprint` and `grid`.
        words: The vocabulary.
        weights: See `Decoder`.
        cell: See `Decoder`.
        attention: See `Decoder`.
        channels: Length of one cell's features.
        longest: Most words of a caption.
        notes: See `ModelConfig`.
    """
    config = files.ModelConfig(
        kind=KIND,
        name=out.name,
        dim=weights["places.bias"].shape[0],
        image={"model": encoder.fingerprint, "cells": list(encoder.grid), "channels": channels},
        text={
            "cell": cell,
            "attention": attention,
            "level": words.level,
            "words": len(words),
            "longest": longest,
        },
        notes=notes,
    )

    def write(folder: Path) -> None:
        words.save(folder / WORDS)
        stored: dict[str, Any] = {
            name: array.astype(np.float16) if array.ndim == 2 else array
            for name, array in weights.items()
        }
        np.savez(folder / WEIGHTS, **stored)

    files.save(out, config, write)
