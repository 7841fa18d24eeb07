"""The commands of `eval`."""

from __future__ import annotations

from pathlib import Path

import click

from indexer.cli.output import (
    entries_of,
    json_option,
    model_option,
    print_json,
    show_match,
    show_recall,
)


@click.group("eval")
def evaluate() -> None:
    """Measure a model, or a library on itself."""


@evaluate.command("retrieval")
@click.option(
    "--pairs",
    required=True,
    type=click.Path(path_type=Path),
    help="Captioned pictures, as for training.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the pictures, if not the folder of the pairs.",
)
@click.option("--split", default="dev", show_default=True, help="Which pictures: train, dev, test.")
@model_option
@json_option
def evaluate_pairs(
    pairs: Path, images: Path | None, split: str, model: str | None, as_json: bool
) -> None:
    """Measure how well sentences find their pictures and pictures their sentences.

    Recall at 1, 5 and 10 in percent and the median rank; a picture's rank is that of its best
    sentence, ties count against the model.
    """
    from indexer.evaluate import evaluate_retrieval
    from indexer.train.data import read_pairs
    from searchengine.config import load_settings
    from searchengine.engine import load_model
    from searchengine.errors import TrainingDataError

    chosen = [pair for pair in read_pairs(pairs, images) if pair.split == split and pair.captions]
    if not chosen:
        raise TrainingDataError(f"{pairs}: no captioned pictures of the split {split!r} in it")
    encoder = load_model(load_settings({"model": model}).model)
    scores = evaluate_retrieval(encoder, [p.image for p in chosen], [p.captions for p in chosen])
    if as_json:
        print_json(entries_of(scores))
        return
    click.echo(f"{scores.images} pictures, {scores.captions} captions")
    show_recall("sentence -> picture", entries_of(scores.t2i))
    show_recall("picture -> sentence", entries_of(scores.i2t))


@evaluate.command("match")
@click.option(
    "--pairs",
    required=True,
    type=click.Path(path_type=Path),
    help="Captioned pictures with the split train, from which concepts are learned, and another.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the pictures, if not the folder of the pairs.",
)
@click.option("--split", default="dev", show_default=True, help="Which pictures: dev, test.")
@click.option(
    "--as-shipped",
    is_flag=True,
    help="Measure the calibration of the model; it has seen the pictures that it was fitted on.",
)
@model_option
@json_option
def evaluate_bands(
    pairs: Path,
    images: Path | None,
    split: str,
    as_shipped: bool,
    model: str | None,
    as_json: bool,
) -> None:
    """Measure whether likely is right, and whether nothing is likely where nothing is there.

    Words are asked that captions name, in a library that shows them and in one without: a hit is
    right if its captions name the word. Captions name only part of a picture, so the truth is
    better than the figures, which are in percent. Without --as-shipped, a calibration is fitted on
    one half of the pictures and measured on the other, both ways. JSON has the other kinds of query
    under "kinds".
    """
    from indexer.train.match import cross_fit, measure_shipped, prepare
    from searchengine.config import load_settings
    from searchengine.engine import load_model

    encoder = load_model(load_settings({"model": model}).model)
    material = prepare(encoder, pairs, images, split=split)
    scores = measure_shipped(encoder, material) if as_shipped else cross_fit(material)
    entries = {str(kind): entries_of(each) for kind, each in scores.items()}
    if as_json:
        words = entries.pop("words")
        print_json({**words, "cross_fitted": not as_shipped, "kinds": entries})
        return
    for kind, each in entries.items():
        show_match(kind, each)


