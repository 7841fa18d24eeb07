"""The commands that produce what is searched: `index`, `failures`, `demo` and `train`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from searchengine.errors import LexpixError, MissingPlugin, NothingIndexed, RootError
from searchengine.terminal import printable

if TYPE_CHECKING:
    from indexer.executors import Executor
    from indexer.train.loop import Metrics
    from searchengine.config import Settings
    from searchengine.engine import Engine
    from searchengine.types import Failure, IndexReport


@click.command()
@click.argument("folders", nargs=-1)
@click.option("--allow-empty", is_flag=True, help="Accept a folder that is gone or empty.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.pass_obj
def index(
    flags: dict[str, str], folders: tuple[str, ...], allow_empty: bool, as_json: bool
) -> None:
    """Make pictures searchable; only what changed is read.

    Without a folder, all that were indexed before are scanned again. A folder that is gone or empty
    is refused, as its disk may not be mounted; with --allow-empty its pictures count as missing.
    """
    import time

    from searchengine.config import load_settings
    from searchengine.engine import Engine

    settings = load_settings(flags)
    roots = [os.path.abspath(os.path.expanduser(folder)) for folder in folders]
    if not allow_empty:
        _require(roots)
    started = time.monotonic()
    refused: list[RootError] = []
    with Engine.open(settings, create=bool(roots)) as engine:
        wanted = roots or _known(engine)
        report = _index(engine, settings, wanted, refused.append, allow_empty)
    if len(refused) < len(wanted):
        _show_report(report, time.monotonic() - started, as_json)
    if refused:
        raise LexpixError("\n".join(map(str, refused)))


@click.command()
@click.option("--retry", is_flag=True, help="Try to read these files again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def failures(flags: dict[str, str], retry: bool, as_json: bool) -> None:
    """List the files that could not be read, and why."""
    from indexer.pipeline import retry_failures
    from indexer.progress import meter
    from searchengine.config import load_settings
    from searchengine.engine import Engine

    settings = load_settings(flags)
    report: IndexReport | None = None
    with Engine.open(settings) as engine:
        if retry:
            with meter("files") as progress:
                report = retry_failures(
                    engine.catalog,
                    engine.encoder,
                    executor=_executor(settings),
                    progress=lambda at: progress("retrying", at.done, at.total),
                )
            engine.refresh()
        left = engine.catalog.failures()
    if as_json:
        entries: dict[str, Any] = {"failures": [_entries(failure) for failure in left]}
        _print_json(entries | ({"report": _entries(report)} if report else {}))
        return
    if report:
        click.echo(f"{report.updated} can be read now", err=True)
    for failure in left:
        click.echo(_line(failure))
    if not left:
        click.echo("no failures", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def demo(flags: dict[str, str], as_json: bool) -> None:
    """Index photographs of other packages and query them.

    They are those of scikit-image and scikit-learn. The library is made in a temporary folder and
    removed at the end, unless --library names one.
    """
    import tempfile

    from indexer.demo import photographs, questions
    from searchengine.config import load_settings
    from searchengine.engine import Engine, entries_of

    folders = photographs()
    with tempfile.TemporaryDirectory(prefix="lexpix-demo-") as temporary:
        settings = load_settings({"library": temporary} | flags)
        with Engine.open(settings, create=True) as engine:
            report = _index(engine, settings, folders)
            answers = [engine.search(question, limit=3) for question in questions(folders)]
    if as_json:
        _print_json({"report": report, "answers": [entries_of(answer) for answer in answers]})
        return
    base = os.path.commonpath(folders) + os.sep  # long, and the same for all
    click.echo(f"indexed {report['added']} pictures below {printable(base)}")
    for answer in answers:
        click.secho(f"\n$ lexpix search '{answer.query.replace(base, './')}' -k 3", bold=True)
        for hit in answer.hits:
            click.echo(f"{hit.score:6.3f}  {printable(hit.path.removeprefix(base))}")
    click.echo("\nNow your own: lexpix index ~/Pictures && lexpix search 'a dog on the beach'")


@click.group("eval")
def evaluate() -> None:
    """Measure a model, or a library on itself."""


model_option = click.option(
    "--model", metavar="MODEL", help="A bundled model by name, or the folder of a model."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@evaluate.command("retrieval")
@click.option(
    "--pairs",
    required=True,
    type=click.Path(path_type=Path),
    help="Captioned pictures, as for training.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the pictures, if not the folder of the pairs.",
)
@click.option("--split", default="dev", show_default=True, help="Which pictures: train, dev, test.")
@model_option
@json_option
def evaluate_pairs(
    pairs: Path, images: Path | None, split: str, model: str | None, as_json: bool
) -> None:
    """Measure how well sentences find their pictures and pictures their sentences.

    Recall at 1, 5 and 10 in percent and the median rank; a picture's rank is that of its best
    sentence, ties count against the model.
    """
    from indexer.evaluate import evaluate_retrieval
    from indexer.train.data import read_pairs
    from searchengine.config import load_settings
    from searchengine.engine import load_model
    from searchengine.errors import TrainingDataError

    chosen = [pair for pair in read_pairs(pairs, images) if pair.split == split and pair.captions]
    if not chosen:
        raise TrainingDataError(f"{pairs}: no captioned pictures of the split {split!r} in it")
    encoder = load_model(load_settings({"model": model}).model)
    scores = evaluate_retrieval(encoder, [p.image for p in chosen], [p.captions for p in chosen])
    if as_json:
        _print_json(_entries(scores))
        return
    click.echo(f"{scores.images} pictures, {scores.captions} captions")
    _show_recall("sentence -> picture", _entries(scores.t2i))
    _show_recall("picture -> sentence", _entries(scores.i2t))


@evaluate.command("labels")
@click.option(
    "--labels",
    required=True,
    type=click.Path(path_type=Path),
    help='JSON lines {"image": path relative to the file, "labels": [..]}.',
)
@model_option
@json_option
def evaluate_names(labels: Path, model: str | None, as_json: bool) -> None:
    """Measure how well names find pictures and pictures names.

    Recall of names, the share of pictures with a right name among the nearest one and five, and the
    mean average precision over the names, all in percent.
    """
    from indexer.evaluate import evaluate_labels, read_labels
    from searchengine.config import load_settings
    from searchengine.engine import load_model

    labelled = read_labels(labels)
    scores = evaluate_labels(load_model(load_settings({"model": model}).model), labelled)
    if as_json:
        _print_json(_entries(scores))
        return
    if scores.unknown:
        click.echo(f"lexpix: left out as unknown: {', '.join(scores.unknown)}", err=True)
    click.echo(f"{scores.images} pictures, {scores.names} names")
    _show_recall("name -> picture", _entries(scores.n2p))
    click.echo(f"picture -> name: top-1 {scores.top1:.1f}  top-5 {scores.top5:.1f}")
    click.echo(f"mean average precision: {scores.mean_average_precision:.1f}")


@evaluate.command("library")
@click.option(
    "--queries",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Texts that people ask, one a line, to count unknown words.",
)
@click.option(
    "--sample", default=1000, show_default=True, type=click.IntRange(min=1), help="Pictures asked."
)
@click.option("--library", metavar="FOLDER", help="Folder of the library.")
@model_option
@json_option
def evaluate_own(
    queries: Path | None, sample: int, library: str | None, model: str | None, as_json: bool
) -> None:
    """Measure a library without labels.

    Recall of the index against the exact ranking in percent, time of a query, hubness (skewness of
    how often a picture is among the ten nearest of others), unknown words in given queries.
    """
    from indexer.evaluate import evaluate_library
    from searchengine.config import load_settings
    from searchengine.engine import Engine

    settings = load_settings({"library": library, "model": model})
    asked = queries.read_text(encoding="utf-8").splitlines() if queries else []
    with Engine.open(settings) as engine:
        scores = evaluate_library(
            engine.catalog, engine.encoder, engine.index, queries=asked, sample=sample
        )
    if as_json:
        _print_json(_entries(scores))
        return
    click.echo(f"{scores.pictures} pictures, {scores.queries} of them asked")
    click.echo(f"recall of the index: {scores.index_recall:.2f}")
    click.echo(f"one query: median {scores.p50_ms:.2f} ms, 95 % below {scores.p95_ms:.2f} ms")
    click.echo(f"hubness: {scores.hubness:.2f}")
    if scores.unknown_words is not None:
        click.echo(f"unknown words: {scores.unknown_words:.2f} %")


@click.group()
def train() -> None:
    """Train models; needs: pip install 'lexpix[train]'."""


@train.command()
@click.option(
    "--pairs",
    required=True,
    type=click.Path(path_type=Path),
    help="Captioned pictures: JSON lines, Karpathy, COCO or Flickr tokens.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the model; checkpoints are kept beside it in OUT.work.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the pictures, if not the folder of the pairs.",
)
@click.option(
    "--backbone",
    default="efficientnet_lite0",
    show_default=True,
    help="CNN: efficientnet_lite0, or a classifier of torchvision by name.",
)
@click.option(
    "--words",
    type=click.Path(path_type=Path),
    help="Word vectors: GloVe or word2vec text, or a word table; else GloVe 6B 50d.",
)
@click.option(
    "--classes",
    type=click.Path(path_type=Path),
    help="Names of the backbone's classes, tab-separated: index, id, name, synonyms, gloss.",
)
@click.option(
    "--dim",
    default=512,
    show_default=True,
    type=click.IntRange(min=2),
    help="Dimensions of the joint space.",
)
@click.option(
    "--epochs",
    default=40,
    show_default=True,
    type=click.IntRange(min=1),
    help="Epochs with the CNN frozen.",
)
@click.option(
    "--finetune",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Epochs that train the CNN too, after those.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same model.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or mps.")
@click.option(
    "--note",
    "notes",
    multiple=True,
    metavar="KEY=TEXT",
    help="Put a note, such as a licence, into the model.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the scores on dev as one JSON object.")
def joint(
    pairs: Path,
    out: Path,
    images: Path | None,
    backbone: str,
    words: Path | None,
    classes: Path | None,
    dim: int,
    epochs: int,
    finetune: int,
    seed: int,
    device: str,
    notes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a joint embedding of pictures and words from captioned pictures.

    An interrupted training goes on where it was when the same command is given again.
    """
    try:
        from indexer.train.contrastive import Recipe
        from indexer.train.joint import Sources, train_joint
    except ModuleNotFoundError as error:
        raise MissingPlugin(f"train needs: pip install 'lexpix[train]' ({error})") from error

    def on_epoch(phase: str, epoch: int, metrics: Metrics) -> None:
        shown = "  ".join(f"{key} {value:.1f}" for key, value in metrics.items())
        click.echo(f"{phase} {epoch + 1}: {shown}", err=True)

    noted = dict(_key_and_text(note) for note in notes)
    sources = Sources(pairs, images, backbone, words, classes=classes, notes=noted)
    recipe = Recipe(dim=dim, epochs=epochs, finetune=finetune, seed=seed)
    from indexer.progress import meter

    with meter("steps") as progress:
        scores = train_joint(
            sources, out, recipe, device=device, progress=progress, on_epoch=on_epoch
        )
    if as_json:
        _print_json({"model": str(out), **scores})
        return
    for way, name in (("t2i", "sentence -> picture"), ("i2t", "picture -> sentence")):
        if way in scores:
            _show_recall(name, scores[way])
    click.echo(f"wrote {out}; use it with the option: --model {out}", err=True)


