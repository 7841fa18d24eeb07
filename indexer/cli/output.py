"""What the commands print, and the options that several of them have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from searchengine.cli.options import json_option, limit_option, picture_of
from searchengine.cli.output import describe, print_json

if TYPE_CHECKING:
    from indexer.train.match.fit import Figures
    from searchengine.types import Failure

__all__ = [
    "describe",
    "entries_of",
    "executor_option",
    "json_option",
    "library_option",
    "limit_option",
    "model_option",
    "picture_of",
    "print_json",
    "show_captions",
    "show_figures",
    "show_recall",
    "warn",
]

model_option = click.option(
    "--model", metavar="MODEL", help="A bundled model by name, or the folder of a model."
)

executor_option = click.option(
    "--executor",
    metavar="NAME",
    help="What reads the pictures: threads, serial, ray[:HOST:PORT] (docs/many-machines.md).",
)

library_option = click.option(
    "--library",
    metavar="FOLDER",
    help="Folder of the library; else LEXPIX_LIBRARY, config.toml, or one in your home.",
)


def entries_of(value: Any) -> dict[str, Any]:
    """Return the JSON form of a dataclass."""
    import dataclasses

    return dataclasses.asdict(value)


def warn(failure: Failure) -> None:
    """Say on standard error what could not be read."""
    click.echo(f"lexpix: {describe(failure)}", err=True)


def show_recall(name: str, scores: Mapping[str, float]) -> None:
    """Print recall at 1, 5 and 10 and the median rank on one line."""
    click.echo(
        f"{name}: R@1 {scores['r1']:.1f}  R@5 {scores['r5']:.1f}  R@10 {scores['r10']:.1f}"
        f"  median rank {scores['medr']:.0f}"
    )


def show_figures(figures: Figures) -> None:
    """Print what the bands are worth, for each kind of query and each source of names."""
    for name, scores in (*figures.captions.items(), *figures.labels.items()):
        click.echo(
            f"{name}: {scores.present} questions with an answer, {scores.absent} without\n"
            f"  likely hits that are right {scores.precision_likely:.1f}"
            f"  no likely hit where no answer is {scores.absent_silent:.1f}"
            f"  a right likely hit where one is {scores.present_found:.1f}\n"
            f"  a right hit in the first five, at least maybe {scores.first_found:.1f}"
            f" of {scores.first_reachable:.1f}\n"
            f"  told that nothing looks like that: {scores.absent_nothing:.1f} without an answer,"
            f" {scores.present_nothing:.1f} with one; calibration error {scores.error:.1f}"
        )
    for name, pictures in figures.pictures.items():
        click.echo(
            f"the like of a picture, {name}: {pictures.asked} asked,"
            f" {pictures.answered:.1f} have an answer"
        )
        for place, bands in (("first hits", pictures.first), ("first ten", pictures.ten)):
            parts = (f"{b} {s.share:.1f}, right {s.right:.1f}" for b, s in bands.items())
            click.echo(f"  {place}: {'; '.join(parts)}")


def show_captions(scores: Mapping[str, float]) -> None:
    """Print how good captions are, in two lines."""
    bleu = " / ".join(f"{scores[f'bleu{n}']:.1f}" for n in (1, 2, 3, 4))
    click.echo(f"BLEU-1..4 {bleu}  ROUGE-L {scores['rouge_l']:.1f}  CIDEr {scores['cider']:.1f}")
    click.echo(
        f"{scores['images']} captions, {scores['distinct']:.1f} % different, "
        f"{scores['words']:.1f} words each"
    )
