"""Options that several commands of `train` have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from searchengine.cli.options import Decorator, path_option
from searchengine.errors import MissingPlugin

pairs_option = path_option(
    "--pairs",
    required=True,
    help="Captioned pictures: JSON lines, Karpathy, COCO or Flickr tokens.",
)
images_option = path_option(
    "--images", help="Folder of the pictures, if not the folder of the pairs."
)
notes_option = click.option(
    "--note",
    "notes",
    multiple=True,
    callback=lambda _context, _option, notes: dict(map(_key_and_text, notes)),
    metavar="KEY=TEXT",
    help="Put a note, such as a licence, into the model.",
)
scores_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the scores on dev as one JSON object."
)


def out_option(what: str) -> Decorator:
    """Return the option `--out`; `what` says what is written there, and what is kept beside it."""
    return click.option(
        "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help=what
    )


@contextmanager
def needing_torch() -> Iterator[None]:
    """Say how to install what a training imports, if it is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPlugin(f"train needs: pip install 'lexpix[train]' ({error})") from error


def show_epoch(name: str, epoch: int, metrics: Mapping[str, float]) -> None:
    """Print on standard error how good a model is after an epoch, counted from 0."""
    figures = "  ".join(f"{key} {value:.1f}" for key, value in metrics.items())
    click.echo(f"{name} {epoch + 1}: {figures}", err=True)


def _key_and_text(note: str) -> tuple[str, str]:
    key, equals, text = note.partition("=")
    if not equals:
        raise click.BadParameter(f"{note!r} is not KEY=TEXT", param_hint="--note")
    return key, text
