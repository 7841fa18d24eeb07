"""The commands `tag` and `teach`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from indexer.cli.output import json_option, picture_of, print_json, warn
from searchengine.cli.completion import files, taught, values_of
from searchengine.cli.options import count_option
from searchengine.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.library.importing import Place
    from searchengine.search.engine import Engine
    from searchengine.types import Encoder, Tag


@click.command()
@click.argument("pictures", nargs=-1, shell_complete=files)
@click.option("--all", "every", is_flag=True, help="Guess tags for the library and keep them.")
@click.option("--list", "listing", is_flag=True, help="List the tags of the library with counts.")
@click.option(
    "--add",
    help="Give the pictures this tag.",
    metavar="NAME",
    multiple=True,
    shell_complete=values_of("tag"),
)
@click.option(
    "--remove",
    shell_complete=values_of("tag"),
    help="Take this tag away for good.",
    metavar="NAME",
    multiple=True,
)
@click.option(
    "--accept",
    help="Make this guess a tag of your own.",
    metavar="NAME",
    multiple=True,
    shell_complete=values_of("tag"),
)
@click.option(
    "--write-xmp",
    "sidecar",
    is_flag=True,
    help="Write your tags, no guesses, to .xmp files beside pictures; with --all, of all.",
)
@click.option(
    "--import",
    "importing",
    is_flag=True,
    help="Make keywords of the pictures or folders, or of all, your tags.",
)
@click.option(
    "--from",
    "places",
    type=click.Choice(("xmp", "file", "takeout")),
    multiple=True,
    help="Import only of .xmp files, of pictures' own files, of Google Takeout's JSON.",
)
@click.option("--faces", is_flag=True, help="Import names of faces in XMP as well.")
@click.option("--dry-run", is_flag=True, help="Say what --import would do, and write nothing.")
@count_option("-k", "limit", default=10, help="Most guesses for a picture.")
@json_option
@click.pass_obj
def tag(
    flags: dict[str, str],
    pictures: tuple[str, ...],
    every: bool,
    listing: bool,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    accept: tuple[str, ...],
    sidecar: bool,
    importing: bool,
    places: tuple[Place, ...],
    faces: bool,
    dry_run: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Say what pictures show, and keep your own tags.

    \b
      lexpix tag ./x.jpg                       # yours, and the model's guesses
      lexpix tag ./x.jpg --add sunset --remove dog
      lexpix tag --all                         # so that guesses can be searched
      lexpix search "tag:sunset - tag:dog"
      lexpix tag --all --write-xmp             # your tags for other programs; guesses nothing
      lexpix tag --import --dry-run            # keywords of other programs as your tags
      lexpix tag --import ~/Pictures/2019

    A guess is shown as a guess, with how probable it is. A picture is a file, which need not be in
    the library, or a number of the library such as "#12".
    """
    edits = add or remove or accept
    if importing and (every or listing or edits or sidecar):
        raise click.UsageError("--import goes with pictures and folders, or alone")
    if importing:
        from indexer.cli.importing import import_tags

        import_tags(flags, pictures, places, faces=faces, dry_run=dry_run, as_json=as_json)
        return
    if places or faces or dry_run:
        raise click.UsageError("--from, --faces and --dry-run go with --import")
    if (every + listing + bool(pictures)) != 1 or (edits and not pictures):
        raise click.UsageError(
            "name pictures, or pass --all, --list or --import; "
            "--add, --remove and --accept need pictures"
        )
    if sidecar and (listing or as_json):
        raise click.UsageError("--write-xmp goes with pictures or --all, without --json")
    from searchengine.config import load_settings
    from searchengine.search.engine import Engine

    settings = load_settings(flags)
    outside = bool(pictures) and not (
        edits or sidecar
    )  # a file can be tagged where there is no library
    with Engine.open(settings, create=False) if not outside else _open(flags) as engine:
        if every and sidecar:
            _write_xmp(engine, engine.catalog.present().tolist())
        elif every:
            _tag_all(engine, as_json)
        elif listing:
            _list(engine, as_json)
        else:
            chosen = [(name, picture_of(name)) for name in pictures]
            if edits:
                _edit(engine, [picture for _, picture in chosen], add, remove, accept)
            if sidecar:
                _write_xmp(engine, [_row_of(engine, picture) for _, picture in chosen], again=add)
                return
            _show([(name, engine.tag(picture, limit=limit)) for name, picture in chosen], as_json)
            if not engine.is_calibrated:
                from searchengine.search.tags import CALIBRATE

                note = "this model has no calibration, so guesses have no confidence"
                click.echo(f"lexpix: {note}; {CALIBRATE}", err=True)


