"""The command `reembed`: move a library from one model to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from indexer.cli.output import entries_of, executor_option, json_option, print_json, warn
from searchengine.errors import LexpixError, ModelError

if TYPE_CHECKING:
    from indexer.library.reembed import ReembedReport
    from searchengine.config import Settings


@click.command()
@click.option("--library", metavar="FOLDER", help="Folder of the library.")
@click.option(
    "--model", metavar="MODEL", help="The new model: a bundled one by name, or its folder."
)
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Use the new model even if some pictures are not there now.",
)
@click.option(
    "--drop",
    metavar="MODEL",
    help="Instead: delete the vectors of a model that is not in use, "
    "by its name or the first digits of its fingerprint.",
)
@executor_option
@json_option
def reembed(
    library: str | None,
    model: str | None,
    allow_missing: bool,
    drop: str | None,
    executor: str | None,
    as_json: bool,
) -> None:
    """Move the library to another model.

    \b
      lexpix reembed --model ./my-model

    Every picture is read again and gets a vector of the new model beside the old one. An
    interrupted run goes on where it was. Until all pictures are done, the library uses the old
    model, and from then on the new one, unless --model or LEXPIX_MODEL says otherwise. Texts get
    vectors of it from what is stored of them.
    """
    from searchengine.config import load_settings

    if (model is None) == (drop is None):
        raise click.UsageError("give one of --model and --drop")
    settings = load_settings({"library": library, "model": model, "executor": executor})
    if drop is not None:
        _drop(settings, drop, as_json)
    else:
        _reembed(settings, allow_missing, as_json)


def _reembed(settings: Settings, allow_missing: bool, as_json: bool) -> None:
    from contextlib import closing

    from indexer.executors import executor_of
    from indexer.library.reembed import reembed
    from indexer.library.running import running
    from indexer.progress import meter
    from searchengine.catalog.database import open_database
    from searchengine.catalog.store import Catalog
    from searchengine.config import load_settings
    from searchengine.search.engine import Engine, load_model

    encoder = load_model(settings.model, settings.inference)
    database = open_database(settings.library, create=False, address=settings.catalog)
    with closing(Catalog(database)) as catalog, running(settings.library, "reembed"):
        with meter("pictures") as progress:
            report = reembed(
                catalog,
                encoder,
                executor=executor_of(settings),
                progress=lambda done, total: progress("embedding", done, total),
                on_failure=warn,
            )
        useless = report.left > 0 and not catalog.searchable(encoder.fingerprint)
        chosen = report.complete or (allow_missing and not useless)
        if chosen:
            catalog.embeddings.choose(settings.model)
    if chosen:
        # Brings the indexes up to date, so that no search has to.
        with Engine.open(settings) as engine, meter("texts") as progress:
            engine.texts.refresh(progress)
    if as_json:
        entries = entries_of(report) | {"model": settings.model, "chosen": chosen}
        print_json(entries | {"fingerprint": encoder.fingerprint})
    else:
        _show(report)
    if not chosen:
        raise LexpixError(
            f"{report.left} pictures have no vector of {settings.model} yet, so the library stays "
            "with the model it has; see to them and give the same command again"
            + ("" if useless else ", or pass --allow-missing to do without them")
        )
    click.echo(f"lexpix: {settings.library} now uses {settings.model}", err=True)
    if "model" not in load_settings({"library": str(settings.library)}).yielding:
        click.echo("lexpix: but LEXPIX_MODEL is set and comes first", err=True)


def _show(report: ReembedReport) -> None:
    parts = [
        (report.added, "embedded"),
        (report.had, "had a vector"),
        (report.bad, "no readable pictures"),
        (report.left, "left"),
        (report.missing, "missing since the last scan"),
    ]
    summary = ", ".join(f"{count:,} {what}" for count, what in parts if count)
    click.echo(summary or "the library has no pictures")


def _drop(settings: Settings, name: str, as_json: bool) -> None:
    from searchengine.indexes.sync import remove_index
    from searchengine.plugins import load_at
    from searchengine.search.engine import INDEX_FOLDER, Engine

    with Engine.open(settings) as engine:
        models = engine.status().models
        matches = [one for one in models if one.name == name or one.fingerprint.startswith(name)]
        if len(matches) != 1:
            known = ", ".join(f"{one.name} ({one.fingerprint[:12]})" for one in models) or "none"
            raise click.BadParameter(
                f"{name!r} names {len(matches)} models; the library has vectors of {known}",
                param_hint="--drop",
            )
        (model,) = matches
        if model.current:
            raise ModelError(
                f"{model.name}: the library uses this model, so its vectors stay; "
                "use another first: lexpix reembed --model MODEL"
            )
        dropped = engine.catalog.embeddings.drop(model.fingerprint)
        folder = settings.library / INDEX_FOLDER
        backend = load_at("lexpix.indexes", settings.index)
        remove_index(engine.catalog, model.fingerprint, folder, backend)
        engine.texts.drop(model.fingerprint)
    click.echo(
        f"lexpix: a server that was started with --model {model.name}, or with LEXPIX_MODEL, "
        "answers no more; one that was started without has moved over, or does so now",
        err=True,
    )
    if as_json:
        print_json({"dropped": dropped, "fingerprint": model.fingerprint})
    else:
        click.echo(f"dropped {dropped} vectors of {model.name}")
