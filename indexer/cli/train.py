"""The commands of `train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from indexer.cli.output import (
    entries_of,
    json_option,
    print_json,
    show_match,
    show_recall,
    warn,
)
from searchengine.errors import MissingPlugin

DISTIL = 192
"""With GloVe's 50, as much as a table of 100,000 words of 8 bits may hold below 25 MB."""

if TYPE_CHECKING:
    from indexer.train.loop import Metrics


@click.group()
def train() -> None:
    """Train models; needs: pip install 'lexpix[train]'."""


@train.command()
@click.option(
    "--pairs",
    required=True,
    type=click.Path(path_type=Path),
    help="Captioned pictures: JSON lines, Karpathy, COCO or Flickr tokens.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the model; checkpoints are kept beside it in OUT.work.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the pictures, if not the folder of the pairs.",
)
@click.option(
    "--also",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Further pairs, such as drawings with titles: a sixth of each batch. Repeatable.",
)
@click.option(
    "--backbone",
    default="efficientnet_lite0",
    show_default=True,
    help="CNN: efficientnet_lite0, or a classifier of torchvision by name.",
)
@click.option(
    "--words",
    type=click.Path(path_type=Path),
    help="Word vectors: GloVe or word2vec text, or a word table; else GloVe 6B 50d.",
)
@click.option(
    "--distil",
    type=click.IntRange(min=0),
    metavar="N",
    help="Dimensions of a sentence model to put beside the word vectors; 192, or 0 with --words.",
)
@click.option(
    "--classes",
    type=click.Path(path_type=Path),
    help="Names of the backbone's classes, tab-separated: index, id, name, synonyms, gloss.",
)
@click.option(
    "--dim",
    default=512,
    show_default=True,
    type=click.IntRange(min=2),
    help="Dimensions of the joint space.",
)
@click.option(
    "--epochs",
    default=40,
    show_default=True,
    type=click.IntRange(min=1),
    help="Epochs with the CNN frozen.",
)
@click.option(
    "--finetune",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Epochs that train the CNN too, after those.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same model.")
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    type=click.Choice(["cpu", "cuda", "mps"]),
    help="Where the CNN is fine-tuned.",
)
@click.option(
    "--note",
    "notes",
    multiple=True,
    metavar="KEY=TEXT",
    help="Put a note, such as a licence, into the model.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the scores on dev as one JSON object.")
