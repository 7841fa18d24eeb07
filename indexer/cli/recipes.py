"""The command `recipes`."""

from __future__ import annotations

import click

from indexer.cli.output import json_option, library_option, limit_option, model_option, picture_of
from indexer.cli.texts import (
    opened,
    show_answer,
    unlikely_option,
    with_option,
    without_option,
)
from searchengine.cli.completion import files


@click.group()
def recipes() -> None:
    """Find recipes by a picture of a dish and by what is in the kitchen."""


@recipes.command("from")
@click.argument("picture", shell_complete=files)
@with_option
@without_option
@limit_option
@unlikely_option
@library_option
@model_option
@json_option
def from_picture(
    picture: str,
    having: tuple[str, ...],
    lacking: tuple[str, ...],
    limit: int | None,
    unlikely: bool,
    library: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Find the recipes nearest to a picture, filtered by their ingredients.

    \b
      lexpix recipes from ./plate.jpg --with chicken --without nuts

    Both options may be given several times. --with looks at the names of the ingredients, --without
    at all that is written of them, and leaves out what may contain the food. A recipe that lists no
    ingredients passes neither. A picture of what is no dish has no recipes.
    """
    with opened(library, model) as engine:
        answer = engine.texts.for_picture(
            picture_of(picture),
            limit=limit,
            kind="recipe",
            having=having,
            lacking=lacking,
            unlikely=unlikely,
        )
    show_answer(answer, as_json)
