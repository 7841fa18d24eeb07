"""The command `tag --import`: keywords of other programs become the user's tags."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import click

from indexer.cli.output import picture_of, print_json, warn
from searchengine.terminal import printable

if TYPE_CHECKING:
    from indexer.library.importing import ImportReport, Place

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
    from indexer.library import importing
    from indexer.progress import meter
    from searchengine.cli.options import open_engine

    for path in paths:
        if path.lower().endswith((".xmp", ".json")):
            raise click.UsageError(
                f"{path}: name the picture or its folder; what is beside it is found"
            )
    with open_engine(flags) as engine, meter("pictures") as progress:
        report = importing.import_tags(
            engine,
            *map(picture_of, paths),
            places=tuple(places) or importing.PLACES,
            faces=faces,
            dry_run=dry_run,
            progress=lambda done, total: progress("reading keywords", done, total),
        )
    _show(report, dry_run=dry_run, as_json=as_json)
    if report.failed:
        click.get_current_context().exit(1)


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
        gone = "would be gone" if dry_run else "gone"
        parts.append(f"{gone}: {report.removed:,} that another program took out")
    if report.kept_away:
        parts.append(f"{report.kept_away:,} keywords stay away, as you removed these tags")
    if report.failed:
        parts.append(f"files that could not be read: {len(report.failed):,}")
    click.echo("; ".join(parts))
