"""The command `dupes`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from indexer.cli.output import describe, json_option, print_json, warn
from searchengine.cli.options import within_option
from searchengine.cli.pictures import Shown, show_option, show_sheet
from searchengine.errors import LexpixError, NothingIndexed
from searchengine.terminal import printable

if TYPE_CHECKING:
    from searchengine.search.duplicates import Group
    from searchengine.search.engine import Engine
    from searchengine.search.keeping import Kind

_TITLES = {"exact": "the same bytes", "near": "the same picture", "burst": "bursts"}


@click.command()
@click.option("--exact", is_flag=True, help="Files with the same bytes.")
@click.option("--near", is_flag=True, help="The same picture saved anew, resized or cut a little.")
@click.option("--burst", is_flag=True, help="Pictures taken in quick succession and alike.")
@within_option
@click.option("--write", "list_to", metavar="FILE", help="Write the paths of what is not to keep.")
@click.option("-0", "--null", "ends", is_flag=True, help="End paths in FILE by NUL, for xargs -0.")
@click.option("--trash", is_flag=True, help="Move what is not to keep to the system's trash ...")
@click.option("--yes", is_flag=True, help="... and do it; without this, only say what would go.")
@show_option
@json_option
@click.pass_obj
def dupes(
    flags: dict[str, str],
    exact: bool,
    near: bool,
    burst: bool,
    within: str | None,
    list_to: str | None,
    ends: bool,
    trash: bool,
    yes: bool,
    show: bool,
    as_json: bool,
) -> None:
    """Find duplicates, and say which to keep.

    \b
      lexpix dupes                             # the same bytes, and the same picture
      lexpix dupes --burst --in ~/Pictures/2024
      lexpix dupes --exact --write spare.txt   # a list, to do with what you like
      lexpix dupes --exact --trash             # what would go; with --yes it goes

    One picture of each group is to be kept: the one with more pixels, that says when it was taken,
    with more bytes, with your tags; of a burst the sharpest one. Nothing is deleted: what goes to
    the trash can be taken back from there, and what is kept gets its tags.

    Bursts are different pictures, so they are looked for only if you ask for them.
    """
    if yes and not trash:
        raise click.UsageError("--yes says yes to --trash, which is missing")
    if ends and list_to is None:
        raise click.UsageError("-0 is about the file of --write, which is missing")
    if show and as_json:
        raise click.UsageError("--show is for people, --json is for programs")
    from indexer.library.trash import move_to_trash
    from searchengine.config import load_settings
    from searchengine.search.duplicates import find_groups
    from searchengine.search.engine import Engine
    from searchengine.search.status import ids_within

    asked: dict[Kind, bool] = {"exact": exact, "near": near, "burst": burst}
    chosen: list[Kind] = [kind for kind, flag in asked.items() if flag] or ["exact", "near"]
    with Engine.open(load_settings(flags)) as engine:
        if not len(engine.catalog.present()):
            raise NothingIndexed("no picture is indexed yet; run: lexpix index FOLDER")
        ids = None if within is None else ids_within(engine.catalog, within).tolist()
        if chosen != ["exact"]:
            _measure(engine)
        found = find_groups(engine.catalog, engine.encoder.fingerprint, chosen, ids)
        if list_to != "-" and not as_json:
            _show(found, engine if show else None)
        gone: list[str] | None = None
        if trash and yes:
            every = [group for groups in found.values() for group in groups]
            gone = [one.path for one in move_to_trash(engine.catalog, every, warn)]
            engine.refresh()
    spare = [one.path for groups in found.values() for group in groups for one in group.others]
    if list_to is not None:
        _write(list_to, spare, b"\0" if ends else os.fsencode(os.linesep))
    if as_json:
        from searchengine.search.answers import group_entry

        groups = [group_entry(group) for groups in found.values() for group in groups]
        print_json({"groups": groups, **({} if gone is None else {"trashed": gone})})
        return
    if not spare:
        return
    if gone is not None:
        click.echo(f"{len(gone):,} of {len(spare):,} files moved to the trash", err=True)
    elif trash:
        click.echo(f"{len(spare):,} files would go to the trash; add --yes to move them", err=True)


def _measure(engine: Engine) -> None:
    """Look at the pictures that were indexed before lexpix knew of hashes."""
    from indexer.executors import executor_of
    from indexer.library.looks import look_at_all
    from indexer.progress import meter

    if not len(engine.catalog.looks.unseen()):
        return
    failed: list[str] = []
    with meter("pictures") as progress:
        look_at_all(
            engine.catalog,
            executor=executor_of(engine.settings),
            progress=lambda done, total: progress("looking", done, total),
            on_failure=lambda failure: failed.append(describe(failure)),
        )
    if failed:
        click.echo(
            f"lexpix: {len(failed):,} pictures could not be looked at, such as {failed[0]}",
            err=True,
        )


def _write(file: str, paths: Sequence[str], end: bytes) -> None:
    try:
        with click.open_file(file, "wb") as out:
            out.write(b"".join(os.fsencode(path) + end for path in paths))
    except OSError as error:
        raise LexpixError(f"{file}: cannot be written ({error.strerror or error})") from error


def _show(found: Mapping[Kind, Sequence[Group]], engine: Engine | None) -> None:
    """Print groups; draw their pictures too if an engine is given that can open them."""
    from searchengine.search.keeping import TOLD

    for kind, groups in found.items():
        spare = sum(len(group.others) for group in groups)
        if not groups:
            click.secho(f"{_TITLES[kind]}: none", bold=True)
            continue
        size = _size(sum(group.bytes for group in groups))
        what = f"{len(groups):,} group{'s' * (len(groups) > 1)}, {spare:,} to spare ({size})"
        click.secho(f"{_TITLES[kind]}: {what}", bold=True)
        for group in groups:
            if engine is not None:
                members = (group.keeper, *group.others)
                keep = ["keep", *[""] * len(group.others)]
                labels = zip(members, keep, strict=True)
                show_sheet(engine, [Shown(one.id, (f"#{one.id}  {mark}",)) for one, mark in labels])
            why = ", ".join(TOLD[reason] for reason in group.reasons)
            for one in (group.keeper, *group.others):
                mark = "keep" if one is group.keeper else ""
                shape = "" if one.width is None else f"{one.width} x {one.height}"
                note = f"  ({why})" if mark else ""
                facts = f"{f'#{one.id}':>8}  {shape:>12}  {_size(one.size):>9}"
                click.echo(f"  {mark:<4} {facts}  {printable(one.path)}{note}")
            click.echo()


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
