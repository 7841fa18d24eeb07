"""What commands share: options, arguments that name pictures, and how a library is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from searchengine.errors import NothingIndexed

if TYPE_CHECKING:
    from searchengine.search.engine import Engine

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
limit_option = click.option(
    "-k", "limit", metavar="N", type=click.IntRange(min=1), help="Most hits to show."
)


class QueryCommand(click.Command):
    """A command whose arguments may start with a minus that is part of a query."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep "- people" and "-tag:people", which click would take for options, as arguments.

        Raises:
            click.UsageError: Of "-cat", which is neither, it says how to write it.
        """
        kept = [f" {arg}" if _is_part_of_query(arg) else arg for arg in args]
        try:
            return super().parse_args(ctx, list(kept))  # which empties it
        except click.NoSuchOption as error:
            word = next((arg for arg in kept if _TOUCHING.fullmatch(arg)), None)
            if word is None:
                raise
            advice = f"to take a word away, put spaces around the minus: - {word[1:]}"
            raise click.UsageError(f"{word} is no option; {advice}", ctx) from error


_TOUCHING = re.compile(r"-[^\W\d_][^\W_]+")


def _is_part_of_query(argument: str) -> bool:
    key, colon, _ = argument[1:].partition(":")
    if not argument.startswith("-") or not colon:
        return argument.startswith("- ")
    from searchengine.language.filters import KEYS  # NumPy stands behind it; --help needs none

    return key in KEYS or argument.startswith("- ")


def answer_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all that answer with pictures."""
    for option in reversed(
        (
            limit_option,
            click.option(
                "--in", "within", metavar="PATH", help="Only pictures at or below this folder."
            ),
            click.option(
                "--all", "unlikely", is_flag=True, help="Show unlikely matches as well, up to N."
            ),
            click.option("--json", "form", flag_value="json", help="Print one JSON object."),
            click.option(
                "--paths", "form", flag_value="paths", help="Print bare paths, one a line."
            ),
            click.option(
                "-0", "--null", "form", flag_value="null", help="Print bare paths for xargs -0."
            ),
        )
    ):
        command = option(command)
    return command


def picture_of(text: str) -> str | int:
    """Return the library id that "#12" names, or else the path, which may have a leading "@"."""
    number = text.removeprefix("#")
    if text != number and number.isdecimal():
        return int(number)
    return text if os.path.exists(os.path.expanduser(text)) else text.removeprefix("@")


def open_engine(flags: dict[str, str], *, required: bool = True) -> Engine:
    """Open the library that flags, environment and configuration name.

    If none is required and there is none, what comes back has an empty one in memory.
    """
    from searchengine.config import load_settings
    from searchengine.search.engine import Engine

    settings = load_settings(flags)
    try:
        return Engine.open(settings)
    except NothingIndexed:
        if required:
            raise
        return Engine.without_library(settings)
