"""The command `tag --import`: keywords of other programs become the user's tags."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

import click

from indexer.cli.output import picture_of, print_json, warn
from searchengine.terminal import printable

if TYPE_CHECKING:
    from indexer.library.importing import ImportReport, Place
    from searchengine.search.engine import Engine

MOST_TOLD = 20
"""Tags and sidecars that are listed at most; JSON has all."""


def import_tags(
    flags: dict[str, str],
    paths: tuple[str, ...],
    places: Collection[Place],
    *,
    faces: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make keywords of pictures the user's tags, and say what was done.

    Raises:
        SystemExit: Something could not be read.
    """
    from indexer.executors import executor_of
    from indexer.library import importing
    from indexer.library.running import running
    from indexer.progress import meter
    from searchengine.cli.options import open_engine

    with (
        open_engine(flags) as engine,
        running(engine.settings.library, "import"),
        meter("pictures") as progress,
    ):
        report = importing.import_tags(
            engine.catalog,
            list(engine.catalog.get(_ids(engine, paths)).values()),
            executor_of(engine.settings),
            places=tuple(places) or importing.PLACES,
            faces=faces,
            dry_run=dry_run,
            whole=all(os.path.isdir(os.path.expanduser(path)) for path in paths),
            progress=lambda done, total: progress("reading keywords", done, total),
        )
    _show(report, dry_run=dry_run, as_json=as_json)
    if report.failed:
        click.get_current_context().exit(1)


def _ids(engine: Engine, paths: tuple[str, ...]) -> list[int]:
    """Return the present pictures that paths and numbers name, of the library if there are none."""
    from searchengine.errors import UnknownPicture
    from searchengine.search.status import ids_within

    if not paths:
        return list(map(int, engine.catalog.present()))
    ids: list[int] = []
    for path in paths:
        if path.lower().endswith((".xmp", ".json")):
            raise click.UsageError(
                f"{path}: name the picture or its folder; what is beside it is found"
            )
        picture = picture_of(path)
        if isinstance(picture, str):
            ids += map(int, ids_within(engine.catalog, picture))
        elif picture in engine.catalog.get([picture]):
            ids.append(picture)
        else:
            raise UnknownPicture(f"#{picture}: no picture of the library has this number")
    return list(dict.fromkeys(ids))


def _show(report: ImportReport, *, dry_run: bool, as_json: bool) -> None:
    for failure in report.failed:
        warn(failure)
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "pictures": report.pictures,
                "tagged": report.tagged,
                "tags": dict(report.names.most_common()),
                "removed": report.removed,
                "kept_away": report.kept_away,
                "failed": [{"path": one.path, "reason": one.reason} for one in report.failed],
                "strangers": report.strangers,
            }
        )
        return
    if dry_run:
        for name, count in report.names.most_common(MOST_TOLD):
            click.echo(f"{count:7}  {printable(name)}")
        if len(report.names) > MOST_TOLD:
            click.echo(f"         and {len(report.names) - MOST_TOLD:,} more; all with --json")
    if report.strangers:
        first, count = printable(report.strangers[0]), len(report.strangers)
        what = "sidecar is" if count == 1 else "sidecars are"
        said = f"{count:,} {what} beside no picture of the library, such as {first}"
        click.echo(f"lexpix: {said}", err=True)
    done = "would become tags" if dry_run else "became tags"
    parts = [
        f"{report.names.total():,} keywords {done} of {report.tagged:,} pictures, "
        f"of {report.pictures:,} looked at"
    ]
    if report.removed:
        gone = "would go" if dry_run else "are gone"
        parts.append(f"{report.removed:,} tags that another program took out {gone}")
    if report.kept_away:
        parts.append(f"{report.kept_away:,} keywords stay away, as you removed these tags")
    if report.failed:
        parts.append(f"{len(report.failed):,} files could not be read")
    click.echo("; ".join(parts))
