"""Options that several commands of `train` have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

pairs_option = click.option(
    "--pairs",
    required=True,
    type=click.Path(path_type=Path),
    help="Captioned pictures: JSON lines, Karpathy, COCO or Flickr tokens.",
)
images_option = click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the pictures, if not the folder of the pairs.",
)
seed_option = click.option(
    "--seed", default=1, show_default=True, help="The same seed gives the same model."
)
notes_option = click.option(
    "--note",
    "notes",
    multiple=True,
    metavar="KEY=TEXT",
    help="Put a note, such as a licence, into the model.",
)
scores_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the scores on dev as one JSON object."
)


def noted(notes: Iterable[str]) -> dict[str, str]:
    """Return notes given as KEY=TEXT by their keys; raise BadParameter naming another form."""
    return dict(map(_key_and_text, notes))


def _key_and_text(note: str) -> tuple[str, str]:
    key, equals, text = note.partition("=")
    if not equals:
        raise click.BadParameter(f"{note!r} is not KEY=TEXT", param_hint="--note")
    return key, text
