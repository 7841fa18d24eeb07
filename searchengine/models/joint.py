"""The joint embedding: pictures through a CNN, texts as sums of word vectors, one space.

Both branches are linear before they are normalised (DeViSE, NIPS 2013; UVS, arXiv 1411.2539)::

    picture:  CNN -> cells f_l (L, channels) -> W f_l + b -> mean over l -> unit vector
    text:     v(word) = FC * glove(word) + residual(word) -> sum over words -> unit vector

so a cosine splits exactly into words x cells. A word that training never saw still has its GloVe
part. The CNN runs on what `inference.py` chooses and is loaded at the first picture, because a
query of words does not need it; what is asked of one picture at a time, regions and features, is
always computed in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from searchengine.errors import ModelError, UnknownWords
from searchengine.language.words import FILES as WORD_FILES
from searchengine.language.words import WordVectors, tokenize
from searchengine.models import files, inference
from searchengine.models.networks import EMBEDDING, OnnxRuntimeNetwork, OpenVinoNetwork
from searchengine.models.stored import StoredModel
from searchengine.types import MOST_SUGGESTIONS, PathLike, UnknownWord, Vectors
from searchengine.vectors import multiplied, unit_rows

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_MODEL = "image.onnx"
TEXT_FILES = (
    "text-projection.npy",  # float32 (word dim, dim)
    "text-rows.npy",  # uint32 (m,), rows of the word table that have a residual, rising
    "text-codes.npy",  # int8 (m, dim)
    "text-scales.npy",  # float32 (m,)
)
BATCH = 32
"""Pictures per run of the CNN; more gain nothing on a CPU and cost memory."""


class JointEncoder(StoredModel):
    """Map texts and pictures into the space of one joint model."""

    def __init__(self, folder: Path, inference: str = inference.ONNX_RUNTIME) -> None:
        """Open a model folder; raise ModelError naming a file that is missing or changed.

        Args:
            folder: The model.
            inference: What embeds pictures, a value of that setting; by itself what trainings and
                measurements are to be compared with.
        """
        super().__init__(folder, "joint", "a joint embedding")
        self._inference = inference
        self._embedder: OnnxRuntimeNetwork | OpenVinoNetwork | None = None

    @property
    def runs_on(self) -> str:
        """What embeds pictures here, in which numbers and why, for people; nothing is loaded."""
        return inference.told(self._inference)

    @property
    def decode_size(self) -> int:
        """Pixels per side that pictures are scaled to; decoding finer than that is wasted."""
        return int(self._config.image["size"])

    @cached_property
    def words(self) -> WordVectors:
        """The table of word vectors before the projection."""
        for name in WORD_FILES:
            files.verify(self.folder, self._config, name)
        return WordVectors.load(self.folder)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, shape (n, dim).

        Raises:
            UnknownWords: A text has no known word; for spellings ask `unknown_words`.
        """
        sums = np.empty((len(texts), self.dim), dtype=np.float32)
        for line, text in enumerate(texts):
            sums[line] = self.text_sum(text)
            # A word of the table that training never reached has no vector either.
            if not sums[line].any():
                raise UnknownWords(self.words.find(text)[1] or tokenize(text))
        return unit_rows(sums, self.dim)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the cells of a picture."""
        rows, columns = self._config.image["cells"]
        return int(rows), int(columns)

    def encode_words(self, text: str) -> tuple[list[str], npt.NDArray[np.float32]]:
        """Return the known words of a text and v(word) of each, shape (words, dim)."""
        rows, _ = self.words.find(text)
        return [self.words.word(row) for row in rows], self.word_vectors(rows)

    def text_sum(self, text: str) -> npt.NDArray[np.float32]:
        """Return the sum of v(word) over a text, shape (dim,); zero if no word is known."""
        total: npt.NDArray[np.float32] = self.word_vectors(self.words.find(text)[0]).sum(axis=0)
        return total

    def word_vectors(self, rows: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return v(word) for rows of the word table, shape (n, dim), not normalised."""
        projection = self._text[0]
        vectors = multiplied(self.words.vectors(rows), projection)
        vectors += self.residuals(rows)
        return vectors

    def residuals(self, rows: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return what training has added to the projected words, shape (n, dim); mostly zero."""
        _, trained, codes, scales = self._text
        index = np.asarray(rows, dtype=np.int64)
        added = np.zeros((len(index), self.dim), dtype=np.float32)
        places = np.searchsorted(trained, index)  # np.isin would sort thousands of rows each time
        hit = trained[places.clip(max=len(trained) - 1)] == index if len(trained) else index < 0
        places = places[hit]
        added[hit] = codes[places] * scales[places][:, None]
        return added

    @property
    def projection(self) -> npt.NDArray[np.float32]:
        """What maps the vectors of the word table into the joint space, shape (word dim, dim)."""
        matrix: npt.NDArray[np.float32] = np.asarray(self._text[0])
        return matrix

    def unknown_words(self, text: str, suggestions: int = MOST_SUGGESTIONS) -> list[UnknownWord]:
        """Return the words of the text that have no vector, the first with the nearest spelling."""
        return self.words.unknown(text, suggestions)

    def encode_images(self, images: Sequence[PathLike | Image]) -> Vectors:
        """Return one unit row per picture, shape (n, dim).

        Raises:
            ImageError: A file is no readable picture.
            MissingPlugin: What the setting `inference` names is not installed.
        """
        rows = [
            self._embedding.run(EMBEDDING, self._pixels(images[start : start + BATCH]))
            for start in range(0, len(images), BATCH)
        ]
        return (
            unit_rows(np.concatenate(rows), self.dim)
            if rows
            else np.empty((0, self.dim), np.float32)
        )

    def encode_regions(self, images: Sequence[PathLike | Image]) -> npt.NDArray[np.float32]:
        """Return W f_l + b of every cell, shape (n, cells, dim); their mean is the embedding.

        It is that of float32: one that was computed in bfloat16 differs by what that rounds.
        """
        network: OnnxRuntimeNetwork = self._network
        return network.run("regions", self._pixels(images))

    def encode_features(self, images: Sequence[PathLike | Image]) -> npt.NDArray[np.float32]:
        """Return f_l, what the CNN sees at every cell, shape (n, cells, channels).

        Raises:
            ModelError: The model is of a time when this was not written with it.
        """
        network: OnnxRuntimeNetwork = self._network
        if "features" not in network.outputs:
            raise ModelError(
                f"{self.folder / IMAGE_MODEL}: has no output `features`; train the model anew"
            )
        return network.run("features", self._pixels(images))

    def prepare(self, image: Image) -> Image:
        """Scale a picture as the CNN wants it; safe to call in any thread.

        The whole picture is squashed into a square, as in training: cropping would lose what stands
        at the sides, and padding would waste cells.
        """
        from PIL.Image import Resampling

        from searchengine.pixels import as_rgb

        square = (self.decode_size, self.decode_size)
        rgb = as_rgb(image)
        if rgb.size == square:
            return rgb
        # reducing_gap shrinks by whole factors first: much faster, hardly visible.
        return rgb.resize(square, Resampling.BICUBIC, reducing_gap=2.0)

    def _pixels(self, images: Sequence[PathLike | Image]) -> npt.NDArray[np.uint8]:
        """Return pictures as the CNN takes them, shape (n, height, width, 3)."""
        from searchengine.images import open_for

        return np.stack([np.asarray(open_for(self, image)) for image in images])

    @property
    def _embedding(self) -> OnnxRuntimeNetwork | OpenVinoNetwork:
        """The network that embeds; that of everything else, if the same can do both."""
        if self._embedder is None:
            chosen = inference.choose(self._inference)
            if chosen.runtime == inference.OPENVINO:
                with self._lock:
                    if self._embedder is None:
                        self._embedder = OpenVinoNetwork(self._verified(), chosen.numbers)
            else:
                self._embedder = self._network  # which takes the lock itself
        return self._embedder

    def _load(self) -> OnnxRuntimeNetwork:
        chosen = inference.choose(self._inference)
        return OnnxRuntimeNetwork(self._verified(), chosen.provider)

    def _verified(self) -> Path:
        return files.verify(self.folder, self._config, IMAGE_MODEL)

    def _beside(self) -> tuple[Any, ...]:
        return (self._inference,)

    @cached_property
    def _text(self) -> tuple[npt.NDArray[Any], ...]:
        return tuple(
            np.load(
                files.verify(self.folder, self._config, name), mmap_mode="r", allow_pickle=False
            )
            for name in TEXT_FILES
        )
