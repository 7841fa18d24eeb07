"""Pictures in the terminal: a sheet of small ones, side by side as far as it is wide.

The terminal is asked what it can: the graphics protocol of kitty, Sixel (iTerm2, WezTerm, foot,
Konsole, Windows Terminal ...), else half blocks, of which each has two colours.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from searchengine.errors import ChangedFile, ImageError, UnknownPicture
from searchengine.terminal import printable

if TYPE_CHECKING:
    from searchengine.search.engine import Engine
    from searchengine.types import Hit

COLUMNS, ROWS = 24, 12
"""Cells that a picture may take; as cells are twice as high as wide, a square."""
GAP = 2
PIXELS = 360
"""Of the shorter side of a picture that is decoded for it: more than 24 columns show anywhere."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture on a sheet: its number in the library, or a file, and the lines beneath it."""

    picture: int | Path
    lines: tuple[str, ...]


def _checked(_ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    if value:
        require_terminal()
    return value


show_option = click.option(
    "--show",
    is_flag=True,
    callback=_checked,
    help="Show the pictures as well, in a terminal.",
)


def require_terminal() -> None:
    """Refuse what is no terminal to draw on.

    Raises:
        click.UsageError: Output goes elsewhere, input comes from elsewhere, or it can do nothing.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "--show needs a terminal, for input too; without it, --paths has files for a viewer"
        )
    if os.environ.get("TERM", "dumb") == "dumb" or not os.get_terminal_size().columns:
        raise click.UsageError(
            "--show needs a terminal that knows colours and its size; TERM says what it is"
        )


def of_hits(hits: Iterable[Hit]) -> list[Shown]:
    """Return hits as they stand on a sheet."""
    shown = []
    for hit in hits:
        worth = "" if hit.match is None else f"  {hit.match:.0%}"
        shown.append(Shown(hit.id, (f"#{hit.id}{worth}", os.path.basename(hit.path))))
    return shown


def show_sheet(engine: Engine, pictures: Sequence[Shown]) -> None:
    """Draw pictures side by side; say of which none can be drawn."""
    logging.getLogger("textual_image").setLevel(logging.ERROR)  # it guesses sizes aloud
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
    from textual_image.renderable import Image  # asks the terminal

    click.echo("\r\x1b[K", nl=False)  # what a terminal shows of questions that it does not know
    console = Console(file=sys.stdout, no_color=False, highlight=False)
    failed: list[str] = []
    wide = min(COLUMNS, console.width)
    across = (console.width + GAP) // (wide + GAP)
    rows = [pictures[start : start + across] for start in range(0, len(pictures), across)]
    for row in rows:
        sheet = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
        for _ in row:
            sheet.add_column(width=wide, vertical="bottom", no_wrap=True)
        drawn = [_drawn(engine, one.picture, Image, wide, failed) for one in row]
        sheet.add_row(*(one or Text("no picture") for one in drawn))
        for line in range(max(len(one.lines) for one in row)):
            texts = [one.lines[line] if line < len(one.lines) else "" for one in row]
            sheet.add_row(*(Text(printable(text), overflow="ellipsis") for text in texts))
        console.print(sheet)
    for reason in failed:
        click.echo(f"lexpix: {printable(reason)}", err=True)


def _drawn(engine: Engine, picture: int | Path, kind: Any, wide: int, failed: list[str]) -> Any:
    """Return what rich draws of a picture; None, and the reason in `failed`, if it cannot be."""
    from searchengine.images import open_image

    try:
        if isinstance(picture, Path):
            pixels = open_image(picture, size=PIXELS)
        else:
            with engine.original(engine.picture(picture)) as file:
                pixels = open_image(file, size=PIXELS)
    except (ImageError, ChangedFile, UnknownPicture) as error:
        failed.append(str(error))
        return None
    width, height = pixels.size
    # What is flatter than a line of cells, or narrower than a column, is drawn as one.
    if width * 2 * ROWS >= height * wide:
        return kind(pixels, width=wide, height="auto" if 2 * width <= wide * height else 1)
    return kind(pixels, width="auto" if height <= 2 * ROWS * width else 1, height=ROWS)