def joint(
    pairs: Path,
    out: Path,
    images: Path | None,
    also: tuple[Path, ...],
    backbone: str,
    words: Path | None,
    distil: int | None,
    classes: Path | None,
    dim: int,
    epochs: int,
    finetune: int,
    seed: int,
    device: str,
    notes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a joint embedding of pictures and words from captioned pictures.

    An interrupted training goes on where it was when the same command is given again.
    """
    try:
        from indexer.train.contrastive import Recipe
        from indexer.train.joint import Sources, train_joint
    except ModuleNotFoundError as error:
        raise MissingPlugin(f"train needs: pip install 'lexpix[train]' ({error})") from error

    def on_epoch(phase: str, epoch: int, metrics: Metrics) -> None:
        shown = "  ".join(f"{key} {value:.1f}" for key, value in metrics.items())
        click.echo(f"{phase} {epoch + 1}: {shown}", err=True)

    noted = dict(_key_and_text(note) for note in notes)
    if distil is None:
        distil = 0 if words else DISTIL
    sources = Sources(pairs, also, images, backbone, words, distil, classes=classes, notes=noted)
    recipe = Recipe(dim=dim, epochs=epochs, finetune=finetune, seed=seed)
    from indexer.progress import meter

    with meter("steps") as progress:
        scores = train_joint(
            sources, out, recipe, device=device, progress=progress, on_epoch=on_epoch
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
@click.option(
    "--pairs",
    required=True,
    type=click.Path(path_type=Path),
    help="Captioned pictures with the splits train and dev, as for training.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the pictures, if not the folder of the pairs.",
)
@click.option("--seed", default=1, show_default=True, help="Decides which questions are asked.")
@json_option
def fit_match(model: str, pairs: Path, images: Path | None, seed: int, as_json: bool) -> None:
    """Fit what the scores of a model are worth, so that hits are likely, maybe or unlikely.

    It is fitted on the dev split, which the model must not have been trained on. The figures, in
    percent, are of halves of it that the fit did not see. Vectors do not change: libraries stay as
    they are.
    """
    from indexer.train.match import train_match
    from searchengine.engine import load_model
    from searchengine.models.files import resolve

    folder = resolve(model)
    scores = train_match(folder, load_model(str(folder)), pairs, images, seed=seed)
    entries = {str(kind): entries_of(each) for kind, each in scores.items()}
    if as_json:
        print_json({"model": str(folder), **entries})
        return
    for kind, each in entries.items():
        show_match(kind, each)
    click.echo(f"wrote the calibration into {folder}", err=True)


@train.command("words")
@click.argument(
    "corpus", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CORPUS..."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the word table; checkpoints are kept beside it in OUT.work.",
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME",
    help="Field of JSON lines that holds text, or a list of texts. Repeatable.",
)
@click.option(
    "--dim",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Length of a vector.",
)
@click.option(
    "--window",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Words to each side that a word predicts.",
)
@click.option(
    "--min-count",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Rarer words get no vector.",
)
@click.option(
    "--negative",
    default=10,
    show_default=True,
    type=click.IntRange(min=0),
    help="Noise words for each pair; 0 is the full softmax (--engine torch).",
)
@click.option(
    "--epochs",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="How often the corpus is read.",
)
@click.option(
    "--sample",
    default=1e-3,
    show_default=True,
    type=click.FloatRange(min=0, max=1),
    help="Words more frequent than this share are read less often; 0 reads all.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads; one for each core. Only one gives the same vectors again.",
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Decides the draws."
)
@click.option(
    "--engine",
    default="gensim",
    show_default=True,
    type=click.Choice(["gensim", "torch"]),
    help="torch is the textbook model: to read and to try, slow.",
)
@click.option(
    "--positional", is_flag=True, help="An output matrix for each relative position (torch)."
)
@click.option(
    "--phrases/--no-phrases",
    default=True,
    show_default=True,
    help='Make one word of words that belong together ("ice cream").',
)
@json_option
def train_word_vectors(
    corpus: tuple[Path, ...],
    out: Path,
    fields: tuple[str, ...],
    dim: int,
    window: int,
    min_count: int,
    negative: int,
    epochs: int,
    sample: float,
    workers: int | None,
    seed: int,
    engine: Literal["gensim", "torch"],
    positional: bool,
    phrases: bool,
    as_json: bool,
) -> None:
    """Learn word vectors from text: the skip-gram of word2vec.

    \b
      lexpix train words notes.txt.gz recipes.jsonl --field title --field instructions --out words
      lexpix words near "ice cream" --words words
      lexpix train joint --pairs captions.jsonl --words words --out model

    A corpus is a text file, JSON lines (.jsonl, .ndjson, .json), one of these with .gz, or a folder
    of them. Words are cut as those of queries. What is no text is left out and reported. An
    interrupted training goes on after its last epoch when the same command is given again.
    """
    if engine == "gensim" and (positional or not negative):
        raise click.UsageError("--positional and --negative 0 need --engine torch")
    from indexer.progress import meter
    from indexer.train.skipgram import Recipe, train_words

    recipe = Recipe(
        dim=dim,
        window=window,
        min_count=min_count,
        negative=negative,
        epochs=epochs,
        sample=sample,
        seed=seed,
        workers=workers or os.cpu_count() or 1,
        engine=engine,
        positional=positional,
        phrases=phrases,
    )
    with meter("words") as progress:
        report = train_words(corpus, out.absolute(), recipe, fields=fields, progress=progress)
    for failure in report.failures:
        warn(failure)
    if as_json:
        print_json({"words": str(out), **entries_of(report)})
    elif report.failed:
        click.echo(f"lexpix: {report.failed} files or lines left out", err=True)
    click.echo(
        f"read {report.words:,} words in {report.files:,} files; wrote {out}; "
        f"look into it with: lexpix words near WORD --words {out}",
        err=True,
    )


def _key_and_text(note: str) -> tuple[str, str]:
    key, equals, text = note.partition("=")
    if not equals:
        raise click.BadParameter(f"{note!r} is not KEY=TEXT", param_hint="--note")
    return key, text
