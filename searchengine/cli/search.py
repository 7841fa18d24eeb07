"""The commands that ask a library for pictures: `search`, `similar` and `explain`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from searchengine.cli.completion import files, queries
from searchengine.cli.options import (
    FilteredCommand,
    QueryCommand,
    answer_options,
    asked_for,
    collapse_option,
    open_engine,
    picture_argument,
    picture_of,
    query_argument,
    refuse_both,
    search_options,
)
from searchengine.cli.output import (
    minutes,
    print_json,
    show_answer,
    show_plan,
    show_translated,
    warn_of_unknown,
)
from searchengine.cli.pictures import of_hits, show_option, show_sheet
from searchengine.terminal import printable

if TYPE_CHECKING:
    from searchengine.types import MinMatch


@click.command(cls=FilteredCommand)
@query_argument
@click.option(
    "--text-file",
    metavar="FILE",
    shell_complete=files,
    help="Find what a recipe or another text tells of.",
)
@click.option("--like-text", metavar="ID", type=int, help="The same with a text of the library.")
@click.option("--explain-query", is_flag=True, help="Show how the query is read, and end.")
@click.option("--plan", is_flag=True, help="Show how the index would be asked, and end.")
@search_options
@collapse_option
@show_option
@click.option("-i", "--interactive", is_flag=True, help="Ask again and again, at a prompt.")
@click.pass_obj
def search(
    flags: dict[str, str],
    query: tuple[str, ...],
    text_file: str | None,
    like_text: int | None,
    explain_query: bool,
    plan: bool,
    limit: int | None,
    unlikely: bool,
    min_match: MinMatch | None,
    form: str | None,
    collapse: bool | None,
    show: bool,
    interactive: bool,
) -> None:
    """Find pictures by words, pictures and sums of both.

    \b
      lexpix search "a dog running on the beach"
      lexpix search ./dog.jpg - dog + cat
      lexpix search "2*beach + sunset - people" --in ~/Pictures/2024
      lexpix search "dog in:2024/Summer after:2024-06-01 camera:X-T3 -tag:people"
      lexpix search --text-file recipe.md
      lexpix search -i

    A picture starts with ./ ../ / ~/ or @; "#12" is a picture of the library by its number; all
    else is words. Signs stand alone between spaces; 2*beach counts double.

    Filters leave pictures out, whatever they look like: in: name: type: shape: after: before: year:
    month: camera: lens: mm: iso: mp: rating: near: place: tag: keyword: caption:, with a minus for
    the opposite. | stands between alternatives; numbers are N, A-B, >N or <N. Filters alone list
    pictures, the newest first. Each is also a flag: --after 2024-06 is after:2024-06.

    A match is how probable it is that a picture shows what was asked for, if the chance is even
    that any does. Where every match is unlikely, the answer is that nothing looks like that. The
    order is that of scores. To words matches fall with them; to pictures, sums and sentences they
    weigh as well how much a picture looks like any other, so that one may exceed that above it.
    """
    _refuse_drawing(show, form)
    refuse_both(unlikely, min_match)
    if interactive:
        if text_file is not None or like_text is not None or explain_query or plan:
            raise click.UsageError("-i takes queries only; leave the other options out")
        _require_terminal(form)
        from searchengine.cli.interactive import Options, converse

        options = Options(limit, unlikely, min_match, _is_collapsed(collapse, form), show)
        with open_engine(flags) as engine:
            converse(engine, options, " ".join(query).strip())
        return
    asked, within = asked_for(query)
    by_text = (text_file is not None) + (like_text is not None)
    if by_text > 1 or (by_text == 1) == (asked is not None):
        raise click.UsageError("give a query, or one of --text-file and --like-text")
    if plan and asked is None:
        raise click.UsageError("--plan needs a query")
    if min_match is not None and asked is None:
        raise click.UsageError("--min goes with a query: to a text pictures have no match")
    if asked is not None and explain_query:
        from searchengine.cli.readings import show_reading

        show_reading(asked, form)
        return
    if asked is None:
        from searchengine.search.texts import document_in

        text = document_in(text_file) if text_file is not None else like_text
        assert text is not None, "one of three is given"
        with open_engine(flags) as engine:
            answer = engine.texts.pictures(text, limit=limit, within=within, unlikely=unlikely)
            if show:
                show_sheet(engine, of_hits(answer.hits))
        show_answer(answer, form, judged=False)
        return
    with open_engine(flags) as engine:
        if plan:
            show_plan(engine.plan(asked, limit=limit, within=within, unlikely=unlikely), form)
            return
        answer = engine.search(
            asked,
            limit=limit,
            within=within,
            unlikely=unlikely,
            min_match=min_match,
            collapse=_is_collapsed(collapse, form),
        )
        if show:
            show_sheet(engine, of_hits(answer.hits))
        show_answer(answer, form)


@click.command()
@picture_argument
@answer_options
@collapse_option
@show_option
@click.pass_obj
def similar(
    flags: dict[str, str],
    picture: str,
    limit: int | None,
    within: str | None,
    unlikely: bool,
    min_match: MinMatch | None,
    form: str | None,
    collapse: bool | None,
    show: bool,
) -> None:
    """Find pictures that look like one, given as a file or as "#12".

    The nearest are always shown, as likely, maybe or weak matches, unless --min asks for more. Of a
    file that the library has already, the copies there come first.
    """
    _refuse_drawing(show, form)
    refuse_both(unlikely, min_match)
    with open_engine(flags) as engine:
        answer = engine.similar(
            picture_of(picture),
            limit=limit,
            within=within,
            unlikely=unlikely,
            min_match=min_match,
            collapse=_is_collapsed(collapse, form),
        )
        if show:
            show_sheet(engine, of_hits((*answer.copies, *answer.hits)))
        show_answer(answer, form)


@click.command(cls=QueryCommand)
@click.argument("query", shell_complete=queries)
@picture_argument
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    shell_complete=files,
    help="Draw a heat map of each word to this file.",
)
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
        explanation = engine.explain(query, picture_of(picture))
        if out is not None:
            engine.draw(explanation, picture_of(picture), out)
    show_translated(explanation.translated)
    warn_of_unknown(explanation.unknown_words)
    if as_json:
        from searchengine.search.answers import translated_entries

        parts = [
            {"part": p.label, "share": p.share, "grid": p.grid.tolist()} for p in explanation.parts
        ]
        unknown = [word.word for word in explanation.unknown_words]
        print_json(
            {
                "query": query,
                "unknown_words": unknown,
                "translated": translated_entries(explanation.translated),
                "score": explanation.score,
                "at": explanation.at,
                "parts": parts,
            }
        )
        return
    at = "" if explanation.at is None else f" at {minutes(explanation.at)}"
    click.echo(f"{explanation.score:7.3f}  score{at}")
    for part in sorted(explanation.parts, key=lambda part: -part.share):
        click.echo(f"{part.share:+7.3f}  {printable(part.label)}")


def _require_terminal(form: str | None) -> None:
    if form is not None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "-i is for people at a terminal; for programs: lexpix search --json, lexpix serve"
        )


def _refuse_drawing(show: bool, form: str | None) -> None:
    if show and form is not None:
        raise click.UsageError("--show is for people, --json, --paths and -0 are for programs")


def _is_collapsed(asked: bool | None, form: str | None) -> bool:
    """Whether pictures stand for others: where it can be said that they do, unless asked."""
    return form in (None, "json") if asked is None else asked
