"""The command `train captioner`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from indexer.cli.config import config_option, configured, field_option
from indexer.cli.output import entries_of, print_json, show_captions
from indexer.cli.train_options import (
    images_option,
    needing_torch,
    notes_option,
    out_option,
    pairs_option,
    scores_option,
    show_epoch,
)
from indexer.train.captioner.config import CaptionerConfig


@click.command("captioner")
@pairs_option
@out_option("Folder of the captioner; features and checkpoints are kept beside it in OUT.work.")
@images_option
@click.option(
    "--model",
    default="default",
    show_default=True,
    metavar="MODEL",
    help="The joint model whose places are read; the captioner belongs to it.",
)
@field_option(CaptionerConfig, "cell", "The recurrent unit.")
@field_option(
    CaptionerConfig,
    "attention",
    "Look at places for each word, or see the picture once, before the first word.",
)
@field_option(CaptionerConfig, "level", "What a caption is put together from.")
@field_option(CaptionerConfig, "epochs", "At most so many.")
@field_option(CaptionerConfig, "patience", "Stop after so many epochs that were no better on dev.")
@field_option(
    CaptionerConfig, "measure", "What tells on dev which epoch is best; that one is kept."
)
@field_option(
    CaptionerConfig,
    "sampling",
    "Share of the words that come from the model itself at the end (scheduled sampling).",
)
@field_option(
    CaptionerConfig,
    "least",
    "A word is known if the captions have it at least so often.",
    metavar="N",
)
@field_option(
    CaptionerConfig,
    "dropout",
    "Share of places' features, words and outputs that is left out in training.",
)
@field_option(CaptionerConfig, "rate", "Peak learning rate.")
@field_option(
    CaptionerConfig,
    "spread",
    "How much attention is asked to look at all places in the course of a caption.",
)
@field_option(
    CaptionerConfig,
    "guide",
    "How much attention is asked to look where the joint model finds the word.",
)
@click.option(
    "--start",
    metavar="CAPTIONER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Begin with the weights of this captioner instead of noise.",
)
@field_option(
    CaptionerConfig,
    "keep",
    "Share of the weights of --start that is kept in the result.",
    metavar="SHARE",
)
@field_option(CaptionerConfig, "seed", "The same seed gives the same model.")
@config_option(CaptionerConfig)
@notes_option
@scores_option
def captioner(
    pairs: Path,
    out: Path,
    images: Path | None,
    start: Path | None,
    model: str,
    notes: Mapping[str, str],
    as_json: bool,
    **_fields: Any,
) -> None:
    """Train a captioner, which writes sentences about what a joint model's CNN sees.

    \b
      lexpix train captioner --pairs captions.jsonl --out captioner --cell gru

    An interrupted training goes on where it was when the same command is given again.
    """
    with needing_torch():
        from indexer.train.captioner.training import train_captioner
    from indexer.progress import meter
    from searchengine.models.captioner.captioner import Captioner
    from searchengine.models.captioner.loading import joint_model

    encoder = joint_model(model)
    with meter("steps") as progress:
        scores = train_captioner(
            pairs,
            out,
            encoder,
            configured(CaptionerConfig),
            images=images,
            start=None if start is None else Captioner(start, encoder),
            notes=notes,
            progress=progress,
            on_epoch=partial(show_epoch, "epoch"),
        )
    if as_json:
        print_json({"model": str(out), **({} if scores is None else entries_of(scores))})
        return
    if scores is not None:
        show_captions(entries_of(scores))
    click.echo(f"wrote {out}; use it with the option: --captioner {out}", err=True)
