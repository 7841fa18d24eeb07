"""The command `eval languages`."""

from __future__ import annotations

from pathlib import Path

import click

from indexer.cli.evaluate_options import labels_options, load_encoder, naming
from indexer.cli.output import json_option, model_option, print_json


@click.command("languages")
@labels_options
@click.option(
    "--annotations",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The npm package cldr-annotations-full, unpacked: ask by the names of emoji in it.",
)
@model_option
@json_option
def evaluate_reading(
    labels: Path, split: str | None, annotations: Path | None, model: str | None, as_json: bool
) -> None:
    """Measure whether words of other languages find what the English ones find.

    Asked is by each word of the table of aliases whose English is a label; with --annotations by
    the name of each emoji whose English name is one, which is independent of that table. Shown are
    the shares, in percent, that have a right picture among the first ten: with the language named
    (--lang), without, and of the English words over the same questions.
    """
    import dataclasses

    from indexer.evaluation.labels import read_labels
    from indexer.evaluation.languages import (
        evaluate_languages,
        questions_of_cldr,
        questions_of_table,
    )
    from searchengine.language.spelling import fold

    labelled = read_labels(labels, split)
    names = {fold(name) for _, row in labelled for name in row}
    questions = (
        questions_of_table(names) if annotations is None else questions_of_cldr(names, annotations)
    )
    encoder = load_encoder(model)
    with naming(labels):
        scores = evaluate_languages(encoder, labelled, questions)
    if as_json:
        print_json([dataclasses.asdict(one) for one in scores])
        return
    click.secho(f"{'language':<9}{'words':>7}{'found':>8}{'without':>9}{'English':>9}", bold=True)
    for one in scores:
        click.echo(
            f"{one.language:<9}{one.words:>7}{one.found:>8.1f}{one.unasked:>9.1f}{one.english:>9.1f}"
        )
