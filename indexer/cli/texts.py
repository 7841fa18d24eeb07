"""The commands `texts`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from indexer.cli.output import (
    entries_of,
    json_option,
    library_option,
    limit_option,
    model_option,
    picture_of,
    print_json,
    warn,
)
from searchengine.cli.completion import files as complete_files
from searchengine.cli.completion import words as complete_words
from searchengine.errors import LexpixError, UnknownText
from searchengine.terminal import printable

if TYPE_CHECKING:
    from searchengine.catalog.texts import StoredText
    from searchengine.documents import Kind
    from searchengine.search.engine import Engine
    from searchengine.types import TextAnswer

kind_option = click.option(
    "--kind", type=click.Choice(["text", "recipe"]), help="Only texts of this kind."
)
unlikely_option = click.option(
    "--all", "unlikely", is_flag=True, help="Show recipes even if the picture shows no dish."
)
with_option = click.option(
    "--with", "having", metavar="FOOD", multiple=True, help="Only with this ingredient."
)
without_option = click.option(
    "--without", "lacking", metavar="FOOD", multiple=True, help="Only without this one."
)


@click.group()
def texts() -> None:
    """Keep recipes and other texts beside the pictures, and search both by each other."""


@texts.command()
@click.argument("files", nargs=-1, required=True, shell_complete=complete_files)
@click.option(
    "--kind",
    type=click.Choice(["text", "recipe"]),
    help="What the texts are; else what lists ingredients is a recipe.",
)
@click.option(
    "--prune", is_flag=True, help="Remove texts that came from a file and are no longer in it."
)
@library_option
@model_option
@json_option
def add(
    files: tuple[str, ...],
    kind: Kind | None,
    prune: bool,
    library: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Add the texts of files, or of all files below a folder; only what changed is looked at.

    \b
      lexpix texts add recipes.jsonl --kind recipe

    Read are JSON lines, JSON, JSON-LD, web pages with a schema.org Recipe, Markdown and plain text.

    A text is known by its file and its id there. A text that cannot be read or has no known word is
    skipped and counted; the rest goes through.
    """
    import time

    from indexer.library.running import running
    from indexer.library.texts import TextReport, add_texts, files_of
    from indexer.progress import meter

    started = time.monotonic()
    total: Counter[str] = Counter(entries_of(TextReport()))
    refused: list[str] = []
    paths: list[str] = []
    for name in dict.fromkeys(os.path.abspath(os.path.expanduser(file)) for file in files):
        below = files_of(name)
        paths += below
        if not below:
            refused.append(f"{name}: no such file, and no folder with files of texts")
    if not paths:  # before a library is made in vain
        raise LexpixError("\n".join(refused))
    with (
        opened(library, model, create=True) as engine,
        running(engine.settings.library, "texts"),
    ):
        try:
            for path in paths:
                with meter("texts") as progress:
                    try:
                        report = add_texts(
                            path,
                            engine.texts,
                            kind=kind,
                            prune=prune,
                            progress=progress,
                            on_failure=warn,
                        )
                    except OSError as error:
                        refused.append(f"{path}: cannot be read ({error.strerror})")
                        continue
                total.update(entries_of(report))
        finally:  # what was written before an interruption can be found as well
            with meter("texts") as progress:
                engine.texts.refresh(progress)
    if as_json:
        print_json(total)
    else:
        parts = [f"{count:,} {name.replace('_', ' ')}" for name, count in total.items() if count]
        seconds = time.monotonic() - started
        click.echo(f"{', '.join(parts) or 'nothing to do'} in {seconds:.1f} s")
    if refused:
        raise LexpixError("\n".join(refused))


