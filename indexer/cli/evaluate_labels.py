"""Commands of `eval` that measure a model on labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexer.cli.evaluate_options import (
    captioner_option,
    composites_option,
    labels_options,
    load_encoder,
    naming,
    seed_option,
    warn_of_synsets,
    warn_of_unknown,
    wordnet_option,
)
from indexer.cli.output import entries_of, json_option, model_option, print_json, show_recall

if TYPE_CHECKING:
    from indexer.evaluation.hypernyms import HypernymScores
    from indexer.readers.labelled import Labelled
    from searchengine.types import Encoder


@click.command("labels")
@labels_options
@click.option(
    "--hypernyms",
    is_flag=True,
    help="Ask for broader words too: the hypernyms, in WordNet, of the synsets of the pictures.",
)
@wordnet_option
@model_option
@json_option
def evaluate_names(
    labels: Path,
    split: str | None,
    hypernyms: bool,
    wordnet: Path,
    model: str | None,
    as_json: bool,
) -> None:
    """Measure how well names find pictures and pictures names.

    Recall of names, the share of pictures with a right name among the nearest one and five, the
    share with one among the tags that the model proposes, and the mean average precision over the
    names, all in percent. A name that the model knows no word of counts as the worst.

    With --hypernyms also the mean average precision over hypernyms that have three pictures and
    not more than a quarter of all: a picture whose line has "synset": "n02084071" is right for all
    that WordNet calls that a kind of. Hypernyms are asked by the first of their words. JSON has
    each of them, the worst first.
    """
    from indexer.evaluation.labels import evaluate_labels
    from indexer.readers.labelled import read_labelled

    labelled = read_labelled(labels, split)
    encoder = load_encoder(model)
    with naming(labels):
        scores = evaluate_labels(encoder, [(entry.image, entry.names) for entry in labelled])
        broader = _hypernyms(encoder, labelled, wordnet) if hypernyms else None
    if as_json:
        extra = {} if broader is None else {"hypernyms": entries_of(broader)}
        print_json({**entries_of(scores), **extra})
        return
    warn_of_unknown(scores.unknown)
    click.echo(f"{scores.images} pictures, {scores.names} names")
    show_recall("name -> picture", entries_of(scores.n2p))
    click.echo(f"picture -> name: top-1 {scores.top1:.1f}  top-5 {scores.top5:.1f}")
    click.echo(
        f"picture -> tag: the first {scores.tag1:.1f}  one of five {scores.tag5:.1f}"
        f"  of ten {scores.tag10:.1f}"
    )
    click.echo(f"mean average precision: {scores.mean_average_precision:.1f}")
    if broader is None:
        return
    warn_of_unknown(broader.unknown)
    click.echo(
        f"{broader.hypernyms} hypernyms over {broader.images} pictures: mean average precision"
        f" {broader.mean_average_precision:.1f} (chance {broader.chance:.1f})"
    )


def _hypernyms(encoder: Encoder, labelled: Sequence[Labelled], folder: Path) -> HypernymScores:
    """Measure hypernyms; say on standard error which pictures cannot be asked for."""
    from indexer.evaluation.hypernyms import evaluate_hypernyms
    from indexer.vocabulary.wordnet import WordNet

    scores = evaluate_hypernyms(encoder, labelled, WordNet(folder))
    warn_of_synsets(scores.without_synset, scores.unknown_synsets)
    return scores


@click.command("pointing")
@labels_options
@composites_option
@seed_option
@model_option
@json_option
def evaluate_places(
    labels: Path, split: str | None, pairs: int, seed: int, model: str | None, as_json: bool
) -> None:
    """Measure whether explanations point at what they name.

    Two labelled pictures without a common label are squashed side by side; the place that a name
    gets most of its score from must lie in the half of its picture. The middle column of an odd
    grid lies in no half.
    """
    from indexer.evaluation.labels import read_labels
    from indexer.evaluation.pointing import evaluate_pointing

    labelled = read_labels(labels, split)
    encoder = load_encoder(model)
    with naming(labels):
        scores = evaluate_pointing(encoder, labelled, pairs=pairs, seed=seed)
    if as_json:
        print_json(entries_of(scores))
        return
    warn_of_unknown(scores.unknown)
    click.echo(f"{scores.composites} composites, {scores.names} names")
    _show_halves(scores.right, scores.middle, scores.wrong)


@click.command("attention")
@labels_options
@captioner_option
@composites_option
@seed_option
@model_option
@json_option
def evaluate_looking(
    labels: Path,
    split: str | None,
    captioner: str,
    pairs: int,
    seed: int,
    model: str | None,
    as_json: bool,
) -> None:
    """Measure whether captions look at what they name.

    Two labelled pictures without a common label are squashed side by side and captioned; a word of
    the caption that names one of them must attend most to a place in its half.
    """
    from indexer.evaluation.attending import evaluate_attention
    from indexer.evaluation.labels import read_labels
    from indexer.progress import meter
    from searchengine.models.captioner.loading import load_captioner

    labelled = read_labels(labels, split)
    writer = load_captioner(captioner, model)
    with meter("pictures") as progress, naming(labels):
        scores = evaluate_attention(writer, labelled, pairs=pairs, seed=seed, progress=progress)
    if as_json:
        print_json(entries_of(scores))
        return
    click.echo(f"{scores.composites} composites, {scores.said} words that name one of two pictures")
    _show_halves(scores.right, scores.middle, scores.wrong)


def _show_halves(right: float, middle: float, wrong: float) -> None:
    click.echo(
        f"strongest place: in the right half {right:.1f}  in the middle "
        f"{middle:.1f}  in the wrong half {wrong:.1f}"
    )