def _edit(
    engine: Engine,
    pictures: Sequence[str | int],
    add: Sequence[str],
    remove: Sequence[str],
    accept: Sequence[str],
) -> None:
    """Take the user's word on tags of pictures."""
    for picture in pictures:
        engine.tag(picture, limit=1)  # a picture that cannot be read stops all, not half
    for picture in pictures:
        engine.edit_tags(picture, add=add, remove=remove, accept=accept)


@click.command()
@click.argument("name", required=False)
@click.argument("pictures", nargs=-1, shell_complete=files)
@click.option("--list", "listing", is_flag=True, help="List the taught words.")
@click.option("--forget", metavar="NAME", shell_complete=taught, help="Forget a taught word.")
@json_option
@click.pass_obj
def teach(
    flags: dict[str, str],
    name: str | None,
    pictures: tuple[str, ...],
    listing: bool,
    forget: str | None,
    as_json: bool,
) -> None:
    """Make a new word from a few pictures, for any query and as a tag.

    \b
      lexpix teach "grandma's cabin" ./1.jpg ./2.jpg ./3.jpg
      lexpix search "grandma's cabin + snow"
      lexpix teach --list
      lexpix teach --forget "grandma's cabin"

    The word belongs to the model: with another one it is made anew from the same pictures, if they
    are still there.
    """
    if (name is not None) + listing + (forget is not None) != 1:
        raise click.UsageError("give a word and pictures, or --list, or --forget NAME")
    from searchengine.config import load_settings
    from searchengine.search.engine import Engine

    with Engine.open(load_settings(flags), create=name is not None) as engine:
        if name is not None:
            _teach(engine, name, pictures)
        elif forget is not None:
            engine.forget_word(forget)
        words = engine.taught_words()
    if as_json:
        print_json(
            {
                "words": [
                    {"name": w.name, "pictures": list(w.pictures), "usable": w.usable}
                    for w in words
                ]
            }
        )
    elif listing:
        for word in words:
            other = "" if word.usable else "  (taught with another model)"
            click.echo(f"{printable(word.name)}  {len(word.pictures)} pictures{other}")
        if not words:
            click.echo("lexpix: no word was taught yet", err=True)
    elif name is not None:
        click.echo(f"taught {name!r}; try: lexpix search {name!r}", err=True)
    else:
        click.echo(f"forgot {forget!r}", err=True)


def _teach(engine: Engine, name: str, pictures: tuple[str, ...]) -> None:
    if os.path.isfile(os.path.expanduser(name)) or name.startswith(("./", "../", "/", "~/", "#")):
        raise click.UsageError(
            f"{name!r} is a picture; the new word comes first: lexpix teach WORD PICTURE..."
        )
    if not pictures:
        raise click.UsageError(f"{name!r}: name the pictures that show it")
    engine.teach(name, [picture_of(picture) for picture in pictures])
    if _is_known_word(engine.encoder, name):
        note = "is a word that the model knows; from now on it means these pictures. To undo that:"
        click.echo(f"lexpix: {name!r} {note} lexpix teach --forget {name!r}", err=True)


def _is_known_word(encoder: Encoder, name: str) -> bool:
    """Tell whether a model itself, without taught words, has a word."""
    from searchengine.types import Vocabulary

    known = not (isinstance(encoder, Vocabulary) and encoder.unknown_words(name))
    return known and len(name.split()) == 1


def _open(flags: dict[str, str]) -> Any:
    """Open the library, or an empty one that is gone again afterwards if there is none."""
    import contextlib
    import tempfile
    from pathlib import Path

    from searchengine.config import load_settings
    from searchengine.errors import NothingIndexed
    from searchengine.search.engine import Engine

    settings = load_settings(flags)

    @contextlib.contextmanager
    def temporary() -> Any:
        import dataclasses

        with tempfile.TemporaryDirectory(prefix="lexpix-tag-") as folder:
            elsewhere = dataclasses.replace(settings, library=Path(folder))
            with Engine.open(elsewhere, create=True) as engine:
                yield engine

    try:
        return Engine.open(settings)
    except NothingIndexed:
        return temporary()


