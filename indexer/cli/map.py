"""The commands `map` and `words map`: pictures and words in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import click

from indexer.cli.output import json_option, model_option, print_json
from searchengine.cli.completion import files, queries
from searchengine.cli.completion import words as complete_words
from searchengine.cli.options import stacked, within_option
from searchengine.terminal import printable

if TYPE_CHECKING:
    from indexer.maps.output import Form
    from indexer.maps.scene import Scene
    from searchengine.config import Settings
    from searchengine.search.engine import Engine
    from searchengine.types import Ids

_LIMIT = 50_000
_WORDS = 300
_NEAR = 50


class Size(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """Width and height in pixels, as 1600x1200."""

    name = "size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return (width, height)."""
        width, _, height = str(value).lower().partition("x")
        try:
            size = int(width), int(height)
        except ValueError:
            self.fail(f"{value!r} is not a size such as 1600x1200", param, ctx)
        if not all(100 <= side <= 10_000 for side in size):
            self.fail(f"{value!r}: each side has 100 to 10000 pixels", param, ctx)
        return size


drawing_options = stacked(
    click.option(
        "-o", "--out", required=True, metavar="FILE", shell_complete=files, help="The map to write."
    ),
    click.option(
        "--format",
        "form",
        type=click.Choice(["png", "svg", "html"]),
        help="What to write; else the suffix of the file decides.",
    ),
    click.option(
        "--method",
        type=click.Choice(["pca", "umap"]),
        default="pca",
        show_default=True,
        help="pca keeps large differences; umap keeps neighbours, needs lexpix[map].",
    ),
    click.option("--seed", metavar="N", default=0, show_default=True, help="For umap."),
    click.option(
        "--size",
        type=Size(),
        metavar="WxH",
        default="1600x1200",
        show_default=True,
        help="Pixels of a PNG or SVG; a page fills its window.",
    ),
)
"""The options of all that draw a map."""


