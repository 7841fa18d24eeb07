"""The joint embedding as it learns: matching pairs near, all other pairs of the batch far.

Two phases. In the first the CNN is frozen and only the linear layers and word residuals learn, on
features computed once. In the second the CNN learns as well; pictures that are not in the batch
take part as negatives through their last known features (a memory bank, MoCo, arXiv 1911.05722),
and the CNN is held to what its own classifier said before (Learning without Forgetting, arXiv
1606.09282), so that it does not unlearn the world for the sake of a few thousand photos.

The loss is a symmetric InfoNCE (VSE and CLIP; arXiv 2103.00020) in which other captions of the same
picture are no negatives.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from indexer.evaluation.metrics import retrieval
from indexer.readers.pairs import Pair
from indexer.train.backbones import Backbone
from indexer.train.joint.features import squash
from indexer.train.joint.model import JointModel
from indexer.train.joint.naming import Naming
from indexer.train.precision import autocast
from searchengine.images import open_image
from searchengine.vectors import unit_rows

CAPTION_PASSES = 5
"""Times an epoch shows each picture, as Flickr8k and COCO have five captions for each."""
NOISE = 0.5
"""Standard deviation of a pseudo picture's features, as a share of that of real ones."""
ALSO = 1 / 4
"""Share of a batch that comes from further pairs, if there are any."""


def info_nce(
    pictures: Tensor, texts: Tensor, owner: Tensor, group: Tensor, temperature: float
) -> Tensor:
    """Return the symmetric contrastive loss of texts and the pictures they describe.

    Args:
        pictures: (p, dim), unit rows.
        texts: (t, dim), unit rows.
        owner: (t,), the row of `pictures` each text describes.
        group: (p,), pictures of one group are no negatives of each other's texts.
        temperature: Divides the cosines.
    """
    logits = texts @ pictures.T / temperature  # (t, p)
    rows = torch.arange(len(texts))
    positive = logits[rows, owner]
    same = group[owner][:, None] == group[None]  # (t, p)
    others = logits.masked_fill(same, float("-inf"))
    of_text = torch.logaddexp(positive, others.logsumexp(1)) - positive
    of_picture = torch.logaddexp(positive, others.logsumexp(0)[owner]) - positive
    return (of_text.mean() + of_picture.mean()) / 2


@dataclass(frozen=True)
class Data:
    """What training reads, in memory.

    Attributes:
        pairs: Pictures of the splits train and dev.
        bags: For each picture, for each caption, the vocabulary rows of its words, at least one.
        features: (pictures, views, channels) from the CNN before training.
        also: Rows of pictures of further sources, which must not crowd out the others: they fill
            the share `ALSO` of each batch.
        groups: For each picture its group; pictures of one are no negatives of each other's texts.
        class_bags: For each class, for each of its texts, vocabulary rows.
        class_means, class_spread: (classes, channels) and (channels,), see `pseudo_pictures`.
        naming: Holds names to what the CNN knows of them.
    """

    pairs: Sequence[Pair]
    bags: Sequence[Sequence[Tensor]]
    features: npt.NDArray[np.float16]
    also: Sequence[int] = ()
    groups: Sequence[int] = ()
    class_bags: Sequence[Sequence[Tensor]] = ()
    class_means: Tensor | None = None
    class_spread: Tensor | None = None
    naming: Naming | None = None

    def rows(self, split: str) -> list[int]:
        """Return the numbers of the pictures of a split, those of further sources left out."""
        also = set(self.also)
        return [
            row for row, pair in enumerate(self.pairs) if pair.split == split and row not in also
        ]

    def groups_of(self, rows: Tensor) -> Tensor:
        """Return the groups of pictures; each is its own if none are given."""
        return torch.tensor(self.groups)[rows] if self.groups else rows


