"""The commands that keep a library safe: `doctor`, `backup` and `restore`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from searchengine.cli.completion import files
from searchengine.cli.options import json_option
from searchengine.cli.output import print_json
from searchengine.errors import LibraryError
from searchengine.terminal import printable

if TYPE_CHECKING:
    from searchengine.config import Settings


@click.command()
@click.option("--repair", "mends", is_flag=True, help="Mend what can be made again.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, mends: bool, as_json: bool) -> None:
    """Examine a library: catalog, index, model, permissions, disk.

    Ends with 0 if all is well, else with 1. With --repair, the index is made anew from the catalog,
    and rows that hang on nothing are dropped; what a person typed never is.
    """
    import dataclasses

    from searchengine.config import load_settings
    from searchengine.search.doctor import diagnose, repair

    settings = _of_file(load_settings(ctx.obj), "examined and mended by its own tools")
    found, done = diagnose(settings), list[str]()
    if mends and any(one.severity != "ok" for one in found):
        done = repair(settings)
        found = diagnose(settings)
    if as_json:
        print_json({"findings": [dataclasses.asdict(one) for one in found], "repaired": done})
    else:
        for line in done:
            click.echo(f"repaired     {printable(line)}")
        for one in found:
            remedy = f"; run: {one.remedy}" if one.remedy else ""
            told = printable(f"{one.message}{remedy}")
            click.echo(f"{one.check:<12} {one.severity:<8} {told}")
    ctx.exit(0 if all(one.severity == "ok" for one in found) else 1)


@click.command()
@click.argument("file", shell_complete=files)
@json_option
@click.pass_obj
def backup(flags: dict[str, str], file: str, as_json: bool) -> None:
    """Copy the catalog to FILE, also while it is in use.

    It holds all that lexpix knows of pictures and texts, and what you typed; not the pictures.
    """
    from searchengine.catalog.backups import save
    from searchengine.config import load_settings

    target = _path(file)
    size = save(_of_file(load_settings(flags), "copied by pg_dump").library, target)
    if as_json:
        print_json({"file": str(target), "bytes": size})
    else:
        click.echo(f"saved {size / 2**20:,.1f} MB to {printable(str(target))}")


@click.command()
@click.argument("file", required=False, shell_complete=files)
@json_option
@click.pass_obj
def restore(flags: dict[str, str], file: str | None, as_json: bool) -> None:
    """Take the catalog back from FILE, which backup wrote.

    The former catalog is kept beside it. Without FILE, lists the copies that the library has made
    by itself. A server that is running is to be started again.
    """
    from searchengine.catalog.backups import copies
    from searchengine.catalog.backups import restore as take_back
    from searchengine.config import load_settings

    library = _of_file(load_settings(flags), "taken back by pg_restore").library
    if file is None:
        made = [str(one) for one in copies(library)]
        if as_json:
            print_json({"copies": made})
        else:
            click.echo("\n".join(map(printable, made)) or "no copies")
        return
    former = take_back(library, _path(file))
    if as_json:
        print_json({"file": str(_path(file)), "former": former and str(former)})
        return
    click.echo(f"restored from {printable(file)}; the next search makes the index anew")
    if former is not None:
        click.echo(f"the former catalog is kept as {printable(str(former))}")


def _of_file(settings: Settings, instead: str) -> Settings:
    """Return settings of a library whose catalog is a file.

    Raises:
        LibraryError: It is on a server.
    """
    if settings.catalog:
        raise LibraryError(f"the catalog of this library is in PostgreSQL, where it is {instead}")
    return settings


def _path(file: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(file)))
