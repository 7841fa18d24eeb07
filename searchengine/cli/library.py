"""The commands that look after a library: `status` and `forget`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from searchengine.cli.completion import folders_within
from searchengine.cli.options import is_interactive, json_option, open_engine
from searchengine.cli.output import print_json, show_failures
from searchengine.errors import LexpixError
from searchengine.sources.addresses import absolute, is_remote
from searchengine.terminal import printable

if TYPE_CHECKING:
    from searchengine.catalog.tags import Typed


@click.command()
@json_option
@click.pass_obj
def status(flags: dict[str, str], as_json: bool) -> None:
    """Show counts, folders, model, index and failures."""
    import dataclasses

    from searchengine.formats import told

    with open_engine(flags) as engine:
        report = engine.status()
        failures = engine.catalog.failures()
    if as_json:
        entries = dataclasses.asdict(report) | {
            "roots": [{"path": p, "scanned_at": at.isoformat()} for p, at in report.roots],
            "failures": len(failures),
        }
        print_json(entries)
        return
    counts = report.counts
    click.echo(f"library   {printable(report.library)}")
    click.echo(f"pictures  {counts['ok']} ok, {counts['missing']} missing, {counts['bad']} bad")
    if any(report.texts.values()):
        kinds = ", ".join(f"{n} of kind {kind}" for kind, n in report.texts.items() if n)
        click.echo(f"texts     {kinds}")
    for path, at in report.roots:
        click.echo(f"folder    {printable(path)}, last scan {at.astimezone():%Y-%m-%d %H:%M}")
    click.echo(f"model     {report.model}, {report.dim} dimensions, {report.fingerprint[:12]}")
    if report.inference:
        click.echo(f"inference {printable(report.inference)}")
    for model in report.models:
        use = "in use" if model.current else "not in use"
        click.echo(
            f"vectors   {model.name}, {model.vectors} pictures, {model.fingerprint[:12]}, {use}"
        )
    click.echo(f"index     {report.index}, {report.indexed} pictures")
    if report.skipped:
        click.echo(f"skipped   {told(report.skipped)}")
    if report.damaged:
        click.echo(f"damaged   {report.damaged} seen in part; all of them: lexpix failures")
    if failures:
        click.echo(f"failures  {len(failures)}, the first:")
        show_failures(failures[:3])
        click.echo("          all of them: lexpix failures")


@click.command("index-info")
@json_option
@click.pass_obj
def index_info(flags: dict[str, str], as_json: bool) -> None:
    """Show the kind of the index, what it costs, and how much of the best it finds.

    Recall is the share of the ten best pictures that a search finds, of a sample of words and of
    pictures, beside comparing every picture. The kind is chosen by "lexpix index".
    """
    import dataclasses

    with open_engine(flags) as engine:
        info = engine.index_info()
    if as_json:
        print_json(dataclasses.asdict(info))
        return
    click.echo(f"index     {info.index}, {info.pictures:,} pictures")
    click.echo(f"kind      {info.kind}: {info.why}")
    if info.memory is not None and info.disk is not None:
        click.echo(f"memory    {info.memory / 1e6:,.0f} MB that searches go through")
        click.echo(f"disk      {info.disk / 1e6:,.0f} MB")
    if info.build_s is not None:
        click.echo(f"built     in {info.build_s:,.0f} s")
    if info.effort is not None:
        name = "efSearch" if info.kind == "hnsw" else "nprobe"
        click.echo(f"effort    {name} {info.effort}")
    for asked, share in info.recall.items():
        click.echo(f"recall@10 {share:.3f} of {asked}")


@click.command()
@click.argument("path", shell_complete=folders_within)
@click.option("--yes", is_flag=True, help="Do not ask, whatever goes with it.")
@json_option
@click.pass_obj
def forget(flags: dict[str, str], path: str, yes: bool, as_json: bool) -> None:
    """Drop a folder or a file from the library, never from the disk.

    Your own tags of the pictures, accepted guesses too, and the names that you took away from them
    go with it, which no scan brings back. If there are any, the command says so and asks; without a
    terminal it does nothing unless --yes is given. Taught words and texts stay.
    """
    target = absolute(path)
    with open_engine(flags) as engine:
        typed = engine.catalog.tags.typed_under(target)
        if typed.pictures and not yes:
            _require_consent(target, typed)
        forgotten = engine.forget(target)
        roots = [root.path for root in engine.catalog.roots()]
    if as_json:
        lost = {"tags": typed.tags, "refused": typed.refused}
        print_json({"path": target, "forgotten": forgotten} | lost)
    else:
        click.echo(f"forgot {forgotten} pictures; the files are where they were")
    if typed.words:
        click.echo(
            f"note: {', '.join(map(repr, typed.words))}, taught from them, can be used on, but is "
            "made anew for another model only while the files are there",
            err=True,
        )
    inside = next((r for r in roots if target.startswith(r.rstrip(os.sep) + os.sep)), None)
    if inside and (is_remote(target) or os.path.exists(target)):
        click.echo(f"note: the next scan of {printable(inside)} will find it again", err=True)


def _require_consent(target: str, typed: Typed) -> None:
    """Say what goes with pictures that are forgotten, and go on only after a yes."""
    parts = [
        _counted(typed.tags, "tag that you gave or accepted", "tags that you gave or accepted"),
        _counted(typed.refused, "name that you took away", "names that you took away"),
    ]
    pictures = _counted(typed.pictures, "picture", "pictures")
    lost = f"{' and '.join(filter(None, parts))}, of {pictures}"
    if not is_interactive():
        raise LexpixError(
            f"{target}: not forgotten, because what nothing brings back would go with it ({lost}); "
            "a copy of all: lexpix backup FILE; to go on, pass --yes"
        )
    click.confirm(f"With {printable(target)} go {lost}. Forget it?", abort=True, err=True)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}" if number else ""
