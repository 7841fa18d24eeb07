"""Train a joint embedding from a file of pairs to a model folder.

All that lasts long is kept beside the model in `OUT.work`: features, and a checkpoint after each
epoch. The same command resumes where it was interrupted and ends with the same weights.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from indexer.evaluation.metrics import retrieval
from indexer.readers.pairs import Pair, read_pairs
from indexer.train.backbones import DEFAULT, Backbone, load_backbone
from indexer.train.joint.bags import bags_of, captions_with, groups_of, tensors_of
from indexer.train.joint.config import JointConfig
from indexer.train.joint.contrastive import Data, FinetunePhase, FrozenPhase
from indexer.train.joint.distil import beside, sentence_vectors
from indexer.train.joint.features import extract, pseudo_pictures
from indexer.train.joint.lexicon import Lexicon, build_lexicon
from indexer.train.joint.model import JointModel
from indexer.train.joint.naming import Naming
from indexer.train.joint.pictured import Pictured
from indexer.train.joint.saving import save_model
from indexer.train.joint.start import (
    read_weights,
    require_same_sizes,
    start_backbone,
    start_layers,
)
from indexer.train.joint.table import build_table, read_words, without_misspelt
from indexer.train.loop import Metrics, Task, fit
from indexer.vocabulary.classes import Class, read_classes
from indexer.vocabulary.wordnet import WordNet
from searchengine.errors import ConfigError, TrainingDataError
from searchengine.language.words import WordVectors
from searchengine.models import files
from searchengine.models.joint import JointEncoder

Progress = Callable[[str, int, int, str], None]
"""Called with the name of a stage, what is done, what there is to do, and a remark."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a model is made from.

    Attributes:
        pairs: Captioned pictures, see `indexer.readers.pairs`.
        also: Further files of pairs, such as drawings with titles; all their pictures but those of
            a split `test` or `dev` are trained on, as a smaller part of each batch.
        named: Files of photographs with names, which also help to place words that no caption and
            no class has; all of the split `train` are trained on like those of `also`.
        images: Folder of the pictures, if not the folder of `pairs`.
        backbone: Name of the CNN.
        words: Word vectors, see `read_words`; None for the packaged GloVe.
        distil: Dimensions of a sentence model to put beside the word vectors, see
            `indexer.train.joint.distil`; 0 for none.
        vocabulary: How many words to keep.
        classes: Names of the classes that the CNN was trained on, tab-separated: index, id, name,
            synonyms, gloss. They become pseudo pictures, and words (`indexer.train.joint.lexicon`).
        wordnet: Folder of WordNet, which names kinds of the classes and places other words.
        start: Folder of a joint model to go on from, with its words; None for a new one.
        leave_out: Every so many-th class is kept from the training, to measure how well the others
            place it; 0 for none.
        notes: Put into the model's notes, such as licences.
    """

    pairs: Path
    also: tuple[Path, ...] = ()
    named: tuple[Path, ...] = ()
    images: Path | None = None
    backbone: str = DEFAULT
    words: Path | None = None
    distil: int = 0
    vocabulary: int = 100_000
    classes: Path | None = None
    wordnet: Path | None = None
    start: Path | None = None
    leave_out: int = 0
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def train_joint(
    sources: Sources,
    out: Path,
    config: JointConfig,
    *,
    device: str = "cpu",
    progress: Progress = lambda *_: None,
    on_epoch: Callable[[str, int, Metrics], None] = lambda *_: None,
) -> dict[str, dict[str, float]]:
    """Train, write the model folder `out`, and measure the written model on dev.

    Returns:
        Recall of sentence -> picture ("t2i") and picture -> sentence ("i2t"); empty without a dev
        split.

    Raises:
        TrainingDataError: Pairs, classes or words cannot be trained on; the message names the file.
        ImageError: A picture cannot be read.
        ModelError: The backbone is unknown or its weights cannot be fetched, or `out` is something
            else than a model.
        ConfigError: This machine, or this torch, has no such device.
    """
    _require_device(device)
    out = out.resolve()
    files.require_replaceable(out)  # now, not after hours
    main, further, photographs = _read(sources)
    own, pairs = len(main), [*main, *further, *photographs]
    classes = read_classes(sources.classes) if sources.classes else []
    left_out = range(1, len(classes), sources.leave_out) if sources.leave_out else range(0)
    class_texts = [() if number in left_out else each.texts for number, each in enumerate(classes)]
    texts = [c for p in pairs for c in p.captions if p.split == "train"]
    texts += [text for options in class_texts for text in options]
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    backbone = load_backbone(sources.backbone)
    if classes:
        _require_classes(backbone, len(classes), sources)
    begun = JointEncoder(sources.start) if sources.start else None
    weights = read_weights(begun) if begun else {}
    words, vectors = _word_vectors(sources, begun, work, progress)
    if begun:
        start_backbone(backbone, weights, begun.name)
        require_same_sizes(begun, weights, backbone.channels, config.dim, vectors.shape[1])
    pictured = _pictured(photographs if classes else [], backbone, work, progress)
    wordnet = WordNet(sources.wordnet) if sources.wordnet else None
    lexicon = _lexicon(wordnet, classes, words, work, left_out, pictured, progress)
    table = build_table(words, vectors, texts, lexicon.texts if lexicon else ())
    bags = [bags_of(table, pair.captions) for pair in pairs]
    kept = [row for row, bag in enumerate(bags) if bag]
    also = [place for place, row in enumerate(kept) if row >= own]
    pairs, bags = [pairs[row] for row in kept], [bags[row] for row in kept]
    if sum(pair.split == "train" for pair in pairs) - len(also) < 2:
        raise TrainingDataError(
            f"{sources.pairs}: fewer than two training pictures with a caption of known words"
        )
    features = extract(
        backbone,
        [pair.image for pair in pairs],
        work,
        lambda done, total: progress("features", done, total, ""),
    )
    class_bags = [bags_of(table, options) for options in class_texts]
    # Every text of the lexicon has a row: the table was built with them.
    named = np.array([table.row(text) for text in lexicon.texts] if lexicon else [], dtype=np.int64)
    used = np.unique(
        np.concatenate([rows for bag in (*bags, *class_bags) for rows in bag] + [named])
    )
    spoken = captions_with(bags[: min(also, default=len(bags))], pairs, used)
    naming = (
        _naming(
            lexicon, classes, left_out, table, named, used, spoken, backbone.classifier, pictured
        )
        if lexicon and backbone.classifier is not None
        else None
    )
    data = Data(
        pairs,
        tensors_of(bags, used),
        features,
        also,
        groups_of(pairs),
        *_class_data(backbone, class_bags, used, pairs, features),
        naming,
    )
    model = JointModel(table.vectors(used), backbone.channels, config)
    if begun:
        start_layers(model, begun, weights, table, used)
    if naming and begun:
        naming.place(model, named=True)
    scores = _train(model, data, backbone, sources, config, work, device, progress, on_epoch)
    if naming:
        naming.place(model, named=False)
    notes = {
        "sources": {
            key: _noted(value)
            for key, value in dataclasses.asdict(sources).items()
            if value and key != "notes"
        },
        "config": dataclasses.asdict(config),
        "pictures": {split: len(data.rows(split)) for split in ("train", "dev")}
        | ({"also": len(also)} if also else {}),
        "epochs": scores,
        **sources.notes,
    }
    save_model(out, model, backbone, *without_misspelt(table, used, texts, wordnet), notes)
    return _measure(out, data)


def _read(sources: Sources) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Return what is trained and measured on, what is trained on besides, and what has names."""
    main = [p for p in read_pairs(sources.pairs, sources.images) if p.split in ("train", "dev")]
    further, photographs = (
        [pair for path in paths for pair in read_pairs(path) if pair.split == "train"]
        for paths in (sources.also, sources.named)
    )
    return main, further, photographs