def _show_recall(name: str, scores: Mapping[str, float]) -> None:
    click.echo(
        f"{name}: R@1 {scores['r1']:.1f}  R@5 {scores['r5']:.1f}  R@10 {scores['r10']:.1f}"
        f"  median rank {scores['medr']:.0f}"
    )


def _raise(error: RootError) -> None:
    raise error


def _index(
    engine: Engine,
    settings: Settings,
    roots: Iterable[str],
    on_refusal: Callable[[RootError], None] = _raise,
    allow_empty: bool = False,
) -> dict[str, int]:
    """Index folders one after the other; return the sum of their reports."""
    from indexer.pipeline import index_images
    from indexer.progress import meter
    from searchengine.types import IndexReport

    total = Counter(_entries(IndexReport()))
    for root in roots:
        try:
            with meter("files") as progress:
                report = index_images(
                    root,
                    engine.catalog,
                    engine.encoder,
                    executor=_executor(settings),
                    allow_empty=allow_empty,
                    progress=lambda at: progress("indexing", at.done, at.total),
                    on_failure=_warn,
                )
            total.update(_entries(report))
        except RootError as error:
            on_refusal(error)
        finally:  # what was written before an interruption can be found as well
            engine.refresh()
    return dict(total)


def _executor(settings: Settings) -> Executor:
    from searchengine.plugins import load

    executor: Executor = load("lexpix.executors", settings.executor)(settings.workers)
    return executor


