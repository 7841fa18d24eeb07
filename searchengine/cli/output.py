"""What commands print: answers as tables, JSON or paths; notes about them on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from searchengine.terminal import printable

if TYPE_CHECKING:
    from searchengine.types import Answer, Failure, Hit, SearchPlan, Translated, UnknownWord


def show_answer(answer: Answer, form: str | None, *, judged: bool = True) -> None:
    """Print an answer as a table, as JSON or as bare paths; unknown words go to standard error.

    Unless the question is of a kind whose matches are never judged, a model that cannot is told of.
    """
    from searchengine.search.answers import entries_of

    show_translated(answer.translated)
    warn_of_unknown(answer.unknown_words)
    show_hints(answer.hints)
    if answer.nothing_like_that:
        hint = "" if answer.hits else "; --all shows what comes nearest"
        query = printable(answer.query)
        click.echo(f"lexpix: nothing here looks like that: {query}{hint}", err=True)
    elif not answer.hits and not answer.hints:
        click.echo("lexpix: no other picture to show", err=True)
    elif answer.names_pictures and all(hit.band == "unlikely" for hit in answer.hits):
        click.echo("lexpix: nothing here is much like that; these come nearest", err=True)
    for copy in answer.copies:
        click.echo(f"lexpix: you have this: {printable(copy.path)}", err=True)
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
        show_hits(answer)


def show_hits(answer: Answer, below: str = "") -> None:
    """Print the hits of an answer as a table; their paths without the folder that is given."""
    if answer.hits or answer.copies:
        click.secho(f"{'score':>6}  {'match':<12}  {'number':>8}  path", bold=True)
    for hit in (*answer.copies, *answer.hits):
        score = "" if hit.score is None else f"{hit.score:.3f}"
        match = "-" if hit.match is None else f"{hit.match:4.0%} {_band(answer, hit)}"
        if hit in answer.copies:
            match = "the same"
        number, path = f"#{hit.id}", printable(hit.path.removeprefix(below))
        at = "" if hit.at is None else f"  at {minutes(hit.at)}"
        more = f"  +{len(hit.duplicates)} the same" if hit.duplicates else ""
        click.echo(f"{score:>6}  {match:<12}  {number:>8}  {path}{at}{more}")


def minutes(seconds: float) -> str:
    """Return a time in a film as people write it, 0:42."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def show_plan(plan: SearchPlan, form: str | None) -> None:
    """Print how an index would be asked, as text or as JSON."""
    if form == "json":
        import dataclasses

        print_json(dataclasses.asdict(plan))
        return
    way = "every picture that passes is compared (exact)"
    if plan.effort is not None:
        way = f"the guide looks with effort {plan.effort} (approximate)"
    elif plan.kind == "none":
        way = "no vector is compared"
    click.echo(f"index     {plan.kind}")
    click.echo(f"pictures  {plan.passing:,} of {plan.rows:,} pass the filters")
    click.echo(f"way       {way}")
    click.echo(f"why       {plan.why}")


def _band(answer: Answer, hit: Hit) -> str:
    """Return a band in words; to a picture something is always nearest, however little alike."""
    return "weak" if answer.names_pictures and hit.band == "unlikely" else str(hit.band)


def show_translated(translated: Iterable[Translated]) -> None:
    """Say on standard error how words of other languages, and emoji, were read."""
    for one in translated:
        click.echo(f"lexpix: {printable(one.word)} → {one.english}", err=True)


def show_hints(hints: Iterable[str]) -> None:
    """Say on standard error what may have been meant otherwise than it was read."""
    for hint in hints:
        click.echo(f"lexpix: {printable(hint)}", err=True)


def warn_of_unknown(unknown_words: Iterable[UnknownWord]) -> None:
    """Say on standard error which words did not count."""
    for unknown in unknown_words:
        near = f"; did you mean {unknown.suggestion!r}?" if unknown.suggestion else ""
        click.echo(f"lexpix: {unknown.word!r} is not known and did not count{near}", err=True)


def show_failures(failures: Iterable[Failure]) -> None:
    """Print failures, one a line."""
    for failure in failures:
        click.echo(f"          {describe(failure)}")


def describe(failure: Failure) -> str:
    """Return a failure as one line that a terminal can show."""
    return f"{printable(failure.path)}: {printable(failure.reason)}"


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print an object or a list on one line, in ASCII, so that odd names survive any terminal."""
    import json

    click.echo(json.dumps(value))
