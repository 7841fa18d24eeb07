"""The command `export`: what a query finds, as a list, a gallery, or files in a folder."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from searchengine.cli.completion import files
from searchengine.cli.options import (
    FilteredCommand,
    asked_for,
    count_option,
    min_match_option,
    open_engine,
    query_argument,
    refuse_both,
)
from searchengine.cli.output import describe
from searchengine.errors import ConfigError, ImageError
from searchengine.terminal import printable

if TYPE_CHECKING:
    from searchengine.search.engine import Engine
    from searchengine.types import MinMatch, Picture

FORMS = ("json", "csv", "parquet", "html", "paths", "copy", "symlink")


@click.command(cls=FilteredCommand)
@query_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="What to write; else by the ending of --output, or json.",
)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    shell_complete=files,
    help="A file, or with copy and symlink a folder; else standard output.",
)
@click.option("-0", "--null", is_flag=True, help="With paths: for xargs -0.")
@count_option("-k", "limit", help="Most pictures; else all that match.")
@click.option("--all", "unlikely", is_flag=True, help="Unlikely matches as well.")
@min_match_option
@click.option("--fold", is_flag=True, help="Of pictures that are the same only the first.")
@click.pass_obj
def export(
    flags: dict[str, str],
    query: tuple[str, ...],
    form: str | None,
    output: str | None,
    null: bool,
    limit: int | None,
    unlikely: bool,
    min_match: MinMatch | None,
    fold: bool,
) -> None:
    """Write what a query finds: a list, a gallery, or the pictures themselves.

    \b
      lexpix export "beach after:2024" -o beach.csv      # also .json, .parquet
      lexpix export tag:holiday -o holiday.html          # one file with thumbnails, to send
      lexpix export tag:print --format copy -o /media/stick
      lexpix export "dog -tag:people" --format paths -0 | xargs -0 ls -l

    The query is that of search; of words all pictures are written that match at least maybe. Lists
    have your tags, the caption and the match. In a folder nothing is overwritten: a file that is
    there already is not written again, and another one of the same name gets a number.

    Pictures that are the same are all written, unlike in the answers of search; --fold writes one.
    """
    refuse_both(unlikely, min_match)
    asked, within = asked_for(query)
    if asked is None:
        raise click.UsageError("give a query or a filter, such as tag:holiday or --after 2024")
    chosen = form or _form_of(output)
    if null and chosen != "paths":
        raise click.UsageError("-0 goes with --format paths")
    is_folder = chosen in ("copy", "symlink")
    if is_folder and output is None:
        raise click.UsageError(f"--format {chosen} needs a folder: --output FOLDER")
    if is_folder and os.path.exists(str(output)) and not os.path.isdir(str(output)):
        raise ConfigError(f"{output}: is no folder; name one, or one that is to be made")
    if not is_folder and output is not None and os.path.isdir(output):
        raise ConfigError(f"{output}: is a folder; name a file in it")
    if chosen == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is nothing for a terminal: --output FILE.parquet")
    from searchengine.search.exports import all_hits
    from searchengine.search.pages import PageRequest

    with open_engine(flags) as engine:
        request = PageRequest(
            asked,
            within=within,
            limit=limit,
            unlikely=unlikely,
            min_match=min_match,
            collapse=fold,
        )
        hits = list(all_hits(engine, request))
        rows = engine.catalog.get(hit.id for hit in hits)
        pictures = [rows[hit.id] for hit in hits if hit.id in rows]
        if fold:  # each page is folded; of the same bytes another page may have one more
            pictures = list({one.sha256: one for one in reversed(pictures)}.values())[::-1]
        if not pictures:
            click.echo("lexpix: nothing here looks like that", err=True)
        if is_folder:
            _to_folder(engine, pictures, str(output), chosen)
            return
        matches = {hit.id: hit.match for hit in hits}
        _write(output, _content(engine, pictures, matches, chosen, asked, null))
    if output is not None:
        click.echo(f"lexpix: {len(pictures):,} pictures in {printable(output)}", err=True)


def _form_of(output: str | None) -> str:
    if output is None:
        return "json"
    ending = os.path.splitext(output)[1].lower().removeprefix(".")
    form = {"htm": "html", "txt": "paths"}.get(ending, ending)
    if form in FORMS[:4] or form == "paths":
        return form
    raise click.UsageError(
        f"{output}: of which form? name a .json, .csv, .parquet, .html or .txt, or pass --format"
    )


def _content(
    engine: Engine,
    pictures: list[Picture],
    matches: dict[int, float | None],
    form: str,
    query: Any,
    null: bool,
) -> Iterable[bytes]:
    from searchengine.search import exports

    if form == "paths":
        end = b"\0" if null else os.fsencode(os.linesep)
        return [b"".join(os.fsencode(one.path) + end for one in pictures)]
    entries = exports.entries_for(engine, pictures, matches)
    if form == "html":
        from searchengine.language.query import format
        from searchengine.search.gallery import gallery

        thumbs = (_thumbnail(engine, one) for one in pictures)
        return gallery(format(query), zip(entries, thumbs, strict=True))
    writers = {"csv": exports.csv_of, "json": exports.json_of, "parquet": exports.parquet_of}
    return [writers[form](entries)]


def _thumbnail(engine: Engine, picture: Picture) -> bytes | None:
    from searchengine.errors import ChangedFile
    from searchengine.images import open_image
    from searchengine.search.gallery import SIDE, thumbnail

    try:
        with engine.original(picture) as file:
            return thumbnail(open_image(file, size=SIDE))
    except (ImageError, ChangedFile) as error:
        click.echo(f"lexpix: {printable(str(error))}", err=True)
        return None


def _write(output: str | None, content: Iterable[bytes]) -> None:
    """Write to a file, which is the old one or the new one whatever happens, or standard output."""
    if output is None:
        for piece in content:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    if os.path.exists(output) and not os.path.isfile(output):  # such as /dev/stdout
        with open(output, "wb") as file:
            file.writelines(content)
        return
    try:
        with _replaced(output) as file:
            for piece in content:
                file.write(piece)
    except OSError as error:
        raise ConfigError(f"{output}: cannot be written ({error.strerror})") from error


@contextlib.contextmanager
def _replaced(path: str) -> Iterator[Any]:
    handle, unfinished = tempfile.mkstemp(
        prefix=".lexpix-", suffix=".part", dir=os.path.dirname(os.path.abspath(path))
    )
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0o077)
        os.umask(umask)
        os.chmod(unfinished, 0o666 & ~umask)  # mkstemp makes files for their owner alone
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise


def _to_folder(engine: Engine, pictures: list[Picture], folder: str, how: str) -> None:
    from searchengine.search.copying import into_folder

    try:
        report = into_folder(
            pictures, folder, "symlink" if how == "symlink" else "copy", engine.original
        )
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror})") from error
    for failure in report.failed:
        click.echo(f"lexpix: {describe(failure)}", err=True)
    there = f", {report.there:,} there already" if report.there else ""
    failed = f", {len(report.failed):,} could not be read" if report.failed else ""
    kind = "links" if how == "symlink" else "pictures"
    click.echo(
        f"lexpix: {report.written:,} {kind} written to {printable(folder)}{there}{failed}", err=True
    )
    if report.failed:
        click.get_current_context().exit(1)
