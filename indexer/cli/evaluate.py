"""The commands of `eval`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexer.cli.output import (
    entries_of,
    json_option,
    model_option,
    print_json,
    show_captions,
    show_match,
    show_recall,
)
from indexer.cli.words import evaluate_words
from searchengine.errors import TrainingDataError
from searchengine.terminal import printable

if TYPE_CHECKING:
    from searchengine.types import Encoder

CAPTIONER = "captioner"
"""The bundled one."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put a file's name before what is wrong with its content."""
    try:
        yield
    except TrainingDataError as error:
        raise TrainingDataError(f"{path}: {error}") from error


@click.group("eval")
def evaluate() -> None:
    """Measure a model, or a library on itself."""


evaluate.add_command(evaluate_words)


def pairs_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all that read captioned pictures."""
    for option in reversed(
        (
            click.option(
                "--pairs",
                required=True,
                type=click.Path(path_type=Path),
                help="Captioned pictures, as for training.",
            ),
            click.option(
                "--images",
                type=click.Path(path_type=Path),
                help="Folder of the pictures, if not the folder of the pairs.",
            ),
            click.option(
                "--split",
                default="dev",
                show_default=True,
                help="Which pictures: train, dev, test.",
            ),
        )
    ):
        command = option(command)
    return command


labels_option = click.option(
    "--labels",
    required=True,
    type=click.Path(path_type=Path),
    help='JSON lines {"image": path relative to the file, "labels": [..]}.',
)
composites_option = click.option(
    "--pairs",
    metavar="N",
    default=300,
    show_default=True,
    type=click.IntRange(min=1),
    help="Pictures put together.",
)
seed_option = click.option("--seed", default=1, show_default=True, help="Decides what is drawn.")


@evaluate.command("retrieval")
@pairs_options
@model_option
@json_option
def evaluate_pairs(
    pairs: Path, images: Path | None, split: str, model: str | None, as_json: bool
) -> None:
    """Measure how well sentences find their pictures and pictures their sentences.

    Recall at 1, 5 and 10 in percent and the median rank; a picture's rank is that of its best
    sentence, ties count against the model.
    """
    from indexer.evaluation.retrieval import evaluate_retrieval

    paths, captions = _read_split(pairs, images, split)
    encoder = _load(model)
    with naming(pairs):
        scores = evaluate_retrieval(encoder, paths, captions)
    if as_json:
        print_json(entries_of(scores))
        return
    click.echo(f"{scores.images} pictures, {scores.captions} captions")
    show_recall("sentence -> picture", entries_of(scores.t2i))
    show_recall("picture -> sentence", entries_of(scores.i2t))


@evaluate.command("match")
@pairs_options
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

    encoder = _load(model)
    material = prepare(encoder, pairs, images, split=split)
    scores = measure_shipped(encoder, material) if as_shipped else cross_fit(material)
    entries = {str(kind): entries_of(each) for kind, each in scores.items()}
    if as_json:
        words = entries.pop("words")
        print_json({**words, "cross_fitted": not as_shipped, "kinds": entries})
        return
    for kind, each in entries.items():
        show_match(kind, each)


@evaluate.command("analogies")
@pairs_options
@click.option(
    "--per-pair",
    metavar="N",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="At most so many pictures are asked for a pair of words.",
)
@seed_option
@model_option
@json_option
def evaluate_arithmetic(
    pairs: Path,
    images: Path | None,
    split: str,
    per_pair: int,
    seed: int,
    model: str | None,
    as_json: bool,
) -> None:
    """Measure whether a picture of A - A + B finds a picture of B.

    Pairs of words such as dog and cat, red and blue are made from the captions; right is a picture
    whose captions name B and not A. Also measured is how much of the rest of the scene is kept: the
    share of other words that the captions have in common.
    """
    from indexer.evaluation.analogies import evaluate_analogies

    paths, captions = _read_split(pairs, images, split)
    encoder = _load(model)
    with naming(pairs):
        scores = evaluate_analogies(encoder, paths, captions, per_pair=per_pair, seed=seed)
    if as_json:
        print_json(entries_of(scores))
        return
    scene = scores.keeps_scene
    click.echo(f"{scores.queries} queries, {scores.pairs} pairs, {scores.images} pictures")
    click.echo(f"picture - A + B finds B: top-1 {scores.top1:.1f}  top-5 {scores.top5:.1f}")
    for name, group in scores.groups.items():
        click.echo(f"  {name:<10}  top-5 {group.top5:5.1f} of {group.queries}")
    click.echo(
        f"scene kept: {scene.analogy:.3f}  by a search for B alone: {scene.plain:.3f}  "
        f"by chance: {scene.chance:.3f}"
    )


@evaluate.command("tags")
@pairs_options
@model_option
@json_option
def evaluate_tagging(
    pairs: Path, images: Path | None, split: str, model: str | None, as_json: bool
) -> None:
    """Measure the tags that a model gives to captioned pictures.

    A tag is right if a caption says it, a synonym or an inflection. Captions leave much out, so the
    truth is better than the figures, which are in percent.
    """
    from indexer.evaluation.tags import evaluate_tags

    paths, captions = _read_split(pairs, images, split)
    encoder = _load(model)
    scores = evaluate_tags(encoder, encoder.encode_images(paths), captions)
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


@evaluate.command("captions")
@pairs_options
@click.option(
    "--captioner",
    default=CAPTIONER,
    show_default=True,
    metavar="MODEL",
    help="The bundled captioner, or the folder of one.",
)
@click.option(
    "--beam",
    default=3,
    show_default=True,
    type=click.IntRange(1, 50),
    help="Sentences that are followed at a time; 1 is greedy.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help='Write JSON lines {"image", "caption", "logprob"} to this file.',
)
@model_option
@json_option
def evaluate_sentences(
    pairs: Path,
    images: Path | None,
    split: str,
    captioner: str,
    beam: int,
    out: Path | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Measure captions against those that people wrote.

    BLEU-1..4, ROUGE-L and CIDEr of pycocoevalcap, over the lower-case words [a-z0-9']+; METEOR and
    the tokenizer of that package need Java and are left out. Captions are written as users get
    them, word by word.
    """
    from indexer.evaluation.captions import evaluate_captions
    from indexer.progress import meter
    from searchengine.captioning import load_captioner

    paths, captions = _read_split(pairs, images, split)
    writer = load_captioner(captioner, model)
    with meter("pictures") as progress, naming(pairs):
        scores, written = evaluate_captions(writer, paths, captions, width=beam, progress=progress)
    if out is not None:
        lines = [
            {"image": os.fspath(path), "caption": one.text, "logprob": round(one.logprob, 4)}
            for path, one in zip(_named(pairs, images, paths), written, strict=True)
        ]
        _write_lines(out, lines)
    if as_json:
        print_json({"beam": beam, **entries_of(scores)})
        return
    show_captions(entries_of(scores))