def _require(roots: Iterable[str]) -> None:
    """Refuse a folder that is not there before a library is made for it."""
    for root in roots:
        if not os.path.lexists(root):
            raise RootError(
                f"{root}: no such folder; is its disk mounted? If its pictures are gone for good, "
                "pass --allow-empty"
            )


def _known(engine: Engine) -> list[str]:
    roots = [root.path for root in engine.catalog.roots()]
    if not roots:
        raise NothingIndexed("no folder was indexed yet; run: lexpix index FOLDER")
    return roots


def _show_report(report: dict[str, int], seconds: float, as_json: bool) -> None:
    if as_json:
        _print_json(report)
        return
    parts = [f"{count:,} {name}" for name, count in report.items() if count]
    click.echo(f"{', '.join(parts) or 'nothing to do'} in {seconds:.1f} s")


def _entries(value: Any) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(value)


def _print_json(entries: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(entries))


def _warn(failure: Failure) -> None:
    click.echo(f"lexpix: {_line(failure)}", err=True)


def _line(failure: Failure) -> str:
    return f"{printable(failure.path)}: {printable(failure.reason)}"


def _key_and_text(note: str) -> tuple[str, str]:
    key, equals, text = note.partition("=")
    if not equals:
        raise click.BadParameter(f"{note!r} is not KEY=TEXT", param_hint="--note")
    return key, text
