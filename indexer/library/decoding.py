"""`Decoder`: what an executor does to files, here or, with the model, on another machine.

Elsewhere there is no catalog. What is known of contents travels as eight bytes each, so that a copy
or a file that was moved is hashed there and neither decoded nor embedded; its vector comes from the
catalog here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from indexer.library.embedding import embed, embed_stills, with_vector
from indexer.library.reading import Decoded, Job, Result, Unreadable, decode
from searchengine import bounds
from searchengine.catalog.frames import FILM, Frames
from searchengine.catalog.store import Catalog
from searchengine.errors import ImageError
from searchengine.sources.opening import open_stored
from searchengine.types import Encoder, Vector

_KNOWN = np.empty(0, np.float32)
"""Stands for a vector that the catalog has."""


class Decoder:
    """Look into files as a model wants its pictures; an executor may call it anywhere.

    Args:
        catalog: Knows the vectors of earlier contents.
        encoder: The model. Other machines get it pickled, as its folder if it is one of lexpix.
    """

    def __init__(self, catalog: Catalog, encoder: Encoder) -> None:
        self._catalog, self._encoder = catalog, encoder
        self._decode = partial(
            decode,
            catalog=catalog,
            fingerprint=encoder.fingerprint,
            size=encoder.decode_size,
            prepare=encoder.prepare,
        )

    def __call__(self, job: Job) -> Result | None:
        """Hash and decode a file, as `decode` says."""
        return self._decode(job)

    def remote(self) -> RemoteDecoder:
        """Return what decodes and embeds on another machine."""
        return RemoteDecoder(
            self._encoder,
            self._catalog.embeddings.digests(self._encoder.fingerprint),
            bounds.budget.size // bounds.MEGABYTE,
            bounds.limits.file_size,
            bounds.limits.file_seconds,
        )

    def finish(self, job: Job, result: Result | None) -> Result | None:
        """Give a picture the vector, and a film the frames, that were said to be known."""
        if not isinstance(result, Decoded) or result.vector is not None:
            return result
        content = result.sha256, self._encoder.fingerprint
        vector, frames = self._catalog.vector_of_content(*content), result.frames
        if result.photo.format == FILM:
            frames = self._catalog.frames_of_content(*content)
        # Its row may have got other bytes meanwhile; a film may come from before scenes were known.
        if vector is None or (result.photo.format == FILM and not frames):
            return self(job)
        return replace(result, vector=vector, frames=frames)

    def lost(self, job: Job, reason: str) -> Unreadable | None:
        """Note a file that nobody could read; None if it was deleted meanwhile."""
        why = f"{reason}; to try it again: lexpix failures --retry"
        try:
            with open_stored(job.stat.path, place=job.stat.place) as file:
                return Unreadable(job.stat, job.row, bounds.sha256_of(file), why)
        except FileNotFoundError:
            return None
        except (OSError, ImageError):
            return Unreadable(job.stat, job.row, None, why)


@dataclass(frozen=True, slots=True)
class RemoteDecoder:
    """Decode and embed files on a machine without the catalog.

    Attributes:
        encoder: The model.
        digests: The first 64 bits of the digest of each content with a vector, sorted.
        memory: As the setting of this name.
        file_size: Likewise.
        file_seconds: Likewise.
    """

    encoder: Encoder
    digests: npt.NDArray[np.uint64]
    memory: int
    file_size: int
    file_seconds: int

    def __call__(self, jobs: Sequence[Job]) -> list[Result | None]:
        """Return what the files hold: with vectors, without pixels.

        What has no vector then has one in the catalog.

        Raises:
            ModelError, MissingPlugin, ImportError: The model cannot run at all.
        """
        bounds.use(self.memory, self.file_size, self.file_seconds)
        encoder = self.encoder
        results = [
            decode(
                job,
                catalog=self,
                fingerprint=encoder.fingerprint,
                size=encoder.decode_size,
                prepare=encoder.prepare,
            )
            for job in jobs
        ]
        pictures = {
            one.sha256: one.photo.pixels
            for one in results
            if isinstance(one, Decoded) and one.photo.pixels is not None
        }
        vectors, reasons = embed(encoder, pictures)
        frames = embed_stills(encoder, results)
        return [
            _without_pixels(one, vectors, reasons, frames) if isinstance(one, Decoded) else one
            for one in results
        ]

    def vector_of_content(self, sha256: str, _fingerprint: str) -> Vector | None:
        """Return something if the catalog has a vector of these bytes."""
        start = np.uint64(int(sha256[:16], 16))
        place = int(np.searchsorted(self.digests, start))
        return _KNOWN if place < len(self.digests) and self.digests[place] == start else None

    def frames_of_content(self, _sha256: str, _fingerprint: str) -> Frames:
        """Return something; whether the catalog has any is seen when the film is back."""
        return {0.0: _KNOWN}


def _without_pixels(
    one: Decoded,
    vectors: Mapping[str, Vector],
    reasons: Mapping[str, str],
    frames: Mapping[str, Frames],
) -> Decoded | Unreadable:
    bare = replace(one, photo=replace(one.photo, pixels=None, stills=()), vector=None, frames={})
    return bare if one.vector is _KNOWN else with_vector(bare, vectors, reasons, frames)
