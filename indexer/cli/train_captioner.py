"""The command `train captioner`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexer.cli.output import entries_of, print_json, show_captions
from indexer.cli.train_options import (
    images_option,
    noted,
    notes_option,
    pairs_option,
    scores_option,
    seed_option,
)
from searchengine.errors import MissingPlugin

if TYPE_CHECKING:
    from indexer.train.loop import Metrics


@click.command("captioner")
@pairs_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the captioner; features and checkpoints are kept beside it in OUT.work.",
)
@images_option
@click.option(
    "--model",
    default="default",
    show_default=True,
    metavar="MODEL",
    help="The joint model whose places are read; the captioner belongs to it.",
)
@click.option(
    "--cell",
    default="lstm",
    show_default=True,
    type=click.Choice(["lstm", "gru"]),
    help="The recurrent unit.",
)
@click.option(
    "--attention",
    default="soft",
    show_default=True,
    type=click.Choice(["soft", "none"]),
    help="Look at places for each word, or see the picture once, before the first word.",
)
@click.option(
    "--level",
    default="words",
    show_default=True,
    type=click.Choice(["words", "characters"]),
    help="What a caption is put together from.",
)
@click.option(
    "--epochs", default=16, show_default=True, type=click.IntRange(min=1), help="At most so many."
)
@click.option(
    "--patience",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Stop after so many epochs that were no better on dev.",
)
@click.option(
    "--measure",
    default="cider",
    show_default=True,
    type=click.Choice(["cider", "bleu4"]),
    help="What tells on dev which epoch is best; that one is kept.",
)
@click.option(
    "--sampling",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the words that come from the model itself at the end (scheduled sampling).",
)
@click.option(
    "--least",
    metavar="N",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="A word is known if the captions have it at least so often.",
)
@click.option(
    "--dropout",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of places' features, words and outputs that is left out in training.",
)
@click.option(
    "--rate",
    default=1.2e-3,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Peak learning rate.",
)
@click.option(
    "--spread",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0),
    help="How much attention is asked to look at all places in the course of a caption.",
)
@click.option(
    "--guide",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="How much attention is asked to look where the joint model finds the word.",
)
@click.option(
    "--start",
    metavar="CAPTIONER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Begin with the weights of this captioner instead of noise.",
)
@click.option(
    "--keep",
    metavar="SHARE",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the weights of --start that is kept in the result.",
)
@seed_option
@notes_option
@scores_option
def captioner(
    pairs: Path,
    out: Path,
    images: Path | None,
    start: Path | None,
    model: str,
    notes: tuple[str, ...],
    as_json: bool,
    **choices: Any,
) -> None:
    """Train a captioner, which writes sentences about what a joint model's CNN sees.

    \b
      lexpix train captioner --pairs captions.jsonl --out captioner --cell gru

    An interrupted training goes on where it was when the same command is given again.
    """
    try:
        from indexer.train.captioner.config import CaptionerConfig
        from indexer.train.captioner.training import train_captioner
    except ModuleNotFoundError as error:
        raise MissingPlugin(f"train needs: pip install 'lexpix[train]' ({error})") from error
    from indexer.progress import meter
    from searchengine.models.captioner.captioner import Captioner
    from searchengine.models.captioner.loading import joint_model

    def on_epoch(epoch: int, metrics: Metrics) -> None:
        shown = "  ".join(f"{key} {value:.1f}" for key, value in metrics.items())
        click.echo(f"epoch {epoch + 1}: {shown}", err=True)

    encoder = joint_model(model)
    with meter("steps") as progress:
        scores = train_captioner(
            pairs,
            out,
            encoder,
            CaptionerConfig(**choices),
            images=images,
            start=None if start is None else Captioner(start, encoder),
            notes=noted(notes),
            progress=progress,
            on_epoch=on_epoch,
        )
    if as_json:
        print_json({"model": str(out), **({} if scores is None else entries_of(scores))})
        return
    if scores is not None:
        show_captions(entries_of(scores))
    click.echo(f"wrote {out}; use it with the option: --captioner {out}", err=True)