class Batches:
    """Draw rows of pictures so that further sources fill their share of every batch."""

    def __init__(self, data: Data, size: int) -> None:
        self.main = torch.tensor(data.rows("train"))
        self.also = torch.tensor(data.also, dtype=torch.int64)
        self.shared = min(int(size * ALSO), len(self.also))
        self.own = min(size - self.shared, len(self.main))
        self.steps = len(self.main) // self.own

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the batches in which each picture of the main source comes at most once."""
        order = self.main[torch.randperm(len(self.main))]
        for step in range(self.steps):
            own = order[step * self.own : (step + 1) * self.own]
            others = self.also[torch.randperm(len(self.also))[: self.shared]]
            yield torch.cat([own, others])


class FrozenPhase:
    """Learn the linear layers on features of the frozen CNN."""

    def __init__(self, model: JointModel, data: Data) -> None:
        config = model.config
        self.module: nn.Module = model
        self.model, self.data = model, data
        self.drawn = Batches(data, config.batch)
        self.steps = self.drawn.steps * CAPTION_PASSES
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.rate, weight_decay=config.decay
        )
        self.features = torch.from_numpy(data.features)

    def batches(self) -> Iterator[Tensor]:
        """Yield rows of pictures, each several times an epoch."""
        self.model.train()
        for _ in range(CAPTION_PASSES):
            yield from self.drawn

    def loss(self, batch: Tensor) -> Tensor:
        """Return the contrastive loss of pictures and one random caption of each."""
        views = torch.randint(self.features.shape[1], (len(batch),))
        features = self.features[batch, views].float()
        bags = [_choose(self.data.bags[row]) for row in batch.tolist()]
        return contrast(self.model, self.data, batch, features, bags, torch.arange(len(batch)))

    def evaluate(self) -> dict[str, float]:
        """Return recall on dev, by the first view alone, as a query will see it."""
        dev = self.data.rows("dev")
        return evaluate_dev(self.model, self.data, self.features[dev, 0].float()) if dev else {}

    def state(self) -> dict[str, Any]:
        """Return nothing: the module is all there is."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take nothing back."""


class FinetunePhase:
    """Learn CNN and linear layers together."""

    def __init__(self, model: JointModel, data: Data, backbone: Backbone, device: str) -> None:
        config = model.config
        self.model, self.data, self.backbone, self.device = model, data, backbone, device
        network = backbone.features.to(device)
        network = network.to(memory_format=torch.channels_last)
        for layer in backbone.early:
            layer.requires_grad_(False)
        self.module: nn.Module = nn.ModuleDict({"model": model, "network": network})
        self.network = network
        self.drawn = Batches(data, config.fresh)
        self.train_rows = torch.cat([self.drawn.main, self.drawn.also])
        self.steps = self.drawn.steps
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            [
                {"params": model.parameters(), "lr": config.head_rate},
                {
                    "params": [p for p in network.parameters() if p.requires_grad],
                    "lr": config.cnn_rate,
                },
            ],
            weight_decay=config.decay,
        )
        self.bank = torch.from_numpy(data.features[:, 0]).float()
        self.teacher = None
        if backbone.classifier is not None:
            self.teacher = (self.bank @ backbone.classifier.T).softmax(1)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield rows of pictures with their augmented pixels (n, 3, size, size)."""
        from concurrent.futures import ThreadPoolExecutor

        self.model.train()
        self.network.eval()  # batch statistics of 96 pictures are worse than ImageNet's
        chunks = list(self.drawn)
        seeds = torch.randint(2**31, (len(self.data.pairs),)).tolist()
        with ThreadPoolExecutor(max_workers=2) as pool:

            def load(chunk: Tensor) -> Tensor:
                rows = chunk.tolist()
                pixels = [self._pixels(row, np.random.default_rng(seeds[row])) for row in rows]
                return normalise(np.stack(pixels), self.backbone)

            waiting = [pool.submit(load, chunk) for chunk in chunks[:2]]
            for number, chunk in enumerate(chunks):
                pixels = waiting.pop(0).result()
                if number + 2 < len(chunks):
                    waiting.append(pool.submit(load, chunks[number + 2]))
                yield chunk, pixels

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the contrastive loss with a bank of negatives, plus the distillation."""
        rows, pixels = batch
        features = self._features(pixels)
        self.bank[rows] = features.detach()
        taken = torch.isin(self.train_rows, rows)
        free = self.train_rows[~taken]
        missing = max(0, self.model.config.batch - len(rows))
        banked = free[torch.randperm(len(free))[:missing]]
        batch_rows = torch.cat([rows, banked])
        everything = torch.cat([features, self.bank[banked]])
        bags = [_choose(self.data.bags[row]) for row in batch_rows.tolist()]
        owner = torch.arange(len(everything))
        # Fresh pictures show all their captions: their way through the CNN was the expensive part.
        for place, row in enumerate(rows.tolist()):
            bags.extend(self.data.bags[row])
            owner = torch.cat([owner, torch.full((len(self.data.bags[row]),), place)])
        loss = contrast(self.model, self.data, batch_rows, everything, bags, owner)
        weight = self.model.config.distillation
        if self.teacher is None or self.backbone.classifier is None or weight == 0:
            return loss
        student = (features @ self.backbone.classifier.T).log_softmax(1)
        return loss + weight * functional.kl_div(student, self.teacher[rows], reduction="batchmean")

    def evaluate(self) -> dict[str, float]:
        """Return recall on dev with the CNN as it is now."""
        rows = self.data.rows("dev")
        if not rows:
            return {}
        size = self.backbone.size
        features = []
        with torch.inference_mode():
            for start in range(0, len(rows), 64):
                paths = [self.data.pairs[row].image for row in rows[start : start + 64]]
                pixels = np.stack(
                    [np.asarray(squash(open_image(p, size=size), size)) for p in paths]
                )
                features.append(self._features(normalise(pixels, self.backbone)))
            return evaluate_dev(self.model, self.data, torch.cat(features))

    def state(self) -> dict[str, Any]:
        """Return the bank: it holds features of earlier weights, which cannot be computed again."""
        return {"bank": self.bank}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the bank back."""
        self.bank.copy_(state["bank"])

    def _pixels(self, row: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Return a random part of a picture, at least three quarters a side, sometimes mirrored."""
        size = self.backbone.train_size
        image = open_image(self.data.pairs[row].image, size=size)
        width, height = (side * random.uniform(0.75, 1.0) for side in image.size)
        left = random.uniform(0, image.width - width)
        top = random.uniform(0, image.height - height)
        pixels = np.asarray(
            squash(
                image.crop((round(left), round(top), round(left + width), round(top + height))),
                size,
            )
        )
        return pixels[:, ::-1] if random.random() < 0.5 else pixels

    def _features(self, pixels: Tensor) -> Tensor:
        batch = pixels.to(self.device, memory_format=torch.channels_last)
        with autocast(self.device):
            maps = self.network(batch)
        pooled: Tensor = maps.float().mean((2, 3)).to("cpu")
        return pooled