def _word_vectors(
    sources: Sources, begun: JointEncoder | None, work: Path, progress: Progress
) -> tuple[list[str], npt.NDArray[np.float32]]:
    if begun is not None:
        table = begun.words
        rows = sorted(range(len(table)), key=table.rank)
        return [table.word(row) for row in rows], table.vectors(rows)
    words, vectors = read_words(sources.words, sources.vocabulary)
    if sources.distil:
        vectors = beside(
            words,
            vectors,
            sources.distil,
            work,
            lambda done, total: progress("words", done, total, ""),
        )
    return words, vectors


def _pictured(
    photographs: Sequence[Pair], backbone: Backbone, work: Path, progress: Progress
) -> Pictured:
    if not photographs:
        return Pictured()
    features = extract(
        backbone,
        [photograph.image for photograph in photographs],
        work,
        lambda done, total: progress("photographs", done, total, ""),
    )
    names = [photograph.captions for photograph in photographs]
    return Pictured.of(names, features[:, 0].astype(np.float32))


def _noted(value: object) -> str:
    """Name a source without saying where it lies."""
    if isinstance(value, tuple):
        return ", ".join(map(_noted, value))
    return value.name if isinstance(value, Path) else str(value)


def _require_device(device: str) -> None:
    kind = device.partition(":")[0]
    is_there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if kind != "cpu" and not (kind in is_there and is_there[kind]()):
        raise ConfigError(
            f"device {device!r}: torch {torch.__version__} finds none on this machine; use cpu"
        )