@texts.command("for")
@click.argument("picture", shell_complete=complete_files)
@limit_option
@kind_option
@unlikely_option
@library_option
@model_option
@json_option
def for_picture(
    picture: str,
    limit: int | None,
    kind: Kind | None,
    unlikely: bool,
    library: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Find the texts nearest to a picture.

    \b
      lexpix texts for ./plate.jpg -k 5

    The picture is a file, which need not be in the library, or a number of the library such as
    "#12". To a picture that shows no dish no recipe is an answer.
    """
    with opened(library, model) as engine:
        answer = engine.texts.for_picture(
            picture_of(picture), limit=limit, kind=kind, unlikely=unlikely
        )
    show_answer(answer, as_json)


@texts.command()
@click.argument("words", nargs=-1, required=True, shell_complete=complete_words)
@with_option
@without_option
@limit_option
@kind_option
@library_option
@model_option
@json_option
def search(
    words: tuple[str, ...],
    having: tuple[str, ...],
    lacking: tuple[str, ...],
    limit: int | None,
    kind: Kind | None,
    library: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Find the texts nearest to words.

    \b
      lexpix texts search "spicy noodle soup" --without peanuts

    --with and --without look at ingredients, as for: lexpix recipes from
    """
    with opened(library, model) as engine:
        answer = engine.texts.search(
            " ".join(words), limit=limit, kind=kind, having=having, lacking=lacking
        )
    for one in answer.translated:
        click.echo(f"lexpix: {printable(one.word)} → {one.english}", err=True)
    for unknown in answer.unknown_words:
        near = f"; did you mean {unknown.suggestion!r}?" if unknown.suggestion else ""
        click.echo(f"lexpix: {unknown.word!r} is not known and did not count{near}", err=True)
    show_answer(answer, as_json)


@texts.command()
@click.argument("number", metavar="ID", type=int)
@library_option
@json_option
def show(number: int, library: str | None, as_json: bool) -> None:
    """Show a text as it was added."""
    with opened(library) as engine:
        text = engine.texts.get(number)
    if as_json:
        print_json(_entry(text))
        return
    document = text.document
    click.secho(printable(document.title) or f"(a {document.kind} without a title)", bold=True)
    for line in document.ingredients:
        click.echo(f"  - {printable(line)}")
    for line in document.body:
        click.echo(f"\n{printable(line)}")
    click.echo(f"\n{document.kind} {text.id}, {document.key!r} of {printable(text.source)}")
    if document.image is not None:
        click.echo(f"picture {printable(os.fspath(document.image))}")


@texts.command("list")
@kind_option
@library_option
@json_option
def list_texts(kind: Kind | None, library: str | None, as_json: bool) -> None:
    """List the texts with their numbers."""
    from searchengine.search.texts import title_of

    with opened(library) as engine:
        if as_json:
            texts = engine.texts.store.all(kind)
            print_json({"texts": [_short(one, title_of(one.document)) for one in texts]})
            return
        empty = True
        for one in engine.texts.store.all(kind):
            empty = False
            title = printable(title_of(one.document))
            click.echo(f"{one.id:>8}  {one.document.kind:<6}  {title}  {printable(one.source)}")
    if empty:
        click.echo("lexpix: no text; run: lexpix texts add FILE", err=True)


@texts.command()
@click.argument("numbers", metavar="ID...", type=int, nargs=-1)
@click.option("--from", "source", metavar="FILE", help="Remove all texts that came from a file.")
@library_option
@json_option
def remove(
    numbers: tuple[int, ...], source: str | None, library: str | None, as_json: bool
) -> None:
    """Remove texts from the library, never from the disk."""
    if not numbers and source is None:
        raise click.UsageError("give numbers of texts, or --from FILE")
    with opened(library) as engine:
        store = engine.texts.store
        ids = list(dict.fromkeys(numbers))
        if source is not None:
            path = os.path.abspath(os.path.expanduser(source))
            ids += store.ids(source=path).tolist()
            if not ids:
                raise UnknownText(f"{path}: the library has no text from it; see: texts list")
        missing = [one for one in ids if one not in store.get([one])]
        if missing:  # none is removed then, as a wrong number may stand for another one
            named = ", ".join(map(str, missing))
            raise UnknownText(f"{named}: no text of the library has this number; see: texts list")
        removed = store.remove(ids)
        engine.texts.refresh()
    if as_json:
        print_json({"removed": removed})
    else:
        click.echo(f"removed {len(removed)} texts; the files are where they were")


@texts.command()
@click.option("-o", "--out", metavar="FILE", help="Write to this file, not to standard output.")
@kind_option
@library_option
@json_option
def export(out: str | None, kind: Kind | None, library: str | None, as_json: bool) -> None:
    """Write the texts as JSON lines, which `texts add` reads back.

    With --json, say in one JSON object what was written to the file of -o.
    """
    from indexer.library.texts import exported

    if as_json and out is None:
        raise click.UsageError("--json needs -o, as the lines are JSON already")
    with opened(library) as engine:
        lines = exported(engine.texts.store.all(kind))
        if out is None:
            for line in lines:
                sys.stdout.write(line + "\n")
            return
        count = _write(out, lines)
    if as_json:
        print_json({"texts": count, "path": os.path.abspath(out)})
    else:
        click.echo(f"{count} texts in {printable(out)}", err=True)


def opened(library: str | None, model: str | None = None, *, create: bool = False) -> Engine:
    """Open the library that options, environment and configuration name."""
    from searchengine.config import load_settings
    from searchengine.search.engine import Engine

    return Engine.open(load_settings({"library": library, "model": model}), create=create)


def show_answer(answer: TextAnswer, as_json: bool) -> None:
    """Print texts as a table or as JSON."""
    if as_json:
        from searchengine.search.answers import translated_entries

        hits = [entries_of(hit) | {"score": round(hit.score, 6)} for hit in answer.hits]
        print_json(
            {
                "query": answer.query,
                "unknown_words": [unknown.word for unknown in answer.unknown_words],
                "translated": translated_entries(answer.translated),
                "hits": hits,
                "nothing_like_that": answer.nothing_like_that,
                "took_ms": round(answer.took_ms, 3),
            }
        )
        return
    if not answer.hits:
        reason = "the picture shows no dish; --all shows the nearest recipes all the same"
        message = reason if answer.nothing_like_that else "no text to show"
        click.echo(f"lexpix: {message}", err=True)
        return
    click.secho(f"{'score':>6}  {'number':>8}  {'kind':<6}  title", bold=True)
    for hit in answer.hits:
        click.echo(f"{hit.score:6.3f}  {hit.id:>8}  {hit.kind:<6}  {printable(hit.title)}")


def _write(out: str, lines: Iterator[str]) -> int:
    """Write lines to a file, whole or not at all; return their number."""
    unfinished = f"{out}.tmp"
    count = 0
    try:
        with open(unfinished, "w", encoding="ascii") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
        os.replace(unfinished, out)
    except OSError as error:
        raise LexpixError(f"{out}: cannot be written ({error.strerror})") from error
    return count


def _short(text: StoredText, title: str) -> dict[str, Any]:
    return {"id": text.id, "kind": text.document.kind, "title": title, "source": text.source}


def _entry(text: StoredText) -> dict[str, Any]:
    document = text.document
    return _short(text, document.title) | {
        "body": list(document.body),
        "ingredients": list(document.ingredients),
        "ingredient_names": list(text.names),
        "image": None if document.image is None else os.fspath(document.image),
        "key": document.key,
    }
