"""Train a captioner: sentences from what the CNN of a joint model sees at each place.

All that lasts long is kept beside the model in `OUT.work`: features, and a checkpoint after each
epoch. The same command resumes where it was interrupted and ends with the same weights. What is
kept is the epoch whose captions of dev, written as users will see them, were best.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from indexer.evaluation.captions import CaptionScores, score_captions
from indexer.readers.pairs import read_pairs
from indexer.train.captioner.config import CaptionerConfig
from indexer.train.captioner.data import Batch, CaptionData, extract_places, starting_vectors
from indexer.train.captioner.guide import Guide
from indexer.train.captioner.model import CaptionModel, Shape, caption_loss, packed
from indexer.train.captioner.sureness import attach_sureness
from indexer.train.loop import Metrics, fit
from indexer.train.precision import autocast
from searchengine.errors import TrainingDataError
from searchengine.models import files
from searchengine.models.captioner import beam
from searchengine.models.captioner.captioner import BEAM, Captioner, save_captioner
from searchengine.models.captioner.decoder import Decoder
from searchengine.models.captioner.words import CaptionWords
from searchengine.models.joint import JointEncoder
from searchengine.types import Caption

Progress = Callable[[str, int, int, str], None]
"""Called with the name of a stage, what is done, what there is to do, and a remark."""
CHUNK = 50
"""Pictures of dev that are decoded together."""


class CaptionTask:
    """Teach a decoder; keep the weights of the best epoch."""

    def __init__(
        self,
        model: CaptionModel,
        data: CaptionData,
        words: CaptionWords,
        config: CaptionerConfig,
        guide: Guide | None = None,
    ) -> None:
        self.module: nn.Module = model
        self.guide = guide
        self.model, self.data, self.words, self.config = model, data, words, config
        self.train_rows, self.dev_rows = data.rows("train"), data.rows("dev")
        self.steps = -(-len(self.train_rows) // config.batch)
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.rate, weight_decay=config.decay
        )
        parameters = list(model.parameters())
        self.optimizer.register_step_pre_hook(lambda *_: _clip(parameters, config.clip))
        self.epoch = 0
        self.best: dict[str, Any] = {"score": float("-inf"), "weights": {}}

    def batches(self) -> Iterator[Batch]:
        """Yield every training picture once."""
        self.model.train()
        yield from self.data.batches(self.train_rows, self.config.batch)

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of the captions of some pictures."""
        config = self.config
        share = config.sampling * self.epoch / max(config.epochs - 1, 1)
        features = self.data.seen(batch.pictures)
        with autocast():
            logits, looks = self.model(features, batch.owner, batch.words, batch.lengths, share)
        targets = packed(batch.targets, batch.lengths)
        got = None if looks is None else looks.total
        loss = caption_loss(logits, targets, got, smoothing=config.smoothing, spread=config.spread)
        if self.guide is None or looks is None:
            return loss
        owner = packed(batch.owner[:, None].expand_as(batch.targets), batch.lengths)
        return loss + config.guide * self.guide.loss(features, owner, targets, looks.each)

    def evaluate(self) -> dict[str, float]:
        """Return scores of captions of dev, written greedily; without dev the last epoch counts."""
        self.epoch += 1
        metrics: dict[str, float] = {}
        score = float(self.epoch)
        if self.dev_rows:
            scores = self._score()
            metrics = {
                name: getattr(scores, name) for name in ("bleu1", "bleu4", "cider", "distinct")
            }
            score = metrics[self.config.measure]
        if score > self.best["score"]:
            weights = {name: value.clone() for name, value in self.model.state_dict().items()}
            self.best = {"score": score, "weights": weights}
        return metrics

    def _score(self) -> CaptionScores:
        self.model.eval()
        decoder = Decoder(self.model.weights(), self.config.cell, self.config.attention)
        captions: list[str] = []
        for start in range(0, len(self.dev_rows), CHUNK):
            features = self.data.features[self.dev_rows[start : start + CHUNK], 0]
            lines = beam.search(
                decoder, features.astype(np.float32), width=1, longest=self.config.longest
            )
            captions += [self.words.text(line.words) for line in lines]
        return score_captions(captions, [self.data.pairs[row].captions for row in self.dev_rows])[0]

    def state(self) -> dict[str, Any]:
        """Return the best weights so far, and how far the sampling has come."""
        return {"epoch": self.epoch, "best": self.best}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` returned."""
        self.epoch, self.best = state["epoch"], state["best"]


def train_captioner(
    pairs: Path,
    out: Path,
    encoder: JointEncoder,
    config: CaptionerConfig,
    *,
    images: Path | None = None,
    start: Captioner | None = None,
    notes: Mapping[str, Any] | None = None,
    progress: Progress = lambda *_: None,
    on_epoch: Callable[[int, Metrics], None] = lambda *_: None,
) -> CaptionScores | None:
    """Train, write the folder `out`, and measure the written captioner on dev.

    Args:
        pairs: Captioned pictures, see `indexer.readers.pairs`.
        out: The folder of the captioner.
        encoder: The joint model whose places are read; the captioner belongs to it.
        config: What decides.
        images: Folder of the pictures, if not the folder of `pairs`.
        start: A captioner of the same vocabulary and sizes, whose weights are where it begins.
        notes: Put into the model's notes, such as licences.
        progress: Told how far it is.
        on_epoch: Told about every epoch and its metrics.

    Returns:
        Scores with a beam of `BEAM`; None without a dev split.

    Raises:
        TrainingDataError: The pairs cannot be trained on; the message names the file.
        ImageError: A picture cannot be read.
        ModelError: The joint model has no features, or `out` is something else than a model.
        MissingPlugin: The measure is not installed.
    """
    out = out.resolve()
    files.require_replaceable(out)  # now, not after hours
    read = [p for p in read_pairs(pairs, images) if p.split in ("train", "dev") and p.captions]
    texts = [text for pair in read if pair.split == "train" for text in pair.captions]
    words = CaptionWords.build(texts, config.level, config.least)
    numbers = [_sentences(words, pair.captions, config.longest) for pair in read]
    trained = [row for row, pair in enumerate(read) if pair.split == "train" and numbers[row]]
    if len(trained) < 2 or len(words) < 4:
        raise TrainingDataError(
            f"{pairs}: fewer than two training pictures with a caption of words that are there "
            f"{config.least} times"
        )
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    features = extract_places(
        encoder,
        [pair.image for pair in read],
        work,
        lambda done, total: progress("features", done, total, ""),
    )
    data = CaptionData(read, numbers, features)
    torch.manual_seed(config.seed)
    model = _model(words, encoder, features.shape[-1], config)
    if start is not None:
        continue_from(model, start, words)
    begun = {name: value.clone() for name, value in model.state_dict().items()}
    guide = None
    if config.guide and config.attention == "soft":
        guide = Guide.of(encoder, words, [read[row].image for row in trained])
    task = CaptionTask(model, data, words, config, guide)
    if not task.dev_rows:
        score_captions(["a"], [["a"]])  # what is not installed is better known now
    history = fit(
        task,
        epochs=config.epochs,
        seed=config.seed,
        checkpoint=work / "checkpoint-captioner.pt",
        signature=_signature(pairs, images, start, encoder, config),
        on_step=lambda epoch, step, steps, loss, _: progress(
            f"epoch {epoch + 1}/{config.epochs}", step, steps, f"loss {loss:.3f}"
        ),
        on_epoch=on_epoch,
        is_enough=lambda history: _is_enough(history, config),
    )
    model.load_state_dict(
        {
            name: begun[name].lerp(value, 1 - config.keep if start is not None else 1.0)
            for name, value in task.best["weights"].items()
        }
    )
    noted = {
        "sources": {
            "pairs": pairs.name,
            "model": encoder.name,
            **({} if start is None else {"start": start.fingerprint}),
        },
        "config": dataclasses.asdict(config),
        "pictures": {split: len(data.rows(split)) for split in ("train", "dev")},
        "epochs": history,
        **(notes or {}),
    }
    save_captioner(
        out,
        encoder,
        words,
        model.weights(),
        cell=config.cell,
        attention=config.attention,
        channels=features.shape[-1],
        longest=config.longest,
        notes=noted,
    )
    return _measure(out, encoder, data, progress) if task.dev_rows else None


def _clip(parameters: list[nn.Parameter], longest: float) -> None:
    nn.utils.clip_grad_norm_(parameters, longest)


def _sentences(words: CaptionWords, captions: Sequence[str], longest: int) -> list[list[int]]:
    """Return the captions as numbers; what is empty or too long teaches nothing."""
    encoded = (words.numbers(caption) for caption in captions)
    return [numbers for numbers in encoded if 0 < len(numbers) <= longest]


def _model(
    words: CaptionWords, encoder: JointEncoder, channels: int, config: CaptionerConfig
) -> CaptionModel:
    shape = Shape(
        channels,
        len(words),
        config.cell,
        config.attention,
        config.hidden,
        config.word,
        config.energy,
    )
    is_words = config.level == "words"
    vectors = starting_vectors(words, encoder, config.word) if is_words else None
    return CaptionModel(shape, vectors, config.dropout)


def continue_from(model: CaptionModel, captioner: Captioner, words: CaptionWords) -> None:
    """Give a model the weights of a captioner.

    Raises:
        TrainingDataError: Its vocabulary is another one, or it is built in another way.
    """
    if captioner.words.words != words.words:
        raise TrainingDataError(
            f"{captioner.name}: its vocabulary is not that of these captions; start from a "
            "captioner that was trained on the same pairs, with the same --least and --level"
        )
    try:
        model.load_state_dict(
            {name: torch.from_numpy(value.copy()) for name, value in captioner.weights.items()}
        )
    except RuntimeError as error:
        raise TrainingDataError(
            f"{captioner.name}: is built in another way ({error}); give the same --cell and "
            "--attention"
        ) from error


def _is_enough(history: Sequence[Metrics], config: CaptionerConfig) -> bool:
    scores = [one[config.measure] for one in history if config.measure in one]
    return bool(scores) and len(scores) - 1 - int(np.argmax(scores)) >= config.patience


def _signature(
    pairs: Path,
    images: Path | None,
    start: Captioner | None,
    encoder: JointEncoder,
    config: CaptionerConfig,
) -> str:
    everything = [hashlib.sha256(pairs.read_bytes()).hexdigest(), str(images), encoder.fingerprint]
    if start is not None:
        everything.append(start.fingerprint)
    everything += [repr(sorted(dataclasses.asdict(config).items()))]
    return hashlib.sha256("\n".join(everything).encode()).hexdigest()


def _measure(
    out: Path, encoder: JointEncoder, data: CaptionData, progress: Progress
) -> CaptionScores:
    """Measure the captioner as written, through the code that users run.

    The scores are noted in it, and what a log-probability is worth is fitted on the same captions.
    """
    captioner = Captioner(out, encoder)
    rows = data.rows("dev")
    captions: list[Caption] = []
    for start in range(0, len(rows), CHUNK):
        captions += captioner.decode(data.features[rows[start : start + CHUNK], 0])
        progress("measuring", len(captions), len(rows), "")
    references = [data.pairs[row].captions for row in rows]
    scores, _ = score_captions([one.text for one in captions], references)
    files.annotate(out, {"dev": {"beam": BEAM, **dataclasses.asdict(scores)}})
    attach_sureness(out, captions, references)
    return scores