@click.command("map")
@drawing_options
@within_option
@click.option(
    "--where",
    metavar="FILTERS",
    shell_complete=queries,
    help='Only pictures that pass filters: "tag:dog - tag:cat".',
)
@click.option(
    "--words/--no-words", "landmarks", default=True, help="Write the fitting tags on the map."
)
@click.option(
    "--thumbs",
    metavar="N",
    type=click.IntRange(0, 5_000),
    default=1_000,
    show_default=True,
    help="Most small pictures; other pictures are dots.",
)
@click.option("--dots", is_flag=True, help="Draw dots only.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(3, _LIMIT),
    default=_LIMIT,
    show_default=True,
    help="Most pictures; of more, some are drawn by lot.",
)
@json_option
@click.pass_obj
def map_library(
    flags: dict[str, str],
    out: str,
    form: Form | None,
    method: Literal["pca", "umap"],
    seed: int,
    size: tuple[int, int],
    within: str | None,
    where: str | None,
    landmarks: bool,
    thumbs: int,
    dots: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Draw the pictures of the library on a map: what looks alike lies together.

    \b
      lexpix map -o map.html                   # pan and zoom it in a browser
      lexpix map -o dogs.png --where tag:dog --method umap
      lexpix map -o map.svg --dots --no-words

    Pictures and words form two clouds in the space of a model, so each is drawn around its own
    middle. A map of HTML holds all that it needs: names of files and small pictures as well.
    """
    from indexer.executors import executor_of
    from indexer.maps.output import form_of, require_writable
    from indexer.maps.scene import LANDMARKS, map_pictures, with_thumbs
    from searchengine.config import load_settings
    from searchengine.search.engine import Engine

    form = form_of(out, form)
    require_writable(out)
    settings = load_settings(flags)
    with Engine.open(settings) as engine:
        ids = _chosen(engine, within, where, limit, seed)
        scene = map_pictures(
            engine.catalog,
            engine.encoder,
            ids,
            method=method,
            seed=seed,
            landmarks=LANDMARKS if landmarks else 0,
        )
    if thumbs and not dots:
        scene, failures = with_thumbs(scene, thumbs, executor_of(settings))
        if failures:
            click.echo(
                f"lexpix: {len(failures)} pictures are drawn as dots; the first because: "
                f"{printable(failures[0])}",
                err=True,
            )
    _finish(scene, out, form, size, as_json, method)


@click.command("map")
@click.argument("words", nargs=-1, shell_complete=complete_words)
@drawing_options
@click.option(
    "--near", metavar="WORD", shell_complete=complete_words, help="The words nearest to this one."
)
@click.option("--frequent", is_flag=True, help="The most frequent words of the model.")
@click.option(
    "-k",
    "count",
    metavar="N",
    type=click.IntRange(3, _LIMIT),
    help=f"Most words; {_NEAR} if near a word, else {_WORDS}.",
)
@click.option(
    "--library", metavar="FOLDER", help="Folder of the library, whose taught words count as well."
)
@model_option
@json_option
def words_map(
    words: tuple[str, ...],
    out: str,
    form: Form | None,
    method: Literal["pca", "umap"],
    seed: int,
    size: tuple[int, int],
    near: str | None,
    frequent: bool,
    count: int | None,
    library: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Draw words on a map: what the model takes for alike lies together.

    \b
      lexpix words map dog cat wolf apple pear plum -o words.png
      lexpix words map --near king -k 50 -o king.svg --method umap
      lexpix words map --frequent -k 5000 -o words.html
      lexpix words map -o tags.html            # the tags that people name most
    """
    if bool(words) + (near is not None) + frequent > 1:
        raise click.UsageError("give words, or --near WORD, or --frequent, or none of them")
    from indexer.maps.output import form_of, require_writable
    from indexer.maps.scene import known_words, map_words, tag_words
    from indexer.maps.vocabulary import frequent_words, nearest_words
    from searchengine.config import load_settings

    form = form_of(out, form)
    require_writable(out)
    named = {"library": library, "model": model}
    flags = {name: value for name, value in named.items() if value is not None}
    with _engine(load_settings(flags)) as engine:
        encoder = engine.encoder_with_taught_words
        if words:
            chosen: Sequence[str] = words if count is None else words[:count]
        elif near is not None:
            chosen = nearest_words(engine.encoder, encoder, near, count or _NEAR)
        elif frequent:
            chosen = frequent_words(engine.encoder, count or _WORDS)
        else:
            chosen = tag_words(engine.encoder, count or _WORDS)
        known, vectors, unknown = known_words(encoder, chosen)
    for word in unknown if words else ():
        click.echo(f"lexpix: {printable(repr(word))} is not known and is not drawn", err=True)
    scene = map_words(known, vectors, method=method, seed=seed)
    _finish(scene, out, form, size, as_json, method)


def _engine(settings: Settings) -> Engine:
    """Open the library, whose taught words count as well, or an empty one if there is none."""
    from searchengine.errors import NothingIndexed
    from searchengine.search.engine import Engine

    try:
        return Engine.open(settings)
    except NothingIndexed:
        return Engine.without_library(settings)


def _chosen(engine: Engine, within: str | None, where: str | None, limit: int, seed: int) -> Ids:
    """Return the ids of the pictures to draw, sorted."""
    import numpy as np

    from searchengine.errors import NothingIndexed, QueryError
    from searchengine.language import query
    from searchengine.search.status import ids_within

    ids = engine.catalog.present()
    if not len(ids):
        raise NothingIndexed("the library has no picture to draw; run: lexpix index FOLDER")
    if within is not None:
        ids = ids_within(engine.catalog, within)
    if where is not None:
        parsed = query.parse(where)
        if parsed.terms:
            raise QueryError(f'{where!r}: --where takes filters only, such as "tag:dog"')
        ids = engine.tags.select(parsed.filters, ids).ids
        if not len(ids):
            raise NothingIndexed(f"{where!r}: no picture passes; see: lexpix tag --list")
    if len(ids) > limit:
        click.echo(f"lexpix: drawing {limit:,} of {len(ids):,} pictures", err=True)
        ids = np.sort(np.random.default_rng(seed).choice(ids, limit, replace=False))
    return ids


def _finish(
    scene: Scene,
    out: str,
    form: Form,
    size: tuple[int, int],
    as_json: bool,
    method: str,
) -> None:
    from indexer.maps.output import render, write

    content = render(scene, form, size)
    write(out, content)
    if as_json:
        print_json(
            {
                "map": out,
                "format": form,
                "method": method,
                "pictures": scene.pictures,
                "words": len(scene.words),
                "thumbs": len(scene.thumbs),
                "bytes": len(content),
            }
        )
        return
    click.echo(f"wrote {printable(out)}: {scene.title}", err=True)
