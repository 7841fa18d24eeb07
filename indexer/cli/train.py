"""The commands of `train`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexer.cli.config import config_option, configured, field_option
from indexer.cli.evaluate_options import (
    also_labels_option,
    recipes_option,
    warn_of_left_out,
    wordnet_option,
)
from indexer.cli.output import (
    entries_of,
    json_option,
    model_option,
    print_json,
    show_figures,
    show_recall,
)
from indexer.cli.train_captioner import captioner
from indexer.cli.train_options import (
    images_option,
    needing_torch,
    notes_option,
    out_option,
    pairs_option,
    scores_option,
    show_epoch,
)
from indexer.cli.train_words import train_word_vectors
from indexer.train.food.config import FoodConfig
from indexer.train.joint.config import JointConfig
from searchengine.cli.options import files_option, path_option
from searchengine.models.files import resolve

if TYPE_CHECKING:
    from searchengine.types import QueryKind

DISTIL = 192
"""With GloVe's 50, as much as a table of 100,000 words of 8 bits may hold below 25 MB."""

GENTLE = 0.3
"""Share of the learning rate of the linear layers where a training goes on from another model."""


@click.group()
def train() -> None:
    """Train models; needs: pip install 'lexpix[train]'."""


train.add_command(captioner)
train.add_command(train_word_vectors)


@train.command()
@pairs_option
@out_option("Folder of the model; checkpoints are kept beside it in OUT.work.")
@images_option
@files_option(
    "--also",
    help="Further pairs, such as drawings with titles: a quarter of each batch. Repeatable.",
)
@files_option(
    "--named",
    help="Photographs with names, trained on like --also; with --classes and --wordnet they also "
    "place words that are like their names. Repeatable.",
)
@click.option(
    "--backbone",
    default="efficientnet_lite0",
    show_default=True,
    help="CNN: efficientnet_lite0, or a classifier of torchvision by name.",
)
@path_option(
    "--words", help="Word vectors: GloVe or word2vec text, or a word table; else GloVe 6B 50d."
)
@click.option(
    "--distil",
    type=click.IntRange(min=0),
    metavar="N",
    help="Dimensions of a sentence model to put beside the word vectors; 192, or 0 with --words.",
)
@path_option(
    "--classes",
    help="Names of the backbone's classes, tab-separated: index, id, name, synonyms, gloss.",
)
@click.option(
    "--wordnet",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of WordNet 3.0 (Debian: wordnet-base), to name kinds of the classes too.",
)
@click.option(
    "--start",
    metavar="MODEL",
    help="Go on from a joint model, with its CNN and its words; without epochs, only name what "
    "the CNN knows.",
)
@click.option(
    "--leave-out",
    default=0,
    type=click.IntRange(min=0),
    metavar="N",
    help="Keep every N-th class from the training, to measure how well the others place it.",
)
@field_option(JointConfig, "dim", "Dimensions of the joint space.")
@field_option(JointConfig, "epochs", "Epochs with the CNN frozen; 0 only with --start.")
@field_option(JointConfig, "finetune", "Epochs that train the CNN too, after those.")
@field_option(JointConfig, "seed", "The same seed gives the same model.")
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    type=click.Choice(["cpu", "cuda", "mps"]),
    help="Where the CNN is fine-tuned.",
)
@config_option(JointConfig)
@notes_option
@scores_option
def joint(
    pairs: Path,
    out: Path,
    images: Path | None,
    also: tuple[Path, ...],
    named: tuple[Path, ...],
    backbone: str,
    words: Path | None,
    distil: int | None,
    classes: Path | None,
    wordnet: Path | None,
    start: str | None,
    leave_out: int,
    device: str,
    notes: Mapping[str, str],
    as_json: bool,
    epochs: int,
    **_fields: int,
) -> None:
    """Train a joint embedding of pictures and words from captioned pictures.

    An interrupted training goes on where it was when the same command is given again.
    """
    with needing_torch():
        from indexer.train.joint.training import Sources, train_joint

    if start and words:
        raise click.UsageError("--start brings its own words; leave --words out")
    if not start and not epochs:
        raise click.UsageError("a new model needs --epochs; 0 goes with --start")
    if (wordnet or leave_out) and not classes:
        raise click.UsageError("--wordnet and --leave-out need --classes: what the CNN can tell")
    if leave_out == 1:
        raise click.UsageError("--leave-out 1 would leave out every class")
    if distil is None:
        distil = 0 if words or start else DISTIL
    begun = resolve(start) if start else None
    sources = Sources(
        pairs,
        also,
        named,
        images,
        backbone,
        words,
        distil,
        classes=classes,
        wordnet=wordnet,
        start=begun,
        leave_out=leave_out,
        notes=notes,
    )
    # What is learned already shall not be shaken.
    config = configured(JointConfig, rate=JointConfig().rate * (GENTLE if begun else 1))
    from indexer.progress import meter

    with meter("steps") as progress:
        scores = train_joint(
            sources, out, config, device=device, progress=progress, on_epoch=show_epoch
        )
    if as_json:
        print_json({"model": str(out), **scores})
        return
    for way, name in (("t2i", "sentence -> picture"), ("i2t", "picture -> sentence")):
        if way in scores:
            show_recall(name, scores[way])
    click.echo(f"wrote {out}; use it with the option: --model {out}", err=True)


