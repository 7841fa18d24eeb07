"""The command `recipes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from searchengine.cli.pictures import Shown, show_option, show_sheet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from searchengine.search.engine import Engine
    from searchengine.types import TextHit


@click.group()
def recipes() -> None:
    """Find recipes by a picture of a dish and by what is in the kitchen."""


@recipes.command("from")
@click.argument("picture", shell_complete=files)
@with_option
@without_option
@limit_option
@unlikely_option
@show_option
@library_option
@model_option
@json_option
def from_picture(
    picture: str,
    having: tuple[str, ...],
    lacking: tuple[str, ...],
    limit: int | None,
    unlikely: bool,
    show: bool,
    library: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Find the recipes nearest to a picture, filtered by their ingredients.

    \b
      lexpix recipes from ./plate.jpg --with chicken --without nuts

    Both options may be given several times. --with looks at the names of the ingredients, --without
    at all that is written of them, and leaves out what may contain the food. A recipe that lists no
    ingredients passes neither. A picture of what is no dish has no recipes. --show draws the
    pictures that recipes name, if these files are there.
    """
    if show and as_json:
        raise click.UsageError("--show is for people, --json is for programs")
    with opened(library, model) as engine:
        answer = engine.texts.for_picture(
            picture_of(picture),
            limit=limit,
            kind="recipe",
            having=having,
            lacking=lacking,
            unlikely=unlikely,
        )
        if show:
            show_sheet(engine, _pictures_of(engine, answer.hits))
    show_answer(answer, as_json)


def _pictures_of(engine: Engine, hits: Iterable[TextHit]) -> list[Shown]:
    """Return the pictures that recipes name, as they stand on a sheet."""
    pictures = ((hit, engine.texts.get(hit.id).document.image) for hit in hits)
    return [
        Shown(image, (f"#{hit.id}  {hit.score:.3f}", hit.title))
        for hit, image in pictures
        if image is not None
    ]