@evaluate.command("labels")
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
    encoder = _load(model)
    with naming(labels):
        scores = evaluate_labels(encoder, labelled)
    if as_json:
        print_json(entries_of(scores))
        return
    _warn_of_unknown(scores.unknown)
    click.echo(f"{scores.images} pictures, {scores.names} names")
    show_recall("name -> picture", entries_of(scores.n2p))
    click.echo(f"picture -> name: top-1 {scores.top1:.1f}  top-5 {scores.top5:.1f}")
    click.echo(f"mean average precision: {scores.mean_average_precision:.1f}")


@evaluate.command("pointing")
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
    encoder = _load(model)
    with naming(labels):
        scores = evaluate_pointing(encoder, labelled, pairs=pairs, seed=seed)
    if as_json:
        print_json(entries_of(scores))
        return
    _warn_of_unknown(scores.unknown)
    click.echo(f"{scores.composites} composites, {scores.names} names")
    _show_halves(scores.right, scores.middle, scores.wrong)


@evaluate.command("attention")
@labels_option
@click.option(
    "--captioner",
    default=CAPTIONER,
    show_default=True,
    metavar="MODEL",
    help="The bundled captioner, or the folder of one.",
)
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


@evaluate.command("recipes")
@click.option(
    "--pairs",
    required=True,
    type=click.Path(path_type=Path),
    help="Recipes with pictures: JSON lines of title, ingredients, instructions, image.",
)
@click.option(
    "--model",
    metavar="MODEL",
    help="A food head, or a joint model to be measured as it is; the bundled food head if there is "
    "one.",
)
@click.option(
    "--base",
    metavar="MODEL",
    default="default",
    show_default=True,
    help="The joint model that the food head was trained on.",
)
@json_option
def evaluate_food(pairs: Path, model: str | None, base: str, as_json: bool) -> None:
    """Measure how well pictures find their recipes and recipes their pictures.

    Every recipe of the file is a candidate. Recall at 1, 5 and 10 in percent and the median rank;
    ties count against the model.
    """
    from indexer.evaluation.recipes import evaluate_recipes, load_models
    from indexer.train.food_data import read_recipes

    general, head = load_models(model or "food", base)
    recipes = read_recipes(pairs)
    with naming(pairs):
        scores = evaluate_recipes(general, head, recipes)
    if as_json:
        print_json(entries_of(scores))
        return
    click.echo(f"{scores.recipes} recipes, {'food head' if head else 'joint model alone'}")
    show_recall("picture -> recipe", entries_of(scores.i2r))
    show_recall("recipe -> picture", entries_of(scores.r2i))


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
    from indexer.evaluation.library import evaluate_library
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


def _show_halves(right: float, middle: float, wrong: float) -> None:
    click.echo(
        f"strongest place: in the right half {right:.1f}  in the middle "
        f"{middle:.1f}  in the wrong half {wrong:.1f}"
    )


def _load(model: str | None) -> Encoder:
    from searchengine.config import load_settings
    from searchengine.loading import load_configured

    return load_configured(load_settings({"model": model}))


def _warn_of_unknown(names: Sequence[str]) -> None:
    if names:
        click.echo(f"lexpix: no word is known of: {printable(', '.join(names))}", err=True)


def _read_split(
    path: Path, images: Path | None, split: str
) -> tuple[list[Path], list[tuple[str, ...]]]:
    """Return the captioned pictures of a split, and their captions."""
    from indexer.train.data import read_pairs

    read = read_pairs(path, images)
    chosen = [pair for pair in read if pair.split == split and pair.captions]
    if not chosen:
        present = ", ".join(sorted({pair.split for pair in read if pair.captions})) or "none"
        raise TrainingDataError(
            f"{path}: no captioned pictures of the split {split!r} in it; splits in it: {present}"
        )
    return [pair.image for pair in chosen], [pair.captions for pair in chosen]


def _named(pairs: Path, images: Path | None, paths: Sequence[Path]) -> list[str]:
    """Return what the file of pairs calls its pictures."""
    return [os.path.relpath(path, images or pairs.parent) for path in paths]


def _write_lines(path: Path, entries: Sequence[dict[str, object]]) -> None:
    import json

    from searchengine.errors import ConfigError

    try:
        path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error})") from error
