"""The commands of `import`."""

from __future__ import annotations

from pathlib import Path

import click

from indexer.cli.output import json_option, print_json


@click.group("import")
def import_model() -> None:
    """Make models of others usable here."""


@import_model.command()
@click.argument("architecture")
@click.option(
    "--weights",
    required=True,
    metavar="FILE|TAG",
    help="A file of weights, or the tag of published ones, which are downloaded once.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the model.",
)
@click.option(
    "--preprocessing",
    metavar="TAG",
    help="For a file: the published weights whose way of preparing pictures it shares.",
)
@json_option
def clip(
    architecture: str, weights: str, out: Path, preprocessing: str | None, as_json: bool
) -> None:
    """Import a model of open_clip; needs: pip install 'lexpix[clip]'.

    \b
      lexpix import clip ViT-B-32 --weights laion2b_s34b_b79k --out clip-b32
      lexpix reembed --model ./clip-b32

    ARCHITECTURE is a name that open_clip knows, or a .json file that describes one, such as the
    open_clip_config.json beside published weights. The folder holds a copy of the weights.
    """
    from indexer.readers.open_clip import import_clip

    config = import_clip(architecture, weights, out, preprocessing=preprocessing)
    if as_json:
        print_json({"model": str(out), "fingerprint": config.fingerprint, "dim": config.dim})
        return
    click.echo(f"wrote {out}; use it with the option: --model {out}", err=True)
