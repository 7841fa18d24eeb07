"""The commands that look after a library: `status` and `forget`."""

from __future__ import annotations

import os

import click

from searchengine.cli.options import json_option, open_engine
from searchengine.cli.output import print_json, show_failures
from searchengine.terminal import printable


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
@click.argument("path")
@json_option
@click.pass_obj
def forget(flags: dict[str, str], path: str, as_json: bool) -> None:
    """Drop a folder or a file from the library, never from the disk."""
    target = os.path.abspath(os.path.expanduser(path))
    with open_engine(flags) as engine:
        forgotten = engine.forget(target)
        roots = [root.path for root in engine.catalog.roots()]
    if as_json:
        print_json({"path": target, "forgotten": forgotten})
    else:
        click.echo(f"forgot {forgotten} pictures; the files are where they were")
    inside = next((r for r in roots if target.startswith(r.rstrip(os.sep) + os.sep)), None)
    if inside and os.path.exists(target):
        click.echo(f"note: the next scan of {printable(inside)} will find it again", err=True)
