"""What commands share: options, arguments that name pictures, and how a library is opened."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from searchengine.cli.completion import files, folders_within, queries, values_of
from searchengine.errors import NothingIndexed

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from searchengine.search.engine import Engine
    from searchengine.types import MinMatch, Query

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


query_argument = click.argument("query", nargs=-1, shell_complete=queries)
picture_argument = click.argument("picture", shell_complete=files)


def stacked(*options: Decorator) -> Decorator:
    """Return a decorator that gives a command several options, which its help lists in order."""
    return lambda command: reduce(lambda inner, option: option(inner), reversed(options), command)


def count_option(*names: str, help: str, default: int | None = None) -> Decorator:
    """Return an option for a number from 1."""
    return click.option(
        *names,
        metavar="N",
        default=default,
        show_default=default is not None,
        type=click.IntRange(min=1),
        help=help,
    )


def path_option(*names: str, help: str, required: bool = False) -> Decorator:
    """Return an option for a path."""
    return click.option(*names, required=required, type=click.Path(path_type=Path), help=help)


def files_option(*names: str, help: str) -> Decorator:
    """Return an option for files, which may be given several times."""
    kind = click.Path(path_type=Path)
    return click.option(*names, multiple=True, type=kind, metavar="FILE", help=help)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
limit_option = count_option("-k", "limit", help="Most hits to show.")


def is_interactive() -> bool:
    """Tell whether somebody sits at a terminal who can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class QueryCommand(click.Command):
    """A command whose arguments may start with a minus that is part of a query."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep "- people" and "-tag:people", which click would take for options, as arguments.

        Raises:
            click.UsageError: Of "-cat", which is neither, it says how to write it.
        """
        kept = [f" {arg}" if _is_part_of_query(arg) else arg for arg in args]
        try:
            return super().parse_args(ctx, list(kept))  # which empties it
        except click.NoSuchOption as error:
            word = next((arg for arg in kept if _TOUCHING.fullmatch(arg)), None)
            if word is None:
                raise
            advice = f"to take a word away, put spaces around the minus: - {word[1:]}"
            raise click.UsageError(f"{word} is no option; {advice}", ctx) from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete "-tag:be" as well, which click takes for an option."""
        query = next((param for param in self.get_params(ctx) if param.name == "query"), None)
        found = super().shell_complete(ctx, incomplete)
        if query is not None and not incomplete.startswith("--"):
            # A word that a sign touches is no option either; see `parse_args`.
            items = query.shell_complete(ctx, incomplete)
            found += [item for item in items if ":" in item.value]
        return found


class FilteredCommand(QueryCommand):
    """A command for a query whose filters may be given as flags too.

    The flags are made of the table of filters, when somebody runs the command or asks for its help:
    NumPy stands behind that table.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters, the filters among them."""
        if not any(isinstance(param, _FilterOption) for param in self.params):
            self.params.extend(_filter_options())
        return super().get_params(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the filters behind the other options."""
        records: dict[bool, list[tuple[str, str]]] = {False: [], True: []}
        for param in self.get_params(ctx):
            if (
                isinstance(param, click.Option)
                and (record := param.get_help_record(ctx)) is not None
            ):
                records[isinstance(param, _FilterOption)].append(record)
        for is_filter, title in ((False, "Options"), (True, "Filters (all must hold)")):
            with formatter.section(title):
                formatter.write_dl(records[is_filter])


class _FilterOption(click.Option):
    pass


_FILTERS = "lexpix.filters"


