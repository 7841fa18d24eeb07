"""Hold names to what the CNN knows of them while captions teach everything else.

Each name of a lexicon has a place t in the joint space, which follows from the image branch
(`indexer.train.joint.lexicon`). A name starts there and is pulled there: strongly where captions
are silent, weakly where they speak. And the classifier's own opinion of every picture is distilled
into the joint space: the softmax over classes by the cosines of their names shall be that of the
classifier (arXiv 1503.02531), so that the image branch keeps what it takes to tell classes apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from indexer.train.joint.lexicon import Lexicon, directions
from indexer.train.joint.model import JointModel

PULLED = 512
"""Names that are pulled in a step."""
SHARPNESS = 25.0
"""Logits per unit of cosine between a picture and the name of a class."""
REFRESH = 30
"""Steps after which the places of names are computed anew: W has moved."""
FLOOR = 0.4
"""Share of its place that even the name that captions say most often has."""
SPOKEN = (5, 100)
"""Words that so many captions have are as long as a word of a sum should be."""


class Naming:
    """The names that a model is trained with.

    Args:
        lexicon: Texts and what they mean.
        rows: The vocabulary row of each text.
        spoken: For each vocabulary row, how many captions have it.
        classifier: The CNN's, (classes, channels).
        class_bags: Vocabulary rows of the first name of each class; empty if it has none.
        known: Classes that take part; others are left out, to be measured.
        pictured: Rows for names of photographs, as further classes, (names, channels).
    """

    def __init__(
        self,
        lexicon: Lexicon,
        rows: npt.NDArray[np.int64],
        spoken: npt.NDArray[np.int64],
        classifier: Tensor,
        class_bags: Sequence[Tensor],
        known: Sequence[int],
        pictured: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.lexicon = lexicon
        self._pictured = pictured
        self.classifier = classifier
        self._rows = torch.from_numpy(rows)
        self._heard = torch.from_numpy(spoken[rows]).float()
        self._spoken = torch.from_numpy(spoken)
        self._named = torch.from_numpy(lexicon.named)
        self._known = torch.tensor([n for n in known if len(class_bags[n])])
        self._class_bags = [class_bags[number] for number in self._known.tolist()]
        self._places: Tensor | None = None
        self._steps = 0

    def silence(self, model: JointModel) -> Tensor:
        """Return how little captions say of each text, 0..1, (texts,)."""
        return 1 / (1 + (self._heard / model.config.heard) ** 2)

    def _weights(self, model: JointModel) -> Tensor:
        support = torch.from_numpy(self.lexicon.support)
        return support * self.silence(model).clamp_min(FLOOR)

    def places(self, model: JointModel) -> Tensor:
        """Return where the texts belong in the model's space as it is, unit rows (texts, dim)."""
        rows = directions(
            model.head.weight.detach().numpy(), self.classifier.numpy(), self._pictured
        )
        return torch.from_numpy(self.lexicon.vectors(rows))

    @torch.no_grad()
    def place(self, model: JointModel, *, named: bool) -> None:
        """Put names of classes and kinds, or all other texts, where they belong.

        A text becomes a mixture of what it was and of its place, as long as words are that captions
        speak of. What classes say little about is shorter: it shall not shout in a sum.
        """
        vectors = model.word_vectors(torch.arange(len(model.table)))
        lengths = vectors.norm(dim=1)
        low, high = SPOKEN
        often = (self._spoken >= low) & (self._spoken < high)
        usual = float(lengths[often].median()) if often.any() else float(lengths.median())
        chosen = torch.nonzero(self._named == named).flatten()
        rows, places = self._rows[chosen], self.places(model)[chosen]
        support = torch.from_numpy(self.lexicon.support)[chosen, None]
        silence = self.silence(model)[chosen, None]
        model.residual.weight[rows] += support * (
            silence.clamp_min(FLOOR if named else 0) * usual * places - silence * vectors[rows]
        )

    def loss(self, model: JointModel, features: Tensor, pictures: Tensor) -> Tensor:
        """Return the pull on names plus the distillation of the classifier.

        Args:
            model: The linear layers.
            features: (n, channels) of pictures, from the CNN.
            pictures: (n, dim), the same pictures in the joint space.
        """
        config = model.config
        if self._steps % REFRESH == 0 or self._places is None:
            self._places = self.places(model)
        self._steps += 1
        candidates = torch.nonzero(self._named).flatten()
        chosen = candidates[torch.randperm(len(candidates))[:PULLED]]
        words = functional.normalize(model.word_vectors(self._rows[chosen]), dim=1, eps=1e-6)
        apart = 1 - (words * self._places[chosen]).sum(1)
        pull = (self._weights(model)[chosen] * apart).mean()
        classes = model.embed_texts(self._class_bags, whole=True)
        student = (SHARPNESS * pictures @ classes.T).log_softmax(1)
        teacher = (features.detach() @ self.classifier.T)[:, self._known].softmax(1)
        distilled = functional.kl_div(student, teacher, reduction="batchmean")
        return config.pull * pull + config.naming * distilled
