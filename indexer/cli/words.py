"""The commands of `words`."""

from __future__ import annotations

import click

from indexer.cli.map import words_map


@click.group()
def words() -> None:
    """Look at the words that a model knows."""


words.add_command(words_map)
