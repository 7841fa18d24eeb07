"""Write docs/cli.md from the help texts of the commands: `python docs/generate_cli.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

PAGE = Path(__file__).with_name("cli.md")
WIDTH = 88

INTRODUCTION = """\
# Commands

Written by `python docs/generate_cli.py` from the help texts of the commands; a test keeps it true.
"""


def walk(command: click.Command, name: str) -> Iterator[click.Context]:
    """Yield a context for a command and for everything below it, a group before its commands."""
    yield from _walk(_context(command, name, parent=None))


def render(command: click.Command, name: str = "lexpix") -> str:
    """Return the page: the help text of a command and of everything below it."""
    sections = (
        f"## {context.command_path}\n\n```text\n{context.get_help()}\n```\n"
        for context in walk(command, name)
    )
    return "\n".join([INTRODUCTION, *sections])


def _walk(context: click.Context) -> Iterator[click.Context]:
    yield context
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            if command := group.get_command(context, name):
                yield from _walk(_context(command, name, parent=context))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    # One width and no colour on every terminal, or the page would differ from machine to machine;
    # and the settings that a real call has, because a command keeps the first help option it makes.
    settings: dict[str, Any] = dict(command.context_settings)
    return click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        color=False,
        **settings,
    )


if __name__ == "__main__":
    from searchengine.cli.main import main

    PAGE.write_text(render(main), encoding="utf-8")
