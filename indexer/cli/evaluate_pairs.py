"""Commands of `eval` that measure a model on captioned pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from indexer.cli.evaluate_options import (
    also_labels_option,
    captioner_option,
    load_encoder,
    naming,
    pairs_options,
    read_split,
    seed_option,
    warn_of_left_out,
    wordnet_option,
)
from indexer.cli.output import (
    entries_of,
    json_option,
    model_option,
    print_json,
    show_captions,
    show_figures,
    show_recall,
)
from searchengine.cli.options import count_option


@click.command("retrieval")
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

    paths, captions = read_split(pairs, images, split)
    encoder = load_encoder(model)
    with naming(pairs):
        scores = evaluate_retrieval(encoder, paths, captions)
    if as_json:
        print_json(entries_of(scores))
        return
    click.echo(f"{scores.images} pictures, {scores.captions} captions")
    show_recall("sentence -> picture", entries_of(scores.t2i))
    show_recall("picture -> sentence", entries_of(scores.i2t))


@click.command("match")
@pairs_options
@also_labels_option
@wordnet_option
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
    labels: tuple[Path, ...],
    wordnet: Path,
    as_shipped: bool,
    model: str | None,
    as_json: bool,
) -> None:
    """Measure whether likely is right, and whether nothing is likely where nothing is there.

    Words are asked that captions name, in a library that shows them and in one without: a hit is
    right if its captions name the word. Captions name only part of a picture, so the truth is
    better than the figures, which are in percent. Without --as-shipped, a calibration is fitted on
    one half of the pictures and measured on the other, both ways.

    With --labels, the names of labelled pictures are asked as well, and the hypernyms of those with
    a synset, each file by itself; halves then have half of the names each. And each picture asks
    for its like, of its file and of all files together: right is the same name, a kind of it, or
    the same kind of something that no more than 12 % of the pictures are.

    JSON has the other kinds of query under "kinds", names and hypernyms under "labels", and bands
    of pictures under "pictures".
    """
    from indexer.train.match.fit import cross_fit, measure_shipped
    from indexer.train.match.material import prepare

    encoder = load_encoder(model)
    material = prepare(encoder, pairs, images, labels=labels, wordnet=wordnet, split=split)
    figures = measure_shipped(encoder, material) if as_shipped else cross_fit(material)
    if as_json:
        entries = entries_of(figures)
        kinds = entries["captions"]
        words = kinds.pop("words")
        labelled = {n: entries[n] for n in ("labels", "pictures")} if labels else {}
        print_json({**words, "cross_fitted": not as_shipped, "kinds": kinds, **labelled})
        return
    warn_of_left_out(material.left_out)
    show_figures(figures)


@click.command("analogies")
@pairs_options
@count_option(
    "--per-pair", default=10, help="At most so many pictures are asked for a pair of words."
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

    paths, captions = read_split(pairs, images, split)
    encoder = load_encoder(model)
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


@click.command("tags")
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

    paths, captions = read_split(pairs, images, split)
    encoder = load_encoder(model)
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


@click.command("captions")
@pairs_options
@captioner_option
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
    from searchengine.models.captioner.loading import load_captioner

    paths, captions = read_split(pairs, images, split)
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
