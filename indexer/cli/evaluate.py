"""The group `eval`, and those of its commands that measure recipes and libraries."""

from __future__ import annotations

from pathlib import Path

import click

from indexer.cli.evaluate_labels import evaluate_looking, evaluate_names, evaluate_places
from indexer.cli.evaluate_languages import evaluate_reading
from indexer.cli.evaluate_options import naming, recipes_option, wordnet_option
from indexer.cli.evaluate_pairs import (
    evaluate_arithmetic,
    evaluate_bands,
    evaluate_pairs,
    evaluate_sentences,
    evaluate_tagging,
)
from indexer.cli.output import entries_of, json_option, model_option, print_json, show_recall
from indexer.cli.words import evaluate_words
from searchengine.cli.options import path_option
from searchengine.errors import ModelError
from searchengine.terminal import printable

_base_option = click.option(
    "--base",
    metavar="MODEL",
    default="default",
    show_default=True,
    help="The joint model that the food head was trained on.",
)


@click.group("eval")
def evaluate() -> None:
    """Measure a model, or a library on itself."""


for _command in (
    evaluate_pairs,
    evaluate_bands,
    evaluate_arithmetic,
    evaluate_tagging,
    evaluate_sentences,
    evaluate_names,
    evaluate_places,
    evaluate_looking,
    evaluate_words,
    evaluate_reading,
):
    evaluate.add_command(_command)


@evaluate.command("recipes")
@recipes_option
@click.option(
    "--model",
    metavar="MODEL",
    help="A food head, or a joint model to be measured as it is; the bundled food head if there is "
    "one.",
)
@_base_option
@json_option
def evaluate_food(pairs: Path, model: str | None, base: str, as_json: bool) -> None:
    """Measure how well pictures find their recipes and recipes their pictures.

    Every recipe of the file is a candidate. Recall at 1, 5 and 10 in percent and the median rank;
    ties count against the model.
    """
    from indexer.evaluation.recipes import evaluate_recipes, load_models
    from indexer.train.food.data import read_recipes

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


@evaluate.command("food")
@path_option("--dishes", required=True, help="Labelled pictures of dishes, not trained on.")
@path_option("--others", required=True, help="Labelled pictures of anything, not trained on.")
@click.option("--split", help="Which pictures: train, dev, test; all of a file without splits.")
@wordnet_option
@click.option("--model", default="food", show_default=True, metavar="MODEL", help="A food head.")
@_base_option
@json_option
def evaluate_food_gate(
    dishes: Path,
    others: Path,
    split: str | None,
    wordnet: Path,
    model: str,
    base: str,
    as_json: bool,
) -> None:
    """Measure which pictures are taken for food, so that recipes are shown beside them.

    In percent, of the dishes and of the others. Others whose names WordNet has as food in any sense
    are left out; of the rest some show food all the same.
    """
    from indexer.evaluation.gate import evaluate_gate
    from indexer.evaluation.recipes import load_models
    from indexer.readers.labelled import read_labelled
    from indexer.vocabulary.wordnet import WordNet

    general, head = load_models(model, base)
    if head is None:
        raise ModelError(f"{model}: no food head; run: lexpix train food")
    shown, rest = (read_labelled(path, split) for path in (dishes, others))
    with naming(others):
        scores = evaluate_gate(general, head, shown, rest, WordNet(wordnet))
    if as_json:
        print_json(entries_of(scores))
        return
    click.echo(f"dishes: {scores.kept:.1f} of {scores.dishes} taken for food")
    click.echo(
        f"others: {scores.passing:.1f} of {scores.others}; {scores.left_out} left out that may be"
        " food by their names"
    )
    if scores.names:
        click.echo(f"  {printable(', '.join(scores.names))}")


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
    from searchengine.errors import ConfigError
    from searchengine.search.engine import Engine

    settings = load_settings({"library": library, "model": model})
    try:
        texts = queries.read_text(encoding="utf-8").splitlines() if queries else []
    except (OSError, ValueError) as error:  # ValueError: not UTF-8
        raise ConfigError(f"{queries}: cannot be read ({error})") from error
    with Engine.open(settings) as engine:
        scores = evaluate_library(
            engine.catalog, engine.encoder, engine.index, queries=texts, sample=sample
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
