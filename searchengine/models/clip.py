"""Any model of open_clip: a network for pictures, one for texts, one space (CLIP, 2103.00020).

A folder of such a model is also one that open_clip reads by itself (`local-dir:FOLDER`)::

    config.json                   kind "clip", preprocessing, hashes of the others
    open_clip_config.json         architecture and preprocessing, as open_clip publishes them
    open_clip_model.safetensors   weights; no pickle, whatever they were imported from

A text is read as a whole and in pieces of words, so that nothing is unknown, and no score can be
split into words. PyTorch and open_clip take seconds to import; that happens at the first picture or
text. `indexer.readers.open_clip` makes such folders.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchengine.errors import LexpixError, MissingPlugin, ModelError
from searchengine.images import open_for
from searchengine.models import files
from searchengine.models.stored import StoredModel
from searchengine.pixels import as_rgb
from searchengine.types import PathLike, Vectors
from searchengine.vectors import unit_rows

if TYPE_CHECKING:
    from PIL.Image import Image

KIND = "clip"
ARCHITECTURE = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
BATCH = 32
"""Pictures or texts per run of the model."""

REASON = 300
"""Characters of an explanation by PyTorch, which lists every weight that does not fit."""


class ClipEncoder(StoredModel):
    """Map texts and pictures into the space of an open_clip model."""

    def __init__(self, folder: Path) -> None:
        """Open a model folder.

        Raises:
            ModelError: The description is missing or of another kind.
            MissingPlugin: open_clip is not installed.
        """
        super().__init__(folder, KIND, "of open_clip")
        require_open_clip()

    @property
    def decode_size(self) -> int:
        """Pixels that the shorter side of a picture needs."""
        size = self._config.image["size"]
        return int(size if isinstance(size, int) else max(size))

    @property
    def prepare(self) -> Callable[[Image], Image]:
        """Scaling and cropping as open_clip does it; the function is safe to call in any thread.

        Asking for it imports PyTorch, so that a failure meets the caller and not every picture.
        """
        scale, _ = self._transform

        def prepare(image: Image) -> Image:
            scaled: Image = scale(as_rgb(image))
            return scaled

        return prepare

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, shape (n, dim).

        What does not fit into the model's context, 77 tokens in most, is cut off.

        Raises:
            ModelError: A file of the model is missing, changed, or not what open_clip expects.
        """
        import torch

        model, tokenizer = self._network
        rows = np.empty((len(texts), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(texts), BATCH):
                tokens = tokenizer(list(texts[start : start + BATCH]))
                rows[start : start + BATCH] = model.encode_text(tokens).float().numpy()
        return unit_rows(rows, self.dim) if len(rows) else rows

    def encode_images(self, images: Sequence[PathLike | Image]) -> Vectors:
        """Return one unit row per picture, shape (n, dim).

        Raises:
            ImageError: A file is no readable picture.
            ModelError: A file of the model is missing, changed, or not what open_clip expects.
        """
        import torch

        model, _ = self._network
        _, to_tensor = self._transform
        rows = np.empty((len(images), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                batch = images[start : start + BATCH]
                pixels = [to_tensor(open_for(self, image)) for image in batch]
                vectors = model.encode_image(torch.stack(pixels))
                rows[start : start + BATCH] = vectors.float().numpy()
        return unit_rows(rows, self.dim) if len(rows) else rows

    @cached_property
    def _transform(self) -> tuple[Any, Any]:
        """open_clip's transform: from picture to picture, and from that to numbers."""
        return _transform(self._config.image, f"{self.folder / files.CONFIG}: image")

    def _load(self) -> tuple[Any, Any]:
        """Return the model and its tokenizer."""
        import open_clip

        for name in self._config.files:
            files.verify(self.folder, self._config, name)
        place = f"local-dir:{self.folder}"
        with explained(f"{self.folder}: open_clip cannot load it"):
            model = open_clip.create_model(place, precision="fp32", require_pretrained=True)
            return model.eval(), open_clip.get_tokenizer(place)


def require_open_clip() -> None:
    """Raise MissingPlugin if open_clip is not installed; nothing is imported."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "open_clip")):
        raise MissingPlugin("encoder 'clip' needs: pip install 'lexpix[clip]'")


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn whatever open_clip raises into a ModelError that begins with `what`."""
    try:
        yield
    except LexpixError:
        raise
    except Exception as error:  # it raises everything from KeyError to UnpicklingError
        reason = " ".join(str(error).split()) or type(error).__name__
        if len(reason) > REASON:
            reason = reason[:REASON] + "..."
        raise ModelError(f"{what} ({reason})") from error


def _transform(image: Mapping[str, Any], what: str) -> tuple[Any, Any]:
    import open_clip.transform as transforms
    from torchvision.transforms import Compose

    with explained(what):
        preprocessing = transforms.PreprocessCfg(**image)
        *scaling, to_tensor, normalize = transforms.image_transform_v2(
            preprocessing, is_train=False
        ).transforms
    return Compose(scaling), Compose([to_tensor, normalize])