@train.command("match")
@click.option(
    "--model",
    required=True,
    metavar="MODEL",
    help="The folder of the model, which gets the calibration, or a bundled model by name.",
)
@path_option(
    "--pairs",
    required=True,
    help="Captioned pictures with the splits train and dev, as for training.",
)
@images_option
@also_labels_option
@wordnet_option
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["words", "sentence", "picture", "mixture"]),
    help="Fit these kinds of query only; the others stay as the model has them. Repeatable.",
)
@click.option("--seed", default=1, show_default=True, help="Decides which questions are asked.")
@config_option()
@json_option
def fit_match(
    model: str,
    pairs: Path,
    images: Path | None,
    labels: tuple[Path, ...],
    wordnet: Path,
    kinds: tuple[QueryKind, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Fit what the scores of a model are worth, so that hits are likely, maybe or unlikely.

    It is fitted on the dev split, which the model must not have been trained on. The figures, in
    percent, are of halves of it that the fit did not see. Vectors do not change: libraries stay as
    they are.

    Captions judge words over pictures like those that have captions. With --labels, names and
    hypernyms of labelled pictures are judged too, and count as much, file by file; and so is
    which of them are alike, where a picture asks.
    """
    from indexer.train.match.fit import calibration_of, train_match
    from indexer.train.match.material import prepare
    from searchengine.search.engine import load_model

    folder = resolve(model)
    encoder = load_model(str(folder))
    material = prepare(encoder, pairs, images, labels=labels, wordnet=wordnet, seed=seed)
    if kinds:
        old = calibration_of(encoder)
        figures = train_match(folder, material, seed=seed, kinds=kinds, old=old)
    else:
        figures = train_match(folder, material, seed=seed)
    if as_json:
        entries = entries_of(figures)
        labelled = {n: entries[n] for n in ("labels", "pictures")} if labels else {}
        print_json({"model": str(folder), **entries["captions"], **labelled})
        return
    warn_of_left_out(material.left_out)
    show_figures(figures)
    click.echo(f"wrote the calibration into {folder}", err=True)


@train.command("food")
@recipes_option
@files_option(
    "--also",
    help="Pictures labelled with the names of dishes; those of a split test are left out. "
    "Repeatable.",
)
@files_option(
    "--texts", help="Recipes without pictures, to learn words from; may be gzipped. Repeatable."
)
@files_option(
    "--others",
    help="Captioned pictures of anything, as for `train joint`: they tell what is no food. "
    "Repeatable.",
)
@model_option
@out_option("Folder of the food head; picture vectors are kept beside it in OUT.work.")
@field_option(
    FoodConfig,
    "epochs",
    "Epochs of refinement after the closed solution; hundreds of pairs are not worth them.",
    metavar="N",
)
@field_option(FoodConfig, "seed", "The same seed gives the same head.")
@config_option(FoodConfig)
@json_option
def food(
    pairs: Path,
    also: tuple[Path, ...],
    texts: tuple[Path, ...],
    others: tuple[Path, ...],
    model: str | None,
    out: Path,
    as_json: bool,
    **_fields: int,
) -> None:
    """Train a projection of a joint model in which dishes and recipes are near each other.

    The joint model stays as it is. The same command finds the vectors of the pictures again.
    """
    with needing_torch():
        from indexer.train.food.training import train_food
    from indexer.progress import meter
    from searchengine.models.joint import JointEncoder

    general = JointEncoder(resolve(model or "default"))
    with meter("pictures") as progress:
        config = train_food(
            pairs,
            out,
            general,
            configured(FoodConfig),
            also=also,
            texts=texts,
            others=others,
            progress=progress,
        )
    if as_json:
        print_json({"model": str(out), "fingerprint": config.fingerprint, **config.notes})
        return
    click.echo(
        f"{config.notes['pairs']} recipes with pictures, {config.notes['dishes']} labelled "
        f"pictures, {config.notes['recipes']} recipes for words"
    )
    click.echo(f"wrote {out}", err=True)
