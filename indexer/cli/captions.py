"""The command `caption`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexer.cli.output import json_option, picture_of, print_json, warn
from searchengine.cli.completion import files
from searchengine.errors import ConfigError, ImageError, UnknownPicture
from searchengine.terminal import printable

if TYPE_CHECKING:
    from io import BufferedReader

    from PIL.Image import Image

    from searchengine.catalog.store import Catalog
    from searchengine.models.captioner.captioner import Captioner
    from searchengine.types import Caption


@click.command()
@click.argument("pictures", nargs=-1, shell_complete=files)
@click.option("--all", "every", is_flag=True, help="Caption the library and keep the captions.")
@click.option(
    "--beam",
    "width",
    metavar="N",
    default=3,
    show_default=True,
    type=click.IntRange(1, 50),
    help="Sentences that are followed at a time; 1 is greedy.",
)
@click.option(
    "--attention",
    "heat",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw for each word where the model looked, for one picture.",
)
@click.option("--explain", "explained", is_flag=True, help="Show how probable each word was.")
@click.option(
    "--min-confidence",
    "least",
    metavar="P",
    type=click.FloatRange(0, 1),
    help="Leave out captions that are less sure than this, 0..1.",
)
@click.option(
    "--write-xmp", "sidecar", is_flag=True, help="Write the captions to .xmp files beside pictures."
)
@click.option(
    "--embed",
    is_flag=True,
    help="With --write-xmp: into the pictures themselves, if they are JPEG.",
)
@click.option(
    "--captioner",
    "name",
    metavar="MODEL",
    default="captioner",
    show_default=True,
    help="The bundled captioner, or the folder of one.",
)
@json_option
@click.pass_obj
def caption(
    flags: dict[str, str],
    pictures: tuple[str, ...],
    every: bool,
    width: int,
    heat: Path | None,
    explained: bool,
    least: float | None,
    sidecar: bool,
    embed: bool,
    name: str,
    as_json: bool,
) -> None:
    """Write a sentence about a picture.

    \b
      lexpix caption ./x.jpg
      lexpix caption ./x.jpg --attention heat.png --explain
      lexpix caption --all                     # so that captions can be searched
      lexpix search "beach caption:dog"

    A picture is a file, which need not be in the library, or a number of the library such as "#12".
    A caption that is more probably wrong than right is shown as "not sure". Descriptions that
    somebody else wrote are never replaced.
    """
    if every == bool(pictures):
        raise click.UsageError("name pictures, or pass --all")
    if every and (heat or explained):
        raise click.UsageError("--attention and --explain are for pictures that are named")
    if heat is not None and len(pictures) > 1:
        raise click.UsageError("--attention draws one picture; name one")
    if embed and not sidecar:
        raise click.UsageError("--embed goes with --write-xmp")
    from searchengine.models.captioner.loading import load_captioner

    captioner = load_captioner(name, flags.get("model"))
    if least is not None and captioner.sureness is None:
        raise ConfigError(
            f"--min-confidence: the captioner {captioner.name!r} does not know how sure it is; "
            "train it with a dev split"
        )
    if every:
        _caption_all(flags, captioner, width, least, as_json, sidecar, embed)
        return
    paths = _paths(flags, pictures)
    results, failed = _write(captioner, paths, width)
    captions = [
        (path, one)
        for path, one in zip(paths, results, strict=True)
        if one is not None and (least is None or (one.confidence or 0.0) >= least)
    ]
    if heat is not None and captions:
        _draw(*captions[0], heat)
    if as_json:
        print_json({"pictures": [_entry(path, one) for path, one in captions]})
    else:
        _show(captions, explained, alone=len(pictures) == 1)
    left_out = len(paths) - failed - len(captions)
    if left_out and not as_json:
        click.echo(f"lexpix: {left_out} left out, less sure than {least:g}", err=True)
    if sidecar:
        _write_xmp([(path, one.text) for path, one in captions if one.sure], embed)
    if failed:
        click.get_current_context().exit(1)


def _paths(flags: dict[str, str], pictures: Sequence[str]) -> list[str]:
    """Return the files of pictures; a library is opened only if one is given by its number."""
    references = [picture_of(picture) for picture in pictures]
    numbers = [one for one in references if isinstance(one, int)]
    stored: dict[int, str] = {}
    if numbers:
        with _library(flags) as catalog:
            stored = {one: row.path for one, row in catalog.get(numbers).items()}
        for one in numbers:
            if one not in stored:
                raise UnknownPicture(f"#{one}: no picture of the library has this number")
    return [stored[one] if isinstance(one, int) else os.path.expanduser(one) for one in references]


@contextmanager
def _library(flags: dict[str, str]) -> Iterator[Catalog]:
    from searchengine.catalog.database import open_database
    from searchengine.catalog.store import Catalog
    from searchengine.config import load_settings

    settings = load_settings(flags)
    database = open_database(settings.library, create=False, address=settings.catalog)
    with closing(Catalog(database)) as catalog:
        yield catalog


def _write(
    captioner: Captioner, paths: Sequence[str], width: int
) -> tuple[list[Caption | None], int]:
    """Return a caption for each file, None where it cannot be read, and how many those are."""
    from searchengine.images import open_image
    from searchengine.types import Failure

    opened: list[Image | None] = []
    for path in paths:
        try:
            with _opened(path) as file:
                size, prepare = captioner.decode_size, captioner.prepare
                opened.append(open_image(file, size=size, prepare=prepare))
        except ImageError as error:
            if len(paths) == 1:
                raise
            opened.append(None)
            warn(Failure(path, str(error).removeprefix(f"{path}: ")))
    captions = iter(captioner.caption([one for one in opened if one is not None], width=width))
    return [None if one is None else next(captions) for one in opened], opened.count(None)


def _opened(path: str) -> BufferedReader:
    from searchengine.sources.opening import open_stored

    try:
        return open_stored(path)
    except OSError as error:
        raise ImageError(f"{path}: not a readable image ({error.strerror or error})") from error


def _show(captions: Sequence[tuple[str, Caption]], explained: bool, *, alone: bool) -> None:
    for path, one in captions:
        doubt = "" if one.sure else "not sure: "
        where = "" if alone else f"{printable(path)}: "
        click.echo(f"{where}{doubt}{one.text}")
        if explained:
            for word, logprob in zip((*one.words, "(end)"), (*one.logprobs, one.end), strict=True):
                click.echo(f"{logprob:8.2f}  {math.exp(logprob):5.1%}  {printable(word)}")
            sure = "" if one.confidence is None else f", confidence {one.confidence:.2f}"
            click.echo(f"{one.logprob:8.2f}  mean log-probability{sure}")


def _entry(path: str, one: Caption) -> dict[str, Any]:
    grids = [None] * len(one.words) if one.attention is None else one.attention.tolist()
    words = [
        {"word": word, "logprob": logprob, "attention": grid}
        for word, logprob, grid in zip(one.words, one.logprobs, grids, strict=True)
    ]
    return {
        "picture": path,
        "caption": one.text,
        "logprob": one.logprob,
        "confidence": one.confidence,
        "sure": one.sure,
        "words": words,
        "end": one.end,
    }


def _draw(path: str, one: Caption, out: Path) -> None:
    from searchengine.images import open_image
    from searchengine.search.attribution import PANEL, draw_attention

    with _opened(path) as file:
        sheet = draw_attention(open_image(file, size=PANEL), one)
    try:
        sheet.save(out)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{out}: cannot be written ({error}); name a .png or .jpg") from error


def _caption_all(
    flags: dict[str, str],
    captioner: Captioner,
    width: int,
    least: float | None,
    as_json: bool,
    sidecar: bool,
    embed: bool,
) -> None:
    from indexer.executors import executor_of
    from indexer.library.captions import caption_library
    from indexer.library.running import running
    from indexer.progress import meter
    from searchengine.config import load_settings

    settings = load_settings(flags)
    with _library(flags) as catalog, running(settings.library, "caption"):
        executor = executor_of(settings)
        with meter("pictures") as progress:
            report = caption_library(
                catalog.captions,
                captioner,
                executor,
                width=width,
                progress=lambda done, total: progress("captions", done, total),
            )
        kept = catalog.captions.count()
        rows = catalog.get(catalog.present().tolist()) if sidecar else {}
        descriptions = [
            (rows[one.image_id].path, one.text)
            for one in catalog.captions.get(rows).values()
            if one.sure and (least is None or (one.confidence or 0.0) >= least)
        ]
    for failure in report.failed:
        warn(failure)
    if as_json:
        failed = [{"path": one.path, "reason": one.reason} for one in report.failed]
        print_json(
            {
                "captioned": report.captioned,
                "unsure": report.unsure,
                "captions": kept,
                "failed": failed,
            }
        )
    elif report.captioned:
        click.echo(
            f"captions for {report.captioned:,} pictures, {report.unsure:,} of them not sure; "
            f"{kept:,} in the library"
        )
    else:
        click.echo(f"nothing to do; {kept:,} captions in the library")
    if sidecar:
        _write_xmp(descriptions, embed)


def _write_xmp(descriptions: Sequence[tuple[str, str]], embed: bool) -> None:
    """Write descriptions and say on standard error what was done."""
    from collections import Counter

    from indexer.library import xmp
    from searchengine.types import Failure

    counts: Counter[str] = Counter()
    for path, text in descriptions:
        try:
            counts[(xmp.embed if embed else xmp.write_sidecar)(path, text)] += 1
        except (xmp.XmpError, OSError) as error:
            counts["failed"] += 1
            warn(Failure(path, str(error)))
    click.echo(
        f"lexpix: {counts['written']} descriptions written, {counts['unchanged']} as they were, "
        f"{counts['kept']} of other people kept, {counts['failed']} failed",
        err=True,
    )
