"""What a run would do: the run itself, over a sketch of the catalog, without a pixel.

Nothing is written to the library. A known file is read, for its hash, if its times have changed and
its size has not. To tell a move from a new picture the bytes of a new file are hashed as well, but
only if some picture of the library has its very size; of all others the head alone is read, which
also tells what is no picture. What only decoding can show is not foreseen: a file whose head is
whole and whose pixels are not counts as added or updated, and no file as damaged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from functools import partial
from io import BufferedReader
from typing import Any

import numpy as np

from indexer.executors import Threads
from indexer.library.pipeline import agree
from indexer.library.reading import Job, decode, digest_of
from indexer.library.sweeping import Confirm, Sweeps
from indexer.library.tally import Progress
from indexer.library.writing import NO_SIZE
from searchengine.catalog.frames import Frames
from searchengine.catalog.sketch import DIM, Sketch
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.models.loading import load_model
from searchengine.sources.addresses import absolute
from searchengine.types import Encoder, Failure, IndexReport, PathLike, Vector


class Foresight:
    """Tell what index runs over a library would do, each after the one before; to be closed.

    Args:
        settings: Name the library, which need not be there, the model and the number of threads.
        encoder: The model; that of the settings or of the library if None.

    Attributes:
        catalog: What would be known.

    Raises:
        LibraryError, ModelError, MissingPlugin: Library or model cannot be read.
    """

    def __init__(self, settings: Settings, encoder: Encoder | None = None) -> None:
        self._sketch = Sketch(settings.library)
        self.catalog: Catalog = self._sketch.catalog
        self._executor = Threads(settings.workers)
        try:
            chosen = self.catalog.embeddings.choice() if "model" in settings.yielding else None
            self._model = _Blind(encoder or load_model(chosen or settings.model))
            self._sketch.note_vectors(self._model.fingerprint, self._model.name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release what is known."""
        self._sketch.close()

    def index(
        self,
        folder: PathLike,
        *,
        allow_empty: bool = False,
        exclude: Sequence[str] = (),
        confirm: Confirm | None = None,
        later: Sweeps | None = None,
        progress: Callable[[Progress], None] | None = None,
        on_failure: Callable[[Failure], None] | None = None,
    ) -> IndexReport:
        """Return what `indexer.index` would do; arguments and errors are the same."""
        model = self._model
        look = partial(
            decode,
            catalog=model,
            fingerprint=model.fingerprint,
            size=model.decode_size,
            hashing=partial(_digest_if_it_matters, sizes=self.catalog.sizes()),
        )
        return agree(
            absolute(folder),
            self.catalog,
            model,
            look,
            executor=self._executor,
            allow_empty=allow_empty,
            exclude=exclude,
            confirm=confirm,
            later=later,
            progress=progress,
            on_failure=on_failure,
        )


class _Blind:
    """A model by its name only, which has a vector of every content, so that none is decoded."""

    dim, prepare = DIM, None

    def __init__(self, encoder: Encoder) -> None:
        self.fingerprint, self.name = encoder.fingerprint, encoder.name
        self.decode_size = encoder.decode_size

    def vector_of_content(self, _sha256: str, _fingerprint: str) -> Vector:
        return np.ones(DIM, np.float32)

    def frames_of_content(self, _sha256: str, _fingerprint: str) -> Frames:
        return {0.0: np.ones(DIM, np.float32)}

    def encode_texts(self, _texts: Any) -> Any:
        raise AssertionError("nothing is embedded")

    encode_images = encode_texts


def _digest_if_it_matters(job: Job, file: BufferedReader, *, sizes: Collection[int]) -> str:
    """Hash a file, or name what no row can have: bytes of another size are other bytes."""
    known = sizes if job.row is None else {job.row.size}
    if job.stat.size in known or NO_SIZE in known:
        return digest_of(job, file)
    return f"not read: {os.fsencode(job.stat.path).hex()}"
