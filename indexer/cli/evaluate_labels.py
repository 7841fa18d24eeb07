"""Commands of `eval` that measure a model on labelled pictures."""

from __future__ import annotations

from pathlib import Path

import click

from indexer.cli.evaluate_options import (
    captioner_option,
    composites_option,
    labels_option,
    load_encoder,
    naming,
    seed_option,
    warn_of_unknown,
)
from indexer.cli.output import entries_of, json_option, model_option, print_json, show_recall


@click.command("labels")
@labels_option
@model_option
@json_option
def evaluate_names(labels: Path, model: str | None, as_json: bool) -> None:
    """Measure how well names find pictures and pictures names.

    Recall of names, the share of pictures with a right name among the nearest one and five, and the
    mean average precision over the names, all in percent. A name that the model knows no word of
    counts as the worst.
    """
    from indexer.evaluation.labels import evaluate_labels, read_labels

    labelled = read_labels(labels)
    encoder = load_encoder(model)
    with naming(labels):
        scores = evaluate_labels(encoder, labelled)
    if as_json:
        print_json(entries_of(scores))
        return
    warn_of_unknown(scores.unknown)
    click.echo(f"{scores.images} pictures, {scores.names} names")
    show_recall("name -> picture", entries_of(scores.n2p))
    click.echo(f"picture -> name: top-1 {scores.top1:.1f}  top-5 {scores.top5:.1f}")
    click.echo(f"mean average precision: {scores.mean_average_precision:.1f}")


@click.command("pointing")
@labels_option
@composites_option
@seed_option
@model_option
@json_option
def evaluate_places(labels: Path, pairs: int, seed: int, model: str | None, as_json: bool) -> None:
    """Measure whether explanations point at what they name.

    Two labelled pictures without a common label are squashed side by side; the place that a name
    gets most of its score from must lie in the half of its picture. The middle column of an odd
    grid lies in no half.
    """
    from indexer.evaluation.labels import read_labels
    from indexer.evaluation.pointing import evaluate_pointing

    labelled = read_labels(labels)
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
@labels_option
@captioner_option
@composites_option
@seed_option
@model_option
@json_option
def evaluate_looking(
    labels: Path, captioner: str, pairs: int, seed: int, model: str | None, as_json: bool
) -> None:
    """Measure whether captions look at what they name.

    Two labelled pictures without a common label are squashed side by side and captioned; a word of
    the caption that names one of them must attend most to a place in its half.
    """
    from indexer.evaluation.attending import evaluate_attention
    from indexer.evaluation.labels import read_labels
    from indexer.progress import meter
    from searchengine.captioning import load_captioner

    labelled = read_labels(labels)
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