def _filter_options() -> list[click.Parameter]:
    from searchengine.language.filters import TAKES

    def remember(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> None:
        if values:
            ctx.meta.setdefault(_FILTERS, {})[str(param.name)] = values

    return [
        _FilterOption(
            [f"--{kind}"],
            metavar=metavar,
            multiple=True,
            expose_value=False,
            callback=remember,
            shell_complete=folders_within if kind == "in" else values_of(kind),
            help=text,
        )
        for kind, (metavar, text) in TAKES.items()
    ]


def asked_for(
    query: tuple[str, ...], exists: Callable[[str], bool] = os.path.exists
) -> tuple[Query | None, str | None]:
    """Return the query with the filters that are flags, None if there is neither, and a folder.

    `--in` is a folder of this disk if there is one, or if it is written as a path; else names of
    folders, as behind `in:`.
    """
    from searchengine.language.query import parse, with_filters

    filters: dict[str, tuple[str, ...]] = dict(click.get_current_context().meta.get(_FILTERS, {}))
    within = None
    for folder in filters.get("in", ()):
        is_path = folder.startswith(("/", "~", "./", "../")) or os.path.isabs(folder)
        if within is None and (is_path or exists(folder)):
            within = folder
    if within is not None:
        filters["in"] = tuple(one for one in filters["in"] if one != within)
    asked = parse(query) if query else None
    return (with_filters(asked, filters) if any(filters.values()) else asked), within


_TOUCHING = re.compile(r"-[^\W\d_][^\W_]+")


def _is_part_of_query(argument: str) -> bool:
    key, colon, _ = argument[1:].partition(":")
    if not argument.startswith("-") or not colon:
        return argument.startswith("- ")
    from searchengine.language.filters import KEYS  # NumPy stands behind it; --help needs none

    return key in KEYS or argument.startswith("- ")


_all_option = click.option(
    "--all", "unlikely", is_flag=True, help="Show unlikely matches as well, up to N."
)
within_option = click.option(
    "--in",
    "within",
    metavar="PATH",
    shell_complete=folders_within,
    help="Only pictures at or below this folder.",
)


def _read_match(ctx: click.Context, param: click.Parameter, value: str | None) -> MinMatch | None:
    """Return a number in 0..1, or a band."""
    bands: dict[str | None, MinMatch | None] = {None: None, "likely": "likely", "maybe": "maybe"}
    if value is None or value in bands:
        return bands[value]
    try:
        number = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise click.BadParameter(f"{value!r}: write 60%, 0.6, likely or maybe", ctx, param)
    return number


min_match_option = click.option(
    "--min",
    "min_match",
    metavar="MATCH",
    callback=_read_match,
    help="Only what matches so well: 60%, 0.6, likely or maybe.",
)


def refuse_both(unlikely: bool, min_match: MinMatch | None) -> None:
    """Raise UsageError where unlikely matches are wanted as well as good ones only."""
    if unlikely and min_match is not None:
        raise click.UsageError("--all and --min: one of them")


form_options = stacked(
    click.option("--json", "form", flag_value="json", help="Print one JSON object."),
    click.option("--paths", "form", flag_value="paths", help="Print bare paths, one a line."),
    click.option("-0", "--null", "form", flag_value="null", help="Print bare paths for xargs -0."),
)
search_options = stacked(limit_option, _all_option, min_match_option, form_options)
answer_options = stacked(
    limit_option,
    within_option,
    _all_option,
    min_match_option,
    form_options,
)

collapse_option = click.option(
    "--collapse/--no-collapse",
    default=None,
    help="Whether one picture stands for those that are the same: yes, but for bare paths.",
)


def picture_of(text: str) -> str | int:
    """Return the library id that "#12" names, or else the path, which may have a leading "@"."""
    number = text.removeprefix("#")
    if text != number and number.isdecimal():
        return int(number)
    return text if os.path.exists(os.path.expanduser(text)) else text.removeprefix("@")


def open_engine(flags: dict[str, str], *, required: bool = True) -> Engine:
    """Open the library that flags, environment and configuration name.

    If none is required and there is none, what comes back has an empty one in memory.
    """
    with collector_resting():
        from searchengine.config import load_settings
        from searchengine.search.engine import Engine

        settings = load_settings(flags)
        try:
            return Engine.open(settings)
        except NothingIndexed:
            if required:
                raise
            return Engine.without_library(settings)


@contextlib.contextmanager
def collector_resting() -> Iterator[None]:
    """Keep Python's garbage collector away from what is imported and made meanwhile, for good.

    It would walk through all of it again and again while modules come in, and once more when the
    process ends, to find nothing: a quarter of the time of a search. For the command line alone:
    what falls out of use meanwhile, in a circle, is never given back.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