@evaluate.command("tags")
@click.option(
    "--pairs",
    required=True,
    type=click.Path(path_type=Path),
    help="Captioned pictures, as for training.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the pictures, if not the folder of the pairs.",
)
@click.option("--split", default="dev", show_default=True, help="Which pictures: train, dev, test.")
@model_option
@json_option
def evaluate_tagging(
    pairs: Path, images: Path | None, split: str, model: str | None, as_json: bool
) -> None:
    """Measure the tags that a model gives to captioned pictures.

    A tag is right if a caption says it, a synonym or an inflection. Captions leave much out, so the
    truth is better than the figures, which are in percent.
    """
    from indexer.evaluate_tags import evaluate_tags
    from indexer.train.data import read_pairs
    from searchengine.config import load_settings
    from searchengine.engine import load_model
    from searchengine.errors import TrainingDataError

    chosen = [pair for pair in read_pairs(pairs, images) if pair.split == split and pair.captions]
    if not chosen:
        raise TrainingDataError(f"{pairs}: no captioned pictures of the split {split!r} in it")
    encoder = load_model(load_settings({"model": model}).model)
    pictures = encoder.encode_images([pair.image for pair in chosen])
    scores = evaluate_tags(encoder, pictures, [pair.captions for pair in chosen])
    if as_json:
        print_json(entries_of(scores))
        return
    click.echo(f"{scores.images} pictures, {scores.tags} tags to choose from")
    click.echo(
        f"right: the first {scores.p1:.1f}  of three {scores.p3:.1f}  of five {scores.p5:.1f}"
        f"  of ten {scores.p10:.1f}; ten tags hold {scores.r10:.1f} of what captions say"
    )
    if scores.error is None:
        click.echo("the model has no calibration")
        return
    right = 0.0 if scores.believed_right is None else scores.believed_right
    click.echo(f"kept: {scores.believed:.1f} a picture, {right:.1f} right")
    click.echo(f"calibration error: {scores.error:.1f}")
    for confidence, share, count in scores.curve:
        click.echo(f"  confidence {confidence:5.1f}  right {share:5.1f}  ({count} tags)")


@evaluate.command("labels")
@click.option(
    "--labels",
    required=True,
    type=click.Path(path_type=Path),
    help='JSON lines {"image": path relative to the file, "labels": [..]}.',
)
@model_option
@json_option
def evaluate_names(labels: Path, model: str | None, as_json: bool) -> None:
    """Measure how well names find pictures and pictures names.

    Recall of names, the share of pictures with a right name among the nearest one and five, and the
    mean average precision over the names, all in percent.
    """
    from indexer.evaluate import evaluate_labels, read_labels
    from searchengine.config import load_settings
    from searchengine.engine import load_model

    labelled = read_labels(labels)
    scores = evaluate_labels(load_model(load_settings({"model": model}).model), labelled)
    if as_json:
        print_json(entries_of(scores))
        return
    if scores.unknown:
        click.echo(f"lexpix: left out as unknown: {', '.join(scores.unknown)}", err=True)
    click.echo(f"{scores.images} pictures, {scores.names} names")
    show_recall("name -> picture", entries_of(scores.n2p))
    click.echo(f"picture -> name: top-1 {scores.top1:.1f}  top-5 {scores.top5:.1f}")
    click.echo(f"mean average precision: {scores.mean_average_precision:.1f}")


@evaluate.command("library")
@click.option(
    "--queries",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Texts that people ask, one a line, to count unknown words.",
)
@click.option(
    "--sample", default=1000, show_default=True, type=click.IntRange(min=1), help="Pictures asked."
)
@click.option("--library", metavar="FOLDER", help="Folder of the library.")
@model_option
@json_option
def evaluate_own(
    queries: Path | None, sample: int, library: str | None, model: str | None, as_json: bool
) -> None:
    """Measure a library without labels.

    Recall of the index against the exact ranking in percent, time of a query, hubness (skewness of
    how often a picture is among the ten nearest of others), unknown words in given queries.
    """
    from indexer.evaluate import evaluate_library
    from searchengine.config import load_settings
    from searchengine.engine import Engine
    from searchengine.errors import ConfigError

    settings = load_settings({"library": library, "model": model})
    try:
        asked = queries.read_text(encoding="utf-8").splitlines() if queries else []
    except (OSError, ValueError) as error:  # ValueError: not UTF-8
        raise ConfigError(f"{queries}: cannot be read ({error})") from error
    with Engine.open(settings) as engine:
        scores = evaluate_library(
            engine.catalog, engine.encoder, engine.index, queries=asked, sample=sample
        )
    if as_json:
        print_json(entries_of(scores))
        return
    click.echo(f"{scores.pictures} pictures, {scores.queries} of them asked")
    click.echo(f"recall of the index: {scores.index_recall:.2f}")
    click.echo(f"one query: median {scores.p50_ms:.2f} ms, 95 % below {scores.p95_ms:.2f} ms")
    click.echo(f"hubness: {scores.hubness:.2f}")
    if scores.unknown_words is not None:
        click.echo(f"unknown words: {scores.unknown_words:.2f} %")