def contrast(
    model: JointModel,
    data: Data,
    rows: Tensor,
    features: Tensor,
    bags: list[Tensor],
    owner: Tensor,
) -> Tensor:
    """Return the contrastive loss of pictures and texts, with pseudo pictures mixed in.

    Args:
        model: The linear layers.
        data: Names the groups and the pseudo pictures.
        rows: (p,), which pictures they are.
        features: (p, channels) of them.
        bags: Vocabulary rows of t texts.
        owner: (t,), the place in `rows` of the picture that each text describes.
    """
    group = data.groups_of(rows)
    temperature = model.config.temperature
    if data.class_means is None or data.class_spread is None:
        pictures, texts = model.embed_pictures(features), model.embed_texts(bags)
        return info_nce(pictures, texts, owner, group, temperature)
    count = min(model.config.pseudo, len(data.class_means))
    chosen = torch.randperm(len(data.class_means))[:count]
    noise = torch.randn(count, features.shape[1]) * data.class_spread
    pseudo = (data.class_means[chosen] + NOISE * noise).clamp_min(0)
    everything = torch.cat([features, pseudo])
    pictures = model.embed_pictures(everything)
    if data.naming is not None:  # names have places: what stands in for pictures would move them
        texts = model.embed_texts(bags)
        loss = info_nce(pictures[: len(features)], texts, owner, group, temperature)
        return loss + data.naming.loss(model, everything, pictures)
    owner = torch.cat([owner, len(features) + torch.arange(count)])
    group = torch.cat([group, len(data.pairs) + chosen])  # a class is its own group
    bags = [*bags, *(_choose(data.class_bags[row]) for row in chosen.tolist())]
    return info_nce(pictures, model.embed_texts(bags), owner, group, temperature)


def evaluate_dev(model: JointModel, data: Data, features: Tensor) -> dict[str, float]:
    """Return recall@k of the dev split from its pooled features (pictures, channels)."""
    rows = data.rows("dev")
    bags = [bag for row in rows for bag in data.bags[row]]
    owner = [place for place, row in enumerate(rows) for _ in data.bags[row]]
    model.eval()
    with torch.inference_mode():
        pictures = unit_rows(model.embed_pictures(features).numpy())
        captions = model.embed_texts(bags).numpy()
    # A caption stays zero if all it says are words without a vector that training has not reached.
    has_words = captions.any(axis=1)
    captions[has_words] = unit_rows(captions[has_words])
    t2i, i2t = retrieval(pictures, captions, owner)
    return {
        f"{way}_{key}": value
        for way, result in (("t2i", t2i), ("i2t", i2t))
        for key, value in dataclasses.asdict(result).items()
    }


def normalise(pixels: npt.NDArray[np.uint8], backbone: Backbone) -> Tensor:
    """Map pixels (n, size, size, 3) to the CNN's input (n, 3, size, size)."""
    x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
    mean, std = torch.tensor(backbone.mean), torch.tensor(backbone.std)
    return (x - mean[:, None, None]) / std[:, None, None]


def _choose(options: Sequence[Tensor]) -> Tensor:
    return options[int(torch.randint(len(options), ()))]
