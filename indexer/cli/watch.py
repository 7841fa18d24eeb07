"""The command `watch`."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
from typing import TYPE_CHECKING

import click

from indexer.cli.output import print_json, warn
from searchengine.cli.completion import folders
from searchengine.errors import NothingIndexed, RootError
from searchengine.sources.addresses import absolute, is_remote

if TYPE_CHECKING:
    from indexer.library.watching import Batch


@click.command()
@click.argument("roots", nargs=-1, metavar="[ROOT]...", shell_complete=folders)
@click.option(
    "--poll", is_flag=True, help="Compare all files every few seconds, as network drives need."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_obj
def watch(flags: dict[str, str], roots: tuple[str, ...], poll: bool, as_json: bool) -> None:
    """Index folders, then follow what changes in them until it is stopped.

    Without a folder, all that were indexed before are followed, and those that are indexed
    meanwhile. A line tells of each batch of changes. A file that is still being written is read
    when it rests, and a folder whose disk goes away is waited for.

    Nothing is asked: where so much is gone that lexpix index would ask, nothing is marked as
    missing until you run that.
    """
    from indexer.library.watching import NOT_WATCHED, follow
    from indexer.progress import meter
    from searchengine.config import load_settings
    from searchengine.search.engine import Engine

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = load_settings(flags)
    folders = list(dict.fromkeys(map(absolute, roots)))
    for folder in filter(is_remote, folders):
        raise RootError(f"{folder}: {NOT_WATCHED}")
    known: set[str] = set()
    if not folders or any(not os.path.isdir(one) for one in folders):
        with contextlib.suppress(NothingIndexed), Engine.open(settings) as engine:
            known = {one.path for one in engine.catalog.roots()}
    if not folders and not known:
        raise NothingIndexed("no folder was indexed yet; run: lexpix watch FOLDER")
    for folder in folders:
        if not os.path.isdir(folder) and folder not in known:
            raise RootError(f"{folder}: no such folder; is its disk mounted?")
    count = len(folders or known)
    try:
        with meter("files") as progress:
            batches = follow(
                settings,
                folders,
                poll=poll,
                progress=lambda at: progress("indexing", at.done, at.total),
                on_failure=warn,
            )
            _show(next(batches), as_json)
        told = "a folder" if count == 1 else f"{count} folders"
        click.echo(f"lexpix: watching {told}; Ctrl+C stops", err=True)
        for batch in batches:
            _show(batch, as_json)
    except KeyboardInterrupt:
        click.echo("lexpix: stopped", err=True)


def _show(batch: Batch, as_json: bool) -> None:
    now = dt.datetime.now().astimezone()
    if as_json:
        told = {"at": now.isoformat(timespec="seconds"), "folders": list(batch.folders)}
        print_json(told | batch.counts | {"seconds": round(batch.seconds, 3)})
        return
    parts = [f"{name} {count:,}" for name, count in batch.counts.items() if count and name in NEWS]
    click.echo(f"{now:%H:%M} {', '.join(parts) or 'nothing new'}")


NEWS = ("added", "updated", "moved", "restored", "missing", "failed", "unconfirmed")
"""Counts of a report that are told, in this order."""