def _tag_all(engine: Engine, as_json: bool) -> None:
    from indexer.library.running import running
    from indexer.progress import meter

    with running(engine.settings.library, "tag"), meter("pictures") as progress:
        looked_at, kept = engine.tags.tag_all(lambda done, total: progress("tagging", done, total))
    if as_json:
        print_json({"pictures": looked_at, "tags": kept})
    elif looked_at:
        click.echo(f"{kept:,} tags for {looked_at:,} pictures; they are guesses")
    else:
        click.echo("nothing to do")


def _row_of(engine: Engine, picture: str | int) -> int:
    """Return the number of a picture in the library."""
    from searchengine.errors import UnknownPicture

    if isinstance(picture, int):
        if picture in engine.catalog.get([picture]):
            return picture
        raise UnknownPicture(f"#{picture}: no picture of the library has this number")
    from searchengine.sources.addresses import absolute

    path = absolute(picture)
    for row in engine.catalog.by_paths([path, os.path.realpath(path)]).values():
        return row.id
    raise UnknownPicture(
        f"{path}: not in the library, so it has no tags to write; "
        f"run: lexpix index {os.path.dirname(path)}"
    )


def _write_xmp(engine: Engine, ids: Sequence[int], again: Sequence[str] = ()) -> None:
    """Write the user's tags of pictures beside them, and say on standard error what was done.

    Args:
        engine: Knows the tags.
        ids: Of the pictures.
        again: Tags that are written even where another program took them out.

    Raises:
        SystemExit: Some could not be written.
    """
    from collections import Counter, defaultdict

    from indexer.library.xmp import XmpError
    from indexer.library.xmp_tags import taken_out, write_tags
    from searchengine.errors import ImageError
    from searchengine.language.tag_vocabulary import tag_name
    from searchengine.types import Failure

    own: dict[int, list[str]] = defaultdict(list)
    for tag in engine.catalog.tags.get(ids, engine.encoder.fingerprint):
        if tag.source == "user":
            own[tag.image_id].append(tag.name)
    counts: Counter[str] = Counter()
    written_again = {tag_name(one) for one in again}
    for row in engine.catalog.get(ids).values():
        try:
            kept_out = set(taken_out(row.path, own[row.id])) - written_again
            counts["kept out"] += len(kept_out)
            counts[write_tags(row.path, own[row.id], again=written_again)] += 1
        except (XmpError, ImageError, OSError) as error:
            counts["failed"] += 1
            warn(Failure(row.path, str(error).removeprefix(f"{row.path}: ")))
    click.echo(
        f"lexpix: tags of {counts['written']} pictures written, {counts['unchanged']} as they "
        f"were, {counts['failed']} failed",
        err=True,
    )
    if counts["kept out"]:
        click.echo(
            f"lexpix: {counts['kept out']} tags that another program took out were not written; "
            "to remove them here too: lexpix tag --import; to write one again: "
            "lexpix tag PICTURE --add NAME --write-xmp",
            err=True,
        )
    if counts["failed"]:
        click.get_current_context().exit(1)


def _list(engine: Engine, as_json: bool) -> None:
    counts = engine.tags.counts()
    if as_json:
        entries = [{"name": one.name, "user": one.user, "guess": one.guess} for one in counts]
        print_json({"tags": entries})
        return
    if not counts:
        click.echo("lexpix: no tags yet; run: lexpix tag --all", err=True)
        return
    click.secho(f"{'yours':>7}  {'guesses':>7}  tag", bold=True)
    for one in sorted(counts, key=lambda one: (-one.user - one.guess, one.name)):
        click.echo(f"{one.user:7}  {one.guess:7}  {printable(one.name)}")


def _show(tagged: list[tuple[str, list[Tag]]], as_json: bool) -> None:
    if as_json:
        pictures = [
            {"picture": name, "tags": [_entry(one) for one in tags]} for name, tags in tagged
        ]
        print_json({"pictures": pictures})
        return
    for name, tags in tagged:
        if len(tagged) > 1:
            click.secho(printable(name), bold=True)
        for one in tags:
            sure = "" if one.confidence is None else f" {one.confidence:.2f}"
            kind = "yours" if one.source == "user" else f"guess{sure}"
            click.echo(f"{kind:<10}  {printable(one.name)}")


def _entry(one: Tag) -> dict[str, Any]:
    sure = None if one.confidence is None else round(one.confidence, 4)
    return {"name": one.name, "source": one.source, "confidence": sure}
