"""Features of many pictures, computed once through ONNX Runtime and kept on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import nn

from indexer.train.backbones import Backbone
from indexer.train.export import export_image_branch
from searchengine.images import open_image
from searchengine.pixels import CENTRE

VIEWS = ("whole", "mirrored", "centre")
"""The whole picture, the same mirrored, and its middle."""
BATCH = 32


def squash(image: Image.Image, size: int) -> Image.Image:
    """Scale a picture into a square, as `JointEncoder.prepare` does."""
    return image.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)


def views(image: Image.Image, size: int) -> npt.NDArray[np.uint8]:
    """Return the views of a picture, shape (len(VIEWS), size, size, 3)."""
    width, height = image.size
    margin = (1 - CENTRE) / 2
    box = (
        round(width * margin),
        round(height * margin),
        round(width * (1 - margin)),
        round(height * (1 - margin)),
    )
    whole = squash(image, size)
    centre = squash(image.crop(box), size)
    return np.stack([np.asarray(view) for view in (whole, ImageOps.mirror(whole), centre)])


def extract(
    backbone: Backbone,
    images: Sequence[Path],
    work: Path,
    on_step: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float16]:
    """Return pooled features, shape (pictures, views, channels), from the cache if it has them.

    Raises:
        ImageError: A picture cannot be read.
    """
    key = hashlib.sha256()
    for value in (backbone.name, str(backbone.size), *VIEWS, str(CENTRE)):
        key.update(value.encode())
    for weights in backbone.features.state_dict().values():
        key.update(weights.cpu().contiguous().numpy().tobytes())
    for path in images:
        stat = path.stat() if path.exists() else None
        key.update(
            os.fsencode(path) + str((stat.st_size, stat.st_mtime_ns) if stat else 0).encode()
        )
    cache = work / f"features-{key.hexdigest()[:16]}.npy"
    if cache.exists():
        cached: npt.NDArray[np.float16] = np.load(cache, allow_pickle=False)
        return cached
    # What follows must draw the same random numbers whether the cache was there or not.
    with torch.random.fork_rng(devices=[]):
        result = _run(backbone, images, work, on_step)
    fresh = cache.with_suffix(".new.npy")
    np.save(fresh, result, allow_pickle=False)
    os.replace(fresh, cache)
    return result


def _run(
    backbone: Backbone,
    images: Sequence[Path],
    work: Path,
    on_step: Callable[[int, int], None] | None,
) -> npt.NDArray[np.float16]:
    import onnxruntime

    model = work / f"{backbone.name}.onnx"
    identity = nn.Linear(backbone.channels, backbone.channels)
    nn.init.eye_(identity.weight)
    nn.init.zeros_(identity.bias)
    export_image_branch(backbone, identity, model, half=False)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("only_execute_path_to_fetches", "1")
    result = np.empty((len(images), len(VIEWS), backbone.channels), dtype=np.float16)
    size = backbone.size

    def read(path: Path) -> npt.NDArray[np.uint8]:
        return views(open_image(path, size=size), size)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for start in range(0, len(images), BATCH):
            batch = list(pool.map(read, images[start : start + BATCH]))
            pixels = np.concatenate(batch)
            (pooled,) = session.run(["embedding"], {"pixels": pixels}, options)
            result[start : start + len(batch)] = pooled.reshape(len(batch), len(VIEWS), -1)
            if on_step:
                on_step(start + len(batch), len(images))
    return result


def pseudo_pictures(
    classifier: torch.Tensor, features: npt.NDArray[np.float16]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a classifier's classes look like without a picture of any of them.

    For a linear softmax classifier over Gaussian classes of one covariance the class means are
    mu + Sigma (w_c - mean w), with mu and Sigma of any natural pictures.

    Args:
        classifier: Shape (classes, channels).
        features: Shape (pictures, channels) of natural pictures.

    Returns:
        Means, shape (classes, channels), and the standard deviation of features around them,
        shape (channels,).
    """
    x = torch.from_numpy(features.astype(np.float32))
    mu = x.mean(0)
    sigma = torch.cov(x.T)  # (channels, channels)
    return mu + (classifier - classifier.mean(0)) @ sigma, x.std(0)
