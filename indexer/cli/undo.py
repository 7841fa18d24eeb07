"""The command `undo`."""

from __future__ import annotations

import click

import indexer
from indexer.cli.output import json_option, print_json


@click.command()
@json_option
@click.pass_obj
def undo(flags: dict[str, str], as_json: bool) -> None:
    """Take back what the last index run has marked as missing or moved.

    Pictures that it marked are present again, and those that it moved have their former path, with
    all that is known of them. A run that marked and moved nothing does not count. What has changed
    since stays as it is, and so do pictures that were added or read anew. Files are not touched.

    The next run looks at the files again, so see first to what was wrong, such as a disk that was
    not mounted.
    """
    from searchengine.config import load_settings
    from searchengine.search.engine import Engine

    with Engine.open(load_settings(flags)) as engine:
        undone = indexer.undo(engine)
    if as_json:
        at = None if undone.at is None else undone.at.isoformat()
        counts = {"missing": undone.missing, "moved": undone.moved, "kept": undone.kept}
        print_json({"at": at} | counts)
    elif undone.at is None:
        click.echo("nothing to take back: no run has marked or moved anything since", err=True)
    else:
        kept = f"; {undone.kept:,} have changed since and stay" if undone.kept else ""
        click.echo(
            f"took back {undone.missing:,} missing, {undone.moved:,} moved of the run of "
            f"{undone.at.astimezone():%Y-%m-%d %H:%M}{kept}"
        )