def _lexicon(
    wordnet: WordNet | None,
    classes: Sequence[Class],
    words: Sequence[str],
    work: Path,
    left_out: Collection[int],
    pictured: Pictured,
    progress: Progress,
) -> Lexicon | None:
    """Return what the classes have to say about words; None without names of classes."""
    if not classes:
        return None

    def read(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return sentence_vectors(
            texts, work, lambda done, total: progress("glosses", done, total, "")
        )

    return build_lexicon(classes, wordnet, words, read if wordnet else None, left_out, pictured)


def _naming(
    lexicon: Lexicon,
    classes: Sequence[Class],
    left_out: Collection[int],
    table: WordVectors,
    named: npt.NDArray[np.int64],
    used: npt.NDArray[np.int64],
    spoken: npt.NDArray[np.int64],
    classifier: Tensor,
    pictured: Pictured,
) -> Naming:
    rows = np.searchsorted(used, named)
    first = [bags_of(table, [each.name])[:1] for each in classes]
    bags = [
        torch.from_numpy(np.searchsorted(used, bag[0])) if bag else torch.empty(0, dtype=torch.long)
        for bag in first
    ]
    known = [number for number in range(len(classes)) if number not in left_out]
    return Naming(lexicon, rows, spoken, classifier, bags, known, pictured.rows)


def _require_classes(backbone: Backbone, count: int, sources: Sources) -> None:
    rows = 0 if backbone.classifier is None else len(backbone.classifier)
    if rows != count:
        has = f"{rows} classes" if rows else "no classifier on its pooled features"
        raise TrainingDataError(
            f"{sources.classes}: {count} class names do not fit backbone {backbone.name!r}, "
            f"which has {has}; class names work with {DEFAULT!r}, which has 1000"
        )


def _class_data(
    backbone: Backbone,
    class_bags: Sequence[Sequence[Any]],
    used: Any,
    pairs: Sequence[Pair],
    features: Any,
) -> tuple[list[list[Tensor]], Tensor | None, Tensor | None]:
    if not class_bags or backbone.classifier is None:
        return [], None, None
    train = [row for row, pair in enumerate(pairs) if pair.split == "train"]
    means, spread = pseudo_pictures(backbone.classifier, features[train, 0])
    named = [row for row, bag in enumerate(class_bags) if bag]
    return tensors_of([class_bags[row] for row in named], used), means[named], spread


def _train(
    model: JointModel,
    data: Data,
    backbone: Backbone,
    sources: Sources,
    config: JointConfig,
    work: Path,
    device: str,
    progress: Progress,
    on_epoch: Callable[[str, int, Metrics], None],
) -> dict[str, list[Metrics]]:
    # What is read decides, not where it lies; notes decide nothing.
    files_read = (sources.pairs, sources.words, sources.classes, sources.wordnet, sources.start)
    inputs = [_digest(path) for path in (*files_read, *sources.also, *sources.named)]
    inputs += [str(sources.images), sources.backbone, device]
    inputs += [str(sources.vocabulary), str(sources.distil), str(sources.leave_out)]
    scores = {}

    def run(name: str, task: Task, epochs: int, decisive: JointConfig) -> None:
        everything = json.dumps([name, dataclasses.asdict(decisive), inputs])
        scores[name] = fit(
            task,
            epochs=epochs,
            seed=config.seed,
            checkpoint=work / f"checkpoint-{name}.pt",
            signature=hashlib.sha256(everything.encode()).hexdigest(),
            on_step=lambda epoch, step, steps, loss, _: progress(
                f"{name} {epoch + 1}/{epochs}", step, steps, f"loss {loss:.3f}"
            ),
            on_epoch=lambda epoch, metrics: on_epoch(name, epoch, metrics),
        )

    # What the second phase does is nothing to the first: its checkpoint serves any of them.
    first = dataclasses.replace(config, finetune=0)
    if config.epochs:
        run("frozen", FrozenPhase(model, data), config.epochs, first)
    if config.finetune:
        run("finetune", FinetunePhase(model, data, backbone, device), config.finetune, config)
    return scores


def _digest(path: Path | None) -> str:
    """Return the SHA-256 of a file, or of all files of a folder; of nothing for None."""
    digest = hashlib.sha256()
    if path is not None:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def _measure(out: Path, data: Data) -> dict[str, dict[str, float]]:
    """Measure the model as written, through the code that users run, and note the scores."""
    dev = [pair for pair in data.pairs if pair.split == "dev"]
    if not dev:
        return {}
    encoder = JointEncoder(out)
    captions_of = [[text for text in pair.captions if encoder.text_sum(text).any()] for pair in dev]
    candidates = [row for row, texts in enumerate(captions_of) if texts]
    if not candidates:
        return {}
    pictures = encoder.encode_images([dev[row].image for row in candidates])
    captions = encoder.encode_texts([text for row in candidates for text in captions_of[row]])
    owner = [place for place, row in enumerate(candidates) for _ in captions_of[row]]
    t2i, i2t = retrieval(pictures, captions, owner)
    scores = {"t2i": dataclasses.asdict(t2i), "i2t": dataclasses.asdict(i2t)}
    files.annotate(out, {"dev": scores})
    return scores
