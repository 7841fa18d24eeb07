"""The commands `index`, `failures` and `demo`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

import indexer
from indexer.cli.output import (
    describe,
    entries_of,
    executor_option,
    json_option,
    print_json,
    warn,
)
from searchengine.cli.completion import folders as complete_folders
from searchengine.cli.options import is_interactive
from searchengine.errors import LexpixError, NothingIndexed, RootError
from searchengine.formats import told
from searchengine.terminal import printable

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog
    from searchengine.search.engine import Engine
    from searchengine.types import Failure, IndexReport


UNREADABLE = 4
"""Exit code of an index run that did its work, but could not read some files."""


@click.command()
@click.argument("folders", nargs=-1, shell_complete=complete_folders)
@click.option("--allow-empty", is_flag=True, help="Accept a folder that is gone or empty.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Pass over what fits, in the syntax of gitignore. May be given several times.",
)
@click.option(
    "--yes", is_flag=True, help="Mark pictures as missing without a question, however many."
)
@click.option(
    "--dry-run", is_flag=True, help="Only say what would be done; nothing is written or decoded."
)
@click.option("--no-wait", is_flag=True, help="Do nothing if another run is at work.")
@executor_option
@click.option("--index-memory", metavar="SIZE", help="What searches may go through, as 2GB.")
@click.option("--latency", metavar="TIME", help="What the index may take for a query, as 10ms.")
@click.option("--recall", metavar="SHARE", help="Share of the ten best that it finds, as 0.97.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.pass_context
def index(
    context: click.Context,
    folders: tuple[str, ...],
    allow_empty: bool,
    exclude: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    no_wait: bool,
    executor: str | None,
    index_memory: str | None,
    latency: str | None,
    recall: str | None,
    as_json: bool,
) -> None:
    """Make pictures searchable; only what changed is read.

    A folder may be an address such as s3://bucket/photos or https://host/photos, and an archive at
    one or on this disk counts as a folder: .tar, .zip, .parquet.

    Without a folder, all that were indexed before are scanned again. A folder that is gone or empty
    is refused, as its disk may not be mounted; with --allow-empty its pictures count as missing.

    Folders with a file .nomedia are passed over, and what a file .lexpixignore says, which has
    lines as a .gitignore. --exclude holds for this run only: what it leaves out now is missing, and
    the next run without it adds it again.

    If more than a fifth of a folder's pictures, and more than ten, are gone, the command asks
    before it marks them as missing. Without a terminal it leaves them as they are and does all
    else, unless --yes is given. Another run at work on the library is waited for.

    --dry-run tells what would be added, updated, moved and missing. Files that may have been moved
    are read for that, of others the head alone, so a picture that only decoding shows to be
    unreadable or damaged counts like the others. The exit code is that of the run.

    Ends with 4 if all was done but some files could not be read, with 1 if a folder was refused or
    so many pictures are gone that none was marked.

    Up to about 50,000 pictures a search compares all of them. For more, or with --index-memory,
    --latency or --recall, which the library keeps, an index is made that looks at few, if that pays
    and finds enough; see "lexpix index-info". Searches go on while it is made.
    """
    import time

    from indexer.library.foresight import Foresight
    from searchengine.catalog.skipped import skipped
    from searchengine.config import load_settings, store_settings
    from searchengine.errors import ModelError
    from searchengine.models.loading import names_head
    from searchengine.search.engine import Engine
    from searchengine.sources.addresses import absolute

    named = {"index_memory": index_memory, "latency": latency, "recall": recall}
    budget = {name: value for name, value in named.items() if value is not None}
    settings = load_settings(context.obj | budget | {"executor": executor})
    if "model" not in settings.yielding and names_head(settings.model):
        raise ModelError(
            f"{settings.model}: a model of recipes, which has no pictures of its own; leave it "
            "out: pictures are indexed by the model that it stands on"
        )
    roots = list(map(absolute, folders))
    if not allow_empty:
        _require(roots)
    started = time.monotonic()
    refused: list[RootError] = []
    options: dict[str, Any] = {"allow_empty": allow_empty, "exclude": exclude}
    confirm = _confirmed if yes else _ask if is_interactive() and not dry_run else None
    if dry_run:
        with closing(Foresight(settings)) as foresight:
            roots = roots or _known(foresight.catalog)
            report = _sum_up(
                foresight.index, indexer.Sweeps(), roots, refused.append, confirm, options
            )
            passed_over = skipped(foresight.catalog, roots)
    else:
        with (
            Engine.open(settings, create=bool(roots)) as engine,
            indexer.running(engine, wait=not no_wait) as run,
        ):
            roots = roots or _known(engine.catalog)
            store_settings(settings.library, budget)
            act = partial(indexer.index, engine, run=run)
            later = indexer.Sweeps(engine.refresh)
            report = _sum_up(act, later, roots, refused.append, confirm, options)
            passed_over = skipped(engine.catalog, roots)
            _improve(engine)
            engine.keep_facets()
    if len(refused) < len(roots):
        said = "would be: " if dry_run else ""
        _show_report(report, passed_over, time.monotonic() - started, as_json, said)
    if refused:
        raise LexpixError("\n".join(map(str, refused)))
    if report["unconfirmed"]:
        context.exit(1)
    if report["failed"]:
        context.exit(UNREADABLE)


def _improve(engine: Engine) -> None:
    """Give the index the kind that suits its size and budget, if it has another one."""
    from indexer.progress import meter

    with meter("pictures") as progress:
        decided = engine.improve_index(
            lambda kind, done, total: progress(f"making the index ({kind})", done, total)
        )
    if decided is not None and decided.get("why"):
        click.echo(f"lexpix: index: {decided['kind']}: {decided['why']}", err=True)


@click.command()
@click.option("--retry", is_flag=True, help="Try to read these files again.")
@json_option
@click.pass_obj
def failures(flags: dict[str, str], retry: bool, as_json: bool) -> None:
    """List the files that could not be read, or only in part, and why."""
    from indexer.progress import meter
    from searchengine.config import load_settings
    from searchengine.search.engine import Engine

    settings = load_settings(flags)
    report: IndexReport | None = None
    with Engine.open(settings) as engine:
        if retry:
            with meter("files") as progress:
                report = indexer.retry(
                    engine, progress=lambda at: progress("retrying", at.done, at.total)
                )
        left, damaged = engine.catalog.failures(), engine.catalog.damaged()
    if as_json:
        entries: dict[str, Any] = {
            "failures": [entries_of(failure) for failure in left],
            "damaged": [entries_of(one) for one in damaged],
        }
        print_json(entries | ({"report": entries_of(report)} if report else {}))
        return
    if report:
        click.echo(f"{report.updated} can be read now", err=True)
    for failure in left:
        click.echo(describe(failure))
    for one in damaged:
        click.echo(f"{describe(one)} (it can be found)")
    if not left and not damaged:
        click.echo("no failures", err=True)


@click.command()
@json_option
@click.pass_obj
def demo(flags: dict[str, str], as_json: bool) -> None:
    """Index photographs of other packages and query them.

    They are those of scikit-image and scikit-learn. The library is made in a temporary folder and
    removed at the end, unless --library names one.
    """
    import tempfile

    from indexer.library.demo import photographs, questions
    from searchengine.cli.output import show_hits
    from searchengine.config import load_settings
    from searchengine.search.answers import entries_of as answer_entries
    from searchengine.search.engine import Engine

    folders = photographs()
    with tempfile.TemporaryDirectory(prefix="lexpix-demo-") as temporary:
        settings = load_settings({"library": temporary} | flags)
        with Engine.open(settings, create=True) as engine:
            # What they ship to test readers of files with is no news to somebody who tries lexpix.
            left_out: list[Failure] = []

            def index(root: str, **options: Any) -> IndexReport:
                return indexer.index(engine, root, **options | {"on_failure": left_out.append})

            report = _sum_up(index, indexer.Sweeps(engine.refresh), folders)
            answers = [
                engine.search(question, limit=3, collapse=True) for question in questions(folders)
            ]
    if as_json:
        print_json({"report": report, "answers": [answer_entries(answer) for answer in answers]})
        return
    if left_out:
        names = ", ".join(printable(os.path.basename(one.path)) for one in left_out)
        click.echo(f"left out, no photograph but a test of readers of files: {names}", err=True)
    base = os.path.commonpath(folders) + os.sep  # long, and the same for all
    click.echo(f"indexed {report['added'] + report['unchanged']} pictures below {printable(base)}")
    for answer in answers:
        click.secho(f"\n$ lexpix search '{answer.query.replace(base, './')}' -k 3", bold=True)
        if answer.nothing_like_that:
            click.echo("nothing here looks like that")
        show_hits(answer, base)
    click.echo("\nNow your own: lexpix index ~/Pictures && lexpix search 'a dog on the beach'")


def _raise(error: RootError) -> None:
    raise error


def _sum_up(
    act: Callable[..., IndexReport],
    later: indexer.Sweeps,
    roots: Iterable[str],
    on_refusal: Callable[[RootError], None] = _raise,
    confirm: Callable[[indexer.Gone], bool] | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, int]:
    """Index folders one after the other, or look ahead, and mark what none has found; sum it up."""
    from indexer.progress import meter
    from searchengine.types import IndexReport

    total = Counter(entries_of(IndexReport()))
    for root in roots:
        try:
            with ExitStack() as shown:
                progress = shown.enter_context(meter("files"))

                def answer(gone: indexer.Gone, shown: ExitStack = shown) -> bool:
                    shown.close()  # a bar would write over the question; all files are done by now
                    return confirm is not None and confirm(gone)

                report = act(
                    root,
                    confirm=answer,
                    later=later,
                    progress=lambda at: progress("indexing", at.done, at.total),  # noqa: B023
                    on_failure=warn,
                    **options,
                )
            total.update(entries_of(report))
        except RootError as error:
            on_refusal(error)
    total.update(entries_of(later.finish()))
    return dict(total)


def _confirmed(_gone: indexer.Gone) -> bool:
    return True


def _ask(gone: indexer.Gone) -> bool:
    return click.confirm(f"{printable(str(gone))}: mark them as missing?", err=True)


def _require(roots: Iterable[str]) -> None:
    """Refuse a folder that is not there before a library is made for it."""
    from indexer.library.remote_scan import require_there
    from searchengine.sources.addresses import is_remote

    for root in roots:
        if is_remote(root):
            require_there(root)
        elif not os.path.lexists(root):
            raise RootError(
                f"{root}: no such folder; is its disk mounted? If its pictures are gone for good, "
                "pass --allow-empty"
            )


def _known(catalog: Catalog) -> list[str]:
    roots = [root.path for root in catalog.roots()]
    if not roots:
        raise NothingIndexed("no folder was indexed yet; run: lexpix index FOLDER")
    return roots


def _show_report(
    report: dict[str, int],
    passed_over: dict[str, int],
    seconds: float,
    as_json: bool,
    said: str,
) -> None:
    if as_json:
        print_json(report | {"skipped_files": passed_over})
    else:
        parts = [f"{n:,} {name}" for name, n in report.items() if n and name != "skipped"]
        click.echo(f"{said}{', '.join(parts) or 'nothing to do'} in {seconds:.1f} s")
        if passed_over:
            click.echo(f"skipped {told(passed_over)}")
    if failed := report["failed"]:
        what = "1 file or folder" if failed == 1 else f"{failed:,} files or folders"
        click.echo(f"lexpix: {what} could not be read, see above and: lexpix failures", err=True)
