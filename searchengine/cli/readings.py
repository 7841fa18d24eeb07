"""How a query was read, for `search --explain-query`."""

from __future__ import annotations

import dataclasses

import click

from searchengine.cli.output import print_json, show_hints
from searchengine.language.filters import described
from searchengine.language.query import format
from searchengine.terminal import printable
from searchengine.types import Query

_KINDS = {"words": "looks like", "picture": "looks like the picture", "id": "looks like picture #"}


def show_reading(query: Query, form: str | None) -> None:
    """Print the terms and the filters of a query, and what may have been meant otherwise."""
    if form == "json":
        print_json(
            {
                "query": format(query),
                "terms": [dataclasses.asdict(term) for term in query.terms],
                "filters": [
                    {"kind": one.kind, "value": one.name, "excluded": one.excluded}
                    | {"meaning": described(one)}
                    for one in query.filters
                ],
                "hints": list(query.hints),
            }
        )
        return
    for term in query.terms:
        gap = "" if term.kind == "id" else " "
        click.echo(f"{term.weight:+g}  {_KINDS[term.kind]}{gap}{printable(term.value)}")
    for one in query.filters:
        click.echo(f"only  {printable(described(one))}")
    if not query.terms:
        click.echo("in order of their dates" if _is_by_date(query) else "the surest first")
    show_hints(query.hints)


def _is_by_date(query: Query) -> bool:
    from searchengine.search.pages import PageRequest

    return PageRequest(query).is_by_date
