"""The command `lexpix`: the root of all commands, and those that ask a library.

Commands that produce what is asked for live in `indexer.cli`; they and those of third parties join
through the entry points of the group `lexpix.commands`. Standard output carries answers only.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from searchengine.errors import (
    ConfigError,
    LexpixError,
    MissingPlugin,
    NothingIndexed,
    QueryError,
)
from searchengine.terminal import printable, printable_lines

if TYPE_CHECKING:
    from searchengine.search.engine import Engine
    from searchengine.types import Answer, Failure, Translated, UnknownWord

COMMANDS = "lexpix.commands"
ORDER = (
    "index",
    "search",
    "similar",
    "explain",
    "tag",
    "caption",
    "teach",
    "map",
    "serve",
    "status",
    "failures",
    "forget",
    "texts",
    "recipes",
    "reembed",
    "demo",
    "words",
    "eval",
    "train",
    "import",
)
EXIT_CODES: tuple[tuple[type[LexpixError], int], ...] = (
    (QueryError, 2),
    (ConfigError, 2),
    (NothingIndexed, 3),
    (LexpixError, 1),
)
"""The first class that an error belongs to decides; 0 is answered; click itself exits with 2."""


class Commands(click.Group):
    """A group that loads commands when they are asked for and gives each the shared options."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order they are met, those of third parties last."""
        from searchengine.plugins import names

        known = {*self.commands, *names(COMMANDS)}
        return [*(name for name in ORDER if name in known), *sorted(known.difference(ORDER))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command by name, None if there is none."""
        from searchengine.plugins import load, names

        command = self.commands.get(cmd_name)
        if command is None and cmd_name in names(COMMANDS):
            try:
                command = load(COMMANDS, cmd_name)
            except MissingPlugin as error:  # one broken plugin must not take the others' help away
                return _unavailable(cmd_name, error)
            # The shared options are added once; another context asks for the same command again.
            self.add_command(command, cmd_name)
        if command is None or any(param.name == "library" for param in command.params):
            return command
        if not isinstance(command, click.Group):
            command.params.extend(_shared_options())
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; turn what it raises on purpose into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except LexpixError as error:
            click.echo(f"lexpix: {printable_lines(str(error))}", err=True)
            ctx.exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind)))
        except BrokenPipeError:  # whoever read the answer has enough; click ends quietly
            raise
        except OSError as error:  # such as a full disk that standard output goes to
            click.echo(f"lexpix: {printable_lines(str(error))}", err=True)
            ctx.exit(1)


def _unavailable(name: str, error: MissingPlugin) -> click.Command:
    def explain(**_: object) -> None:
        raise error

    anything = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    return click.Command(
        name,
        params=[anything],
        callback=explain,
        help=f"Not available: {error}",
        context_settings={"ignore_unknown_options": True},
    )


def _shared_options() -> list[click.Parameter]:
    def remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        flags = ctx.ensure_object(dict)
        if value is not None:
            flags[param.name] = value

    return [
        click.Option(
            ["--library"],
            metavar="FOLDER",
            expose_value=False,
            callback=remember,
            help="Folder of the library; else LEXPIX_LIBRARY, config.toml, or one in your home.",
        ),
        click.Option(
            ["--model"],
            metavar="MODEL",
            expose_value=False,
            callback=remember,
            help="A bundled model by name, or the folder of a model.",
        ),
        click.Option(
            ["--lang"],
            metavar="CODE",
            expose_value=False,
            callback=remember,
            help="Language that words are read in first, such as de or ko; else English.",
        ),
    ]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lexpix", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Search your photos by words, sentences, pictures and arithmetic on them, offline.

    \b
      lexpix index ~/Pictures
      lexpix search "a dog running on the beach"
      lexpix search ./dog.jpg - dog + cat
    """
    import logging
    import warnings

    # A name that the terminal's encoding lacks is shown with escapes; it must not end the answer.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(format="lexpix: %(message)s", level=logging.WARNING)
    # Pillow warns of every odd tag; a file that it cannot read is an error and is reported as one.
    warnings.filterwarnings("ignore", module="PIL")
    ctx.ensure_object(dict)


class QueryCommand(click.Command):
    """A command whose arguments may start with a minus that is part of a query."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep "- people", which click would take for an option, as an argument."""
        return super().parse_args(ctx, [f" {arg}" if arg.startswith("- ") else arg for arg in args])


def answer_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all that answer with pictures."""
    for option in reversed(
        (
            click.option(
                "-k", "limit", metavar="N", type=click.IntRange(min=1), help="Most hits to show."
            ),
            click.option(
                "--in", "within", metavar="PATH", help="Only pictures at or below this folder."
            ),
            click.option(
                "--all", "unlikely", is_flag=True, help="Show unlikely matches as well, up to N."
            ),
            click.option("--json", "form", flag_value="json", help="Print one JSON object."),
            click.option(
                "--paths", "form", flag_value="paths", help="Print bare paths, one a line."
            ),
            click.option(
                "-0", "--null", "form", flag_value="null", help="Print bare paths for xargs -0."
            ),
        )
    ):
        command = option(command)
    return command


@main.command(cls=QueryCommand)
@click.argument("query", nargs=-1)
@click.option("--text-file", metavar="FILE", help="Find what a recipe or another text tells of.")
@click.option("--like-text", metavar="ID", type=int, help="The same with a text of the library.")
@answer_options
@click.pass_obj
def search(
    flags: dict[str, str],
    query: tuple[str, ...],
    text_file: str | None,
    like_text: int | None,
    limit: int | None,
    within: str | None,
    unlikely: bool,
    form: str | None,
) -> None:
    """Find pictures by words, pictures and sums of both.

    \b
      lexpix search "a dog running on the beach"
      lexpix search ./dog.jpg - dog + cat
      lexpix search "2*beach + sunset - people" --in ~/Pictures/2024
      lexpix search --text-file recipe.md

    A picture starts with ./ ../ / ~/ or @; "#12" is a picture of the library by its number; all
    else is words. Signs stand alone between spaces; 2*beach counts double.

    A match is how probable it is that a picture shows what was asked for, if the chance is even
    that any does. Where every match is unlikely, the answer is that nothing looks like that.
    """
    if bool(query) + (text_file is not None) + (like_text is not None) != 1:
        raise click.UsageError("give a query, or one of --text-file and --like-text")
    if not query:
        from searchengine.search.texts import document_in

        text = document_in(text_file) if text_file is not None else like_text
        assert text is not None, "one of three is given"
        with open_engine(flags) as engine:
            found = engine.texts.pictures(text, limit=limit, within=within, unlikely=unlikely)
        show_answer(found, form, judged=False)
        return
    with open_engine(flags) as engine:
        show_answer(engine.search(query, limit=limit, within=within, unlikely=unlikely), form)


@main.command()
@click.argument("picture")
@answer_options
@click.pass_obj
def similar(
    flags: dict[str, str],
    picture: str,
    limit: int | None,
    within: str | None,
    unlikely: bool,
    form: str | None,
) -> None:
    """Find pictures that look like one, given as a file or as "#12"."""
    with open_engine(flags) as engine:
        answer = engine.similar(_picture(picture), limit=limit, within=within, unlikely=unlikely)
        show_answer(answer, form)


@main.command(cls=QueryCommand)
@click.argument("query")
@click.argument("picture")
@click.option("-o", "--out", metavar="FILE", help="Draw a heat map of each word to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, grids included.")
@click.pass_obj
def explain(
    flags: dict[str, str], query: str, picture: str, out: str | None, as_json: bool
) -> None:
    """Show what each word gave to a score, and where.

    \b
      lexpix explain "a brown dog on grass" ./dog.jpg -o heat.png

    The shares add up to the score, exactly. The picture is a file or a number of the library such
    as "#12"; a file needs no library.
    """
    with open_engine(flags, required=False) as engine:
        found = engine.explain(query, _picture(picture))
        if out is not None:
            engine.draw(found, _picture(picture), out)
    tell_of(found.translated)
    warn_of(found.unknown_words)
    if as_json:
        from searchengine.search.answers import translated_entries

        parts = [{"part": p.label, "share": p.share, "grid": p.grid.tolist()} for p in found.parts]
        unknown = [word.word for word in found.unknown_words]
        print_json(
            {
                "query": query,
                "unknown_words": unknown,
                "translated": translated_entries(found.translated),
                "score": found.score,
                "parts": parts,
            }
        )
        return
    click.echo(f"{found.score:7.3f}  score")
    for part in sorted(found.parts, key=lambda part: -part.share):
        click.echo(f"{part.share:+7.3f}  {printable(part.label)}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def status(flags: dict[str, str], as_json: bool) -> None:
    """Show counts, folders, model, index and failures."""
    import dataclasses

    with open_engine(flags) as engine:
        found = engine.status()
        failures = engine.catalog.failures()
    if as_json:
        entries = dataclasses.asdict(found) | {
            "roots": [{"path": p, "scanned_at": at.isoformat()} for p, at in found.roots],
            "failures": len(failures),
        }
        print_json(entries)
        return
    counts = found.counts
    click.echo(f"library   {printable(found.library)}")
    click.echo(f"pictures  {counts['ok']} ok, {counts['missing']} missing, {counts['bad']} bad")
    if any(found.texts.values()):
        told = ", ".join(f"{count} of kind {kind}" for kind, count in found.texts.items() if count)
        click.echo(f"texts     {told}")
    for path, at in found.roots:
        click.echo(f"folder    {printable(path)}, last scan {at.astimezone():%Y-%m-%d %H:%M}")
    click.echo(f"model     {found.model}, {found.dim} dimensions, {found.fingerprint[:12]}")
    for one in found.models:
        use = "in use" if one.current else "not in use"
        click.echo(f"vectors   {one.name}, {one.vectors} pictures, {one.fingerprint[:12]}, {use}")
    click.echo(f"index     {found.index}, {found.indexed} pictures")
    if failures:
        click.echo(f"failures  {len(failures)}, the first:")
        show_failures(failures[:3])
        click.echo("          all of them: lexpix failures")


@main.command()
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
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


def _picture(text: str) -> str | int:
    """Return the library id that "#12" names, or else the path, which may have a leading "@"."""
    number = text.removeprefix("#")
    if text != number and number.isdecimal():
        return int(number)
    return text if os.path.exists(text) else text.removeprefix("@")


def open_engine(flags: dict[str, str], *, required: bool = True) -> Engine:
    """Open the library that flags, environment and configuration name.

    If none is required and there is none, what comes back has an empty one in memory.
    """
    from searchengine.config import load_settings
    from searchengine.search.engine import Engine

    settings = load_settings(flags)
    try:
        return Engine.open(settings)
    except NothingIndexed:
        if required:
            raise
        return Engine.without_library(settings)


def show_answer(answer: Answer, form: str | None, *, judged: bool = True) -> None:
    """Print an answer as a table, as JSON or as bare paths; unknown words go to standard error.

    Unless the question is of a kind whose matches are never judged, a model that cannot is told of.
    """
    from searchengine.search.answers import entries_of

    tell_of(answer.translated)
    warn_of(answer.unknown_words)
    if answer.nothing_like_that:
        hint = "" if answer.hits else "; --all shows what comes nearest"
        asked = printable(answer.query)
        click.echo(f"lexpix: nothing here looks like that: {asked}{hint}", err=True)
    elif not answer.hits:
        click.echo("lexpix: no other picture to show", err=True)
    if judged and not answer.calibrated and form is None:
        click.echo(
            "lexpix: this model does not know what its scores are worth; "
            "run: lexpix train match --model MODEL --pairs FILE",
            err=True,
        )
    if form == "json":
        print_json(entries_of(answer))
    elif form is not None:
        end = b"\0" if form == "null" else os.fsencode(os.linesep)
        sys.stdout.buffer.write(b"".join(os.fsencode(hit.path) + end for hit in answer.hits))
    else:
        if answer.hits:
            click.secho(f"{'score':>6}  {'match':<12}  {'number':>8}  path", bold=True)
        for hit in answer.hits:
            score = "" if hit.score is None else f"{hit.score:.3f}"
            match = "-" if hit.match is None else f"{hit.match:4.0%} {hit.band}"
            number = f"#{hit.id}"
            click.echo(f"{score:>6}  {match:<12}  {number:>8}  {printable(hit.path)}")


def tell_of(translated: Iterable[Translated]) -> None:
    """Say on standard error how words of other languages, and emoji, were read."""
    for one in translated:
        click.echo(f"lexpix: {printable(one.word)} → {one.english}", err=True)


def warn_of(unknown_words: Iterable[UnknownWord]) -> None:
    """Say on standard error which words did not count."""
    for unknown in unknown_words:
        near = f"; did you mean {unknown.suggestion!r}?" if unknown.suggestion else ""
        click.echo(f"lexpix: {unknown.word!r} is not known and did not count{near}", err=True)


def show_failures(failures: Iterable[Failure]) -> None:
    """Print failures, one a line."""
    for failure in failures:
        click.echo(f"          {printable(failure.path)}: {printable(failure.reason)}")


def print_json(value: dict[str, Any]) -> None:
    """Print a JSON object on one line, in ASCII, so that odd file names survive any terminal."""
    import json

    click.echo(json.dumps(value))


if __name__ == "__main__":
    main()
