"""A food head as it learns by gradients, held to where it started."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from indexer.train.food.closed_form import Material, Parts
from indexer.train.food.config import FoodConfig
from indexer.train.joint.contrastive import info_nce
from searchengine.models.food import FIELDS


class FoodModel(nn.Module):
    """All parts of a food head as parameters."""

    def __init__(self, parts: Parts, config: FoodConfig) -> None:
        super().__init__()
        self.config, self.start = config, parts
        self.pictures = nn.Parameter(torch.from_numpy(parts.pictures.copy()))
        self.texts = nn.Parameter(torch.from_numpy(parts.texts.copy()))
        self.words = nn.Parameter(torch.from_numpy(parts.words.copy()))
        self.log_weights = nn.Parameter(torch.from_numpy(np.log(parts.weights)))
        fields = torch.tensor([parts.fields[name] for name in FIELDS])
        self.log_fields = nn.Parameter(fields.log())
        self.general = nn.Buffer(torch.from_numpy(parts.general), persistent=False)
        self.means = nn.Buffer(torch.from_numpy(parts.means), persistent=False)
        self.begun = [p.detach().clone() for p in self.parameters()]

    def embed_pictures(self, vectors: Tensor) -> Tensor:
        """Map vectors of the general model (n, dim) to unit rows."""
        mapped = vectors @ self.pictures[:-1] + self.pictures[-1]
        return self._join(vectors - self.means[0], mapped)

    def embed_texts(self, counts: Tensor) -> Tensor:
        """Map counts (fields, n, words) to unit rows."""
        total = (counts * self.log_fields.exp()[:, None, None]).sum(0)
        factors = total.log1p() * self.log_weights.exp()
        latent = functional.normalize(factors @ self.words, dim=1)
        meant = functional.normalize(factors @ self.general, dim=1)
        return self._join(meant - self.means[1], latent @ self.texts[:-1] + self.texts[-1])

    def moved(self) -> Tensor:
        """Return how far the parameters are from their start, each in its own size."""
        pairs = zip(self.parameters(), self.begun, strict=True)
        far = [((p - q) ** 2).sum() / (q**2).sum() for p, q in pairs]
        return torch.stack(far).sum()

    def parts(self) -> Parts:
        """Return the parameters as arrays."""
        weights = self.log_fields.detach().exp().tolist()
        return dataclasses.replace(
            self.start,
            pictures=self.pictures.detach().numpy(),
            texts=self.texts.detach().numpy(),
            words=self.words.detach().numpy(),
            weights=self.log_weights.detach().exp().numpy(),
            fields=dict(zip(FIELDS, weights, strict=True)),
        )

    def _join(self, general: Tensor, food: Tensor) -> Tensor:
        rest = (1 - self.config.share**2) ** 0.5
        halves = (self.config.share * functional.normalize(general, dim=1),
                  rest * functional.normalize(food, dim=1))  # fmt: skip
        return torch.cat(halves, 1)


class FoodTask:
    """Refine a food head on pairs and labelled pictures."""

    def __init__(self, model: FoodModel, material: Material, chosen: npt.NDArray[np.int64]) -> None:
        self.model, self.material, self.chosen = model, material, chosen
        self.module: nn.Module = model
        config = model.config
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr=config.rate)
        self.steps = max(1, len(chosen) // config.batch)
        columns = model.start.rows
        self.words = [material.words[f][:, columns] for f in FIELDS]
        self.titles = [material.titles[f][:, columns] for f in FIELDS]
        self.background = [material.background[f][:, columns] for f in FIELDS]
        numbers = {name: number for number, name in enumerate(material.names)}
        self.dish = [numbers[dish.name] for dish in material.dishes]

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield rows of pairs and of labelled pictures."""
        size = self.model.config.batch
        order = torch.from_numpy(self.chosen)[torch.randperm(len(self.chosen))]
        for step in range(self.steps):
            dishes = torch.randperm(len(self.dish))[:size]
            yield order[step * size : (step + 1) * size], dishes

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the contrastive loss of a batch and its pull towards the start."""
        rows, dishes = (part.numpy() for part in batch)
        views = torch.randint(self.material.pictures.shape[1], (len(rows),)).numpy()
        x = [self.material.pictures[rows, views], self.material.dish_pictures[dishes]]
        counts = [self._dense(self.words, rows)]
        groups = [-1 - torch.arange(len(rows))]
        if len(dishes):
            counts.append(self._texts_of([self.dish[row] for row in dishes.tolist()]))
            groups.append(torch.tensor([self.dish[row] for row in dishes.tolist()]))
        pictures = self.model.embed_pictures(torch.from_numpy(np.concatenate(x)))
        texts = self.model.embed_texts(torch.cat(counts, 1))
        config = self.model.config
        owner, group = torch.arange(len(texts)), torch.cat(groups)
        loss = info_nce(pictures, texts, owner, group, config.temperature)
        return loss + config.hold * self.model.moved()

    def evaluate(self) -> dict[str, float]:
        """Return how far the parts have moved; nothing is kept apart here."""
        with torch.inference_mode():
            return {"moved": float(self.model.moved())}

    def state(self) -> dict[str, Any]:
        """Return nothing: the module is all there is."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take nothing back."""

    def _texts_of(self, dishes: Sequence[int]) -> Tensor:
        """Return counts of the name of each dish or of one of its recipes, by chance."""
        chances = torch.rand(len(dishes), 2).tolist()
        options = [self.material.of_dish[dish] for dish in dishes]
        texts = self._dense(self.titles, np.array(dishes))
        for place, (rows, (which, chance)) in enumerate(zip(options, chances, strict=True)):
            if rows and chance < 0.5:
                row = np.array([rows[int(which * len(rows))]])
                texts[:, place] = self._dense(self.background, row)[:, 0]
        return texts

    @staticmethod
    def _dense(counts: Sequence[Any], rows: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.stack([part[rows].toarray() for part in counts]))
